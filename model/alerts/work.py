"""The work state and the ledgers of the operational store, as the rules' conditions see them on a business day."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
from sqlalchemy import Row, func, select

from ingest import max_age
from model import control_totals, reconcile
from model.alerts.machine import Answer
from model.receivables import codes
from model.receivables.received import received_days
from ops import clock
from ops.instance import Instance
from ops.store import stamp, unstamp
from ops.tables import (
    accepted_differences,
    disputes,
    drifts,
    notes,
    notice_events,
    promises,
    runs,
    scores,
    statements,
    work_events,
)

_LOOKED_BACK = timedelta(days=120)
_DROPPED_AFTER = timedelta(days=2)
"""A stream that its source has gone on without for so long is collected no more."""
_ANSWERS = {"acknowledge": "acknowledged", "snooze": "snoozed", "escalate": "escalated"}
_SCHEMAS: dict[str, dict[str, Any]] = {
    "work_promise": {
        "promise_id": pl.Int64, "item_key": pl.String, "amount": pl.Decimal(18, 2), "promised_on": pl.Date,
        "made_on": pl.Date, "withdrawn_on": pl.Date,
    },
    "work_dispute_all": {
        "item_key": pl.String, "amount": pl.Decimal(18, 2), "opened_on": pl.Date, "closed_on": pl.Date,
    },
    "work_score_all": {"record_key": pl.String, "scored_on": pl.Date, "likelihood": pl.Float64},
    "work_notice_all": {"event_id": pl.Int64, "notice_key": pl.String, "state": pl.String, "said_on": pl.Date},
    "work_demand": {"item_key": pl.String, "demanded_on": pl.Date},
    "work_confirmation": {"item_key": pl.String, "confirmed_on": pl.Date},
    "work_run": {
        "source": pl.String, "stream": pl.String, "ended_at": pl.Datetime("us", "UTC"), "max_age_minutes": pl.Int64,
    },
    "work_failed_run": {
        "source": pl.String, "stream": pl.String, "is_good": pl.Boolean, "ended_at": pl.Datetime("us", "UTC"),
        "ended_on": pl.Date,
    },
    "work_drift_all": {
        "source": pl.String, "stream": pl.String, "kind": pl.String, "planned_id": pl.Int64, "found_on": pl.Date,
        "settled_on": pl.Date,
    },
    "work_total_all": {
        "source": pl.String, "name": pl.String, "entity": pl.String, "currency": pl.String, "gap_count": pl.Int64,
        "gap_amount": pl.Decimal(18, 2), "found_on": pl.Date,
    },
    "work_accepted": {
        "rule": pl.String, "anchor": pl.String, "currency": pl.String, "left_amount": pl.Decimal(18, 2),
        "right_amount": pl.Decimal(18, 2), "left_count": pl.Int64, "right_count": pl.Int64, "accepted_on": pl.Date,
        "withdrawn_on": pl.Date,
    },
    "work_cured": {
        "rule": pl.String, "subject": pl.String, "anchor": pl.String, "customer_key": pl.String,
        "owner_key": pl.String, "currency": pl.String, "amount": pl.Decimal(18, 2), "cured_on": pl.Date,
    },
}  # fmt: skip


@dataclass
class Work:
    """What people and processes recorded. `answers`: subject → (instant, what), oldest first. `received`: invoice →
    the day its customer received it. `today`, `base_currency` and `zone` are the company's,
    `reconciled` its reconciliation rules."""

    tables: dict[str, pl.DataFrame]
    answers: dict[str, list[tuple[str, Answer]]]
    received: dict[str, date]
    today: date
    base_currency: str
    zone: str
    reconciled: list[reconcile.Rule]

    @classmethod
    def read(cls, instance: Instance, sources: bool = True) -> Work:
        """Read fresh from the store. `sources`: include the run ledger of the active sources."""
        zone = ZoneInfo(instance.config.zone)
        with instance.store.read() as connection:
            promised = connection.execute(select(promises)).all()
            disputed = connection.execute(select(disputes)).all()
            accepted = connection.execute(select(accepted_differences)).all()
            scored = connection.execute(select(scores.c.record_key, scores.c.as_of, scores.c.likelihood)).all()
            noticed = connection.execute(select(notice_events)).all()
            demanded = connection.execute(
                select(work_events.c.item_key, work_events.c.happened_on).where(
                    work_events.c.action == "stage", work_events.c.item_key.is_not(None),
                    work_events.c.code.in_(codes.demands(codes.load(instance.config_dir))),
                )
            ).all()  # fmt: skip
            confirmed = connection.execute(
                select(statements.c["items"], statements.c.confirmed_on).where(
                    statements.c.confirmed_on.is_not(None), statements.c.state != "cancelled"
                )
            ).all()
            drifted = connection.execute(select(drifts)).all() if sources else []
            written = connection.execute(
                select(notes).where(notes.c.kind.in_(list(_ANSWERS))).order_by(notes.c.note_id)
            ).all()
        rows: dict[str, list[tuple[Any, ...]]] = {
            "work_promise": [
                (r.promise_id, r.item_key, Decimal(r.amount), date.fromisoformat(r.promised_on),
                 _day(r.made_at, zone), _day(r.withdrawn_at, zone))
                for r in promised
            ],
            "work_dispute_all": [
                (r.item_key, Decimal(r.amount), _day(r.opened_at, zone), _day(r.closed_at, zone)) for r in disputed
            ],
            "work_score_all": [
                (r.record_key, date.fromisoformat(r.as_of), r.likelihood) for r in scored if r.likelihood is not None
            ],
            "work_accepted": [
                (r.rule, r.anchor, r.currency, _amount(r.left_amount), _amount(r.right_amount), r.left_count,
                 r.right_count, _day(r.accepted_at, zone), _day(r.withdrawn_at, zone))
                for r in accepted
            ],
            "work_notice_all": [(r.event_id, r.notice_key, r.state, _day(r.at, zone)) for r in noticed],
            "work_demand": [(r.item_key, date.fromisoformat(r.happened_on)) for r in demanded],
            "work_confirmation": [
                (key, date.fromisoformat(r.confirmed_on)) for r in confirmed for key in json.loads(r[0])
            ],
            "work_run": _runs(instance) if sources else [],
            "work_failed_run": _failed_runs(instance, zone) if sources else [],
            "work_drift_all": [
                (r.source, r.stream, r.kind, r.planned_id, _day(r.found_at, zone), _day(r.settled_at, zone))
                for r in drifted if r.source in {one.name for one in instance.config.sources if one.status == "active"}
            ],
            "work_total_all": _gaps(instance, zone) if sources else [], "work_cured": [],
        }  # fmt: skip
        return cls(
            tables={name: _frame(name, values) for name, values in rows.items()}, answers=_answers(written),
            received=received_days(instance.store), today=clock.today(instance.config.zone),
            base_currency=instance.config.base_currency, zone=instance.config.zone,
            reconciled=reconcile.load(instance.config_dir),
        )  # fmt: skip

    def cured(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Give the episodes that ended lately, in the column order of work_cured."""
        self.tables["work_cured"] = _frame("work_cured", list(rows))

    def load(self, con: duckdb.DuckDBPyConnection, *names: str) -> None:
        """Make the temp tables that work.sql reads (or only those named)."""
        for name in names or self.tables:
            frame = self.tables[name]
            con.register("incoming", frame.to_arrow())
            con.execute(f"create or replace temp table {name} as select * from incoming")
            con.unregister("incoming")

    def answer(self, subject: str, since: str, today: date) -> Answer | None:
        """The newest answer given since the instant `since`; a snooze counts until it ends."""
        for at, answer in reversed(self.answers.get(subject, [])):
            if at < since:
                return None
            if answer.until is None or answer.until > today.isoformat():
                return answer
        return None


