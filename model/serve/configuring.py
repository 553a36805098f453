"""Setting up sources from the screen: what is in effect, adding one, its schedule and limits, off and on, all anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select

from ingest import configuring, max_age
from ingest.spec import SettingSpec, SourceSpec, discover
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.stewardship_build import request_build
from model.serve.syncing import must_look_after
from ops import schedule, secrets
from ops.care import FULL
from ops.errors import C360Error, FatalError
from ops.instance import SourceConfig
from ops.store import stamp, unstamp
from ops.tables import audit, runs, sync_requests


def connectors(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Every connector of this instance: connector, label, role, settings (see `source_setup`, without values)."""
    must_look_after(viewer)
    folder = db.instance.config_dir
    specs = [SourceSpec.load(name, folder) for name in sorted(discover(folder))]
    return [
        {
            "connector": spec.connector.name,
            "label": spec.connector.label,
            "role": spec.connector.role,
            "settings": [_setting(db, name, one, {}) for name, one in spec.settings.items()],
        }
        for spec in specs
    ]


def source_setup(viewer: Viewer, db: Served, source: str) -> dict[str, Any]:
    """What is in effect for `source`: its fields in c360.toml, next (UTC instants), settings, mark, problem.

    settings: name, help, type, required, is_secret, choices, default, value, is_default, resolves (of a reference,
    else None). mark: of the file as it is now. problem: why no time is known. FatalError for who may not.
    """
    must_look_after(viewer)
    one = db.instance.config.source(source)
    spec = SourceSpec.load(one.connector, db.instance.config_dir)
    times, problem = [], None
    try:
        times = upcoming(viewer, db, one.schedule, source) if one.status != "off" else []
    except C360Error as error:
        problem = str(error)
    return {
        **one.model_dump(exclude={"settings", "links"}),
        "label": spec.connector.label,
        "limits": max_age.limits(db.instance, one),
        "next": times,
        "settings": [_setting(db, name, setting, one.settings) for name, setting in spec.settings.items()],
        "mark": configuring.seen(db.instance),
        "problem": problem,
    }


def setup_mark(viewer: Viewer, db: Served) -> str:
    """A mark of c360.toml as it is now, to hand back with a change; FatalError for who may not."""
    must_look_after(viewer)
    return configuring.seen(db.instance)


