"""Parts mapped while they are collected: the same staging as without, whatever happens in between."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ingest import landing as landed
from ingest.documents import digest
from model import conform, schema, staging
from model.conform import early as early_module
from ops.instance import Instance

ROOT = Path(__file__).parents[2]
T0 = datetime(2026, 1, 1, tzinfo=UTC)
Rows = list[tuple[str, str, bool]]


def collect(
    inst: Instance, stream: str, number: int, parts: list[Rows], watch: Any = None, merges: Any = ()
) -> landed.RunWriter:
    """Land one run through the real writer, a part per list; `watch` sees the parts that it is lucky to get."""
    run = f"{(T0 + timedelta(days=number)).strftime('%Y%m%dT%H%M%S%fZ')}-0000-aaaaaa"
    writer = landed.RunWriter(inst.landing, "crm", stream, run)
    writer.watch = watch
    for rows in parts:
        writer.add([(key, text.encode(), digest(text.encode()), gone) for key, text, gone in rows], None)
        writer.flush({})
    writer.settle()
    writer.commit({"merges": list(merges)})
    writer.close()
    return writer


def books(dice: random.Random) -> list[tuple[str, list[Rows], list[list[str]]]]:
    """Runs of customers and orders: edits, repeats, deletes, merges, values and documents that are broken."""
    runs: list[tuple[str, list[Rows], list[list[str]]]] = []
    for number in range(8):
        stream = dice.choice(["Account", "Order"])
        parts = []
        for _ in range(dice.randint(1, 4)):
            rows: Rows = []
            for _ in range(dice.randint(1, 12)):
                key = str(dice.randint(1, 20))
                if dice.random() < 0.1:
                    rows.append((key, "{}", True))
                    continue
                rows.append((key, _document(dice, stream, key), False))
            parts.append(rows)
        merges = [["3", "4"]] if number % 4 == 3 and stream == "Account" else []
        runs.append((stream, parts, merges))
    return runs


def _document(dice: random.Random, stream: str, key: str) -> str:
    if dice.random() < 0.04:
        return dice.choice(["<html>", "", "{"])
    if stream == "Account":
        record: dict[str, Any] = {"Id": key, "Name": dice.choice(["ＡＢ公司", "x", None]), "Kind": "Co"}
        record["Limit"] = dice.choice(["1.5", "abc", None])
        record["IsDeleted"] = dice.random() < 0.1
        record["SystemModstamp"] = f"2026-01-0{dice.randint(1, 9)}T08:00:00Z"
    else:
        lines = [{"n": n, "q": dice.randint(1, 5)} for n in range(dice.randint(0, 3))]
        record = {"id": key, "cust": {"id": "1"}, "no": key, "on": "2026-01-02", "lines": lines}
    return json.dumps(record, ensure_ascii=False)


def everything(inst: Instance) -> dict[str, list[tuple[Any, ...]]]:
    """All that staging holds, but the moment of staging."""
    tables = {f'staging."{name}"': "* EXCLUDE (seen_from, seen_to)" for name in schema.entities()}
    tables |= {
        "meta.documents": "*",
        "meta.document_rows": "*",
        "meta.changes": "entity, source, source_id",
        "meta.staged_runs": "* EXCLUDE (staged_at)",
    }
    with staging.open_warehouse(inst) as con:
        found = {
            name: pl.DataFrame(con.sql(f"SELECT {what} FROM {name}").to_arrow_table()) for name, what in tables.items()
        }
    return {name: sorted(frame.rows(), key=repr) for name, frame in found.items()}


class Unlucky:
    """Shows only some parts to the mapper."""

    def __init__(self, early: conform.Early, dice: random.Random, share: float) -> None:
        self.early, self.dice, self.share = early, dice, share

    def landed(self, source: str, stream: str, path: Path, frame: pl.DataFrame) -> None:
        if self.dice.random() < self.share:
            self.early.landed(source, stream, path, frame)


@pytest.mark.parametrize(
    ("seed", "share", "kept"), [(1, 1.0, 1 << 20), (2, 1.0, 0), (3, 0.5, 0), (4, 0.5, 1 << 20), (5, 0.9, 4_000)]
)
def test_staged_early_or_late_is_the_same(
    tmp_path: Path, acme: Any, seed: int, share: float, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(early_module, "KEPT_BYTES", kept)
    plain, quick = acme(tmp_path / "plain"), acme(tmp_path / "quick")
    for number, (stream, parts, merges) in enumerate(books(random.Random(seed))):
        collect(plain.instance, stream, number, parts, merges=merges)
        expected = conform.stage(plain.instance)
        with conform.Early(quick.instance) as early:
            collect(quick.instance, stream, number, parts, Unlucky(early, random.Random(number), share), merges)
            result = conform.stage(quick.instance, early=early)
        assert astuple(result.counts) == astuple(expected.counts)
    assert everything(quick.instance) == everything(plain.instance)
    assert quick.quarantine() == plain.quarantine()
    conform.replay(quick.instance, "crm")
    assert everything(quick.instance)['staging."customer"'] == everything(plain.instance)['staging."customer"']


def _accounts(count: int, name: str = "n") -> Rows:
    return [(str(n), json.dumps({"Id": str(n), "Name": f"{name}{n}"}), False) for n in range(count)]


@pytest.mark.parametrize("kept", [0, 1 << 20])
def test_rows_made_early_are_used(landing: Any, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("the documents were read again")

    monkeypatch.setattr(early_module, "KEPT_BYTES", kept)
    with conform.Early(landing.instance) as early:
        collect(landing.instance, "Account", 1, [_accounts(5), _accounts(9)[5:]], early)
        monkeypatch.setattr("model.conform.pieces.pl.read_parquet", never)
        assert astuple(conform.stage(landing.instance, early=early).counts) == (9, 0, 9, 0, 0)


def test_a_run_that_is_not_committed_is_not_staged(landing: Any) -> None:
    with conform.Early(landing.instance) as early:
        writer = landed.RunWriter(landing.instance.landing, "crm", "Account", "20260101T000000000000Z-0000-aaaaaa")
        writer.watch = early
        writer.add([("1", b'{"Id": "1", "Name": "x"}', "h", False)], None)
        writer.flush({})
        writer.close()
        assert conform.stage(landing.instance, early=early).counts.landed == 0
    assert landing.rows("SELECT count(*) FROM staging.customer") == [(0,)]


def test_a_part_written_anew_and_a_mapping_changed_since_are_read_from_landing(landing: Any) -> None:
    """A discarded run whose id is given again must not bring its rows back."""
    with conform.Early(landing.instance) as early:
        old = collect(landing.instance, "Account", 1, [_accounts(3, "old")], early)
        old.discard()
        collect(landing.instance, "Account", 1, [_accounts(3, "new")])
        conform.stage(landing.instance, early=early)
        assert landing.rows("SELECT DISTINCT left(name, 3) FROM staging.customer") == [("new",)]
        collect(landing.instance, "Account", 2, [_accounts(3, "other")], early)
        path = landing.instance.config_dir / "conform" / "acme.toml"
        path.write_text(path.read_text().replace('name = { path = "Name", convert = "name" }', 'name = "Id"'))
        conform.stage(landing.instance, early=early)
        sql = "SELECT DISTINCT name FROM staging.customer WHERE seen_to IS NULL ORDER BY 1"
        assert landing.rows(sql) == [("0",), ("1",), ("2",)]


def test_too_much_to_keep_is_left_to_staging(landing: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_module, "SPILLED_BYTES", 0)
    with conform.Early(landing.instance) as early:
        collect(landing.instance, "Account", 1, [_accounts(5)], early)
        assert conform.stage(landing.instance, early=early).counts.staged == 5


def test_a_broken_mapping_does_not_stop_the_collection(landing: Any) -> None:
    landing.instance.config.sources[0].connector = "nothere"
    with conform.Early(landing.instance) as early:
        collect(landing.instance, "Account", 1, [_accounts(5)], early)
        assert "no mapping" in conform.stage(landing.instance, early=early).errors["crm"]


CHILD = """
import sys
from pathlib import Path
from model import conform
from ops.instance import Instance
from tests.conform.test_early import collect, numbered
inst = Instance.load(Path(sys.argv[1]))
number = len(list(inst.landing.glob("crm/Account/*"))) + 1
print("up", flush=True)
while True:
    with conform.Early(inst) as early:
        collect(inst, "Account", number, numbered(number), early)
        conform.stage(inst, early=early)
    number += 1