def _gaps(instance: Instance, zone: ZoneInfo) -> list[tuple[Any, ...]]:
    """Totals of sources that differ from what is shown of them."""
    names = ("source", "name", "entity", "currency", "gap_count", "gap_amount")
    return [
        (*(one[name] for name in names), _day(one["found_at"], zone))
        for one in control_totals.newest(instance)
        if one["state"] == "gap"
    ]


def _answers(written: Iterable[Row[Any]]) -> dict[str, list[tuple[str, Answer]]]:
    found: dict[str, list[tuple[str, Answer]]] = {}
    for row in written:
        if row.kind != "snooze" or row.until:
            until = str(row.until)[:10] if row.kind == "snooze" else None
            found.setdefault(row.anchor, []).append((row.made_at, Answer(_ANSWERS[row.kind], until)))
    return found


def _runs(instance: Instance) -> list[tuple[Any, ...]]:
    """Good runs of the active sources: those of the last months, and the newest before them.

    A stream with a limit of its own stands under its name, the others of its source together under none.
    """
    limits = {one.name: max_age.limits(instance, one) for one in instance.config.sources if one.status == "active"}
    is_good = (runs.c.state == "done") & runs.c.source.in_(list(limits))
    since = stamp(clock.now() - _LOOKED_BACK)
    lately = select(runs.c.source, runs.c.stream, runs.c.ended_at).where(is_good, runs.c.ended_at >= since)
    before = select(runs.c.source, runs.c.stream, func.max(runs.c.ended_at)).where(is_good, runs.c.ended_at < since)
    with instance.store.read() as connection:
        grouped = before.group_by(runs.c.source, runs.c.stream)
        done = [*connection.execute(lately).all(), *connection.execute(grouped).all()]
    judged = [
        (source, stream if stream in limits[source] else max_age.COMMON, ended_at)
        for source, stream, ended_at in done
        if ended_at
    ]
    return [
        (source, stream, unstamp(ended_at), limits[source][stream])
        for source, stream, ended_at in judged
        if stream in limits[source]
    ]


