"""How old a stream may become: by its own limit where it has one, else with the others by its source's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from ingest.spec import SourceSpec
from ops.errors import C360Error, FatalError
from ops.instance import Instance, SourceConfig

COMMON = ""
"""Stands for the streams of a source that have no limit of their own."""


def limits(instance: Instance, source: SourceConfig) -> dict[str, int]:
    """Stream → minutes: the limits of their own, c360.toml over the connector, and COMMON for the rest.

    A limit of 0 in c360.toml takes the connector's away. COMMON is left out where every stream has a limit.
    """
    try:
        shipped = _shipped(source.connector, instance.config_dir)
    except C360Error:  # said where the source is collected
        shipped = {}
    own = {name: least for name, least in shipped.items() if least}
    own |= source.stream_max_age_minutes
    found = {name: minutes for name, minutes in own.items() if minutes}
    return found if shipped and set(shipped) <= set(found) else {COMMON: source.max_age_minutes, **found}


def verify(instance: Instance, source: SourceConfig) -> None:
    """FatalError for a limit of a stream that the source does not have."""
    known = _shipped(source.connector, instance.config_dir)
    if unknown := sorted(set(source.stream_max_age_minutes) - set(known)):
        raise FatalError(
            f"stream_max_age_minutes: {source.connector} has no stream {', '.join(unknown)}", valid=", ".join(known)
        )


@cache
def _shipped(connector: str, config_dir: Path) -> dict[str, int | None]:
    """Every stream of the connector, with its own limit where it has one."""
    streams = SourceSpec.load(connector, config_dir).streams
    return {one.name: one.assertions.max_age_minutes for one in streams}
