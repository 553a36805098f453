"""A source's configuration changed by a person: checked, written to c360.toml, audited, in effect at once.

c360.toml keeps its comments. Every process at work takes the change up (Instance.reread_sources); none restarts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from ingest import max_age, settings
from ingest.spec import SourceSpec
from ops import config_file, schedule, secrets
from ops.errors import FatalError
from ops.instance import MANUAL, Instance, SourceConfig
from ops.leases import lease
from ops.store import Store, stamp
from ops.tables import audit

ADDED, CHANGED, OFF, ON = "source.add", "source.configure", "source.off", "source.on"
KEYS = (
    "schedule", "max_age_minutes", "stream_max_age_minutes", "keep_versions_days", "legal_hold", "settings", "status",
)  # fmt: skip
"""What a person changes of a source that is there; its name, connector and role stay."""


def seen(instance: Instance) -> str:
    """A mark of c360.toml as it is now; hand it back with a change to have it refused when the file has changed."""
    return config_file.fingerprint(_path(instance))


def add(instance: Instance, source: SourceConfig, by: str, *, note: str | None = None, mark: str | None = None) -> None:
    """Append `source` to c360.toml. SpecError and FatalError say what is wrong with it; LeaseHeld: somebody writes."""
    if any(one.name == source.name for one in instance.config.sources):
        raise FatalError(f"there is a source {source.name!r} already", remedy="choose another name")
    check(instance, source)
    written = source.model_dump(exclude_defaults=True, exclude_none=True)
    if source.schedule is None:
        written["schedule"] = MANUAL
    with lease(instance.store, "c360.toml", ttl_s=10):
        config_file.add_source(_path(instance), written, seen=mark)
    _note(instance.store, by, ADDED, source.name, {"after": written, "note": _said(note)})
    instance.reread_sources()


def change(
    instance: Instance,
    name: str,
    wanted: Mapping[str, Any],
    by: str,
    *,
    note: str | None = None,
    mark: str | None = None,
) -> dict[str, tuple[Any, Any]]:
    """Set some of KEYS of the source `name`; key → (before, after) of what has changed, nothing where it was so.

    A setting whose value is None goes back to the connector's default. SpecError and FatalError say what is wrong;
    LeaseHeld while somebody else writes.
    """
    if unknown := sorted(set(wanted) - set(KEYS)):
        raise FatalError(f"{', '.join(unknown)} cannot be changed", valid=", ".join(KEYS))
    instance.reread_sources()
    old = instance.config.source(name)
    new = _made(old, wanted)
    check(instance, new)
    before, after = old.model_dump(), new.model_dump()
    differing = {key: (before[key], after[key]) for key in KEYS if before[key] != after[key]}
    if not differing:
        return {}
    values = {key: _value(old, key, pair) for key, pair in differing.items()}
    with lease(instance.store, "c360.toml", ttl_s=10):
        config_file.change_source(_path(instance), name, values, seen=mark)
    action = CHANGED
    if set(differing) == {"status"} and "off" in differing["status"]:
        action = OFF if differing["status"][1] == "off" else ON
    _note(instance.store, by, action, name, {
        "before": {key: _told(pair[0], pair[1]) for key, pair in differing.items()},
        "after": {key: _told(pair[1], pair[0]) for key, pair in differing.items()},
        "note": _said(note),
    })  # fmt: skip
    instance.reread_sources()
    return differing


def check(instance: Instance, source: SourceConfig) -> None:
    """FatalError or SpecError for what the connector, the schedule or a limit does not allow. No secret is read."""
    spec = SourceSpec.load(source.connector, instance.config_dir)
    for key, setting in spec.settings.items():
        value = source.settings.get(key)
        if setting.secret and value and not (isinstance(value, str) and secrets.is_ref(value)):
            raise FatalError(f"{key} is a secret: it is given by reference only", valid="env:NAME or file:NAME")
    settings.checked(spec, source)
    schedule.upcoming(source.schedule, None, instance.config.zone)
    max_age.verify(instance, source)
    if source.max_age_minutes < 1:
        raise FatalError(f"a limit of {source.max_age_minutes} minutes", valid="1 or more")


def status_before(store: Store, source: str) -> str:
    """What a source that is off was before it was switched off here; shadow when nobody knows, which shows nothing."""
    mine = (audit.c.action == OFF, audit.c.subject == source)
    with store.read() as connection:
        found = connection.execute(select(audit.c.details).where(*mine).order_by(audit.c.audit_id.desc())).scalar()
    return str(json.loads(found)["before"]["status"]) if found else "shadow"


def _made(old: SourceConfig, wanted: Mapping[str, Any]) -> SourceConfig:
    merged = old.model_dump() | dict(wanted)
    if "settings" in wanted:
        both = {**old.settings, **wanted["settings"]}
        merged["settings"] = {key: value for key, value in both.items() if value is not None}
    try:
        return SourceConfig.model_validate(merged)
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
        raise FatalError(f"{old.name}: {said}", remedy="correct it") from error


def _value(old: SourceConfig, key: str, pair: tuple[Any, Any]) -> Any:
    """What is written for a key: a mapping names what leaves as None, and no schedule has a word."""
    before, after = pair
    if key == "schedule":
        return after or MANUAL
    if isinstance(after, dict):
        changed = {name: value for name, value in after.items() if name not in before or before[name] != value}
        return changed | dict.fromkeys(set(before) - set(after))
    return after


def _told(one: Any, other: Any) -> Any:
    """Of a mapping only what differs; secrets stand in it by reference."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {key: value for key, value in one.items() if key not in other or other[key] != value}
    return one


def _said(note: str | None) -> str | None:
    return (note or "").strip() or None


def _note(store: Store, by: str, action: str, source: str, details: dict[str, Any]) -> None:
    text = json.dumps(details, ensure_ascii=False, default=str)
    with store.begin() as connection:
        connection.execute(audit.insert().values(at=stamp(), actor=by, action=action, subject=source, details=text))


def _path(instance: Instance) -> Path:
    return instance.home / "c360.toml"
