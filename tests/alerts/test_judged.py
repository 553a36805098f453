"""Alerts judge holds, promises and credit by the definitions that the worklist and the exposure page use."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import insert

from model.alerts import evaluate, listing
from model.alerts.rule import Rule, find
from ops.instance import Instance
from ops.store import stamp
from ops.tables import disputes, notes, promises
from tests.alerts.conftest import CUSTOMER, Build


def _write(instance: Instance, table: Any, **values: Any) -> None:
    with instance.store.begin() as connection:
        connection.execute(insert(table).values(**values))


def _told(instance: Instance, rule: str) -> list[str]:
    return sorted(row["document"] or "" for row in listing(instance.store) if row["rule"] == rule and not row["hold"])


def test_an_order_that_is_not_delivered_uses_credit(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-12-31", 300_000)
    build.stage(
        sales_order=[
            {"source_id": "O1", "number": "SO-1", "customer_id": CUSTOMER, "order_on": date(2026, 11, 1),
             "document_status": "approved", "currency": "CNY", "gross_amount": Decimal(900_000)}
        ]
    )  # fmt: skip
    evaluate(instance, build)
    [alert] = [row for row in listing(instance.store) if row["rule"] == "credit_over_limit"]
    assert (alert["amount"], alert["step"]) == ("1200000.00", 2)


def test_cash_that_covers_what_is_not_disputed_holds_the_alert(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    build.cash("R1", "2026-11-17", 600)
    evaluate(instance, build)
    assert _told(instance, "overdue") == ["A1"], "600 do not cover 1000"
    _write(instance, disputes, item_key="erp:A1#1", amount="400", currency="CNY", reason="quality", opened_by="li",
           opened_at=stamp())  # fmt: skip
    evaluate(instance, build)
    [alert] = [row for row in listing(instance.store) if row["rule"] == "overdue"]
    assert alert["hold"] == "covered"


def test_the_latest_promise_counts_not_the_sum_of_all(instance: Instance, build: Build) -> None:
    build.item("A1", "2026-11-01", 1000)
    for amount in ("600", "400"):
        _write(instance, promises, item_key="erp:A1#1", amount=amount, currency="CNY", promised_on="2026-11-30",
               made_by="li", made_at=stamp())  # fmt: skip
    evaluate(instance, build)
    assert _told(instance, "overdue") == ["A1"], "the latest promise is for 400 of 1000"


def test_one_sum_of_waiting_money_keeps_one_promise(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-10T02:00:00Z")
    for number in ("A1", "A2"):
        build.item(number, "2026-11-01", 1000)
        _write(instance, promises, item_key=f"erp:{number}#1", amount="1000", currency="CNY",
               promised_on="2026-11-20", made_by="li", made_at=stamp())  # fmt: skip
    build.cash("R1", "2026-11-15", 1000)
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
    evaluate(instance, build)
    states = {row["document"]: row["hold"] for row in listing(instance.store) if row["rule"] == "broken_promise"}
    assert states == {"A2": None}, "1000 that wait are held against A1; another 1000 was promised and has not come"


def test_terms_from_receipt_start_the_day_that_was_recorded(instance: Instance, build: Build) -> None:
    build.stage(
        invoice=[
            {"source_id": "A1", "number": "A1", "customer_id": CUSTOMER, "kind": "invoice", "currency": "CNY",
             "document_status": "approved", "invoice_on": date(2026, 6, 1), "gross_amount": Decimal(1000),
             "payment_terms": "票到60天"}
        ]
    )  # fmt: skip
    evaluate(instance, build)
    assert _told(instance, "overdue") == []
    _write(instance, notes, anchor="erp:A1", kind="invoice_received", until="2026-06-10", made_by="li",
           made_at=stamp())  # fmt: skip
    evaluate(instance, build)
    assert _told(instance, "overdue") == ["A1"]


def test_a_rule_on_credit_used_must_say_that_it_tells_it() -> None:
    values = find("credit_over_limit").model_dump() | {"tells": None}
    values["condition"] = {"sql": values["condition"]["sql"].replace("e.credit_limit_amount", "1")}
    with pytest.raises(ValidationError, match='tells = "credit"'):
        Rule.model_validate(values)
