"""Statements of random books: opening + movements = closing = aging, to the cent, whatever the period."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import serve
from model.policy import Viewer
from model.serve import promising
from ops.instance import Instance
from tests.receivables.test_oracle import START, TODAY, books, stage
from tests.warehouse import helpers

CUSTOMERS = 60
FINANCE = Viewer(user="chen.li", name="陈立", role="finance")


@pytest.fixture(scope="module", params=[1, 2])
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    luck = random.Random(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2027-06-01T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("statement") / "i")
        stage(made, {f"K{n:04d}": books(luck, f"K{n:04d}") for n in range(CUSTOMERS)})
        helpers.make(made)
        yield made
        serve.open_published(made).close()
        made.store.close()


days = st.integers(0, (TODAY - START).days + 150).map(lambda n: START + timedelta(days=n))


@settings(max_examples=40, deadline=None, database=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
@given(st.integers(0, CUSTOMERS - 1), days, st.integers(0, 300))
def test_opening_and_movements_are_the_closing_of_the_ledger(
    instance: Instance, number: int, start: date, length: int
) -> None:
    db = serve.open_published(instance)
    end = start + timedelta(days=length)
    name = f"K{number:04d}"
    found = serve.statement(FINANCE, db, name, start, end)
    before, after = owed(db, found["customer_key"], start - timedelta(days=1)), owed(db, found["customer_key"], end)
    shown = set()
    for part in found["currencies"]:
        currency = part["currency"]
        shown.add(currency)
        assert part["unexplained_amount"] == 0, (name, start, end, currency)
        assert part["opening_amount"] == before.get(currency, 0)
        assert part["closing_amount"] == after.get(currency, 0)
        assert part["opening_amount"] + sum(line["amount"] for line in part["lines"]) == part["closing_amount"]
        assert all(start <= line["moved_on"] <= end for line in part["lines"])
        netted = part["open_amount"] - part["unallocated_amount"] - part["credits_amount"]
        assert netted == part["closing_amount"]
    for currency in {*before, *after} - shown:
        assert before.get(currency, 0) == after.get(currency, 0) == 0


def test_what_receipts_paid_on_items_is_what_the_ledger_settled(instance: Instance) -> None:
    db = serve.open_published(instance)
    for day in (TODAY, date(2026, 6, 30)):
        settled = {
            row["invoice_key"]: row["amount"]
            for row in db.rows(
                """select invoice_key, sum(amount) as amount from core.fct_settlement where moved_on <= ?
                   group by invoice_key having bool_and(kind = 'receipt')""",
                [day],
            )
        }
        keys = db.rows("select record_key, invoice_key from marts.mart_open_item order by record_key")
        paid, _ = promising.payments(db, [row["record_key"] for row in keys], day)
        found: dict[str, Decimal] = defaultdict(Decimal)
        for row in keys:
            found[row["invoice_key"]] += sum((one.amount for one in paid.get(row["record_key"], [])), Decimal(0))
        assert {key: found[key] for key in settled} == settled


def owed(db: serve.Served, key: str, day: date) -> dict[str, Decimal]:
    """Currency → open less unallocated less credits, as the aging says."""
    rows = serve.aging(FINANCE, db, as_of=day, customer_key=key)["rows"]
    return {row["currency"]: row["open"] - row["unallocated"] - row["credits"] for row in rows}
