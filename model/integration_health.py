"""The monthly integration health report: how each source did, from the run ledger, the quarantine and the audit."""

from __future__ import annotations

import json
import re
from calendar import monthrange
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, func, select

from ops import clock
from ops.errors import FatalError
from ops.instance import Instance, SourceConfig
from ops.store import stamp, unstamp
from ops.tables import audit, drifts, quarantine, runs

TREND_MONTHS = 6
INTERVENTIONS = ("source.sync", "source.replay", "reject.ignore", "drift.acknowledge", "change.announce",
                 "change.settle")  # fmt: skip
"""What a person did about a source, as the audit calls it."""


@dataclass
class Health:
    """One source in one month; None where there is nothing to measure.

    runs: of streams, ended well or not; failed_share of them (0..1); fresh_share: part of the month (as far as it has
    gone, from the source's first run on) in which the newest good run was not older than max_age_minutes;
    recovery_hours: mean from the first failure of a stream to its next good run; rows landed; rejects: records set
    aside in the month; error_rate: rejects ÷ rows; open_rejects today; drift found; interventions by people.
    """

    source: str
    runs: int = 0
    failed: int = 0
    failed_share: float | None = None
    fresh_share: float | None = None
    recovery_hours: float | None = None
    rows: int = 0
    rejects: int = 0
    error_rate: float | None = None
    open_rejects: int = 0
    drift: int = 0
    interventions: int = 0


def report(instance: Instance, month: str | None = None) -> dict[str, Any]:
    """{month, from, until, sources[Health], total, trend[{month, …}]}: `month` as 2026-11, default the present one.

    `trend` holds the totals of the six months that end with this one, oldest first. FatalError for what is no month.
    """
    zone = ZoneInfo(instance.config.zone)
    first = _first(month) if month else clock.today(instance.config.zone).replace(day=1)
    months = [_earlier(first, back) for back in range(TREND_MONTHS - 1, -1, -1)]
    found = [_month(instance, one, zone) for one in months]
    start, end = _span(first, zone)
    return {
        "month": f"{first:%Y-%m}",
        "from": start,
        "until": min(end, clock.now()),
        "sources": [asdict(one) for one in found[-1]],
        "total": _total(found[-1]),
        "trend": [{"month": f"{one:%Y-%m}", **_total(rows)} for one, rows in zip(months, found, strict=True)],
    }


def _first(month: str) -> date:
    match = re.fullmatch(r"(\d{4})-(\d{2})", month)
    if match is None or not 1 <= int(match[2]) <= 12 or not 1970 <= int(match[1]) <= 9998:
        raise FatalError(f"{month!r} is no month", valid="a month as 2026-11")
    return date(int(match[1]), int(match[2]), 1)


