"""Landing that was packed or pruned is staged as it was before: row for row, or value for value."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest import compacting, retention
from ingest import landing as landed
from model import conform, schema, staging
from model.conform import held
from ops.errors import FatalError
from ops.leases import LeaseHeld, lease
from ops.tables import audit
from run import tending

LINES = "sales_order_line"
TABLES = ("customer", "sales_order", LINES)
DAYS_OLD = 30


def account(dice: random.Random, number: int) -> tuple[str, Any]:
    limit = "abc" if dice.random() < 0.15 else f"{dice.randrange(1000)}"
    stamp = f"2026-01-{dice.randrange(1, 28):02d} 08:00:00"  # not the order in which they land
    document: dict[str, Any] = {
        "SystemModstamp": stamp,
        "Id": str(number),
        "Name": f"公司{dice.randrange(50)}",
        "Code": f"C{number}",
        "Limit": limit,
    }
    if dice.random() < 0.1:
        document["IsDeleted"] = True
    return str(number), document


def order(dice: random.Random, number: int) -> tuple[str, Any]:
    lines = [{"n": n, "q": dice.randrange(9)} for n in range(1, dice.randrange(1, 4))]
    return f"o{number}", {
        "cust": {"id": str(number)},
        "no": f"N{dice.randrange(99)}",
        "on": "2026-01-02",
        "lines": lines,
    }


def fill(place: Any, seed: int, runs: int = 8) -> None:
    """Runs in which accounts and orders come, change, vanish and are rejected."""
    dice = random.Random(seed)
    for turn in range(runs):
        make, stream, prefix = ((account, "Account", ""), (order, "Order", "o"))[turn % 2]
        # the same record twice in a run is a version that none reads; and again in a later run is one that is kept
        records = [make(dice, dice.randrange(8)) for _ in range(dice.randrange(1, 7))]
        place.land(stream, records, deleted=(f"{prefix}{dice.randrange(8)}",) if dice.random() < 0.4 else ())


def staged(place: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Every version of every row."""
    with staging.open_warehouse(place.instance) as con:
        return {name: con.execute(f"SELECT * FROM staging.{name} ORDER BY ALL").fetchall() for name in TABLES}


