"""What connections wrote to the warehouse is noted, and publishing by that note gives the warehouse's very bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from model import publish, publish_files, staging, warehouse, written
from ops.instance import Instance
from tests.warehouse import helpers, kill_worker


def note_of(inst: Instance) -> dict[str, list[int]]:
    path = warehouse.warehouse_path(inst.warehouse)
    assert written.is_noted(path)
    return {version: sorted(blocks) for version, blocks in written._load(written._note(path))[1].items()}  # type: ignore[index]


def differing(old: Path, new: Path) -> set[int]:
    """Blocks of the database file `new` that `old` lacks or has otherwise."""
    left, right = old.read_bytes()[written.HEADERS :], new.read_bytes()[written.HEADERS :]
    starts = range(0, len(right), written.BLOCK)
    return {at // written.BLOCK for at in starts if left[at : at + written.BLOCK] != right[at : at + written.BLOCK]}


def published(inst: Instance) -> dict[str, Path]:
    return {str(row["version"]): inst.published / f"wh-{row['version']}.duckdb" for row in publish.builds(inst)}


def test_the_note_covers_every_block_that_differs_and_publishing_by_it_gives_the_same_bytes(
    inst: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    inst.config.keep_builds = 2
    file = warehouse.warehouse_path(inst.warehouse)
    known: list[object] = []
    patch = publish_files.patch

    def seen(source: Path, target: Path, blocks: set[int] | None = None) -> int:
        known.append(blocks)
        return patch(source, target, blocks)

    monkeypatch.setattr(publish_files, "patch", seen)
    for _ in range(5):
        kill_worker.step(inst)
        helpers.make(inst)
        note, files = note_of(inst), published(inst)
        assert note.keys() == files.keys()
        for version, path in files.items():
            assert differing(path, file) <= set(note[version])
        assert publish.current(inst).path.read_bytes() == file.read_bytes()
    assert len(known) == 3
    assert None not in known


def test_staging_alone_and_builds_that_are_not_published_are_noted(inst: Instance) -> None:
    inst.config.keep_builds = 2
    kill_worker.step(inst)
    version = str(helpers.make(inst).version)
    with staging.open_warehouse(inst) as con:
        con.execute("insert into meta.table_state select 'K' || range, range from range(200000)")
    assert len(note_of(inst)[version]) >= 1
    assert differing(publish.current(inst).path, warehouse.warehouse_path(inst.warehouse)) <= set(
        note_of(inst)[version]
    )


def test_whoever_does_not_close_by_the_note_takes_it_away(inst: Instance) -> None:
    kill_worker.step(inst)
    helpers.make(inst)
    file = warehouse.warehouse_path(inst.warehouse)
    warehouse.connect(file).close()
    assert not written.is_noted(file)
    with staging.open_warehouse(inst):
        pass
    assert not written.is_noted(file)
    kill_worker.step(inst)
    version = str(helpers.make(inst).version)
    assert note_of(inst) == {version: []}


def test_a_note_of_another_file_does_not_hold(inst: Instance) -> None:
    kill_worker.step(inst)
    helpers.make(inst)
    file = warehouse.warehouse_path(inst.warehouse)
    before = file.read_bytes()
    kill_worker.step(inst)
    helpers.make(inst)
    file.write_bytes(before)  # as one who puts a copy back
    assert not written.is_noted(file)


def test_a_block_that_the_note_lacks_is_told_by_its_check_sum(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    blocks = [bytes([number]) * written.BLOCK for number in range(1, 5)]
    new.write_bytes(bytes(written.HEADERS) + b"".join(blocks))
    old.write_bytes(bytes(written.HEADERS) + blocks[0] + blocks[2] + blocks[2][:8] + blocks[0][8:])
    assert publish_files.patch(new, old, {2}) == 3
    assert old.read_bytes() == new.read_bytes()
