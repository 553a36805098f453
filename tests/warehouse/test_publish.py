"""Versions: kept, listed, rolled back, and published again only when something changed."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from model import publish, publish_files, search, warehouse, written
from ops.errors import FatalError
from ops.instance import Instance
from tests.warehouse import helpers, kill_worker


def test_nothing_published_says_what_to_do(inst: Instance) -> None:
    with pytest.raises(FatalError, match="c360 build"):
        publish.current(inst)


def test_keeps_n_versions_and_rolls_back(inst: Instance) -> None:
    inst.config.keep_builds = 2
    versions = []
    for _ in range(3):
        kill_worker.step(inst)
        versions.append(helpers.make(inst).version)
    listed = publish.builds(inst)
    assert [row["version"] for row in listed] == [versions[2], versions[1]]
    assert [row["current"] for row in listed] == [True, False]
    publish.rollback(inst, str(versions[1]))
    assert publish.current(inst).version == versions[1]
    assert helpers.rows(inst, "select count(*) from core.fct_invoice") == [(2,)]


def test_a_rollback_holds_until_something_changes(inst: Instance) -> None:
    kill_worker.step(inst)
    first = helpers.make(inst).version
    kill_worker.step(inst)
    helpers.make(inst)
    publish.rollback(inst, str(first))
    assert helpers.make(inst).mode == "none"
    assert publish.current(inst).version == first
    kill_worker.step(inst)
    third = helpers.make(inst)
    assert publish.current(inst).version == third.version
    assert helpers.rows(inst, "select count(*) from core.fct_invoice") == [(3,)]


def test_rollback_to_an_unknown_version_lists_the_kept_ones(inst: Instance) -> None:
    kill_worker.step(inst)
    version = helpers.make(inst).version
    with pytest.raises(FatalError, match=str(version)):
        publish.rollback(inst, "nonsense")


def sidecar(path: Path) -> list[list[tuple[Any, ...]]]:
    """The rows of a sidecar, without the entries' numbers, and how often each customer's entries are found."""
    con = sqlite3.connect(path)
    try:
        tables = ("customer", "employee", "document")
        rows = [sorted(con.execute(f"select * from {name}").fetchall(), key=repr) for name in tables]
        entry = con.execute("select customer_key, kind, value, folded, mask, owner_key from entry").fetchall()
        (found,) = con.execute("select count(*) from words where words match 'ownnone'").fetchall()
        return [*rows, sorted(entry, key=repr), [found]]
    finally:
        con.close()


def test_a_version_that_takes_over_old_files_equals_the_warehouse(inst: Instance, tmp_path: Path) -> None:
    """From the third version on, files of the version that falls out are patched: block for block, row for row."""
    inst.config.keep_builds = 2
    inodes = []
    for number in range(6):
        kill_worker.step(inst)
        assert helpers.make(inst).mode == ("full" if number == 0 else "incremental")
        now = publish.current(inst)
        assert now.path.read_bytes() == warehouse.warehouse_path(inst.warehouse).read_bytes()
        fresh = tmp_path / f"{number}.sqlite"
        search.build_sidecar(now.path, fresh)
        assert sidecar(now.search_path) == sidecar(fresh)
        inodes.append(now.path.stat().st_ino)
    assert len(set(inodes)) == 2
    names = sorted(path.name.split("-")[0] for path in inst.published.iterdir())
    assert names == ["current.json", "keys", "keys", "search", "search", "wh", "wh", "wh", "wh"]


def test_a_sidecar_is_taken_forward_in_the_parts_that_changed(inst: Instance, tmp_path: Path) -> None:
    """A new invoice leaves names alone, a new name leaves documents alone; a patched sidecar catches up with both."""
    inst.config.keep_builds = 2
    kill_worker.step(inst)
    helpers.make(inst)
    for number in range(5):
        is_named = number % 2 == 1
        customer = {"id": "C1", "code": "C1", "name": f"name {number}"}
        invoice = {"id": f"X{number}", "number": f"X{number}", "customer_id": "C1", "currency": "CNY",
                   "invoice_on": "2026-09-01", "gross_amount": 100}  # fmt: skip
        with helpers.open_staging(inst) as con:
            entity, row = ("customer", customer) if is_named else ("invoice", invoice)
            helpers.put(con, entity, "erp", [row], at=helpers.T0 + timedelta(days=1 + number))
        assert helpers.make(inst).mode == "incremental"
        now = publish.current(inst)
        note = json.loads((inst.published / f"keys-{now.version}.json").read_text(encoding="utf-8"))
        assert note["parts"] == (["customer", "entry"] if is_named else ["document"])
        fresh = tmp_path / f"{number}.sqlite"
        search.build_sidecar(now.path, fresh)
        assert sidecar(now.search_path) == sidecar(fresh)


def test_a_block_with_the_same_words_in_another_order_is_written(tmp_path: Path) -> None:
    """DuckDB's block checksum does not see the order of words, so it cannot tell that a block stayed the same."""
    head, block = bytes(written.HEADERS), written.BLOCK
    words = [f"row {number:04}".encode() for number in range(block // 8 - 1)]
    one = b"checksum" + b"".join(words)
    words[2], words[40] = words[40], words[2]
    two = b"checksum" + b"".join(words)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(head + one + two)
    target.write_bytes(head + one + one)
    assert publish_files.patch(source, target) == 1
    assert target.read_bytes() == source.read_bytes()


def test_files_that_a_reader_has_open_are_left_to_it(inst: Instance) -> None:
    inst.config.keep_builds = 1
    kill_worker.step(inst)
    helpers.make(inst)
    inst.config.keep_builds = 2
    con = duckdb.connect(str(publish.current(inst).path), read_only=True)
    for _ in range(4):
        kill_worker.step(inst)
        helpers.make(inst)
        assert helpers.rows(inst, "select count(*) from core.fct_invoice") > [(1,)]
    assert con.execute("select count(*), max(name) from core.fct_invoice, core.dim_customer").fetchall() == [(1, "1")]
    con.close()


def test_a_reader_keeps_its_version_while_another_is_published(inst: Instance) -> None:
    kill_worker.step(inst)
    helpers.make(inst)
    con = duckdb.connect(str(publish.current(inst).path), read_only=True)
    kill_worker.step(inst)
    helpers.make(inst)
    assert con.execute("select count(*) from core.fct_invoice").fetchall() == [(1,)]
    con.close()
