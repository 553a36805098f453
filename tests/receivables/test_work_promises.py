"""Trust case 3 end to end: a promise from its making to the dishonoured bill, day by day, through the only door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ingest.collect import sync
from model import build, conform, serve
from model.policy import Viewer
from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from tests.receivables.test_trust_cases import CUSTOMER, PROMISED

FINANCE = Viewer(user="chen.li", name="陈立", role="finance")
ITEM = "books:A1#1"
Day = Callable[[str], serve.Served]


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    root = tmp_path_factory.mktemp("promise")
    folder = root / "books"
    folder.mkdir()
    for name, text in {"customer": CUSTOMER, **PROMISED}.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(folder)})
    made = Instance.create(root / "i", InstanceConfig(source=[source]))
    assert [result.error for result in sync(made, "books") if result.error] == []
    assert conform.stage(made).counts.rejected == 0
    build.build(made)
    yield made
    made.store.close()


@pytest.fixture
def on(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Day:
    """The published build as people see it at ten in the morning of a day."""

    def _on(day: str) -> serve.Served:
        monkeypatch.setenv("C360_NOW", f"{day}T02:00:00+00:00")
        return serve.open_published(instance)

    return _on


def line(db: serve.Served) -> dict[str, Any]:
    (found,) = serve.worklist(FINANCE, db)
    return found


def item(db: serve.Served) -> dict[str, Any]:
    (found,) = serve.work_items(FINANCE, db)
    return found


def performance(db: serve.Served) -> dict[str, Any]:
    (found,) = serve.promise_performance(FINANCE, db, date(2026, 11, 1), date(2026, 11, 30))
    return found


def test_trust_case_3(on: Day) -> None:
    serve.act(FINANCE, on("2026-11-10"), ITEM, "promise", amount=60000, on=date(2026, 11, 18))
    assert line(on("2026-11-10"))["state"] == "promise"

    found = line(on("2026-11-18"))
    assert (found["open_amount"], found["unallocated_amount"]) == (100000, 40000)
    assert (found["state"], found["paid_check"], found["score"]) == ("paid_check", True, 0)
    assert item(on("2026-11-18"))["status"] == "paid_check"

    db = on("2026-11-19")
    promise = item(db)["promise"]
    assert (promise["kept_amount"], promise["kept_percent"]) == (40000, Decimal("66.67"))
    assert (promise["state"], promise["broken_amount"]) == ("broken", 20000)
    assert (line(db)["state"], line(db)["open_amount"], line(db)["score_parts"]["broken"]) == (
        "promise_broken", 60000, 2,
    )  # fmt: skip
    assert line(db)["score"] > 0

    db = on("2026-11-20")
    assert (line(db)["open_amount"], line(db)["state"]) == (40000, "promise_broken")
    serve.act(FINANCE, db, ITEM, "promise", on="2026-11-30")
    assert (line(db)["state"], line(db)["promised_amount"], line(db)["score"]) == ("promise", 40000, 0)

    db = on("2026-11-27")
    assert serve.worklist(FINANCE, db) == []
    assert serve.aging(FINANCE, db)["totals"] == []

    db = on("2026-12-01")
    found = performance(db)
    assert (found["kept_by_amount_percent"], found["kept_by_count_percent"]) == (80, 50)
    assert (found["kept"], found["promises"], found["by_bill_amount"]) == (1, 2, 40000)
    assert found["expected_cash"] == [(date(2027, 5, 27), 40000)]

    db = on("2027-05-28")
    assert (item(db)["open_amount"], item(db)["due_on"], item(db)["days_past_due"]) == (40000, date(2026, 10, 20), 220)
    assert item(db)["status"] == "promise_broken"
    assert performance(db)["kept_by_amount_percent"] == 40

    by_owner_and_customer(on)
    past(on)
    withdrawn(on)


def by_owner_and_customer(on: Day) -> None:
    for by in ("owner", "customer"):
        (found,) = serve.promise_performance(FINANCE, on("2026-12-01"), date(2026, 11, 1), date(2026, 11, 30), by=by)
        assert found["kept_by_amount_percent"] == 80
    with pytest.raises(FatalError, match="not offered"):
        serve.promise_performance(FINANCE, on("2026-12-01"), date(2026, 11, 1), date(2026, 11, 30), by="moon")


def past(on: Day) -> None:
    db = on("2026-12-01")
    card = serve.customer(FINANCE, db, "C1", as_of=date(2026, 11, 19))
    (shown,) = card["receivables"]["items"]
    assert (shown["status"], shown["promise"]["amount"]) == ("promise_broken", 60000)
    (before,) = serve.customer(FINANCE, db, "C1", as_of=date(2026, 11, 9))["receivables"]["items"]
    assert (before["promise"], before["status"]) == (None, "not_contacted")


def withdrawn(on: Day) -> None:
    db = on("2026-11-20")
    serve.act(FINANCE, db, ITEM, "promise", amount=5, on="2026-12-20")
    serve.act(FINANCE, db, ITEM, "withdraw_promise", promise_id=3)
    found = serve.promise_performance(FINANCE, on("2026-12-21"), date(2026, 12, 1), date(2026, 12, 31))
    assert found == []
    with pytest.raises(FatalError, match="there is no promise 3"):
        serve.act(FINANCE, on("2026-11-20"), ITEM, "withdraw_promise", promise_id=3)
    with pytest.raises(FatalError, match="in the past"):
        serve.act(FINANCE, on("2026-11-20"), ITEM, "promise", on="2026-11-19")
