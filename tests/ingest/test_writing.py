"""What becomes a row: pages that are cut and pages that are read, in any order, land the same."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from ingest.documents import digest, loads
from ingest.index import Index
from ingest.landing import RunWriter
from ingest.spec import StreamSpec
from ingest.writing import Batch, Outcome, Writing

STREAM = StreamSpec(name="things", path="things", id="id")


@dataclass
class _Run:
    """One run over a folder, with what it has landed."""

    root: Path
    outcome: Outcome = field(default_factory=lambda: Outcome("r"))

    def __post_init__(self) -> None:
        self.index = Index(self.root, "src", "things")
        self.index.begin()
        self.writer = RunWriter(self.root, "src", "things", "20260101T000000000000Z-0000-aaaaaa")
        self.writing = Writing(STREAM, self.writer, self.index, self.outcome, [])

    def end(self) -> list[tuple[str, str, str, bool]]:
        self.writing.save({})
        self.writer.settle()
        rows = pl.concat(self.writer.frames()).select("id", "document", "hash", "deleted").rows()
        self.index.close()
        self.writer.close()
        return rows


def _batch(ids: list[str], documents: list[bytes], *, is_cut: bool) -> Batch:
    if is_cut:
        return Batch([{"id": row_id} for row_id in ids], documents=documents, ids=ids)
    return Batch([loads(document.decode()) for document in documents])


@pytest.mark.parametrize("seed", range(6))
def test_pages_that_are_cut_land_as_pages_that_are_read(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    runs = [_Run(tmp_path / name) for name in ("read", "cut", "mixed")]
    expected: dict[str, tuple[str, bool]] = {}
    for _ in range(30):
        ids = [str(dice.randint(1, 120)) for _ in range(dice.randint(0, 8))]
        documents = [b'{"id":"%s","n":%d}' % (row_id.encode(), dice.randint(1, 2)) for row_id in ids]
        is_mixed = dice.random() < 0.5
        for run, is_cut in zip(runs, (False, True, is_mixed), strict=True):
            run.writing.add(_batch(ids, documents, is_cut=is_cut))
        expected |= {row_id: (digest(text), False) for row_id, text in zip(ids, documents, strict=True)}
        gone = [str(dice.randint(1, 120)) for _ in range(2)]
        for run in runs:
            run.writing.bury(gone)
        expected |= {row_id: (digest(b"{}"), True) for row_id in gone if row_id in expected}
        if dice.random() < 0.2:
            for run in runs:
                run.writing.save({})
    assert len({(run.outcome.received, run.outcome.landed, run.outcome.deleted) for run in runs}) == 1
    for run in runs:
        run.writing.save({})
        assert run.index.current(list(expected)) == expected
    read, cut, mixed = (run.end() for run in runs)
    assert read == cut == mixed
    assert {row_id: (mark, gone) for row_id, _, mark, gone in read} == expected
