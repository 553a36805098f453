"""Merges that only the survivor tells: the absorbed record has vanished without a word, and ends with its survivor."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from ingest import landing
from ingest.documents import digest
from ingest.index import Index
from ingest.landing import Row

_ENDED = b"ended:"
"""Before the document when it is hashed: the same document, alive, is another state."""


def told(root: Path, source: str, stream: str) -> set[tuple[str, str]]:
    """(loser, survivor) of every merge that a run of the stream has recorded."""
    return {
        (pair[0], pair[1])
        for run in landing.runs(root, source, stream)
        for pair in landing.manifest(root, source, stream, run).get("merges") or []
    }


def endings(root: Path, source: str, stream: str, merges: list[list[str]], index: Index) -> list[Row]:
    """One deleted row, holding the last document, per living record that a merge told for the first time absorbed.

    A record that the source lists again later is alive again: an old merge does not end it twice.
    """
    known = told(root, source, stream)
    losers = sorted({pair[0] for pair in merges if tuple(pair) not in known})
    alive = [row_id for row_id, (_, gone) in index.current(losers).items() if not gone]
    if not alive:
        return []
    last: dict[str, str] = {}
    for frame in landing.read(root, source, stream):
        wanted = frame.filter(pl.col("id").is_in(alive) & ~pl.col("deleted"))
        last.update(wanted.select("id", "document").iter_rows())
    return [(row_id, text.encode(), digest(_ENDED + text.encode()), True) for row_id, text in sorted(last.items())]
