"""Letting a shadow source in, and putting an active one back into the shadow: who did it and when is audited."""

from __future__ import annotations

import json

from ops import config_file
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import audit

_FROM = {"active": "shadow", "shadow": "active"}
_ACTION = {"active": "source.promote", "shadow": "source.demote"}


def set_status(instance: Instance, source: str, status: str, by: str, note: str | None = None) -> bool:
    """Make a shadow source `active`, or an active one a `shadow`; False when it is so already.

    Writes c360.toml, whose comments stay, and takes effect with the next build, which is a full one. FatalError for a
    source that is off or does not exist, and for another status.
    """
    if status not in _FROM:
        raise FatalError(f"a source is not set to {status!r} here", valid=", ".join(_FROM))
    config = instance.config.source(source)
    if config.status == status:
        return False
    if config.status != _FROM[status]:
        raise FatalError(f"{source} is {config.status}", valid=f"a source with status {_FROM[status]}")
    config_file.set_of_source(instance.home / "c360.toml", source, "status", status)
    instance.reread_sources()
    details = json.dumps({"source": source, "note": (note or "").strip() or None}, ensure_ascii=False)
    with instance.store.begin() as connection:
        connection.execute(
            audit.insert().values(at=stamp(), actor=by, action=_ACTION[status], subject=source, details=details)
        )
    return True
