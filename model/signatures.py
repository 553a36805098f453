"""Who signed which version of a source's mapping, for business and for IT; a version is the mapping's fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from model.conform.sources import mapping_of
from ops.errors import C360Error
from ops.instance import Instance, SourceConfig
from ops.store import Store, stamp
from ops.tables import audit, mapping_signatures

SIDES = ("business", "it")


@dataclass(frozen=True)
class Signature:
    """`signed_on`: ISO date; `version`: the fingerprint that was signed."""

    source: str
    side: str
    name: str
    signed_on: str
    version: str


def newest(store: Store) -> dict[tuple[str, str], Signature]:
    """(source, side) → the last signature given."""
    c = mapping_signatures.c
    with store.read() as connection:
        rows = connection.execute(select(c.source, c.side, c.name, c.signed_on, c.version).order_by(c.signature_id))
        return {(row.source, row.side): Signature(*row) for row in rows}


def rows(instance: Instance, sources: Sequence[SourceConfig]) -> list[dict[str, Any]]:
    """One row per source: its mapping's version, who signed it, and what was signed last where that was another one."""
    known = newest(instance.store)
    found = []
    for source in sources:
        version = mapping_of(instance, source).digest
        row: dict[str, Any] = {"source": source.name, "connector": source.connector, "version": version}
        earlier = []
        for side in SIDES:
            one = known.get((source.name, side))
            holds = one is not None and one.version == version
            row[f"{side}_name"] = one.name if one and holds else None
            row[f"{side}_signed_on"] = one.signed_on if one and holds else None
            if one and not holds:
                earlier.append(f"{side}: {one.name} on {one.signed_on} for version {one.version}")
        found.append({**row, "signed_before": "; ".join(earlier) or None})
    return found


def states(instance: Instance) -> list[dict[str, Any]]:
    """One row per source: source, version, signatures [{side, name, signed_on, version, holds}], is_signed.

    is_signed: both sides have signed the version in use. A source whose mapping is broken is left out.
    """
    known = newest(instance.store)
    found = []
    for source in instance.config.sources:
        try:
            version = mapping_of(instance, source).digest
        except C360Error:
            continue
        given = [
            {"side": side, "name": one.name, "signed_on": one.signed_on, "version": one.version,
             "holds": one.version == version}
            for side in SIDES if (one := known.get((source.name, side))) is not None
        ]  # fmt: skip
        is_signed = len(given) == len(SIDES) and all(one["holds"] for one in given)
        found.append({"source": source.name, "version": version, "signatures": given, "is_signed": is_signed})
    return found


def keep(store: Store, given: Sequence[Signature], by: str) -> None:
    """Store signatures; audited."""
    now = stamp()
    with store.begin() as connection:
        for one in given:
            values = {"source": one.source, "side": one.side, "name": one.name, "signed_on": one.signed_on}
            connection.execute(
                mapping_signatures.insert().values(**values, version=one.version, entered_by=by, entered_at=now)
            )
            connection.execute(
                audit.insert().values(at=now, actor=by, action="mapping.sign", subject=one.source,
                                      details=f'{{"side": "{one.side}", "version": "{one.version}"}}')
            )  # fmt: skip