"""


def numbered(run: int) -> list[Rows]:
    """Two parts: one customer that every run changes, twenty that are its own."""
    own = [(f"{run}-{n}", json.dumps({"Id": f"{run}-{n}", "Name": "x"}), False) for n in range(20)]
    return [[("0", json.dumps({"Id": "0", "Name": f"run {run}"}), False)], own]


def test_killed_between_manifest_and_staging_nothing_is_lost_or_doubled(landing: Any) -> None:
    seed = int(os.environ.get("C360_KILL_SEED", random.SystemRandom().randrange(10**6)))
    sys.stderr.write(f"\nC360_KILL_SEED={seed}\n")
    dice = random.Random(seed)
    home, root = landing.instance.home, landing.instance.landing
    turn = 0
    while turn < 5 or not landed.runs(root, "crm", "Account"):
        turn += 1
        assert turn < 60, f"seed {seed}: no run was committed"
        with subprocess.Popen([sys.executable, "-c", CHILD, str(home)], stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            child.stdout.readline()
            # the moment of the kill is what is random
            time.sleep(dice.uniform(0.0, 1.5) * max(1, turn - 4))
            assert child.poll() is None, "the child ended by itself"
            child.kill()
    conform.stage(landing.instance)
    runs = landed.runs(root, "crm", "Account")
    versions, current = landing.rows(
        "SELECT count(*), count(*) FILTER (WHERE seen_to IS NULL) FROM staging.customer WHERE source_id = '0'"
    )[0]
    assert (versions, current) == (len(runs), 1), f"seed {seed}"
    others = "SELECT count(*), count(DISTINCT source_id) FROM staging.customer WHERE source_id <> '0'"
    assert landing.rows(others) == [(20 * len(runs), 20 * len(runs))], f"seed {seed}"
    assert landing.rows("SELECT count(*), count(DISTINCT run_id) FROM meta.staged_runs") == [(len(runs), len(runs))]


def test_batches_and_row_groups_change_nothing(tmp_path: Path, acme: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for batch, groups in ((10_240, (None, None, None)), (300, (2_048, None, 4_096))):
        made = acme(tmp_path / str(batch))
        monkeypatch.setattr("model.conform.frames.BATCH", batch)
        gone = [(str(n), "{}", True) for n in range(0, 5_000, 7)]
        for number, rows in enumerate((_accounts(5_000), _accounts(6_000, "m")[::2], gone)):
            monkeypatch.setattr(staging, "ROW_GROUP", groups[number])
            with conform.Early(made.instance) as early:
                collect(made.instance, "Account", number, [rows], early)
                conform.stage(made.instance, early=early)
        found.append(everything(made.instance))
    assert found[0] == found[1]
    assert len(found[0]['staging."customer"']) > 5_000
