"""Receivables in three currencies: the documents', the company's and the group's, by rates with source and date."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables.items import open_items_sql
from model.serve.connection import Served

ZERO, ONE = Decimal(0), Decimal(1)
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Rate:
    """A rate with the day it holds from and the source that gave it; `is_inverse`: of the opposite direction."""

    rate: Decimal
    valid_on: date | None
    source: str | None
    is_inverse: bool = False


class Rates:
    """The rate table of a build. A rate holds from its day until the next one."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows: dict[tuple[str, str], list[Rate]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row["valid_on"]):
            rate = Rate(Decimal(row["rate"]), row["valid_on"], row["source"])
            self._rows[row["from_currency"], row["to_currency"]].append(rate)

    def on(self, given: str, wanted: str, day: date) -> Rate | None:
        """The rate from `given` to `wanted` on `day`, from the opposite direction where only that is known."""
        if given == wanted:
            return Rate(ONE, None, None)
        direct = self._newest(given, wanted, day)
        if direct is not None:
            return direct
        found = self._newest(wanted, given, day)
        if found is None or not found.rate:
            return None
        return Rate((ONE / found.rate).quantize(Decimal("1E-12")), found.valid_on, found.source, is_inverse=True)

    def _newest(self, given: str, wanted: str, day: date) -> Rate | None:
        rows = self._rows.get((given, wanted), [])
        place = bisect_right([rate.valid_on or date.min for rate in rows], day)
        return rows[place - 1] if place else None


def rate_table(db: Served) -> Rates:
    """All rates of the build; read once per version."""
    key = ("rate table",)
    if key not in db.cache:
        db.cache[key] = Rates(
            db.rows("select from_currency, to_currency, valid_on, rate, source from core.fct_exchange_rate")
        )
    found: Rates = db.cache[key]
    return found


def currency_report(viewer: Viewer, db: Served, as_of: date | None = None) -> dict[str, Any]:
    """{as_of, company, group, rows, totals, missing_rates, rates}: open receivables in three currencies.

    Rows, per currency: open, items, rate (of the day, with rate_on and rate_source), company_amount, carried_amount
    (at the documents' rates), unrealised (their difference: a gain is positive), by_table_amount (of `open`: documents
    that name no rate, carried at the table's rate of their posting day), unrated_amount (neither is known; outside
    carried_amount and unrealised), group_amount. Where a rate is missing the amount is null, and missing_rates names
    the currency: nothing is guessed, and `totals` hold only what has a rate.
    """
    day = as_of or db.today()
    config, table = db.instance.config, rate_table(db)
    base, group = config.base_currency, config.group_currency
    rows: dict[str, dict[str, Any]] = {}
    for row in _open(viewer, db, day):
        _carry(rows, row, table, base)
    into_group = table.on(base, group, day) if group else None
    for currency, entry in rows.items():
        _value(entry, table.on(currency, base, day), into_group)
    shown = [rows[name] for name in sorted(rows)]
    return {
        "as_of": day,
        "company": base,
        "group": group,
        "rows": shown,
        "totals": {
            name: None if name == "group_amount" and into_group is None
            else sum((row[name] for row in shown if row[name] is not None), ZERO)
            for name in ("company_amount", "carried_amount", "unrealised", "group_amount")
        },
        "missing_rates": {
            "company": [row["currency"] for row in shown if row["rate"] is None],
            "group": [base] if group and into_group is None else [],
        },
        "rates": [
            {"from": row["currency"], "to": base, "rate": row["rate"], "valid_on": row["rate_on"],
             "source": row["rate_source"], "is_inverse": row["is_inverse"]}
            for row in shown if row["rate"] is not None and row["currency"] != base
        ] + ([] if into_group is None or group == base else [
            {"from": base, "to": group, "rate": into_group.rate, "valid_on": into_group.valid_on,
             "source": into_group.source, "is_inverse": into_group.is_inverse}]),
    }  # fmt: skip


def _open(viewer: Viewer, db: Served, day: date) -> list[dict[str, Any]]:
    rule, named = viewer.named_rows()
    return db.rows(
        f"""select i.currency, i.posted_on, i.exchange_rate, sum(i.open_amount) as open, count(*) as items
            from ({open_items_sql()}) as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.open_amount > 0 and i.kind <> 'provisional' and {rule} group by all""",
        {"as_of": day, **named},
    )


def _carry(rows: dict[str, dict[str, Any]], row: dict[str, Any], table: Rates, base: str) -> None:
    """Add open items of one document rate and day at that rate, else at the table's."""
    names = ("open", "carried_amount", "carried_open", "by_table_amount", "unrated_amount")
    entry = rows.setdefault(row["currency"], {"currency": row["currency"], "items": 0, **dict.fromkeys(names, ZERO)})
    entry["items"] += row["items"]
    entry["open"] += row["open"]
    named = ONE if row["currency"] == base else row["exchange_rate"]
    rate = Decimal(named) if named else None
    if rate is None:
        found = table.on(row["currency"], base, row["posted_on"])
        if found is None:
            entry["unrated_amount"] += row["open"]
            return
        rate = found.rate
        entry["by_table_amount"] += row["open"]
    entry["carried_open"] += row["open"]
    entry["carried_amount"] += row["open"] * rate


def _value(entry: dict[str, Any], rate: Rate | None, into_group: Rate | None) -> None:
    """Value a currency's row at the rate of the day; in cents only at the end, so that no rounding adds up."""
    carried, part = entry["carried_amount"], entry.pop("carried_open")
    value = None if rate is None else entry["open"] * rate.rate
    # Of documents without any rate nothing is carried: that is not zero.
    entry["carried_amount"] = None if entry["unrated_amount"] == entry["open"] else carried.quantize(CENT)
    entry |= {
        "rate": rate and rate.rate,
        "rate_on": rate and rate.valid_on,
        "rate_source": rate and rate.source,
        "is_inverse": rate is not None and rate.is_inverse,
        "company_amount": None if value is None else value.quantize(CENT),
        "unrealised": None
        if rate is None or entry["carried_amount"] is None
        else (part * rate.rate - carried).quantize(CENT),
        "group_amount": None if value is None or into_group is None else (value * into_group.rate).quantize(CENT),
    }
