"""Accepting a difference, whose it is, both sides' documents, the command and the alert."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from ingest.collect import sync
from model import alerts, build, policy, serve
from model.alerts.trial import try_rule
from model.policy import Viewer
from ops.errors import C360Error, FatalError
from ops.instance import Instance
from ops.tables import audit, work_events
from run.cli import app
from tests.receivables import books
from tests.reconcile.conftest import CONTRACT, FINANCE, ORDER, TODAY, Make, found

AS_CSV = CONTRACT + "C1,HT-0,sales,500,CNY,2026-01-05,2026-01-05,2026-03-31\n"
BOOKS = {
    "employee": "code,name,email\nE1,林北,e1@example.com\nE2,林南,e2@example.com\n",
    "customer": "code,name,owner_id\nC1,示例仪器有限公司,E1\nC2,另一家设备有限公司,E2\n",
    "contract": AS_CSV
    + "C1,HT-1,sales,90000,CNY,2026-08-01,2026-08-01,2026-09-30\n"
    + "C2,HT-2,sales,700,CNY,2026-04-01,2026-04-01,2026-06-30\n",
    "sales_order": ORDER + "C1,SO-0,HT-0,2026-01-08,2026-01-20,CNY,500\nC1,SO-1,HT-1,2026-08-02,,CNY,60000\n"
    "C1,SO-2,HT-1,2026-08-09,,CNY,2000\n",
}
ITEM = "contract_order|contract:HT-1|CNY"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The books, built once; tests copy them and never change them."""
    folder = tmp_path_factory.mktemp("state")
    books.instance(folder, BOOKS).store.close()
    return folder


@pytest.fixture
def instance(template: Path, tmp_path: Path) -> Iterator[Instance]:
    made = books.copied(template, tmp_path)
    yield made
    made.store.close()


def state(instance: Instance, day: date = TODAY) -> str:
    (item,) = [row for row in found(instance, "contract_order", day) if row["item_id"] == ITEM]
    return str(item["state"])


def manager(instance: Instance, code: str) -> Viewer:
    db = serve.open_published(instance)
    (row,) = db.rows("select employee_key from core.dim_employee where code = ?", [code])
    return policy.viewer(code, code, "account_manager", employee_key=row["employee_key"])


def add_order(instance: Instance, tmp_path: Any, line: str) -> None:
    path = tmp_path / "books" / "sales_order.csv"
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")
    assert [result.error for result in sync(instance, "books") if result.error] == []
    build.build(instance)


def test_an_acceptance_holds_for_its_amounts_and_is_audited(instance: Instance, tmp_path: Any) -> None:
    db = serve.open_published(instance)
    assert state(instance) == "open"
    serve.accept_difference(FINANCE, db, ITEM, reason="agreed", note="客户改单")
    (item,) = [row for row in found(instance, "contract_order") if row["item_id"] == ITEM]
    assert (item["state"], item["accepted"]["reason"], item["accepted"]["note"], item["lapsed"]) == (
        "accepted", "agreed", "客户改单", None,
    )  # fmt: skip
    (summary,) = serve.reconciliation(FINANCE, db, rule="contract_order")["rules"]
    assert (summary["open"], summary["accepted"]) == (1, 1)
    assert state(instance, date(2026, 11, 20)) == "open"
    with instance.store.read() as connection:
        (event,) = connection.execute(select(work_events)).all()
        (entry,) = connection.execute(select(audit).where(audit.c.action == "reconcile.accept_difference")).all()
    assert (event.action, event.item_key, event.code, event.anchor) == (
        "accept_difference", ITEM, "agreed", "books:C1",
    )  # fmt: skip
    assert json.loads(entry.details)["left_amount"] == "90000.00"
    assert serve.work_history(FINANCE, db, customer="C1")[0]["label"] == "与客户另有约定"
    add_order(instance, tmp_path, "C1,SO-3,HT-1,2026-08-20,,CNY,100\n")
    (item,) = [row for row in found(instance, "contract_order") if row["item_id"] == ITEM]
    assert (item["state"], item["accepted"], item["lapsed"]["right_amount"]) == ("open", None, Decimal(62000))


def test_an_acceptance_is_taken_back(instance: Instance) -> None:
    db = serve.open_published(instance)
    with pytest.raises(FatalError, match="not accepted"):
        serve.withdraw_acceptance(FINANCE, db, ITEM)
    serve.accept_difference(FINANCE, db, ITEM, reason="agreed")
    serve.accept_difference(FINANCE, db, ITEM, reason="other")
    assert state(instance) == "accepted"
    serve.withdraw_acceptance(FINANCE, db, ITEM)
    assert state(instance) == "open"


