"""Stewards' decisions on pairs of records: only ever added to, the latest of a pair holds, replayed at every build.

same: one customer, whatever the evidence, also under different credit codes. different: never one customer. unsure:
neither; the pair rests until one of its records changes. unmerge: takes the pair's last decision back, as if it had
never been made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection, insert, select

from ops.errors import FatalError
from ops.store import Store, stamp
from ops.tables import match_decisions as table

KINDS = ("same", "different", "unsure", "unmerge")
LISTS = {"always": "same", "never": "different"}
Record = tuple[str, str]
Pair = tuple[Record, Record]
_COLUMNS = ("decision_id", "left_source", "left_id", "right_source", "right_id", "decision")


@dataclass(frozen=True)
class Decision:
    """One decision as it was taken; `pair` is in order. `decided_at` is ISO text."""

    decision_id: int
    pair: Pair
    decision: str
    decided_by: str
    decided_at: str
    reason: str | None
    origin: str
    batch_id: str | None
    seen: str | None


def ordered(left: Record, right: Record) -> Pair:
    """The pair with its smaller record first; FatalError for a record with itself."""
    if left == right:
        raise FatalError(
            f"{left[0]}:{left[1]} cannot be compared with itself", valid="two different records", remedy="name another"
        )
    return (left, right) if left < right else (right, left)


def read(store: Store) -> pl.DataFrame:
    """decision_id, left_source, left_id, right_source, right_id, decision: the latest per unordered pair, by id.

    The smaller record stands left. A pair whose last decision was taken back has the decision `unmerge`.
    """
    columns = [table.c[name] for name in _COLUMNS]
    with store.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(*columns).order_by(table.c.decision_id))]
    latest: dict[Pair, tuple[int, str]] = {}
    for number, *sides, decision in rows:
        left, right = (sides[0], sides[1]), (sides[2], sides[3])
        latest[(left, right) if left <= right else (right, left)] = (number, decision)
    found = sorted((number, *pair[0], *pair[1], decision) for pair, (number, decision) in latest.items())
    schema = dict.fromkeys(_COLUMNS, pl.String) | {"decision_id": pl.Int64}
    return pl.DataFrame(found, schema=schema, orient="row")


def history(store: Store) -> list[Decision]:
    """Every decision ever taken, oldest first."""
    with store.read() as connection:
        return [_decision(row) for row in connection.execute(select(table).order_by(table.c.decision_id))]


def effective(store: Store) -> dict[Pair, Decision]:
    """Pair → the decision that holds now; pairs whose decision was taken back are absent."""
    latest = {one.pair: one for one in history(store)}
    return {pair: one for pair, one in latest.items() if one.decision != "unmerge"}


def add(
    connection: Connection,
    pairs: Sequence[Pair],
    decision: str,
    author: str,
    reason: str | None,
    *,
    origin: str = "steward",
    batch_id: str | None = None,
    seen: dict[Pair, str] | None = None,
) -> None:
    """Add one decision per pair, inside the caller's transaction. FatalError for an unknown kind."""
    if decision not in KINDS:
        raise FatalError(f"there is no decision {decision!r}", valid=", ".join(KINDS))
    at = stamp()
    rows: list[dict[str, Any]] = [
        {
            "left_source": left[0], "left_id": left[1], "right_source": right[0], "right_id": right[1],
            "decision": decision, "decided_by": author, "decided_at": at, "reason": reason, "origin": origin,
            "batch_id": batch_id, "seen": (seen or {}).get((left, right)),
        }
        for left, right in pairs
    ]  # fmt: skip
    if rows:
        connection.execute(insert(table), rows)


def _decision(row: Any) -> Decision:
    left, right = (row.left_source, row.left_id), (row.right_source, row.right_id)
    pair = (left, right) if left <= right else (right, left)
    return Decision(row.decision_id, pair, row.decision, row.decided_by, row.decided_at, row.reason,
                    row.origin or "steward", row.batch_id, row.seen)  # fmt: skip
