"""What every connector with a simulator must do, over a real socket.

A vendor's test file says `class TestConformance(Conformance): connector = "…"`; test_every_vendor.py asks for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from data.sim.access import Call
from data.sim.engine import Fault
from data.sim.table import get
from ingest import landing
from ingest.probe import probe
from ingest.spec import StreamSpec
from model import conform, staging
from model.conform import spec as mapping
from ops import secrets
from tests.connectors.harness import Harness, connected


def tables(life: Harness) -> list[StreamSpec]:
    """The streams whose table holds rows."""
    filled = {name for name, table in life.vendor.tables.items() if table.rows}
    return [stream for stream in life.streams() if stream.name in filled]


def wrong(life: Harness) -> dict[str, tuple[set[str], set[str]]]:
    """Stream → (missing, superfluous) of every stream that does not hold what the vendor has."""
    found = {stream.name: life.missing(stream.name) for stream in life.streams()}
    return {name: pair for name, pair in found.items() if any(pair)}


def deletions(life: Harness) -> list[StreamSpec]:
    """The streams of whose records a deletion can be seen."""
    return [stream for stream in tables(life) if stream.deletes.type != "none" or stream.deletes.passes]


def until(life: Harness, is_so: Callable[[], bool], turns: int = 4) -> bool:
    """Whether `is_so` within some days of collecting: a sweep is due daily and asks twice."""
    for _ in range(turns):
        if is_so():
            return True
        life.sync(days=1)
    return is_so()


FAULTS = [
    Fault("status", status=500, after=2),
    Fault("status", status=429, retry_after=7, after=1),
    Fault("status", status=429, after=3),
    Fault("garbage", after=4),
    Fault("truncate", after=5),
    Fault("reset", after=6),
]


class Conformance:
    """One vendor's life, from the first collection to the last fault."""

    connector: ClassVar[str]

    @pytest.fixture
    def life(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
        """The vendor, connected."""
        with connected(self.connector, tmp_path / "home", monkeypatch) as harness:
            yield harness

    def test_all_is_collected_over_several_pages_and_a_second_run_lands_nothing(self, life: Harness) -> None:
        life.sync()
        assert wrong(life) == {}
        assert max(len(life.vendor.tables[stream.name].rows) for stream in tables(life)) > 20, (
            "no stream has many pages"
        )
        again = life.sync(hours=1)
        assert [name for name, result in again.items() if result.rows_landed] == []

    def test_an_edit_lands_once_and_a_new_record_comes(self, life: Harness) -> None:
        life.sync()
        edited = {stream.name: max(life.vendor.tables[stream.name].rows) for stream in tables(life)}
        life.vendor.clock.advance(hours=5)
        for name, row_id in edited.items():
            life.vendor.tables[name].edit(row_id)
        changed = life.sync(hours=1)
        assert {name: changed[name].rows_landed for name in edited} == dict.fromkeys(edited, 1)
        for name, row_id in edited.items():
            table = life.vendor.tables[name]
            assert get(life.documents(name)[row_id], table.label) == get(table.rows[row_id], table.label)
        assert [name for name, result in life.sync(hours=1).items() if result.rows_landed] == []
        new = {name: life.vendor.add(name) for name in edited}
        life.sync(hours=1)
        assert {name for name, row_id in new.items() if row_id not in life.documents(name)} == set()

    def test_a_change_that_is_committed_late_is_found_within_the_overlap(self, life: Harness) -> None:
        life.sync()
        windows = [
            stream for stream in tables(life) if stream.incremental.type == "window" and stream.incremental.overlap_s
        ]
        picked = {stream.name: (min(life.vendor.tables[stream.name].rows), stream) for stream in windows}
        for name, (row_id, stream) in picked.items():
            life.vendor.tables[name].edit(row_id, late_s=stream.incremental.overlap_s / 2)
        landed = life.sync(seconds=30)
        assert {name: landed[name].rows_landed for name in picked} == dict.fromkeys(picked, 1)

    def test_a_deletion_is_found_and_taken_back(self, life: Harness) -> None:
        life.sync()
        removed = {stream.name: sorted(life.vendor.tables[stream.name].rows)[1] for stream in deletions(life)}
        life.vendor.clock.advance(hours=1)
        for name, row_id in removed.items():
            life.vendor.remove(name, row_id)
        assert until(life, lambda: not any(row_id in life.documents(name) for name, row_id in removed.items()))
        assert {name: life.missing(name) for name in removed if any(life.missing(name))} == {}
        for name, row_id in removed.items():
            life.vendor.restore(name, row_id)
        assert until(life, lambda: all(row_id in life.documents(name) for name, row_id in removed.items()))

    def test_a_merge_carries_the_survivor(self, life: Harness) -> None:
        merging = [stream for stream in tables(life) if stream.merges]
        if not merging:
            return  # most vendors merge nothing; that what they hold becomes rows is another test's
        life.sync()
        pairs = {}
        life.vendor.clock.advance(hours=1)
        for stream in merging:
            loser, survivor = sorted(life.vendor.tables[stream.name].rows)[:2]
            life.vendor.merge(stream.name, loser, survivor)
            pairs[stream.name] = [loser, survivor]
        life.sync(hours=1)
        for name, pair in pairs.items():
            assert life.merges(name) == [pair]
            assert pair[0] not in life.documents(name), f"{name}: the loser lives on"
            assert pair[1] in life.documents(name)
        assert conform.stage(life.instance).errors == {}
        with staging.open_warehouse(life.instance) as con:
            for stream in merging:
                for entity in stream.entities:
                    loser, survivor = pairs[stream.name]
                    sql = f"SELECT is_deleted, merged_into_id FROM staging.{entity} WHERE source_id = ?"
                    sql += " AND seen_to IS NULL"
                    assert con.execute(sql, [loser]).fetchall() == [(True, survivor)], entity

    def test_rows_edited_while_they_are_read_are_neither_lost_nor_doubled(self, life: Harness) -> None:
        turns = iter(range(1_000_000))

        def between(_call: Call) -> None:
            turn = next(turns)
            if turn % 2:
                life.vendor.clock.advance(seconds=1)
                for stream in tables(life):
                    rows = sorted(life.vendor.tables[stream.name].rows)
                    life.vendor.tables[stream.name].edit(rows[turn % len(rows)])

        life.vendor.between = between
        life.sync()
        life.vendor.between = lambda _call: None
        life.sync(minutes=5)
        for stream in tables(life):
            table = life.vendor.tables[stream.name]
            found = {row_id: get(row, table.label) for row_id, row in life.documents(stream.name).items()}
            assert found == {row_id: get(row, table.label) for row_id, row in table.rows.items()}, stream.name

    def test_faults_in_mid_run_are_passed(self, life: Harness, waits: list[float]) -> None:
        life.vendor.faults = [Fault(**vars(fault)) for fault in FAULTS]
        life.sync()
        assert not any(fault.times for fault in life.vendor.faults), "a fault was never met"
        assert 7.0 in waits
        assert wrong(life) == {}

    def test_a_source_that_is_down_in_mid_run_is_resumed(
        self, life: Harness, waits: list[float], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
        life.vendor.faults = [Fault("status", status=503, times=60, after=3)]
        results = life.results()
        assert any(result.error for result in results)
        life.vendor.faults = []
        life.sync(minutes=2)  # a host that failed again and again is left alone for a minute
        assert wrong(life) == {}
        assert [name for name, result in life.sync(hours=1).items() if result.rows_landed] == []

    def test_a_sign_in_that_ends_in_mid_run_is_renewed(self, life: Harness) -> None:
        life.vendor.faults = [Fault("expire", after=3), Fault("expire", after=6)]
        life.sync()
        assert wrong(life) == {}

    def test_a_trial_reads_a_page_of_each_stream_and_keeps_nothing(self, life: Harness) -> None:
        found = probe(life.instance, "src")
        assert [f"{one.stream}: {one.message}" for one in found if one.state in {"failed", "refused"}] == []
        assert {one.stream for one in found if one.rows} >= {stream.name for stream in tables(life)}
        assert landing.streams(life.instance.landing, "src") == []

    def test_wrong_credentials_are_named_and_not_told(self, life: Harness) -> None:
        for name in life.secret_names:
            secrets.write(name, "wrong-" + life.clear[name], life.instance.secrets)
        results = life.results()
        assert {result.state for result in results} == {"failed"}
        assert all("credentials" in (result.remedy or "") for result in results), results[0]
        assert not any(word in (result.error or "") for result in results for word in life.clear.values())

    def test_a_web_page_instead_of_data_is_named(self, life: Harness, waits: list[float]) -> None:
        life.vendor.faults = [Fault("page", times=1000)]
        result: Any = life.results()[0]
        assert result.state == "failed"
        assert "base_url" in result.remedy or "credentials" in result.remedy or "address" in result.remedy

    def test_every_document_becomes_rows_and_none_is_rejected(self, life: Harness) -> None:
        life.sync()
        result = conform.stage(life.instance)
        assert result.errors == {}
        assert result.counts.rejected == 0
        assert result.counts.staged > 0
        feeding = mapping.load(self.connector).streams
        assert result.counts.landed == sum(len(life.documents(name)) for name in feeding)
