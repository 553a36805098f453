"""Requests to read single records, as the scheduler takes them: from webhooks and from the customer screen."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, update

from ingest import targets
from ingest.hook_intake import WEBHOOK
from ingest.targets import CUSTOMER, Cause, TargetResult
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.leases import LeaseHeld
from ops.store import stamp
from ops.tables import target_requests

log = logging.getLogger("c360.targeting")


@dataclass
class Done:
    """What was read: results by request, and requests that must wait because their source is being collected."""

    results: dict[int, list[TargetResult]] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def landed(self) -> int:
        """Rows that landed in all."""
        return sum(one.rows_landed for results in self.results.values() for one in results)


def take(instance: Instance) -> list[Any]:
    """Mark the requests whose time has come as running and return their rows, oldest first."""
    due = (target_requests.c.state == "waiting", target_requests.c.due_at <= stamp(clock.now()))
    with instance.store.read() as connection:
        if connection.execute(select(target_requests.c.request_id).where(*due).limit(1)).first() is None:
            return []
    with instance.store.begin() as connection:
        rows = connection.execute(select(target_requests).where(*due).order_by(target_requests.c.request_id)).all()
        _mark(connection, [row.request_id for row in rows], "running")
    return list(rows)


def take_back(instance: Instance) -> None:
    """What a scheduler that was killed had begun waits again."""
    running = target_requests.c.state == "running"
    with instance.store.begin() as connection:
        connection.execute(update(target_requests).where(running).values(state="waiting"))


def read(instance: Instance, rows: list[Any]) -> Done:
    """Read what these requests ask for, a source's hooks together. One that meets a collection waits again."""
    done = Done()
    hooks: dict[str, list[Any]] = {}
    for row in rows:
        if row.caused_by == WEBHOOK:
            hooks.setdefault(row.source, []).append(row)
    groups = [*hooks.values(), *([row] for row in rows if row.caused_by != WEBHOOK)]
    for group in groups:
        numbers = [row.request_id for row in group]
        try:
            results = _read(instance, group)
        except LeaseHeld:
            with instance.store.begin() as connection:
                _mark(connection, numbers, "waiting")
            continue
        except Exception as error:
            if not isinstance(error, C360Error):
                log.exception("the records asked for of %s were not read", group[0].source)
            done.failed |= dict.fromkeys(numbers, str(error))
            results = []
        done.results |= {number: results if number == numbers[0] else [] for number in numbers}
        bad = "; ".join(f"{one.stream}: {one.error}" for one in results if one.state == "failed")
        if bad:
            done.failed |= dict.fromkeys(numbers, bad)
        log.info("%s: %s rows landed by %s", group[0].source, sum(one.rows_landed for one in results),
                 group[0].caused_by)  # fmt: skip
    return done


def _read(instance: Instance, group: list[Any]) -> list[TargetResult]:
    first = group[0]
    cause = Cause(first.caused_by, first.request_id)
    if first.caused_by == CUSTOMER:
        return targets.read_customer(instance, first.source, json.loads(first.wanted), cause)
    wanted: dict[str, list[str]] = {}
    for row in group:
        ids, known = json.loads(row.wanted), wanted.get(row.stream)
        # one that a killed scheduler had begun, and a later one: no ids in either means the whole stream
        wanted[row.stream] = ids if known is None else sorted({*ids, *known}) if ids and known else []
    return targets.read_records(instance, first.source, wanted, cause)


def settle(instance: Instance, done: Done, problem: str | None) -> None:
    """Write how the requests ended, once what they brought is published; `problem` is that of the build."""
    with instance.store.begin() as connection:
        for number in done.results:
            message = "; ".join(text for text in (done.failed.get(number), problem) if text) or None
            _mark(connection, [number], "failed" if message else "done", message)


def _mark(connection: Any, numbers: list[int], state: str, message: str | None = None) -> None:
    chosen = target_requests.c.request_id.in_(numbers)
    connection.execute(update(target_requests).where(chosen).values(state=state, message=message))