def _earlier(first: date, months: int) -> date:
    place = first.year * 12 + first.month - 1 - months
    return date(place // 12, place % 12 + 1, 1)


def _span(first: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The month's first instant and the next one's, UTC."""
    after = first + timedelta(days=monthrange(first.year, first.month)[1])
    ends = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in (first, after))
    return next(ends), next(ends)


def _month(instance: Instance, first: date, zone: ZoneInfo) -> list[Health]:
    start, end = _span(first, zone)
    sources = [source for source in instance.config.sources if source.status != "off"]
    health = {source.name: Health(source.name) for source in sources}
    span = (stamp(start), stamp(end))
    with instance.store.read() as connection:
        ledger = _ledger(instance, connection, span)
        good_before = _by_source(connection, runs.c.state == "done", runs.c.ended_at < span[0], newest=True)
        first_ever = _by_source(connection, runs.c.state.in_(["done", "failed"]), newest=False)
        set_aside = _counted(connection, quarantine, quarantine.c.created_at, span)
        is_open = quarantine.c.status == "open"
        left = select(quarantine.c.source, func.count()).where(is_open).group_by(quarantine.c.source)
        still_open = {source: int(count) for source, count in connection.execute(left)}
        drifted = _counted(connection, drifts, drifts.c.found_at, span)
        acted = _interventions(connection, span)
    for source in sources:
        one, mine = health[source.name], ledger.get(source.name, _Ended())
        one.runs, one.failed, one.rows = mine.runs, mine.failed, mine.rows
        one.failed_share = one.failed / one.runs if one.runs else None
        one.rejects = set_aside.get(source.name, 0)
        one.error_rate = one.rejects / one.rows if one.rows else None
        one.open_rejects = still_open.get(source.name, 0)
        one.drift, one.interventions = drifted.get(source.name, 0), acted.get(source.name, 0)
        one.recovery_hours = mine.recovery_hours
        good = [good_before[source.name]] if source.name in good_before else []
        good += mine.good
        begins = max(start, first_ever[source.name]) if source.name in first_ever else None
        one.fresh_share = _fresh(source, good, begins, min(end, clock.now()))
    return list(health.values())


@dataclass
class _Ended:
    """What the ledger says of a source's runs that ended in one month; `good`: when the good ones did."""

    runs: int = 0
    failed: int = 0
    rows: int = 0
    recovery_hours: float | None = None
    good: list[datetime] = field(default_factory=list)


def _ledger(instance: Instance, connection: Connection, span: tuple[str, str]) -> dict[str, _Ended]:
    """By source; read again only when the ledger of the span has changed: every look asks for six months."""
    ended = (runs.c.ended_at >= span[0], runs.c.ended_at < span[1], runs.c.state.in_(["done", "failed"]))
    facts = (func.count(), func.max(runs.c.ended_at), func.max(runs.c.run_id), func.sum(runs.c.rows_landed))
    mark = tuple(connection.execute(select(*facts).where(*ended)).one())
    place = (str(instance.home), str(instance.config.store_url), *span)
    known = _READ.get(place)
    if known is None or known[0] != mark:
        rows: dict[str, list[Any]] = defaultdict(list)
        columns = select(runs.c.source, runs.c.stream, runs.c.state, runs.c.ended_at, runs.c.rows_landed)
        for row in connection.execute(columns.where(*ended).order_by(runs.c.ended_at, runs.c.run_id)):
            rows[row.source].append(row)
        for oldest in list(_READ)[: max(0, len(_READ) - _KEPT_MONTHS)]:
            _READ.pop(oldest, None)
        known = _READ[place] = mark, {source: _ended(mine) for source, mine in rows.items()}
    return known[1]


_READ: dict[tuple[str, ...], tuple[tuple[Any, ...], dict[str, _Ended]]] = {}
_KEPT_MONTHS = 2 * TREND_MONTHS


def _ended(rows: list[Any]) -> _Ended:
    """The runs of one source, in the order in which they ended."""
    good = [unstamp(row.ended_at) for row in rows if row.state == "done"]
    failed = sum(row.state == "failed" for row in rows)
    return _Ended(len(rows), failed, sum(row.rows_landed for row in rows), _recovery(rows), good)


def _by_source(connection: Any, *conditions: Any, newest: bool) -> dict[str, datetime]:
    edge = func.max(runs.c.ended_at) if newest else func.min(runs.c.ended_at)
    found = connection.execute(select(runs.c.source, edge).where(*conditions).group_by(runs.c.source)).all()
    return {source: unstamp(at) for source, at in found if at}


def _counted(connection: Any, table: Any, at: Any, span: tuple[str, str]) -> dict[str, int]:
    query = select(table.c.source, func.count()).where(at >= span[0], at < span[1]).group_by(table.c.source)
    return {source: int(count) for source, count in connection.execute(query)}


def _interventions(connection: Any, span: tuple[str, str]) -> Counter[str]:
    """What people did about sources, by source: the audit's details name it, or the drift does."""
    rows = connection.execute(
        select(audit).where(audit.c.at >= span[0], audit.c.at < span[1], audit.c.action.in_(INTERVENTIONS))
    ).all()
    drift_source = {
        str(number): name for number, name in connection.execute(select(drifts.c.drift_id, drifts.c.source))
    }
    found: Counter[str] = Counter()
    for row in rows:
        named = json.loads(row.details or "{}").get("source")
        source = named or (drift_source.get(str(row.subject)) if row.action == "drift.acknowledge" else row.subject)
        found[str(source)] += 1
    return found


def _fresh(source: SourceConfig, good: list[datetime], begins: datetime | None, until: datetime) -> float | None:
    """The part of [begins, until) that a good run not older than max_age_minutes covers."""
    if begins is None or begins >= until:
        return None
    kept, covered, reached = timedelta(minutes=source.max_age_minutes), timedelta(0), begins
    for at in sorted(good):
        low, high = max(at, reached), min(at + kept, until)
        if high > low:
            covered += high - low
            reached = high
    return covered / (until - begins)


def _recovery(rows: list[Any]) -> float | None:
    """Mean hours from the first failure of a stream to its next good run within the month."""
    failing: dict[str, datetime] = {}
    spans: list[timedelta] = []
    for row in rows:
        at = unstamp(row.ended_at)
        if row.state == "failed":
            failing.setdefault(row.stream, at)
            continue
        spans += [at - failing.pop(stream) for stream in (row.stream, "*") if stream in failing]
    return sum(spans, timedelta(0)) / len(spans) / timedelta(hours=1) if spans else None


def _total(rows: list[Health]) -> dict[str, Any]:
    """All sources together: shares by runs and rows, freshness as the sources' mean."""
    counted = {name: sum(getattr(one, name) for one in rows) for name in
               ("runs", "failed", "rows", "rejects", "open_rejects", "drift", "interventions")}  # fmt: skip
    fresh = [one.fresh_share for one in rows if one.fresh_share is not None]
    recovered = [one.recovery_hours for one in rows if one.recovery_hours is not None]
    return {
        **counted,
        "failed_share": counted["failed"] / counted["runs"] if counted["runs"] else None,
        "error_rate": counted["rejects"] / counted["rows"] if counted["rows"] else None,
        "fresh_share": sum(fresh) / len(fresh) if fresh else None,
        "recovery_hours": sum(recovered) / len(recovered) if recovered else None,
    }
