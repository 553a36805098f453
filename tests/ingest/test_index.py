"""The newest state of a stream's records, as the rows of a run are noted and committed."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ingest.index import Index, Row

AWKWARD = ['a"b', "c\\d", "样例", "t\tx\x01", "5", "a.b", "'q", "\u2028", "1.50", "$[2]", "😀", "é/"]


@pytest.mark.parametrize("seed", range(4))
def test_noted_rows_come_back_the_last_of_each_id(tmp_path: Path, seed: int) -> None:
    """Many of one kind, few of many kinds, the same id in two kinds: what was noted last counts."""
    dice = random.Random(seed)
    index = Index(tmp_path, "src", "things")
    index.begin()
    expected: dict[str, tuple[str, bool]] = {}
    parents: dict[str, str | None] = {}
    for _ in range(3):
        rows: list[Row] = []
        for number in range(300):
            row_id = dice.choice([*AWKWARD, str(dice.randint(1, 150))])
            parent = dice.choice([None, None, None, "p1", f"p{number}"])
            rows.append((row_id, f"h{dice.random()}", parent, dice.random() < 0.3))
        index.note(rows)
        expected |= {row[0]: (row[1], row[3]) for row in rows}
        parents |= {row[0]: row[2] for row in rows}
        assert index.current(list(expected)) == expected
    index.commit("20260101T000000000000Z-0000-aaaaaa", None)
    index.close()
    index = Index(tmp_path, "src", "things")
    index.begin()
    assert index.current([*expected, "unknown"]) == expected
    alive = {row_id for row_id, (_, gone) in expected.items() if not gone}
    assert index.children("p1") == {row_id for row_id in alive if parents[row_id] == "p1"}
    assert index.alive() == len(alive)
    index.close()


@pytest.mark.parametrize("seed", range(4))
def test_rows_noted_by_column_are_rows_like_any_other(tmp_path: Path, seed: int) -> None:
    """Awkward ids, short ones before long ones; what is noted by column and what is not alternate."""
    dice = random.Random(seed)
    index = Index(tmp_path, "src", "things")
    index.begin()
    expected: dict[str, tuple[str, bool]] = {}
    for step in range(6):
        ids = {dice.choice([*AWKWARD, str(dice.randint(1, 400))]) for _ in range(60)}
        marks = {row_id: f"h{dice.random()}" for row_id in ids}
        if step % 2:
            index.note([(row_id, mark, None, True) for row_id, mark in marks.items()])
        else:
            index.note_plain(marks)
        expected |= {row_id: (mark, bool(step % 2)) for row_id, mark in marks.items()}
        assert {row_id: index.current([row_id]).get(row_id) for row_id in expected} == expected
    index.commit("20260101T000000000000Z-0000-aaaaaa", None)
    assert index.alive() == sum(not gone for _, gone in expected.values())
    index.close()
