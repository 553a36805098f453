"""Rolling a source back: staged as it stood after an earlier run, held there, and let go on without a trace."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from model import conform, schema, staging
from model.conform import held
from ops import tables
from ops.errors import FatalError
from ops.instance import Instance, SourceConfig
from tests.conform.conftest import ACME, instance, land, overlay

START = datetime(2026, 11, 1, 8, tzinfo=UTC)


def run_id(number: int) -> str:
    return f"{START + timedelta(hours=number):%Y%m%dT%H%M%S%f}Z-0000-abc123"


def company(home: Path) -> Instance:
    made = instance(
        home,
        SourceConfig(name="acme", connector="acme", role="crm"),
        SourceConfig(name="other", connector="acme", role="crm"),
    )
    overlay(made, "acme", ACME)
    return made


def history(inst: Instance, seed: int, runs: int = 6) -> None:
    """Random runs of two sources: changes, deletions, records that come back, and values that are rejected."""
    chance = random.Random(seed)
    for number in range(runs):
        for source in ("acme", "other"):
            ids = chance.sample(range(8), 4)
            rows = [(f"c{i}", {"Id": f"c{i}", "Name": f"公司{i} {number}", "Kind": "Co",
                               "Limit": chance.choice(["1.50", "2", "no money"])}) for i in ids[:3]]  # fmt: skip
            land(inst, source, "Account", run_id(number), rows, deleted=(f"c{ids[3]}",),
                 seen_at=START + timedelta(hours=number))  # fmt: skip


def staged(inst: Instance, source: str) -> dict[str, Any]:
    """Everything staged of a source, and its open rejects."""
    found: dict[str, Any] = {}
    with staging.open_warehouse(inst) as con:
        for entity in schema.entities():
            rows = con.execute(f'SELECT * FROM staging."{entity}" WHERE source = ?', [source]).fetchall()
            found[entity] = sorted(map(repr, rows))
        for table in ("documents", "document_rows"):
            rows = con.execute(f"SELECT * FROM meta.{table} WHERE source = ?", [source]).fetchall()
            found[table] = sorted(map(repr, rows))
    q = tables.quarantine.c
    with inst.store.read() as connection:
        query = select(q.record_id, q.field, q.value, q.run_id).where(q.source == source, q.status == "open")
        found["rejects"] = sorted(map(repr, connection.execute(query).all()))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_a_source_rolled_back_equals_one_that_never_went_further(tmp_path: Path, seed: int) -> None:
    inst, short = company(tmp_path / "i"), company(tmp_path / "short")
    history(inst, seed)
    cut = random.Random(seed).randrange(1, 5)
    history(short, seed)
    for source in ("acme", "other"):
        for number in range(cut + 1, 6):
            (short.landing / source / "Account" / run_id(number) / "manifest.json").unlink()
    conform.stage(inst)
    conform.stage(short)
    whole = {source: staged(inst, source) for source in ("acme", "other")}
    assert whole["acme"] != staged(short, "acme"), "the later runs say nothing"
    held.hold(inst, "acme", run_id(cut), "chen", "wrong file")
    conform.replay(inst, "acme")
    assert staged(inst, "acme") == staged(short, "acme")
    assert staged(inst, "other") == whole["other"]
    # what lands meanwhile waits, whoever stages
    land(inst, "acme", "Account", run_id(9), [("c1", {"Id": "c1", "Name": "新", "Kind": "Co"})], seen_at=START)
    conform.stage(inst)
    conform.replay(inst, "acme")
    assert staged(inst, "acme") == staged(short, "acme")
    assert held.waiting(inst, held.holds(inst.store)["acme"]) == 6 - cut
    held.let_go(inst, "acme", "chen")
    conform.stage(inst)
    after = staged(inst, "acme")
    conform.replay(inst, "acme")
    assert after == staged(inst, "acme")


def test_letting_go_at_once_undoes_it(tmp_path: Path) -> None:
    inst = company(tmp_path / "i")
    history(inst, 1)
    conform.stage(inst)
    before = staged(inst, "acme")
    held.hold(inst, "acme", (START + timedelta(hours=2)).isoformat(), "chen")
    conform.replay(inst, "acme")
    assert staged(inst, "acme") != before
    held.let_go(inst, "acme", "chen")
    conform.stage(inst)
    assert staged(inst, "acme") == before
    with inst.store.read() as connection:
        told = connection.execute(select(tables.audit.c.action, tables.audit.c.actor)).all()
    assert [tuple(row) for row in told] == [("source.rollback", "chen"), ("source.resume", "chen")]


def test_points_and_refusals(tmp_path: Path) -> None:
    inst = company(tmp_path / "i")
    with pytest.raises(FatalError, match="nothing of acme has landed"):
        held.hold(inst, "acme", "2026-11-01", "chen")
    history(inst, 1, runs=3)
    assert [row["to"] for row in held.points(inst, "acme")] == [run_id(2), run_id(1), run_id(0)]
    assert [row["rows"] for row in held.points(inst, "acme", limit=1)] == [4]
    for wrong in ("yesterday", run_id(7), "2026-10-01"):
        with pytest.raises(FatalError) as refused:
            held.hold(inst, "acme", wrong, "chen")
        assert refused.value.valid
    with pytest.raises(FatalError, match="is not held"):
        held.let_go(inst, "acme", "chen")
    # an instant without an offset is the company's: 18:30 in Shanghai is 10:30 UTC, after the run of 10:00
    one = held.hold(inst, "acme", "2026-11-01T18:30", "chen")
    assert [one.covers(run_id(number)) for number in range(3)] == [True, True, True]
    assert [held.hold(inst, "acme", "2026-11-01T17:59", "chen").covers(run_id(n)) for n in (1, 2)] == [True, False]
