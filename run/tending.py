"""What is done at quiet hours: packing landing, letting superseded versions leave, forgetting old targeted reads."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import time
from zoneinfo import ZoneInfo

from sqlalchemy import select

from ingest import compacting, forgetting, retention
from ingest.retention import Pruned
from model import build, staging
from model.conform.needed import needed
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.leases import lease
from ops.store import stamp
from ops.tables import kv

log = logging.getLogger("c360.tending")
QUIET_FROM, QUIET_UNTIL = time(2), time(5)
"""Of the company's zone."""
WORTH_PACKING = 32
"""Files that a stream must have gathered."""
_KEY = "landing.tended"


def named(instance: Instance, source: str | None) -> list[str]:
    """The source named, or all; FatalError when there is none of that name."""
    if source is not None:
        return [instance.config.source(source).name]
    return [one.name for one in instance.config.sources]


def held_back(instance: Instance) -> list[str]:
    """Sources under legal hold."""
    return [one.name for one in instance.config.sources if one.legal_hold]


def prunable(instance: Instance, days: int | None = None) -> list[str]:
    """Sources of which versions leave: with `days` all that are not under legal hold, else those that say how long."""
    sources = [one for one in instance.config.sources if not one.legal_hold]
    return [one.name for one in sources if days is not None or one.keep_versions_days is not None]


def prune(
    instance: Instance,
    source: str,
    *,
    days: int | None = None,
    dry_run: bool = False,
    actor: str = "scheduler",
    told: Callable[[Pruned], None] = lambda _one: None,
) -> list[Pruned]:
    """Let the superseded versions leave that no replay needs (retention.prune). LeaseHeld while a build is at work."""
    with lease(instance.store, build.LEASE), staging.open_warehouse(instance) as con:
        kept = needed(instance, con, source)
    return retention.prune(instance, source, needed=kept, days=days, dry_run=dry_run, actor=actor, told=told)


def tend(instance: Instance) -> bool:
    """Pack, prune and forget once a night, within quiet hours; whether it was done now. Problems are only logged.

    A source that is being collected, or a build at work, is left for the next night.
    """
    now = clock.now().astimezone(ZoneInfo(instance.config.zone))
    if not QUIET_FROM <= now.time() < QUIET_UNTIL or _last(instance) == now.date().isoformat():
        return False
    entry = {"key": _KEY, "value": now.date().isoformat(), "updated_at": stamp()}
    with instance.store.begin() as connection:
        instance.store.upsert(connection, kv, entry, ["key"])
    log.info("%s old targeted reads are forgotten", forgetting.forget(instance.store))
    wanted = set(prunable(instance))
    for source in named(instance, None):
        try:
            done = compacting.compact(instance, source, at_least=WORTH_PACKING)
            if any(one.runs for one in done):
                whole = compacting.total(done)
                log.info("%s: %s files packed into %s", source, whole.files_before, whole.files_after)
            if source in wanted:
                left = sum(one.leaving for one in prune(instance, source))
                log.info("%s: %s superseded versions left landing", source, left)
        except (C360Error, OSError) as error:
            log.warning("landing of %s: %s", source, error)
    return True


def _last(instance: Instance) -> str | None:
    with instance.store.read() as connection:
        value: str | None = connection.execute(select(kv.c.value).where(kv.c.key == _KEY)).scalar()
    return value
