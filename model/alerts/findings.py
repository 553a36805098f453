"""What the rules' conditions find on one published build, as of one business day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from model.alerts import judged, limiting
from model.alerts.machine import Finding
from model.alerts.rule import COLUMNS, Rule
from model.alerts.work import Work
from model.receivables.items import open_credits_sql, open_items_sql, received_parameters
from model.reconcile import differences_sql
from ops.errors import FatalError

_WORK_TABLE = re.compile(r"\bwork_[a-z_]+\b")
_WORK_SQL = Path(__file__).with_name("work.sql")
# what judged.py reads to make work_judged, beside what work_hold itself does
_JUDGED_FROM = frozenset({"work_dispute", "work_unallocated"})


class Finder:
    """An open build on which `rules` are judged. Only the work tables that these rules read are made."""

    def __init__(self, con: duckdb.DuckDBPyConnection, rules: Iterable[Rule], work: Work) -> None:
        self.con, self._work = con, work
        self._wanted, self._statements = _needed(con, rules, work)
        self._names: dict[Any, str] = dict(con.execute("select customer_key, name from core.dim_customer").fetchall())

    def prepare(self, as_of: date, now: datetime) -> None:
        """Make the work tables as of a business day, after Work.load; `now` is when sources are looked at."""
        given = {"as_of": as_of, "now": now, **received_parameters(self._work.received)}
        for statement in self._statements:
            if _WORK_TABLE.findall(statement.query)[0] == "work_hold":
                judged.holds(self.con, as_of)
            named = {name: given[name] for name in statement.named_parameters}
            self.con.execute(statement, named or None)
        if "work_limitation" in self._wanted:
            limiting.limitations(self.con, as_of)
        if "work_exposure" in self._wanted:
            judged.exposures(
                self.con, as_of, today=self._work.today, base=self._work.base_currency, zone=self._work.zone
            )

    def find(self, rule: Rule, as_of: date) -> dict[str, Finding]:
        """Subject → finding, sorted, only those that have reached a step. FatalError names a rule that cannot run."""
        found = (self._finding(rule, row, as_of) for row in self._rows(rule, as_of))
        reached = (finding for finding in found if finding.step)
        return {finding.subject: finding for finding in sorted(reached, key=lambda one: one.subject)}

    def _rows(self, rule: Rule, as_of: date) -> list[tuple[Any, ...]]:
        sql = f"select {', '.join(COLUMNS)} from ({rule.condition.sql.strip().rstrip(';')})"
        try:
            return self.con.execute(sql, {"as_of": as_of} if "$as_of" in sql else None).fetchall()
        except duckdb.Error as error:
            raise FatalError(
                f"alert rule {rule.id}: its condition cannot be run: {error}", remedy="correct its condition.sql"
            ) from error

    def _finding(self, rule: Rule, row: tuple[Any, ...], as_of: date) -> Finding:
        subject, anchor, customer, owner, measure, currency, amount, days, due, document, hold = row
        details = {
            "customer_key": customer,
            "customer": self._names.get(customer, ""),
            "document": document,
            "currency": currency,
            "amount": None if amount is None else f"{Decimal(str(amount)):.2f}",
            "days": None if days is None else int(days),
            "since": None if days is None or due is None else (as_of - timedelta(days=int(days))).isoformat(),
            "due_on": None if due is None else due.isoformat(),
        }
        step = 0 if measure is None else rule.step_of(float(measure))
        return Finding(str(subject), str(anchor or subject), owner, step, hold, details)


def _needed(
    con: duckdb.DuckDBPyConnection, rules: Iterable[Rule], work: Work
) -> tuple[set[str], list[duckdb.Statement]]:
    """(work tables that the rules need, the statements of work.sql that make them)."""
    sql = _WORK_SQL.read_text(encoding="utf-8")
    for name, ledger in (
        ("open_items", open_items_sql(received=bool(work.received))),
        ("open_credits", open_credits_sql()),
        ("differences", differences_sql(work.reconciled)),
    ):
        sql = sql.replace(f"from {name} as", f"from ({ledger}) as")
    wanted = {name for rule in rules for name in _WORK_TABLE.findall(rule.condition.sql)}
    wanted |= limiting.READS if "work_limitation" in wanted else set()
    found = []
    for statement in reversed(con.extract_statements(sql)):
        made, *read = _WORK_TABLE.findall(statement.query)
        if made in wanted:
            found.append(statement)
            wanted |= set(read) | (_JUDGED_FROM if made == "work_hold" else set())
    return wanted, found[::-1]


@contextmanager
def opened(build: Path, rules: Iterable[Rule], work: Work) -> Iterator[Finder]:
    """A Finder over the build at `build` with what people recorded, closed afterwards."""
    con = duckdb.connect(str(build), read_only=True)
    try:
        con.execute("set timezone = 'UTC'")
        work.load(con)
        yield Finder(con, rules, work)
    finally:
        con.close()
