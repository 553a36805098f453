"""What webhooks brought, which single records were read for them, and which hosts are left alone."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select

from ingest import breaker, settings
from ingest.spec import SourceSpec
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.syncing import may_sync, must_look_after, request_sync
from ops.errors import C360Error
from ops.instance import SourceConfig
from ops.secrets import Redactor
from ops.store import stamp, unstamp
from ops.tables import audit, hook_counts, target_runs

REFUSED = ("unsigned", "stale", "malformed")


def hook_state(viewer: Viewer, db: Served, limit: int = 20) -> dict[str, Any]:
    """{hooks: [{source, accepted, duplicate, refused, ignored, last_at}], reads: […], hosts: […]}.

    reads: the newest targeted reads (source, stream, caused_by, started_at, state, asked, rows_landed, error, remedy);
    hosts: as ingest.breaker.at_work. Both empty for a role that does not look after sources.
    """
    with db.instance.store.read() as connection:
        counted = connection.execute(select(hook_counts).order_by(hook_counts.c.source)).all()
        newest = select(target_runs).order_by(target_runs.c.started_at.desc(), target_runs.c.stream).limit(limit)
        reads = connection.execute(newest).all() if may_sync(viewer) else []
    hooks: dict[str, dict[str, Any]] = {}
    for row in counted:
        start = {"source": row.source, "accepted": 0, "duplicate": 0, "refused": 0, "ignored": 0, "last_at": None}
        entry = hooks.setdefault(row.source, start)
        name = "refused" if row.outcome in REFUSED else row.outcome
        if name in entry:
            entry[name] += row.count
        entry["last_at"] = max(filter(None, (entry["last_at"], unstamp(row.last_at))))
    kept = ("source", "stream", "caused_by", "state", "asked", "rows_landed", "error", "remedy")
    return {
        "hooks": list(hooks.values()),
        "reads": [{**{key: getattr(row, key) for key in kept}, "started_at": unstamp(row.started_at)} for row in reads],
        "hosts": breaker.at_work(db.instance.store) if may_sync(viewer) else [],
    }


def try_host(viewer: Viewer, db: Served, host: str) -> list[str]:
    """Ask a host that is left alone once more, now: its sources are collected; their names. Audited.

    FatalError for who does not look after sources; NotFound for a host that is not left alone. The first call is the
    probe: when it fails the host is left alone again, for twice as long.
    """
    must_look_after(viewer)
    if not breaker.try_now(db.instance.store, host):
        raise NotFound(f"{host} is not left alone", remedy="the sources page shows the hosts that are")
    with db.instance.store.begin() as connection:
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="host.try", subject=host, details="{}")
        )
    names = [one.name for one in db.instance.config.sources if one.status != "off" and _speaks_to(db, one, host)]
    for name in names:
        request_sync(viewer, db, name)
    return names


def _speaks_to(db: Served, source: SourceConfig, host: str) -> bool:
    """Whether one of the source's addresses is on this host (with its port, where the address has one)."""
    try:
        spec = SourceSpec.load(source.connector, db.instance.config_dir)
        values = settings.resolve(spec, source, db.instance.secrets, Redactor())
    except C360Error:
        return False
    return any(urlsplit(value).netloc == host for value in values.values() if isinstance(value, str) and "//" in value)
