"""Differences on one business day: one query over the entry marts, for whichever rules are asked.

The result marts say which anchors were ever out of balance on or after the day; only their documents are looked at.
What is a matter of time, within tolerance or outside the history of a side depends on the day and on the rule's own
figures, and is decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from model.reconcile.rule import ENTRY, Rule, is_shipped

CLASSES = ("missing", "amount", "currency", "duplicate", "timing")
OUTSIDE = "before_history"
ENTRY_MARTS = (
    "marts.mart_chain_entry", "marts.mart_cash_entry", "marts.mart_collision_entry", "marts.mart_claim_entry",
)  # fmt: skip
RESULT_MARTS = ("marts.mart_reconciliation", "marts.mart_reconciliation_cash")
_SQL = tuple(Path(__file__).with_name(name) for name in ("documents.sql", "differences.sql"))


def differences_sql(rules: Sequence[Rule], *, seen: str = "true", asked: str = "true") -> str:
    """SELECT of the differences of `rules` on $as_of; grain: rule × anchor × currency.

    `seen`: condition over the documents that may be looked at (customer_key); `asked`: over the anchors of `entry`
    that are asked (c.rule, c.anchor). Columns:

    rule, anchor, currency (of the left side, else of the right one), right_currency, customer_key (of the left side,
    else of the right one), customers (all whose documents count), label, first_on, last_on, left_count, left_amount,
    right_count, right_amount, difference (left less right; null without amounts or a rate), short_side, due_on (until
    when it is a matter of time), class (CLASSES or before_history).
    """
    sql = ",\n\n".join(path.read_text(encoding="utf-8").rstrip() for path in _SQL)
    values = {
        "rules": _values(_rule(rule) for rule in rules),
        "sides": _values(_measures(rules, ("left", "right"))),
        "gates": _values(_measures(rules, ("requires", "unless"))),
        "needs": _values(_measures(rules, ("needs",))),
        "marted": ", ".join(_text(rule.id) for rule in rules if is_shipped(rule)) or "''",
        "entries": entries_sql(rules),
        "seen": seen,
        "asked": asked,
        "results": " union all ".join(
            f"select rule, anchor, opened_on, settled_on from {mart}" for mart in RESULT_MARTS
        ),
    }
    for name, text in values.items():
        sql = sql.replace(f"{{{name}}}", text)
    return sql


def coverage_sql(rules: Sequence[Rule]) -> str:
    """SELECT of every measure of `rules` that has documents up to $as_of: measure, first_on."""
    names = ", ".join(_text(name) for name in sorted({name for rule in rules for name in rule.names()}))
    return f"""select measure, min(dated_on) as first_on from ({entries_sql(rules)})
               where dated_on <= $as_of and measure in ({names}) group by measure"""


def entries_sql(rules: Iterable[Rule]) -> str:
    """SELECT of measure and ENTRY columns: the entry marts and the measures that the rules bring along."""
    columns = ", ".join(ENTRY)
    parts = [f"select measure, {columns} from {mart}" for mart in ENTRY_MARTS]
    own = {name: sql for rule in rules for name, sql in sorted(rule.measures.items())}
    parts += [f"select {_text(name)}, {columns} from ({sql.strip().rstrip(';')})" for name, sql in own.items()]
    return " union all ".join(parts)


def _rule(rule: Rule) -> list[str]:
    starts = "null" if rule.starts_on is None else f"date '{rule.starts_on.isoformat()}'"
    return [
        _text(rule.id), _text(rule.compare), f"cast({rule.tolerance_amount:f} as decimal(18, 2))",
        f"cast({rule.tolerance_percent:f} as decimal(9, 4))", str(rule.settles_in_days), str(rule.over_days),
        str(rule.currency == "convert").lower(), f"cast({starts} as date)", str(rule.needs is None).lower(),
    ]  # fmt: skip


def _measures(rules: Iterable[Rule], keys: Sequence[str]) -> Iterable[list[str]]:
    found = [
        [_text(rule.id), _text(key), _text(name)] for rule in rules for key in keys for name in getattr(rule, key) or ()
    ]
    return found or [["''", "''", "''"]]


def _values(rows: Iterable[Sequence[str]]) -> str:
    return ", ".join(f"({', '.join(row)})" for row in rows)


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
