"""Receivables ratios per currency from the ledger, each with its formula, its inputs and the rows behind them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import figures
from model.receivables.ratios import collection, concentration, countback, percent, ratio_dso
from model.serve import work
from model.serve.aging import aging
from model.serve.connection import Served
from model.serve.overview import _retention, month_starts
from model.serve.promising import promise_performance
from model.serve.ratio_rows import SWITCHES, check

ZERO = Decimal(0)
CENT = Decimal("0.01")
EARLIEST = date(1900, 1, 1)


@dataclass(frozen=True)
class _Question:
    """Whose figures, of which period, on which basis."""

    viewer: Viewer
    db: Served
    first: date
    last: date
    include: frozenset[str]

    def balance(self, day: date) -> dict[str, dict[str, Decimal]]:
        """Currency → {receivables, not_due} on the question's basis at the end of `day`."""
        found = {row["currency"]: row for row in aging(self.viewer, self.db, day, by="region")["totals"]}
        bills = self.amounts(figures.bills_sql(), as_of=day) if "bills" in self.include else {}
        return {name: self._balance(found.get(name), bills.get(name, ZERO)) for name in {*found, *bills}}

    def _balance(self, row: dict[str, Any] | None, bills: Decimal) -> dict[str, Decimal]:
        if row is None:
            return {"receivables": bills, "not_due": bills, "provisional": ZERO}
        retention, retained = row["retention"], row["retention_not_due"]
        provisional = row["provisional"] if "provisional" in self.include else ZERO
        more = bills + provisional
        return {
            "receivables": row["open"] - (ZERO if "retention" in self.include else retention) + more
            - (row["unallocated"] if "unallocated" in self.include else ZERO)
            - (row["credits"] if "credits" in self.include else ZERO),
            "not_due": row["buckets"]["not_due"] - (ZERO if "retention" in self.include else retained) + more,
            "provisional": provisional,
        }  # fmt: skip

    def amounts(self, sql: str, **days: date) -> dict[str, Decimal]:
        """Currency → sum of the amounts of a figure's rows."""
        rule, named = self.viewer.named_rows()
        rows = self.db.rows(
            f"select currency, sum(amount) as amount from ({figures.of_viewer(sql, rule)}) group by currency",
            {**days, **named},
        )
        return {row["currency"]: Decimal(row["amount"]) for row in rows}

    def sales(self, start: date, end: date) -> dict[str, dict[date, Decimal]]:
        """Currency → month → sales posted from `start` to `end`."""
        rule, named = self.viewer.named_rows()
        sql = figures.of_viewer(figures.sales_sql(prepaid="prepaid" in self.include), rule)
        found: dict[str, dict[date, Decimal]] = defaultdict(dict)
        for row in self.db.rows(
            f"""select currency, cast(date_trunc('month', dated_on) as date) as month_on, sum(amount) as amount
                from ({sql}) group by all""",
            {"start": start, "end": end, **named},
        ):
            found[row["currency"]][row["month_on"]] = Decimal(row["amount"])
        return found


