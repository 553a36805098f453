"""Golden keys: stable, resolvable for ever, and the same whether everything or only what changed is looked at."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from model.identity import golden, registry
from ops import tables
from ops.store import Store
from tests.warehouse import helpers

KIND = "customer"
EXAMPLES = 6 * helpers.EXAMPLES
Partition = dict[tuple[str, str], int]
RECORDS = [(source, str(number)) for source in ("crm", "erp") for number in range(5)]


@pytest.fixture
def stores(tmp_path: Path) -> Any:
    made = [Store(f"sqlite:///{tmp_path / name}.db") for name in ("whole", "touched")]
    yield made
    for one in made:
        one.close()


def frame(partition: Partition, order: random.Random | None = None) -> pl.DataFrame:
    rows = [(*record, cluster) for record, cluster in partition.items()]
    if order is not None:
        order.shuffle(rows)
        numbers = sorted({cluster for *_, cluster in rows})
        renamed = dict(zip(numbers, order.sample(range(1000), len(numbers)), strict=True))
        rows = [(source, key, renamed[cluster]) for source, key, cluster in rows]
    return pl.DataFrame(rows, schema={"source": pl.String, "source_id": pl.String, "cluster": pl.Int64}, orient="row")


def keyed(store: Store, partition: Partition, order: random.Random | None = None) -> dict[tuple[str, str], str]:
    found = golden.assign(store, KIND, frame(partition, order), golden.read_registry(store, KIND))
    return {(source, key): value for source, key, value in found.select("source", "source_id", "golden_key").rows()}


def content(store: Store, table: Any) -> list[tuple[Any, ...]]:
    """Every row of a table, without instants and running numbers."""
    columns = [c for c in table.c if c.name not in {"since", "at", "created_at", "updated_at", "event_id", "move_id"}]
    with store.read() as connection:
        return sorted((tuple(row) for row in connection.execute(select(*columns))), key=repr)


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    kept = (tables.registry, tables.aliases, tables.golden_keys, tables.registry_history, tables.registry_moves)
    return {table.name: content(store, table) for table in kept}


def clusters(labels: list[int]) -> Partition:
    return dict(zip(RECORDS, labels, strict=True))


LABELS = st.lists(st.integers(0, 5), min_size=len(RECORDS), max_size=len(RECORDS)).map(clusters)


def resolved(store: Store, key: str) -> str:
    return registry.read_aliases(store, KIND, [key]).get(key, key)


def check(store: Store, keys: dict[tuple[str, str], str], partition: Partition, ever: set[str]) -> None:
    groups: dict[str, set[int]] = {}
    for record, key in keys.items():
        groups.setdefault(key, set()).add(partition[record])
    assert all(len(held) == 1 for held in groups.values()), "one key, one cluster"
    assert len(groups) == len(set(partition.values())), "one cluster, one key"
    anchors = {key: (source, number) for _, key, source, number in content(store, tables.golden_keys)}
    for key in ever:
        home = resolved(store, key)
        assert home in groups, f"{key} leads to {home}, which nobody carries"
        assert home == (key if key in groups else keys[anchors[key]]), "a retired key leads to its anchor's cluster"
        if key in groups:
            assert keys[anchors[key]] == key, "a living key is carried by its anchor"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(LABELS, min_size=1, max_size=6), seed=st.integers(0, 99))
def test_any_sequence_keeps_every_key_resolvable(stores: list[Store], steps: list[Partition], seed: int) -> None:
    store, order = stores[0], random.Random(seed)
    empty(store)
    ever: set[str] = set()
    for partition in steps:
        keys = keyed(store, partition, order)
        ever |= set(keys.values())
        check(store, keys, partition, ever)
        before = everything(store)
        assert keyed(store, partition, order) == keys
        assert everything(store) == before, "an unchanged run writes nothing"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(LABELS, min_size=2, max_size=6))
def test_looking_at_what_changed_equals_looking_at_everything(stores: list[Store], steps: list[Partition]) -> None:
    whole, touched = stores
    for store in stores:
        empty(store)
    before: Partition = {}
    for partition in steps:
        keyed(whole, partition)
        todo = closed(before, partition)
        members = frame({record: cluster for record, cluster in partition.items() if record in todo})
        golden.assign(touched, KIND, members, golden.read_records(touched, KIND, members))
        assert everything(touched) == everything(whole)
        before = partition


def closed(before: Partition, after: Partition) -> set[tuple[str, str]]:
    """Records whose group changed, with all that stand or stood with them."""

    def group(partition: Partition, record: tuple[str, str]) -> frozenset[tuple[str, str]]:
        return frozenset(other for other in partition if partition[other] == partition[record])

    todo = {record for record in after if record not in before or group(before, record) != group(after, record)}
    while True:
        more = {other for record in todo for side in (before, after) if record in side for other in group(side, record)}
        if more <= todo:
            return todo
        todo |= more


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=st.lists(LABELS, max_size=3), start=LABELS, merged=st.sets(st.integers(0, 5), min_size=2, max_size=5))
def test_merge_then_unmerge_gives_every_key_back(
    stores: list[Store], history: list[Partition], start: Partition, merged: set[int]
) -> None:
    store = stores[0]
    empty(store)
    for partition in history:
        keyed(store, partition)
    before = keyed(store, start)
    keyed(store, {record: min(merged) if cluster in merged else cluster for record, cluster in start.items()})
    assert keyed(store, start) == before


def empty(store: Store) -> None:
    with store.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(table.delete())


def test_keys_read_as_before_and_are_bound_to_the_first_record(stores: list[Store]) -> None:
    store = stores[0]
    keys = keyed(store, {("erp", "2"): 1, ("crm", "9"): 1, ("erp", "1"): 0}, random.Random(3))
    assert keys == {("crm", "9"): "C000001", ("erp", "2"): "C000001", ("erp", "1"): "C000002"}
    assert content(store, tables.golden_keys) == [
        ("customer", "C000001", "crm", "9"), ("customer", "C000002", "erp", "1"),
    ]  # fmt: skip


def test_history_tells_merge_split_and_retirement(stores: list[Store]) -> None:
    store = stores[0]
    a, b, c, d = RECORDS[:4]
    keyed(store, {a: 0, b: 0, c: 1, d: 1})
    keyed(store, {a: 0, b: 0, c: 0, d: 0})
    keyed(store, {a: 0, b: 0, c: 1, d: 1})
    keyed(store, {a: 0, b: 1, c: 1, d: 1})
    with store.read() as connection:
        columns = tables.registry_history.c
        chosen = select(columns.event, columns.golden_key, columns.other_key).order_by(columns.event_id)
        rows = connection.execute(chosen).fetchall()
    assert [tuple(row) for row in rows] == [
        ("create", "C000001", None), ("create", "C000002", None), ("merge", "C000001", "C000002"),
        ("split", "C000002", "C000001"), ("move", "C000002", "C000001"),
    ]  # fmt: skip
    assert resolved(store, "C000002") == "C000002"


def test_a_failure_while_writing_leaves_no_trace(stores: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    store = stores[0]
    keyed(store, clusters([0] * len(RECORDS)))
    before = everything(store)

    def broken(*_: Any) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "note", broken)
        with pytest.raises(OSError, match="disk full"):
            keyed(store, clusters(list(range(len(RECORDS)))))
    assert everything(store) == before
    first = keyed(store, clusters(list(range(len(RECORDS)))))
    assert sorted(set(first.values())) == [f"C{n:06d}" for n in range(1, 11)]


def test_of_several_retired_ids_the_one_that_lived_last_comes_back(stores: list[Store]) -> None:
    store = stores[0]
    a, b, c, d, e, f = RECORDS[:6]
    keyed(store, {a: 0, b: 1, c: 1, d: 2, e: 2, f: 2})
    keyed(store, {a: 0, b: 0, c: 0, d: 2, e: 2, f: 2})
    joined = keyed(store, {a: 0, b: 0, c: 0, d: 2, e: 2, f: 2})
    assert joined[a] == "C000002", "the larger one kept its id, though the other's number is lower"
    keyed(store, {a: 0, b: 0, c: 0, d: 0, e: 0, f: 0})
    assert keyed(store, {a: 0, b: 0, c: 0, d: 2, e: 2, f: 2})[a] == "C000002"


def test_a_store_from_before_binds_its_ids_to_the_records_that_carried_them_longest(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old'}.db"
    store = Store(url)
    with store.begin() as connection:
        for since, number in (("2026-02-01", "1"), ("2026-01-01", "2")):
            row = {"kind": KIND, "source": "crm", "source_id": number, "golden_key": "C000001", "since": since}
            connection.execute(tables.registry.insert().values(**row))
        connection.execute(text("DROP TABLE golden_keys"))
        connection.execute(text("DROP TABLE registry_moves"))
        connection.execute(text("ALTER TABLE match_decisions DROP COLUMN origin"))
        connection.execute(text("DELETE FROM schema_version WHERE version > 3"))
    store.close()
    store = Store(url)
    assert content(store, tables.golden_keys) == [("customer", "C000001", "crm", "2")]
    with store.begin() as connection:
        connection.execute(
            text("INSERT INTO match_decisions (left_source, left_id, right_source, right_id, decision, decided_by,"
                 " decided_at) VALUES ('a', '1', 'b', '2', 'same', 'x', '2026-01-01T00:00:00.000000Z')")
        )  # fmt: skip
    with store.read() as connection:
        assert connection.execute(select(tables.match_decisions.c.origin)).scalar() == "steward"
    store.close()
