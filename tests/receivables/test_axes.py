"""What was known when, and money that settles somebody else's invoice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from model import serve
from model.policy import Viewer
from ops.instance import Instance
from run.cli import app
from tests.warehouse import helpers

DAY = date(2026, 10, 31)


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def stage(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        names = {"A": "甲辰仪器有限公司", "B": "乙巳仪器有限公司"}
        helpers.put(con, "customer", "erp", [{"id": key, "code": key, "name": name} for key, name in names.items()])
        bill: dict[str, Any] = {"currency": "CNY", "invoice_on": "2026-08-01", "due_on": "2026-08-31",
                                "entered_at": at("2026-08-01")}  # fmt: skip
        helpers.put(con, "invoice", "erp", [
            bill | {"id": "IA", "number": "IA", "customer_id": "A", "gross_amount": 1000},
            bill | {"id": "IB", "number": "IB", "customer_id": "B", "gross_amount": 500},
            bill | {"id": "RED", "number": "RED", "customer_id": "A", "kind": "red", "gross_amount": -200},
        ])  # fmt: skip
        helpers.put(con, "receipt", "erp", [
            {"id": "R1", "number": "R1", "customer_id": "A", "currency": "CNY", "received_on": "2026-09-10",
             "amount": 900, "entered_at": at("2026-09-10")}])  # fmt: skip
        helpers.put(con, "credit_note", "erp", [
            {"id": "N1", "number": "N1", "customer_id": "A", "currency": "CNY", "credit_on": "2026-09-11",
             "gross_amount": 70, "entered_at": at("2026-09-11")}])  # fmt: skip
        paid: dict[str, Any] = {"kind": "receipt", "receipt_id": "R1", "allocated_on": "2026-09-15"}
        helpers.put(con, "allocation", "erp", [
            paid | {"id": "1", "invoice_id": "IA", "amount": 400, "entered_at": at("2026-09-15")},
            paid | {"id": "2", "invoice_id": "IB", "amount": 300, "entered_at": at("2026-10-20")},
            {"id": "3", "kind": "credit_note", "credit_note_id": "N1", "invoice_id": "IB", "amount": 20,
             "allocated_on": "2026-09-15", "entered_at": at("2026-09-15")},
            {"id": "4", "kind": "red_invoice", "credit_note_id": "RED", "invoice_id": "IB", "amount": 50,
             "allocated_on": "2026-09-15", "entered_at": at("2026-09-15")},
        ])  # fmt: skip


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = helpers.instance(tmp_path_factory.mktemp("axes") / "i")
    stage(made)
    helpers.make(made)
    yield made
    made.store.close()


def figures(row: dict[str, Any]) -> tuple[Decimal, ...]:
    return tuple(row[name] for name in ("open", "overdue", "unallocated", "credits"))


def by_name(instance: Instance, known_at: date | None) -> dict[str, tuple[Decimal, ...]]:
    rows = serve.aging(Viewer.operator(), serve.open_published(instance), as_of=DAY, known_at=known_at)["rows"]
    return {row["name"]: figures(row) for row in rows}


@pytest.mark.parametrize("known_at", [None, date(2026, 9, 30)])
def test_a_third_party_s_money_counts_once_on_aging_and_card(instance: Instance, known_at: date | None) -> None:
    late = 300 if known_at else 0
    wanted = {
        "甲辰仪器有限公司": (600, 600, 200 + late, 50 + 150),
        "乙巳仪器有限公司": (130 + late, 130 + late, 0, 0),
    }
    assert by_name(instance, known_at) == wanted
    for name, code in (("甲辰仪器有限公司", "A"), ("乙巳仪器有限公司", "B")):
        card = serve.customer(Viewer.operator(), serve.open_published(instance), code, as_of=DAY, known_at=known_at)
        (row,) = card["receivables"]["by_currency"]
        assert figures(row) == wanted[name]


@pytest.mark.parametrize(("known_at", "opened"), [("2026-10-19", 1030), ("2026-10-20", 730), ("2026-09-14", 1500)])
def test_what_was_entered_later_is_not_known(instance: Instance, known_at: str, opened: int) -> None:
    arguments = ["aging", "--as-of", DAY.isoformat(), "--known-at", known_at, "--json"]
    result = CliRunner().invoke(app, ["--home", str(instance.home), *arguments])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert answer["known_at"] == known_at
    assert Decimal(answer["totals"][0]["open"]) == opened


def test_a_date_that_is_none_is_misuse(instance: Instance) -> None:
    result = CliRunner().invoke(app, ["--home", str(instance.home), "aging", "--as-of", "yesterday"])
    assert result.exit_code != 0