def shown(place: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Today's rows, the deleted ones with what they held; lines that their order no longer has are gone."""
    until, gone = (list(schema.SYSTEM_COLUMNS).index(name) for name in ("seen_to", "is_deleted"))
    return {
        name: [row for row in rows if row[until] is None and not (row[gone] and name == LINES)]
        for name, rows in staged(place).items()
    }


def entries(place: Any) -> list[tuple[Any, ...]]:
    return sorted(place.quarantine(), key=str)


@pytest.mark.parametrize("seed", [7])
def test_a_replay_of_packed_landing_is_the_same_row_for_row(landing: Any, seed: int) -> None:
    fill(landing, seed)
    conform.replay(landing.instance, "crm")
    before, worklist = staged(landing), entries(landing)
    done = compacting.compact(landing.instance, "crm")
    assert {one.stream: one.files_after for one in done} == {"Account": 2, "Order": 2}
    assert conform.stage(landing.instance).counts.landed == 0, "what was staged is not staged again"
    landing.land("Account", [("1", {"Name": "new", "Code": "C1"})])
    assert conform.stage(landing.instance).counts.landed == 1
    with_new = staged(landing)
    assert with_new != before
    conform.replay(landing.instance, "crm")
    assert staged(landing) == with_new
    assert len(entries(landing)) >= len(worklist)


@pytest.mark.parametrize(("seed", "is_packed"), [(0, False), (1, True)])
def test_pruned_landing_is_replayed_to_the_same_values(landing: Any, seed: int, is_packed: bool) -> None:
    fill(landing, seed)
    conform.replay(landing.instance, "crm")
    if is_packed:
        compacting.compact(landing.instance, "crm")
    before = shown(landing)
    planned = tending.prune(landing.instance, "crm", days=DAYS_OLD, dry_run=True)
    assert _documents(landing) == sum(one.rows for one in planned), "a dry run removes nothing"
    done = tending.prune(landing.instance, "crm", days=DAYS_OLD)
    assert [(one.stream, one.rows, one.leaving) for one in done] == [
        (one.stream, one.rows, one.leaving) for one in planned
    ]
    assert sum(one.leaving for one in done) > 0
    assert _documents(landing) == sum(one.rows - one.leaving for one in done)
    conform.replay(landing.instance, "crm")
    assert shown(landing) == before
    again = tending.prune(landing.instance, "crm", days=DAYS_OLD)
    assert [one.leaving for one in again] == [0, 0]


def _documents(place: Any) -> int:
    root = place.instance.landing
    return sum(frame.height for stream in ("Account", "Order") for frame in landed.read(root, "crm", stream))


GOOD = {"Id": "1", "Name": "北岭仪器", "Code": "C1"}


def test_what_stays_of_a_record(landing: Any) -> None:
    """A deletion keeps the last document before it; a rejected record keeps all; the newest versions keep all."""
    landing.land("Account", [("gone", {**GOOD, "Name": "a"}), ("bad", GOOD), ("new", GOOD), ("late", GOOD)])
    landing.land(
        "Account", [("gone", {**GOOD, "Name": "b"}), ("bad", {**GOOD, "Limit": "x"}), ("new", GOOD | {"Name": "c"})]
    )
    landing.land("Account", [], deleted=("gone",))
    conform.stage(landing.instance)
    stamp = "20990101T000000000000Z-0000-aaaaaa"
    _land_later(landing, stamp, "late")
    (done,) = tending.prune(landing.instance, "crm", days=DAYS_OLD)
    kept = [row for frame in _frames(landing) for row in frame.select("run_id", "id").rows()]
    assert [(run[6:8] if run < "2027" else "new", key) for run, key in kept] == [
        ("01", "bad"), ("01", "late"), ("02", "gone"), ("02", "bad"), ("02", "new"), ("03", "gone"), ("new", "late"),
    ]  # fmt: skip
    assert (done.rows, done.leaving) == (8, 2)


def _frames(place: Any) -> list[Any]:
    return list(landed.read(place.instance.landing, "crm", "Account"))


def _land_later(place: Any, run_id: str, key: str) -> None:
    writer = landed.RunWriter(place.instance.landing, "crm", "Account", run_id)
    writer.add([(key, b'{"Name":"c"}', "later", False)], None)
    writer.flush({})
    writer.commit({})
    writer.close()


def test_what_left_is_in_the_audit(landing: Any) -> None:
    for name in ("a", "b", "c"):
        landing.land("Account", [("1", {**GOOD, "Name": name})])
    assert [one.leaving for one in tending.prune(landing.instance, "crm", days=DAYS_OLD)] == [0], "it is not staged"
    conform.stage(landing.instance)
    tending.prune(landing.instance, "crm", days=DAYS_OLD, dry_run=True, actor="owner")
    tending.prune(landing.instance, "crm", days=DAYS_OLD, actor="owner")
    tending.prune(landing.instance, "crm", days=DAYS_OLD, actor="owner")
    with landing.instance.store.read() as connection:
        found = connection.execute(select(audit).where(audit.c.action == retention.ACTION)).all()
    (entry,) = found
    told = json.loads(entry.details)
    assert (entry.actor, entry.subject, told["days"]) == ("owner", "crm", DAYS_OLD)
    assert [(one["stream"], one["rows"], one["leaving"]) for one in told["streams"]] == [("Account", 3, 2)]


def test_a_run_keeps_its_manifest_when_its_rows_have_left(landing: Any) -> None:
    for name in ("a", "b"):
        landing.land("Account", [("1", {**GOOD, "Name": name})])
    root = landing.instance.landing
    _, runs = conform.stage(landing.instance), _runs(root)
    tending.prune(landing.instance, "crm", days=DAYS_OLD)
    assert _runs(root) == runs
    assert landed.manifest(root, "crm", "Account", runs[0])["parts"] == []
    assert conform.stage(landing.instance).counts.landed == 0


def _runs(root: Path) -> list[str]:
    return landed.runs(root, "crm", "Account")


def test_nothing_leaves_under_legal_hold_nor_behind_a_rollback_nor_while_collecting(landing: Any) -> None:
    for name in ("a", "b", "c"):
        landing.land("Account", [("1", {**GOOD, "Name": name})])
    inst = landing.instance
    with pytest.raises(FatalError, match="nothing says how long"):
        tending.prune(inst, "crm")
    conform.stage(inst)
    held.hold(inst, "crm", "2026-01-02T12:00:00+00:00", "owner")
    conform.replay(inst, "crm")
    (behind,) = tending.prune(inst, "crm", days=DAYS_OLD, dry_run=True)
    assert (behind.rows, behind.leaving) == (2, 1), "the third run is after the state that is shown"
    with lease(inst.store, "source:crm"), pytest.raises(LeaseHeld):
        tending.prune(inst, "crm", days=DAYS_OLD)
    inst.config.source("crm").keep_versions_days = 36_500
    (young,) = tending.prune(inst, "crm")
    assert (young.rows, young.leaving) == (0, 0)
    inst.config.source("crm").legal_hold = True
    with pytest.raises(FatalError, match="legal hold"):
        tending.prune(inst, "crm", days=DAYS_OLD)
