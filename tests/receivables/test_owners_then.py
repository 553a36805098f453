"""The aging of a past day stands under the owners of that day, against a list of who owned what kept by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from model import serve
from model.policy import Viewer
from model.serve import Served
from tests.warehouse import helpers

TODAY, FIRST = date(2026, 11, 21), date(2026, 8, 3)
SELLERS = ("north", "south", "east", None)
OPERATOR = Viewer.operator()
Story = dict[
    str, list[tuple[date, str | None]]
]  # customer → days from which an owner is told, the first collection first


def story() -> Story:
    """Thirty customers, collected from different days on, handed over up to three times."""
    luck = random.Random(20261121)
    found: Story = {}
    for number in range(30):
        day = FIRST + timedelta(days=luck.choice([0, 0, 0, 40]))
        told = [(day, luck.choice(SELLERS))]
        for _ in range(luck.randint(0, 3)):
            day += timedelta(days=luck.randint(1, 35))
            told.append((day, luck.choice(SELLERS)))
        found[f"C{number:02d}"] = told
    return found


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", f"{TODAY}T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("owners") / "i", mode="demo")
        with helpers.open_staging(made) as con:
            helpers.put(con, "employee", "erp", [
                {"id": f"E-{side}", "code": f"E-{side}", "name": f"林{side}", "email": f"{side}@example.com",
                 "is_active": True} for side in SELLERS if side])  # fmt: skip
            told = sorted(
                (day, key, owner) for key, days in story().items() for day, owner in days if owner is not None
            )
            told += sorted((day, key, "") for key, days in story().items() for day, owner in days if owner is None)
            for day, key, owner in sorted(told):
                row = {
                    "id": key,
                    "code": key,
                    "name": f"示例{key}仪器有限公司",
                    "owner_id": f"E-{owner}" if owner else None,
                }
                # noon in the company's zone
                helpers.put(con, "customer", "erp", [row], at=datetime.combine(day, time(4), UTC))
            helpers.put(con, "invoice", "erp", [
                {"id": f"I{key}", "number": f"I{key}", "customer_id": key, "currency": "CNY",
                 "invoice_on": "2026-07-01", "due_on": "2026-07-31", "gross_amount": 100 + number}
                for number, key in enumerate(sorted(story()))])  # fmt: skip
        helpers.make(made)
        yield serve.open_published(made)
        made.store.close()


def wanted(day: date) -> tuple[dict[str, Decimal], Decimal]:
    """Owner → what is open under them, and how much of it is under an owner that is only assumed."""
    found: dict[str, Decimal] = defaultdict(Decimal)
    assumed = Decimal(0)
    for number, (_, told) in enumerate(sorted(story().items())):
        before = [owner for on, owner in told if on <= day]
        owner = before[-1] if before else told[0][1]
        found[f"林{owner}" if owner else ""] += 100 + number
        assumed += 0 if before else 100 + number
    return dict(found), assumed


@pytest.mark.parametrize("days", [0, 1, 12, 30, 45, 60, 75, 90, 108, 109])
def test_the_owners_are_those_of_the_day(db: Served, days: int) -> None:
    day = FIRST + timedelta(days=days)
    answer = serve.aging(OPERATOR, db, as_of=day, by="owner")
    owners, assumed = wanted(day)
    assert {row["owner"]: row["open"] for row in answer["rows"]} == owners
    assert sum(row["owner_assumed"] for row in answer["rows"]) == assumed
    assert answer["members_on"] == day
    for row in answer["rows"]:
        behind = serve.aging_rows(OPERATOR, db, as_of=day, by="owner", group=row["owner_key"] or "")
        assert sum(one["open_amount"] for one in behind) == row["open"]
        assert {one["owner"] for one in behind} == {row["owner"]}


def test_before_the_first_collection_every_owner_is_assumed(db: Served) -> None:
    [total] = serve.aging(OPERATOR, db, as_of=date(2026, 8, 1), by="owner")["totals"]
    assert total["owner_assumed"] == total["open"] == sum(wanted(date(2026, 8, 1))[0].values())


def test_today_and_other_dimensions_stand_under_what_is_now(db: Served) -> None:
    rows = serve.aging(OPERATOR, db, by="owner")["rows"]
    assert {row["owner"] or "": row["open"] for row in rows} == wanted(TODAY)[0]
    assert sum(row["owner_assumed"] for row in rows) == 0
    assert serve.aging(OPERATOR, db, as_of=FIRST, by="region")["members_on"] == TODAY


def test_a_row_rule_is_about_today_whoever_owned_it_then(db: Served) -> None:
    key = db.rows("select employee_key from core.dim_employee where name = '林north'")[0]["employee_key"]
    mine = Viewer(user="n", name="n", role="account_manager", employee_key=key, scope="own")
    rows = serve.aging(mine, db, as_of=FIRST, by="owner")["rows"]
    owned = [100 + number for number, (_, told) in enumerate(sorted(story().items())) if told[-1][1] == "north"]
    assert sum(row["open"] for row in rows) == sum(owned)
    assert len(rows) > 1, "also under who owned them then"