def ratios(
    viewer: Viewer,
    db: Served,
    start: date | None = None,
    end: date | None = None,
    include: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """One row per currency for `start`..`end` (default: the last three months to today); null where undefined.

    Both sides tax-included. Sales: invoices less red invoices and credit notes, without what was paid before it was
    invoiced. Unmatured bills, retention, provisional receivables, unallocated cash, unused credits and prepaid sales
    are outside unless in `include`; `basis` prints it. CEI adds up the whole months inside the period. `figures` has
    each figure's value, formula (a text id), inputs and, per input, the arguments of `ratio_rows` that list its rows.
    promise_*: promises due in the period, as of today.
    """
    check(include)
    last = end or db.today()
    first = start or month_starts(last, 3)[0]
    received = tuple(sorted(work.recorded_receipts(db).items()))
    key = ("ratios", viewer.cache_key, first, last, tuple(sorted(include)), received)
    if key not in db.cache:
        db.cache[key] = _ratios(_Question(viewer, db, first, last, frozenset(include)))
    promised = {row["currency"]: row for row in promise_performance(viewer, db, first, last)}
    return [{**row, **_promises(promised.get(row["currency"], {}))} for row in db.cache[key]]


def _promises(kept: dict[str, Any]) -> dict[str, Any]:
    """Promise kept by amount and by count, of which by bill; null where none was decided in the period."""
    names = ("kept_by_amount_percent", "kept_by_count_percent", "by_bill_amount")
    return {"promise_count": kept.get("promises", 0), **{f"promise_{name}": kept.get(name) for name in names}}


def _ratios(asked: _Question) -> list[dict[str, Any]]:
    owed = aging(asked.viewer, asked.db, asked.last)
    totals = {row["currency"]: row for row in owed["totals"]}
    debtors: dict[str, list[Decimal]] = defaultdict(list)
    for row in owed["rows"]:
        debtors[row["currency"]].append(row["open"])
    history = asked.sales(EARLIEST, asked.last)
    period = asked.sales(asked.first, asked.last)
    shared = {
        "closing": asked.balance(asked.last),
        "months": _months(asked, history),
        "retention": {row["currency"]: row for row in _retention(asked.viewer, asked.db, asked.last)["by_currency"]},
        "late": _days_late(asked),
        "bills": asked.amounts(figures.bills_sql(), as_of=asked.last),
        **{
            name: asked.amounts(figures.write_offs_sql(recovered=recovered), start=asked.first, end=asked.last)
            for name, recovered in (("write_offs", False), ("recoveries", True))
        },
    }
    return [
        _row(asked, currency, totals.get(currency), debtors[currency], history[currency], period[currency], shared)
        for currency in sorted({*totals, *period})
    ]


def _row(
    asked: _Question, currency: str, total: dict[str, Any] | None, debtors: list[Decimal],
    history: dict[date, Decimal], period: dict[date, Decimal], shared: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    closing = shared["closing"].get(currency, {"receivables": ZERO, "not_due": ZERO, "provisional": ZERO})
    months = shared["months"].get(currency, [])
    sold, days = sum(period.values(), ZERO), (asked.last - asked.first).days + 1
    if "provisional" in asked.include:
        before = asked.balance(asked.first - timedelta(days=1)).get(currency, {"provisional": ZERO})
        sold += closing["provisional"] - before["provisional"]
    balance, not_due = closing["receivables"], closing["not_due"]
    ratio, best = ratio_dso(balance, sold, days), ratio_dso(not_due, sold, days)
    back, is_beyond = countback(balance, _whole(history, asked.last), asked.last)
    share, herfindahl = concentration(debtors)
    late = shared["late"].get(currency, {"days": None, "amount": ZERO})
    collected = sum((month["collected"] for month in months), ZERO)
    collectable = sum((month["collectable"] for month in months), ZERO)
    opened, overdue = (total or {}).get("open", ZERO), (total or {}).get("overdue", ZERO)
    figure = {
        "dso_ratio": (ratio, {"receivables": balance, "sales": sold, "days": days}),
        "dso_countback": (back, {"receivables": balance, "sales": sum(history.values(), ZERO)}),
        "best_possible_dso": (best, {"not_due": not_due, "sales": sold, "days": days}),
        "add": (None if ratio is None or best is None else ratio - best, {"dso_ratio": ratio, "best_possible": best}),
        "cei": (percent(collected, collectable), {"collected": collected, "collectable": collectable}),
        "overdue_ratio": (percent(overdue, opened), {"overdue": overdue, "open": opened}),
        "largest_10_percent": (share, {"open": opened, "debtors": sum(amount > 0 for amount in debtors)}),
        "herfindahl": (herfindahl, {"open": opened}),
        "weighted_days_late": (late["days"], {"payments": late["amount"]}),
        "write_offs": (shared["write_offs"].get(currency, ZERO), {}),
        "recoveries": (shared["recoveries"].get(currency, ZERO), {}),
        "bills": (shared["bills"].get(currency, ZERO), {}),
    }
    return {
        "currency": currency,
        "period": [asked.first, asked.last],
        "basis": _basis(asked),
        **{name: value for name, (value, _) in figure.items()},
        "dso_countback_is_beyond_history": is_beyond,
        "nrr": shared["retention"].get(currency, {}).get("nrr"),
        "grr": shared["retention"].get(currency, {}).get("grr"),
        **{name: (total or {}).get(name, ZERO) for name in ("retention", "provisional", "unallocated", "credits")},
        "months": months,
        "figures": {name: _figure(asked, currency, name, *found) for name, found in figure.items()},
    }


def _figure(asked: _Question, currency: str, name: str, value: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    start = EARLIEST if name == "dso_countback" else asked.first
    listed = {"receivables", "not_due", "open", "overdue", "sales", "payments"} & inputs.keys()
    listed |= {name} & {"write_offs", "recoveries", "bills"}
    return {
        "value": value,
        "formula": f"ratios.formula.{name}",
        "inputs": inputs,
        "rows": {
            what: {"what": what, "currency": currency, "start": start, "end": asked.last,
                   "include": sorted(asked.include)}
            for what in sorted(listed)
        },
    }  # fmt: skip


def _basis(asked: _Question) -> dict[str, str]:
    printed = {name: "included" if name in asked.include else "excluded" for name in SWITCHES}
    return {"tax": "included", **printed}


def _whole(history: dict[date, Decimal], last: date) -> list[tuple[date, Decimal]]:
    """Every month from the one of `last` back to the first with sales, also those without any."""
    if not history:
        return []
    oldest = min(history)
    count = (last.year - oldest.year) * 12 + last.month - oldest.month + 1
    return [(month, history.get(month, ZERO)) for month in reversed(month_starts(last, count))]


def _months(asked: _Question, history: dict[str, dict[date, Decimal]]) -> dict[str, list[dict[str, Any]]]:
    """Currency → the whole months of the period: opening, sales, closing, not due, write-offs and the month's CEI."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    nothing = {"receivables": ZERO, "not_due": ZERO, "provisional": ZERO}
    for start in (month for month in month_starts(asked.last, 240) if month >= asked.first):
        following = (start + timedelta(days=32)).replace(day=1)
        final = following - timedelta(days=1)
        if final > asked.last:
            continue
        opening, closing = asked.balance(start - timedelta(days=1)), asked.balance(final)
        lost = asked.amounts(figures.write_offs_sql(recovered=False), start=start, end=final)
        regained = asked.amounts(figures.write_offs_sql(recovered=True), start=start, end=final)
        for currency in {*opening, *closing, *history}:
            before, after = opening.get(currency, nothing), closing.get(currency, nothing)
            month: dict[str, Any] = {
                "month": start,
                "opening": before["receivables"],
                "sales": history[currency].get(start, ZERO) + after["provisional"] - before["provisional"],
                "closing": after["receivables"],
                "closing_not_due": after["not_due"],
                "write_offs": lost.get(currency, ZERO) - regained.get(currency, ZERO),
            }
            got, could = collection(*(month[name] for name in ("opening", "sales", "closing", "closing_not_due",
                                                               "write_offs")))  # fmt: skip
            found[currency].append({**month, "collected": got, "collectable": could, "cei": percent(got, could)})
    return found


def _days_late(asked: _Question) -> dict[str, dict[str, Any]]:
    """Currency → {days, amount}: payments of the period weighted by amount, early ones counting against late ones."""
    rule, named = asked.viewer.named_rows()
    sql = figures.of_viewer(figures.payments_sql(), rule, "currency, customer_key, amount, days_late")
    rows = asked.db.rows(
        f"select currency, sum(amount) as amount, sum(amount * days_late) as weighted from ({sql}) group by currency",
        {"start": asked.first, "end": asked.last, **named},
    )
    return {
        row["currency"]: {
            "amount": Decimal(row["amount"]),
            "days": None if row["amount"] <= 0 else (Decimal(row["weighted"]) / Decimal(row["amount"])).quantize(CENT),
        }
        for row in rows
    }
