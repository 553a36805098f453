"""A card of a day gone by says what was so then, and names the panels that only know today."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from model.serve import Served, card_past
from model.serve.timeline import end_of

COMPANY = "demo"
ALL = Viewer.operator()
DAY, END = date(2026, 5, 31), datetime(2026, 6, 1, tzinfo=UTC)


def lists(**given: Any) -> dict[str, Any]:
    """The documents of a customer, empty but for what is given."""
    names = ("tickets", "projects", "milestones", "opportunities", "contracts", "orders", "ticket_events")
    return {name: given.get(name, []) for name in names}


def busiest(db: Served) -> str:
    (row, *_) = db.rows(
        """select customer_key, count(*) as n from core.fct_ticket where customer_key <> 'C000000'
           group by all order by n desc, customer_key"""
    )
    return str(row["customer_key"])


def test_today_s_card_is_as_of_today(db: Served) -> None:
    assert set(serve.customer(ALL, db, busiest(db))["as_of_basis"].values()) == {"as_of"}


@pytest.mark.parametrize("days", [30, 200, 500])
def test_tickets_stand_as_their_history_says(db: Served, days: int) -> None:
    key, day = busiest(db), db.today() - timedelta(days=days)
    card = serve.customer(ALL, db, key, as_of=day)
    end = end_of(db, day)
    said = {row["record_key"]: row["status"] for row in card["tickets"]}
    rows = db.rows(
        """select ticket.record_key, arg_max(event.to_value, row(event.happened_at, length(event.record_key),
                  event.record_key)) as status
           from core.fct_ticket as ticket
           join core.fct_ticket_event as event on event.ticket_key = ticket.record_key and event.field = 'status'
           where ticket.customer_key = ? and ticket.created_at <= ? and event.happened_at < ? group by all""",
        [key, end, end],
    )
    assert said == {row["record_key"]: row["status"] for row in rows}
    assert card["as_of_basis"]["tickets"] == "as_of"
    assert card["kpis"]["tickets"]["open"] == sum(status not in {"solved", "closed"} for status in said.values())
    assert all(row["created_at"] <= end for row in card["tickets"])


def test_panels_without_history_say_so_and_show_nothing_later(db: Served) -> None:
    day = db.today() - timedelta(days=200)
    rows = db.rows(
        """select customer_key from core.dim_project where customer_key <> 'C000000' and start_on < ?
           order by customer_key""",
        [day],
    )
    card = serve.customer(ALL, db, rows[0]["customer_key"], as_of=day)
    assert card["as_of_basis"]["projects"] == "current"
    assert card["as_of_basis"]["identity"] == "current"
    assert card["as_of_basis"]["receivables"] == card["as_of_basis"]["timeline"] == "as_of"
    assert all(row["start_on"] <= day for row in card["projects"])
    assert all(row["order_on"] <= day for row in card["orders"])
    assert all(row["happened_at"] < end_of(db, day) for row in card["timeline"])


def row(**values: Any) -> dict[str, Any]:
    return {"record_key": "s:1", "created_at": None, "solved_at": None, "closed_at": None, "status": "closed",
            "is_open": False, "resolution_sla": "met", "satisfaction": "good", **values}  # fmt: skip


@pytest.mark.parametrize(
    ("ticket", "status", "basis"),
    [
        (row(solved_at=datetime(2026, 6, 2, tzinfo=UTC)), "open", "as_of"),
        (row(solved_at=datetime(2026, 5, 2, tzinfo=UTC)), "closed", "as_of"),
        (row(), "closed", "current"),
        (row(status="open", is_open=True), "open", "as_of"),
        (row(status="hold", is_open=True), "hold", "current"),
    ],
)
def test_without_history_dates_decide_or_the_panel_says_current(
    ticket: dict[str, Any], status: str, basis: str
) -> None:
    then, bases = card_past.past(lists(tickets=[ticket]), DAY, END)
    assert (then["tickets"][0]["status"], bases["tickets"]) == (status, basis)
    assert bases["orders"] == "as_of"  # nothing to show is nothing from today


def test_a_contract_that_expired_later_was_in_force() -> None:
    contract = {"signed_on": None, "start_on": date(2025, 1, 1), "end_on": date(2026, 6, 30), "status": "expired"}
    then, bases = card_past.past(lists(contracts=[contract]), DAY, END)
    assert (then["contracts"][0]["status"], bases["contracts"]) == ("in_force", "as_of")
    _, bases = card_past.past(lists(contracts=[{**contract, "status": "terminated"}]), DAY, END)
    assert bases["contracts"] == "current"
