"""The rules behind the work: the limitation clock, suggestions for unapplied money, the words people choose from."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.receivables import codes
from model.receivables.limitation import after_years, limitation_on
from model.receivables.suggestions import SCORES, Open, payer, suggest
from ops.errors import FatalError
from ops.store import Store

DUE, TODAY = date(2023, 12, 15), date(2026, 11, 21)
DAYS = st.dates(date(2020, 1, 1), date(2032, 1, 1))


@pytest.mark.parametrize(
    ("due", "demands", "acknowledged", "ends"),
    [
        (DUE, [], [], date(2026, 12, 15)),
        (DUE, [date(2024, 5, 1)], [], date(2027, 5, 1)),
        (DUE, [], [date(2024, 5, 1)], date(2027, 5, 1)),
        (date(2020, 1, 1), [date(2023, 6, 1)], [], date(2023, 1, 1)),
        (date(2020, 1, 1), [date(2023, 6, 1)], [date(2023, 7, 1)], date(2026, 7, 1)),
        (None, [], [], None),
        (None, [date(2025, 2, 1)], [], date(2028, 2, 1)),
        (DUE, [date(2026, 11, 22)], [], date(2026, 12, 15)),
        (date(2024, 2, 29), [], [], date(2027, 2, 28)),
    ],
)
def test_limitation(due: date | None, demands: list[date], acknowledged: list[date], ends: date | None) -> None:
    assert limitation_on(due, demands, acknowledged, TODAY) == ends


@given(DAYS, st.lists(DAYS, max_size=5), st.lists(DAYS, max_size=5), DAYS)
def test_nothing_shortens_the_limitation_period(
    due: date, demands: list[date], acknowledged: list[date], day: date
) -> None:
    ends = limitation_on(due, demands, acknowledged, day)
    assert ends is not None
    assert ends >= after_years(due)
    for added in (day, day - timedelta(days=30)):
        more = limitation_on(due, demands, [*acknowledged, added], day)
        assert more is not None
        assert more >= max(ends, after_years(added))
    in_time = limitation_on(due, [*demands, day], acknowledged, day)
    assert in_time == (max(ends, after_years(day)) if day <= ends else ends)


CENTS = st.integers(1, 500).map(lambda n: Decimal(n) / 100)
ITEMS = st.lists(st.tuples(CENTS, DAYS | st.none()), max_size=8)


@given(CENTS, ITEMS)
def test_a_suggestion_never_uses_more_than_there_is(amount: Decimal, owed: list[tuple[Decimal, date | None]]) -> None:
    items = [Open(f"I{n}#1", f"INV-{n:04d}", due, open_amount) for n, (open_amount, due) in enumerate(owed)]
    by_key = {item.item_key: item.open_amount for item in items}
    found = suggest(amount, items)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert bool(found) == bool(items)
    for one in found:
        assert sum(part for _, part in one.items) + one.rest_amount == amount
        assert all(0 < part <= by_key[key] for key, part in one.items)
        assert len({key for key, _ in one.items}) == len(one.items)
        assert one.score == SCORES[one.reason]
    if amount in by_key.values():
        assert found[0].reason in {"exact", "all_open"}


def test_reasons() -> None:
    items = [Open("A#1", "INV-0001", date(2026, 8, 1), Decimal(100)),
             Open("B#1", "INV-0002", date(2026, 9, 1), Decimal(70)),
             Open("C#1", "INV-0003", date(2026, 9, 9), Decimal(30))]  # fmt: skip
    expected = {170: "oldest_sum", 200: "all_open", 130: "some_sum", 70: "exact", 50: "due_order"}
    assert {amount: suggest(Decimal(amount), items)[0].reason for amount in expected} == expected
    assert suggest(Decimal("99.60"), items)[0].reason == "bank_charge"
    named = suggest(Decimal(60), items, "付 inv-0002 货款")[0]
    assert (named.reason, named.items) == ("number_in_text", (("B#1", Decimal(60)),))
    assert suggest(Decimal(60), items, "INV-00021")[0].reason == "due_order"
    assert suggest(Decimal(-5), items) == []
    assert payer("北岭示例仪器（有限公司）") == payer(" 北岭示例仪器 有限公司") == "北岭示例仪器"


def test_a_company_adds_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "receivables.toml").write_text('[dispute_reason.carrier]\nzh = "承运人"\nen = "Carrier"\n', "utf-8")
    known = codes.load(tmp_path)
    assert codes.choose(known, "dispute_reason", "carrier") == "carrier"
    assert codes.choose(known, "dispute_reason", "quality") == "quality"
    assert codes.demands(known) == {"reminder", "demand_letter", "lawyer_letter", "lawsuit"}
    (tmp_path / "receivables.toml").write_text('[mood.bad]\nzh = "x"\nen = "y"\n', "utf-8")
    with pytest.raises(FatalError, match="unknown groups: mood"):
        codes.load(tmp_path)


def test_an_older_store_gets_its_history(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ops.db'}"
    store = Store(url)
    with store.begin() as connection:
        for table in ("work_events", "statements", "suggestions"):
            connection.exec_driver_sql(f"drop table {table}")
        for table, column in (("promises", "withdrawn_by"), ("disputes", "owner_key"), ("disputes", "outcome")):
            connection.exec_driver_sql(f"alter table {table} drop column {column}")
        connection.exec_driver_sql("delete from schema_version where version >= 3")
        connection.exec_driver_sql(
            "insert into audit (at, actor, action, subject, details) values"
            " ('2026-11-20T01:00:00.000000Z', 'chen.li', 'receivable.promise', 'erp:I1#1', '{}'),"
            " ('2026-11-20T02:00:00.000000Z', 'chen.li', 'search', 'x', '{}')"
        )
    store.close()
    store = Store(url)
    with store.read() as connection:
        rows = connection.exec_driver_sql("select action, item_key, happened_on from work_events").fetchall()
        connection.exec_driver_sql("select withdrawn_by from promises").fetchall()
        connection.exec_driver_sql("select owner_key, outcome, closed_by from disputes").fetchall()
    assert rows == [("promise", "erp:I1#1", "2026-11-20")]
    store.close()
