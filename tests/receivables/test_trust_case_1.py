"""Trust case 1 through the only door: exactly the credit controller's figures, on both dates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest.collect import sync
from model import build, conform, serve
from model.policy import Viewer
from ops.instance import Instance, InstanceConfig, SourceConfig
from run.cli import app
from tests.warehouse import helpers
from tests.warehouse.test_trust_case_1 import stage

FOLDER = Path(__file__).parents[1] / "conform" / "trust_case_1"
CASES = [
    (date(2026, 11, 21), "CNY", {"not_due": 20340, "1-30": 52150, "181-365": 3000, "no_due_date": 22600},
     {"open": 98090, "overdue": 55150, "unallocated": 6100, "retention": 11300}),
    (date(2026, 11, 21), "EUR", {"61-90": 6000}, {"open": 6000, "unallocated": 6000}),
    (date(2026, 9, 6), "CNY", {"1-30": 33900, "181-365": 3000, "not_due": 79100},
     {"open": 116000, "unallocated": 50000}),
]  # fmt: skip


@pytest.fixture(scope="module", params=["staged", "template"])
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    home = tmp_path_factory.mktemp(request.param) / "i"
    if request.param == "staged":
        made = helpers.instance(home)
        stage(made)
        helpers.make(made)
    else:
        source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(FOLDER)})
        made = Instance.create(home, InstanceConfig(source=[source]))
        assert [result.error for result in sync(made, "books") if result.error] == []
        assert conform.stage(made).counts.rejected == 0
        build.build(made)
    yield made
    made.store.close()


@pytest.mark.parametrize(("day", "currency", "buckets", "figures"), CASES)
def test_figures(
    instance: Instance, day: date, currency: str, buckets: dict[str, int], figures: dict[str, int]
) -> None:
    answer = serve.aging(Viewer.operator(), serve.open_published(instance), as_of=day)
    (total,) = [row for row in answer["totals"] if row["currency"] == currency]
    assert {name: amount for name, amount in total["buckets"].items() if amount} == buckets
    assert {name: total[name] for name in figures} == figures
    assert sum(total["buckets"].values()) == total["open"]


@pytest.mark.parametrize("by", ["customer", "owner", "region", "organisation"])
def test_every_grouping_has_the_same_total(instance: Instance, by: str) -> None:
    db, operator = serve.open_published(instance), Viewer.operator()
    day = date(2026, 11, 21)
    wanted = serve.aging(operator, db, as_of=day)["totals"]
    answer: dict[str, Any] = serve.aging(operator, db, as_of=day, by=by)
    if by == "owner":
        # what is collected after a day is under its first known owner on that day: said in this grouping only
        assert all(total["owner_assumed"] in {0, total["open"]} for total in answer["totals"])
        wanted = [
            {**total, "owner_assumed": mine["owner_assumed"]}
            for total, mine in zip(wanted, answer["totals"], strict=True)
        ]
    assert answer["totals"] == wanted
    assert sum((row["open"] for row in answer["rows"] if row["currency"] == "CNY"), Decimal(0)) == 98090


def test_one_currency_only(instance: Instance) -> None:
    answer = serve.aging(Viewer.operator(), serve.open_published(instance), date(2026, 11, 21), currency="EUR")
    assert [row["currency"] for row in answer["totals"]] == ["EUR"]


@pytest.mark.parametrize(("day", "currency", "buckets", "figures"), CASES)
def test_the_command_line_says_the_same(
    instance: Instance, day: date, currency: str, buckets: dict[str, int], figures: dict[str, int]
) -> None:
    result = CliRunner().invoke(app, ["--home", str(instance.home), "aging", "--as-of", day.isoformat(), "--json"])
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    assert (answer["as_of"], answer["known_at"], answer["basis"]) == (day.isoformat(), "now", "due")
    (total,) = [row for row in answer["totals"] if row["currency"] == currency]
    assert all(isinstance(amount, str) for amount in total["buckets"].values())
    assert {name: Decimal(amount) for name, amount in total["buckets"].items() if Decimal(amount)} == buckets
    assert {name: Decimal(total[name]) for name in figures} == figures


def test_the_card_says_the_same(instance: Instance) -> None:
    card = serve.customer(Viewer.operator(), serve.open_published(instance), "C1", as_of=date(2026, 11, 21))
    owed = {row["currency"]: row for row in card["receivables"]["by_currency"]}
    assert [owed["CNY"][name] for name in ("open", "overdue", "unallocated")] == [98090, 55150, 6100]
    assert [owed["EUR"][name] for name in ("open", "overdue", "unallocated")] == [6000, 6000, 6000]