def refusals(db: Any) -> list[Callable[[], Any]]:
    service = Viewer(user="x", name="x", role="service")
    return [
        lambda: serve.accept_difference(FINANCE, db, ITEM, reason="because"),
        lambda: serve.accept_difference(service, db, ITEM, reason="agreed"),
        lambda: serve.accept_difference(FINANCE, db, "contract_order|contract:HT-0|CNY", reason="agreed"),
        lambda: serve.accept_difference(FINANCE, db, "nonsense", reason="agreed"),
        lambda: serve.reconciliation(FINANCE, db, classes=["strange"]),
        lambda: serve.reconciliation(FINANCE, db, rule="strange"),
    ]


def test_what_cannot_be_accepted_or_asked_is_refused(instance: Instance) -> None:
    db = serve.open_published(instance)
    for refused in refusals(db):
        with pytest.raises(C360Error):
            refused()
    with instance.store.read() as connection:
        assert connection.execute(select(work_events)).all() == []


def test_a_matter_of_time_cannot_be_accepted(make: Make) -> None:
    fresh = "C1,HT-1,sales,900,CNY,2026-11-20,2026-11-20,2027-09-30\n"
    instance = make({**BOOKS, "contract": AS_CSV + fresh, "sales_order": ORDER + "C1,SO-0,HT-0,2026-01-08,,CNY,500\n"})
    with pytest.raises(FatalError, match="matter of time"):
        serve.accept_difference(FINANCE, serve.open_published(instance), ITEM, reason="agreed")


def test_an_account_manager_sees_and_accepts_only_own_differences(instance: Instance) -> None:
    db = serve.open_published(instance)
    north, south = manager(instance, "E1"), manager(instance, "E2")
    assert [row["number"] for row in found(instance, "contract_order", viewer=north)] == ["HT-1"]
    assert [row["number"] for row in found(instance, "contract_order", viewer=south)] == ["HT-2"]
    assert len(found(instance, "contract_order")) == 2
    with pytest.raises(serve.NotFound):
        serve.accept_difference(south, db, ITEM, reason="agreed")
    with pytest.raises(serve.NotFound):
        serve.reconciliation_rows(south, db, ITEM)
    serve.accept_difference(north, db, ITEM, reason="agreed")
    assert state(instance) == "accepted"
    months = serve.reconciliation_periods(south, db, "contract_order")
    assert [(row["left_amount"], row["right_count"]) for row in months] == [(Decimal(700), 0)]


def test_rows_of_both_sides_are_the_source_documents(instance: Instance) -> None:
    shown = serve.reconciliation_rows(FINANCE, serve.open_published(instance), ITEM)
    assert [(row["number"], row["entity"], row["amount"]) for row in shown["left"]] == [("HT-1", "contract", 90000)]
    assert [(row["record_key"], row["number"], row["amount"]) for row in shown["right"]] == [
        ("books:SO-1", "SO-1", 60000), ("books:SO-2", "SO-2", 2000),
    ]  # fmt: skip
    assert sum(row["amount"] for row in shown["right"]) == shown["item"]["right_amount"]
    record = serve.record(
        FINANCE, serve.open_published(instance), "books", "sales_order", shown["right"][0]["source_id"]
    )
    assert record["entity"] == "sales_order"


def test_months_are_the_control_totals(instance: Instance) -> None:
    rows = serve.reconciliation_periods(FINANCE, serve.open_published(instance), "contract_order")
    august = rows[0]
    assert (august["period_on"], august["left_amount"], august["right_count"], august["difference"]) == (
        date(2026, 8, 1), 90000, 2, 28000,
    )  # fmt: skip
    assert august["by_class"] == {"amount": 1}


def test_the_command_prints_rules_differences_and_documents(instance: Instance) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["--home", str(instance.home), "reconcile", *arguments])
        assert result.exit_code == 0, result.output
        return result.output

    assert "contract_order" in run()
    assert ITEM in run("--rule", "contract_order")
    assert "HT-1" in run("--customer", "C1")
    assert "SO-2" in run("--item", ITEM)
    told = json.loads(run("--rule", "contract_order", "--as-of", "2026-11-01", "--json"))
    assert {(item["number"], item["difference"]) for item in told["items"]} == {
        ("HT-1", "28000.00"),
        ("HT-2", "700.00"),
    }


def alerted(instance: Instance) -> list[Any]:
    alerts.evaluate(instance)
    return [row for row in alerts.listing(instance.store) if row["rule"] == "reconciliation_gap"]


def test_an_alert_tells_the_owner_of_a_new_difference_until_it_is_accepted(instance: Instance) -> None:
    tried = try_rule(instance, "reconciliation_gap", date(2026, 10, 1), date(2026, 11, 22))
    assert [(str(one["on"]), one["document"], one["amount"]) for one in tried.examples] == [
        ("2026-10-31", "HT-1", "28000.00")
    ]
    (told,) = alerted(instance)
    assert (told["subject"], told["owner_key"]) == (ITEM, manager(instance, "E1").employee_key)
    serve.accept_difference(FINANCE, serve.open_published(instance), ITEM, reason="agreed")
    assert alerted(instance) == []
