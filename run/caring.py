"""Requests to care for a source, as the scheduler takes them: packing, retention, the bucket, trying its streams.

While one is at work its request's message is JSON {done, total}; afterwards {rows}, or the text of what went wrong.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import or_, select, update

from ingest import compacting, landing, landing_remote, probe
from ingest.spec import SourceSpec
from ops.care import BUCKET, CARES, LOOK, MARK, PACK, PRUNE, parsed
from ops.errors import C360Error, FatalError
from ops.instance import Instance
from ops.leases import LeaseHeld
from ops.tables import sync_requests
from run import tending

log = logging.getLogger("c360.caring")
_IS_CARE = or_(*(sync_requests.c.stream.startswith(f"{MARK}{kind}", autoescape=True) for kind in CARES))


def work(instance: Instance) -> int:
    """Do what waits, oldest first; how many requests. One that meets a collection or a build waits again."""
    rows = _take(instance)
    for row in rows:
        try:
            found = _care(instance, row)
        except LeaseHeld:
            _mark(instance, row.request_id, "waiting", None)
        except Exception as error:
            if not isinstance(error, C360Error):
                log.exception("%s of %s", row.stream, row.source)
            _mark(instance, row.request_id, "failed", str(error))
        else:
            _mark(instance, row.request_id, "done", json.dumps({"rows": found}, ensure_ascii=False))
            log.info("%s of %s: %s rows", row.stream, row.source, len(found))
    return len(rows)


def _take(instance: Instance) -> list[Any]:
    waits = (sync_requests.c.state == "waiting", _IS_CARE)
    with instance.store.read() as connection:
        if connection.execute(select(sync_requests.c.request_id).where(*waits).limit(1)).first() is None:
            return []
    with instance.store.begin() as connection:
        rows = connection.execute(select(sync_requests).where(*waits).order_by(sync_requests.c.request_id)).all()
        chosen = sync_requests.c.request_id.in_([row.request_id for row in rows])
        connection.execute(update(sync_requests).where(chosen).values(state="running", message=None))
    return list(rows)


def _care(instance: Instance, row: Any) -> list[dict[str, Any]]:
    kind, days = parsed(row.stream)
    source = instance.config.source(row.source)
    if kind == BUCKET:
        return [_bucket(instance, source.name)]
    if kind in {PACK, LOOK, PRUNE}:
        told = _counter(instance, row.request_id, len(landing.streams(instance.landing, source.name)))
        if kind == PACK:
            return [asdict(one) for one in compacting.compact(instance, source.name, told=told)]
        is_look = kind == LOOK
        done = tending.prune(
            instance, source.name, days=days, dry_run=is_look, actor=row.requested_by, told=told
        )  # fmt: skip
        return [asdict(one) for one in done]
    spec = SourceSpec.load(source.connector, instance.config_dir)
    told = _counter(instance, row.request_id, len(spec.streams))
    return [asdict(one) for one in probe.probe(instance, source.name, progress=told)]


def _bucket(instance: Instance, source: str) -> dict[str, Any]:
    if landing_remote.of(instance.landing) is None:
        raise FatalError("landing is a folder of this instance", remedy="name a bucket in [landing] of c360.toml")
    learned, put = landing_remote.refresh_all(instance)
    return {"source": source, "learned": learned, "put": put}


def _counter(instance: Instance, request: int, total: int) -> Callable[[object], None]:
    """Counts streams that are done into the request, where the screen reads it."""
    done = 0

    def told(_one: object) -> None:
        nonlocal done
        done += 1
        _mark(instance, request, "running", json.dumps({"done": done, "total": total}))

    return told


def _mark(instance: Instance, request: int, state: str, message: str | None) -> None:
    with instance.store.begin() as connection:
        chosen = sync_requests.c.request_id == request
        connection.execute(update(sync_requests).where(chosen).values(state=state, message=message))
