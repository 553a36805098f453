"""Work state is kept on records and open items: it follows them through merge, split and rebuild."""

from __future__ import annotations

from typing import Any

from model import alerts, serve
from model.policy import Viewer
from ops.instance import Instance
from tests.identity.steward_books import STEWARD, crosswalk, decide, served
from tests.warehouse import helpers

FINANCE = Viewer(user="chen.li", name="陈立", role="finance", masks=frozenset({"phone"}))
C0, C1 = ("crm", "c0"), ("crm", "c1")


def work(inst: Instance) -> None:
    """A promise, a dispute, a call, a pin, a visit and an alert on customer 1; a pin on customer 0."""
    db = served(inst)
    item = next(row for row in serve.customer(FINANCE, db, "crm:c1")["receivables"]["items"])["record_key"]
    serve.act(FINANCE, db, item, "promise", amount="50", on="2026-11-30", note="三十号付")
    serve.act(FINANCE, db, item, "dispute", amount="10", reason="price")
    serve.log_call(FINANCE, db, "crm:c1", result="not_reached", note="没人接")
    serve.pin(FINANCE, db, "crm:c1")
    serve.pin(FINANCE, db, "crm:c0")
    serve.seen(FINANCE, db, "crm:c1")
    alerts.evaluate(inst)


def told(inst: Instance, query: str) -> dict[str, Any]:
    """What the screens say about the customer of `query`, and what is kept about it; ids of alerts with their state."""
    db = served(inst)
    card = serve.customer(FINANCE, db, query)
    key = card["customer_key"]
    items = {
        row["invoice_number"]: (row["status"], row["promise"] and row["promise"]["amount"], row["dispute"] is not None)
        for row in card["receivables"]["items"]
    }
    return {
        "items": items,
        "history": [(row["action"], row["body"]) for row in serve.work_history(FINANCE, db, customer=key)],
        "pinned": key in {row["customer_key"] for row in serve.pinned(FINANCE, db)},
        "recent": key in {row["customer_key"] for row in serve.recent(FINANCE, db)},
        "alerts": {
            (row["alert_id"], row["rule"]) for row in serve.alerts(FINANCE, db) if row.get("customer_key") == key
        },
    }


def test_work_state_follows_its_record_through_merge_and_split(inst: Instance) -> None:
    work(inst)
    one, other = told(inst, "crm:c1"), told(inst, "crm:c0")
    assert one["items"]["INV-1"][1:] == (50, True)
    assert [action for action, _ in one["history"]] == ["call", "dispute", "promise"]
    assert one["pinned"]
    assert one["recent"]
    assert one["alerts"]
    assert not other["recent"]

    decide(inst, C0, C1, "same")
    helpers.make(inst)
    alerts.evaluate(inst)
    both = told(inst, "crm:c0")
    assert both["items"] == one["items"] | other["items"]
    assert both["history"] == one["history"]
    assert both["recent"]
    by_item = {rule for _, rule in one["alerts"] | other["alerts"]}
    assert {pair for pair in one["alerts"] if pair in both["alerts"]}, (
        f"the alerts of {by_item} are still the same ones"
    )
    assert [row["customer_key"] for row in serve.pinned(FINANCE, served(inst))] == [crosswalk(inst)[C0]]
    serve.log_call(FINANCE, served(inst), "crm:c1", result="not_reached", note="合并后")

    decide(inst, C0, C1, "unmerge")
    helpers.make(inst, full=True)
    alerts.evaluate(inst)
    assert told(inst, "crm:c1") == one
    back = told(inst, "crm:c0")
    assert back["items"] == other["items"]
    assert back["pinned"]
    assert not back["recent"]
    assert back["alerts"] == other["alerts"]
    # what was noted on the merged customer stays with the record that it was noted on
    assert [body for _, body in back["history"]] == ["合并后"]


def test_a_promise_is_on_its_item_wherever_that_goes(inst: Instance) -> None:
    work(inst)
    decide(inst, ("erp", "e1"), ("erp", "e2"), "same")
    serve.take_apart(STEWARD, served(inst), ["erp:e1"])
    helpers.make(inst)
    assert crosswalk(inst)["erp", "e1"] == crosswalk(inst)["erp", "e2"] != crosswalk(inst)[C1]
    assert told(inst, "erp:e2")["items"]["INV-1"][1:] == (50, True)
    moved = told(inst, "crm:c1")
    assert moved["items"] == {}
    assert moved["pinned"], "a pin stays with the record that it was put on"
    assert [action for action, _ in moved["history"]] == ["call"]
