"""The limitation clock is told 180 days ahead, stops with what interrupts it, and is not stopped by a dispute."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import insert

from model.alerts import evaluate, listing, try_rule
from ops.instance import Instance
from ops.store import stamp
from ops.tables import disputes, promises, statements, work_events
from tests.alerts.conftest import CUSTOMER, Build

OLD = "2024-05-10"  # the period ends on 2027-05-10, 168 days after the test's day


def _write(instance: Instance, table: Any, **values: Any) -> None:
    with instance.store.begin() as connection:
        connection.execute(insert(table).values(**values))


def _told(instance: Instance) -> dict[str, tuple[int, str, str | None]]:
    return {
        row["document"]: (row["step"], row["due_on"], row["hold"])
        for row in listing(instance.store)
        if row["rule"] == "limitation_near"
    }


@pytest.fixture
def old(build: Build) -> Build:
    build.item("OLD", OLD, 1000, posted="2024-04-10")
    build.item("YOUNG", "2024-06-01", 1000, posted="2024-04-10")
    return build


def test_it_is_told_180_days_before_and_again_nearer_and_after_the_end(
    instance: Instance, old: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-10T02:00:00Z")
    evaluate(instance, old)
    assert _told(instance) == {}, "181 days are left"
    for day, step in (("2026-11-11", 1), ("2027-02-09", 2), ("2027-04-10", 3), ("2027-05-11", 4)):
        monkeypatch.setenv("C360_NOW", f"{day}T02:00:00Z")
        evaluate(instance, old)
        assert _told(instance)["OLD"] == (step, "2027-05-10", None), day


def test_a_demand_a_promise_a_confirmation_or_a_part_payment_begins_it_anew(instance: Instance, old: Build) -> None:
    for number in ("PROMISED", "CONFIRMED", "PAID"):
        old.item(number, OLD, 1000, posted="2024-04-10")
    evaluate(instance, old)
    assert sorted(_told(instance)) == ["CONFIRMED", "OLD", "PAID", "PROMISED"]
    _write(instance, work_events, at=stamp(), actor="li", action="stage", item_key="erp:OLD#1",
           happened_on="2026-11-20", code="demand_letter")  # fmt: skip
    _write(instance, promises, item_key="erp:PROMISED#1", amount="1", currency="CNY", promised_on="2026-12-01",
           made_by="li", made_at=stamp())  # fmt: skip
    _write(instance, statements, kind="statement", anchor=f"erp:{CUSTOMER}", currency="CNY", from_on="2026-01-01",
           to_on="2026-10-31", opening_amount="0", closing_amount="1000", state="confirmed", version="v5",
           items='{"erp:CONFIRMED#1": "1000"}', file="x.pdf", file_hash="x", sent_by="li", sent_at=stamp(),
           confirmed_on="2026-11-20", updated_at=stamp())  # fmt: skip
    old.pay("PAID", "2026-11-01", 100)
    evaluate(instance, old)
    assert _told(instance) == {}


def test_a_reminder_by_a_word_that_is_no_demand_changes_nothing(instance: Instance, old: Build) -> None:
    _write(instance, work_events, at=stamp(), actor="li", action="stage", item_key="erp:OLD#1",
           happened_on="2026-11-20", code="stop_supply")  # fmt: skip
    evaluate(instance, old)
    assert sorted(_told(instance)) == ["OLD"]


def test_a_dispute_does_not_stop_the_clock(instance: Instance, old: Build) -> None:
    _write(instance, disputes, item_key="erp:OLD#1", amount="1000", currency="CNY", reason="quality", opened_by="li",
           opened_at=stamp())  # fmt: skip
    evaluate(instance, old)
    assert _told(instance) == {"OLD": (1, "2027-05-10", None)}


def test_money_that_waits_and_covers_the_item_holds_the_alert(instance: Instance, old: Build) -> None:
    old.cash("R1", "2026-11-17", 5000)
    evaluate(instance, old)
    assert _told(instance) in ({}, {"OLD": (1, "2027-05-10", "covered")})


def test_it_can_be_tried_on_the_past(instance: Instance, old: Build) -> None:
    found = try_rule(instance, "limitation_near", date(2026, 11, 9), date(2026, 11, 12), published=old)
    assert (found.already, found.fires) == (0, 1)