def _setting(db: Served, name: str, spec: SettingSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    value = values.get(name, spec.default)
    if spec.secret and value and not secrets.is_ref(str(value)):
        value = secrets.MASK
    return {
        "name": name,
        "help": spec.help,
        "type": spec.type,
        "required": spec.required,
        "is_secret": spec.secret,
        "choices": spec.choices,
        "default": spec.default,
        "value": value,
        "is_default": name not in values,
        "resolves": _resolves(db, value) if spec.secret and value else None,
    }


def _resolves(db: Served, value: Any) -> bool:
    try:
        secrets.resolve(str(value), db.instance.secrets)
    except C360Error:
        return False
    return True


def resolves(viewer: Viewer, db: Served, reference: str) -> bool:
    """Whether a secret stands behind `reference` for this process; FatalError for who may not, and for no reference."""
    must_look_after(viewer)
    if not secrets.is_ref(reference):
        raise FatalError("that is no reference to a secret", valid="env:NAME or file:NAME")
    return _resolves(db, reference)


def upcoming(viewer: Viewer, db: Served, text: str | None, source: str | None = None) -> list[Any]:
    """The next three instants (UTC) of a schedule, after the last run of `source`; FatalError: not understood."""
    must_look_after(viewer)
    last = None
    if source is not None:
        with db.instance.store.read() as connection:
            last = connection.execute(select(func.max(runs.c.started_at)).where(runs.c.source == source)).scalar()
    return schedule.upcoming(text, unstamp(last) if last else None, db.instance.config.zone)


def add_source(viewer: Viewer, db: Served, source: Mapping[str, Any], mark: str | None = None) -> None:
    """Add a source (name, connector, role, settings, schedule, status); the scheduler collects it at its next look.

    FatalError or SpecError for what is wrong with it, who may not, and a file that cannot be written or has changed.
    """
    must_look_after(viewer)
    try:
        made = SourceConfig.model_validate(dict(source))
    except ValidationError as error:
        wrong = ", ".join(str(part) for one in error.errors() for part in one["loc"])
        raise FatalError(
            f"the source's {wrong} cannot be used", valid="a name of lower case letters, digits, _ and -"
        ) from error
    configuring.add(db.instance, made, viewer.user, mark=mark)


def configure_source(
    viewer: Viewer, db: Served, source: str, wanted: Mapping[str, Any], mark: str | None = None
) -> dict[str, tuple[Any, Any]]:
    """Change what `ingest.configuring.KEYS` names but the status; key → (before, after). FatalError as for adding."""
    must_look_after(viewer)
    if "status" in wanted:
        raise FatalError("a status is changed by switching, promoting or demoting")
    return configuring.change(db.instance, source, wanted, viewer.user, mark=mark)


def switch_source(viewer: Viewer, db: Served, source: str, *, is_on: bool, note: str | None = None) -> str:
    """Switch a source off (a reason is needed) or on again, to what it was before; its status now. Asks for a build.

    What it gave stays in the build; it is no longer collected and not told to be late.
    """
    must_look_after(viewer)
    status = db.instance.config.source(source).status
    if is_on == (status != "off"):
        return status
    if not is_on and not (note or "").strip():
        raise FatalError("a source is switched off for a reason", remedy="say why")
    wanted = configuring.status_before(db.instance.store, source) if is_on else "off"
    configuring.change(db.instance, source, {"status": wanted}, viewer.user, note=note)
    request_build(viewer, db)
    return wanted


def full_cost(viewer: Viewer, db: Served, source: str) -> dict[str, Any]:
    """What reading everything of `source` again costs, by the largest run of each stream: streams, rows, requests,
    bytes, seconds. A stream that never ran counts nothing."""
    must_look_after(viewer)
    one = db.instance.config.source(source)
    known = {stream.name for stream in SourceSpec.load(one.connector, db.instance.config_dir).streams}
    figures = ("rows_landed", "requests", "bytes", "seconds")
    largest = select(runs.c.stream, *(func.max(runs.c[name]).label(name) for name in figures)).where(
        runs.c.source == source, runs.c.state == "done"
    )
    with db.instance.store.read() as connection:
        rows = [row for row in connection.execute(largest.group_by(runs.c.stream)) if row.stream in known]
    return {"streams": len(known), **{name: sum(getattr(row, name) or 0 for row in rows) for name in figures}}


def request_full(viewer: Viewer, db: Served, source: str) -> int:
    """Ask the scheduler to read everything of `source` again; the request's id, also of one that still waits. Audited.

    FatalError for a role that may not, and for a source that is off or does not exist.
    """
    must_look_after(viewer)
    if db.instance.config.source(source).status == "off":
        raise FatalError(f"the source {source} is off", remedy="switch it on first")
    same = (sync_requests.c.source == source, sync_requests.c.stream == FULL, sync_requests.c.state == "waiting")
    with db.instance.store.begin() as connection:
        if (known := connection.execute(select(sync_requests.c.request_id).where(*same)).scalar()) is not None:
            return int(known)
        entry = {"source": source, "stream": FULL, "requested_by": viewer.user, "requested_at": stamp()}
        added = connection.execute(sync_requests.insert().values(**entry, state="waiting")).inserted_primary_key
        connection.execute(
            audit.insert().values(at=stamp(), actor=viewer.user, action="source.full", subject=source,
                                  details=json.dumps({"source": source}))
        )  # fmt: skip
    return int(added[0]) if added else 0