def _failed_runs(instance: Instance, zone: ZoneInfo) -> list[tuple[Any, ...]]:
    """The failed runs of the last months, and the good ones that came next in their stream or source.

    A stream that its source has gone on without for days is no longer collected, and fails no more.
    """
    active = [one.name for one in instance.config.sources if one.status == "active"]
    lately = (runs.c.ended_at >= stamp(clock.now() - _LOOKED_BACK)) & runs.c.source.in_(active)
    failing = select(runs.c.source).where(lately, runs.c.state == "failed").distinct()
    ended = (lately, runs.c.source.in_(failing), runs.c.state.in_(["failed", "done"]))
    order = (runs.c.ended_at, runs.c.state.desc(), runs.c.run_id)
    numbered = (
        select(
            runs.c.source, runs.c.stream, runs.c.state, runs.c.ended_at,
            func.lag(runs.c.state).over(partition_by=[runs.c.source, runs.c.stream], order_by=order).label("before"),
            func.lag(runs.c.state).over(partition_by=runs.c.source, order_by=order).label("before_any"),
        ).where(*ended).subquery()
    )  # fmt: skip
    n = numbered.c
    wanted = select(n.source, n.stream, n.state, n.ended_at).where(
        (n.state == "failed") | (n.before == "failed") | (n.before_any == "failed")
    )
    newest = select(runs.c.source, runs.c.stream, func.max(runs.c.ended_at)).where(*ended)
    with instance.store.read() as connection:
        found = connection.execute(wanted).all()
        last = {(one[0], one[1]): one[2] for one in connection.execute(newest.group_by(runs.c.source, runs.c.stream))}
    of_source = {source: max(at for (name, _), at in last.items() if name == source) for source, _ in last}
    dropped = {place for place, at in last.items() if unstamp(of_source[place[0]]) - unstamp(at) > _DROPPED_AFTER}
    return [
        (row.source, row.stream, row.state == "done", unstamp(row.ended_at), _day(row.ended_at, zone))
        for row in found
        if (row.source, row.stream) not in dropped
    ]


def _day(stamped: str | None, zone: ZoneInfo) -> date | None:
    return None if stamped is None else unstamp(stamped).astimezone(zone).date()


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _frame(name: str, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=_SCHEMAS[name], orient="row")


def as_instant(day: date, zone: str, hour: int) -> datetime:
    """`hour` o'clock of `day` in `zone`, for questions about the past."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(zone))
