"""The row rule of a team on the demo company: a leader of people sees theirs, on every page and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from model.serve import NotFound, Served

COMPANY = "demo"


@pytest.fixture(scope="module")
def leader(db: Served) -> Viewer:
    """A viewer with scope team who is in the team with most customers among those that leave some to others."""
    (row, *_) = db.rows(
        """select employee.employee_key, employee.team, count(*) as n
           from core.dim_employee as employee
           join core.dim_employee as mate on mate.team = employee.team
           join core.dim_customer as customer on customer.owner_key = mate.employee_key
           group by all order by n desc, employee.employee_key"""
    )
    return Viewer("leader", "leader", "leader", row["employee_key"], row["team"], "team", frozenset({"bank"}))


@pytest.fixture(scope="module")
def sides(db: Served, leader: Viewer) -> tuple[dict[str, str], dict[str, str]]:
    """(the team's customers, the others): key → name."""
    rows = db.rows(
        """select customer.customer_key, customer.name, employee.team is not distinct from ?
                  or employee.employee_key = ? or employee.manager_key = ? as is_ours
           from core.dim_customer as customer
           left join core.dim_employee as employee on employee.employee_key = customer.owner_key""",
        [leader.team, leader.employee_key, leader.employee_key],
    )
    ours = {row["customer_key"]: row["name"] for row in rows if row["is_ours"]}
    return ours, {row["customer_key"]: row["name"] for row in rows if row["customer_key"] not in ours}


QUESTIONS: dict[str, Callable[[Viewer, Served], Any]] = {
    "aging": lambda v, db: serve.aging(v, db),
    "aging of a past day": lambda v, db: serve.aging(v, db, as_of=db.today().replace(month=6)),
    "worklist": lambda v, db: serve.worklist(v, db),
    "alerts": lambda v, db: serve.alerts(v, db),
    "renewals": lambda v, db: serve.renewals(v, db),
    "overview": lambda v, db: serve.overview(v, db),
    "search": lambda v, db: [serve.search(v, db, text, 50) for text in ("有限公司", "gs", "C-0", "13")],
}


def keys_in(answer: Any) -> set[str]:
    """Every customer key anywhere in an answer."""
    if isinstance(answer, dict):
        own = {answer["customer_key"]} if isinstance(answer.get("customer_key"), str) else set()
        return own.union(*(keys_in(value) for value in answer.values()))
    return set().union(*(keys_in(item) for item in answer)) if isinstance(answer, list) else set()


def test_the_team_has_customers_of_several_people_and_leaves_some(
    db: Served, leader: Viewer, sides: tuple[dict[str, str], dict[str, str]]
) -> None:
    ours, others = sides
    assert ours
    assert others
    owners = db.rows(
        "select count(distinct owner_key) as n from core.dim_customer where list_contains(?, customer_key)",
        [list(ours)],
    )
    assert owners[0]["n"] > 1


@pytest.mark.parametrize("question", QUESTIONS)
def test_only_the_team_s_rows(
    db: Served, leader: Viewer, sides: tuple[dict[str, str], dict[str, str]], question: str
) -> None:
    ours, others = sides
    QUESTIONS[question](Viewer.operator(), db)
    answer = QUESTIONS[question](leader, db)
    assert keys_in(answer) <= set(ours)
    said = json.dumps(answer, default=str, ensure_ascii=False)
    assert not [name for name in others.values() if f'"{name}"' in said and name not in ours.values()]
    if question in {"aging", "worklist", "search"}:
        assert keys_in(answer)


def test_aging_of_the_team_is_the_sum_of_its_customers(
    db: Served, leader: Viewer, sides: tuple[dict[str, str], dict[str, str]]
) -> None:
    ours, _ = sides
    everything = [row for row in serve.aging(Viewer.operator(), db)["rows"] if row["customer_key"] in ours]
    for total in serve.aging(leader, db)["totals"]:
        assert total["open"] == sum(row["open"] for row in everything if row["currency"] == total["currency"])


def test_cards_open_for_the_team_and_for_nobody_else_s(
    db: Served, leader: Viewer, sides: tuple[dict[str, str], dict[str, str]]
) -> None:
    ours, others = sides
    for key in sorted(ours)[:5]:
        assert serve.customer(leader, db, key)["customer_key"] == key
        assert serve.changes_since(leader, db, key)["basis"] == "first_visit"
    for key in sorted(others)[:5]:
        for ask in (serve.customer, serve.timeline, serve.changes_since, serve.seen):
            with pytest.raises(NotFound):
                ask(leader, db, key)
        sql = "select source, source_id from core.dim_customer_record where customer_key = ?"
        for record in db.rows(sql, [key]):
            with pytest.raises(NotFound):
                serve.record(leader, db, record["source"], "customer", record["source_id"])
