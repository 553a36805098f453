"""Whether the matcher should be trained anew: what it was trained on against what there is now; only told.

What was counted at training (weights, frequencies, values that bring no candidates, sources free of duplicates) stays
as it was while records grow, sources come and stewards decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from json import loads
from zoneinfo import ZoneInfo

from sqlalchemy import select

from model import warehouse
from model.identity.match_model import MODEL
from model.publish import Published
from ops.instance import Instance
from ops.store import unstamp
from ops.tables import match_decisions, model_versions

NEW_DECISIONS = 50
GROWTH = 1.5
RECORDS_OF_SOURCES = "select source, count(*) as records from identity.match_record group by source order by source"
COMMAND = "c360 identity train"


@dataclass(frozen=True)
class Training:
    """What the current version was trained on, and what has come since. `trained_on`: a day of the company's zone;
    `decisions`: pairs decided the same or different since, as they stand; `sources`: it had no record of these."""

    trained_on: date
    records_then: int
    records_now: int
    decisions: int
    sources: tuple[str, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """What speaks for training anew, any of decisions, records, sources; nothing does where it is empty."""
        found = {
            "decisions": self.decisions >= NEW_DECISIONS,
            "records": self.records_now >= GROWTH * self.records_then,
            "sources": bool(self.sources),
        }
        return tuple(name for name, holds in found.items() if holds)


def training(instance: Instance, records: Mapping[str, int]) -> Training | None:
    """The current version against `records`, compared records per source of a build; None where none was trained.

    A version of before sources were noted has no new ones.
    """
    query = select(model_versions).where(model_versions.c.model == MODEL, model_versions.c.is_current)
    with instance.store.read() as connection:
        row = connection.execute(query).first()
        if row is None:
            return None
        table = match_decisions.c
        since = (
            select(table.left_source, table.left_id, table.right_source, table.right_id, table.decision)
            .where(table.decided_at > row.trained_at)
            .order_by(table.decision_id)
        )
        latest = {tuple(sorted([one[:2], one[2:4]])): one[4] for one in map(tuple, connection.execute(since))}
    card = loads(row.card)
    known = card.get("sources", list(records))
    return Training(
        unstamp(row.trained_at).astimezone(ZoneInfo(instance.config.zone)).date(),
        int(card["records"]),
        sum(records.values()),
        sum(decision in {"same", "different"} for decision in latest.values()),
        tuple(sorted(set(records) - set(known))),
    )


def notes(instance: Instance, served: Published) -> list[str]:
    """One line for the operator where the matcher should be trained anew; `served`: the published build."""
    con = warehouse.connect(served.path, read_only=True)
    try:
        records = {str(source): int(number) for source, number in con.execute(RECORDS_OF_SOURCES).fetchall()}
    finally:
        con.close()
    found = training(instance, records)
    if found is None or not found.reasons:
        return []
    said = {
        "decisions": f"{found.decisions} decisions since",
        "records": f"{found.records_now:,} records now",
        "sources": f"new since: {', '.join(found.sources)}",
    }
    since = "; ".join(said[reason] for reason in found.reasons)
    then = f"the matcher was trained on {found.records_then:,} records on {found.trained_on}"
    return [f"{then}; {since}: run `{COMMAND}`"]
