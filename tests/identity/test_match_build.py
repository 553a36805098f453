"""The matcher inside the build: increments equal a full build, decisions survive, order decides nothing."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from model.identity import cluster, match_build, match_train
from model.identity.matching.settings import Settings, shipped
from ops import tables
from ops.instance import Instance
from tests.warehouse import helpers

HEAD, OTHER = "91310115MA4JURQ203", "91440305MAYUYU126Y"
NAMES = [
    "上海云岚科技有限公司",
    "云岚(上海)科技有限责任公司",
    "云岚科技",
    "上海云岚科技有限公司北京分公司",
    "北京云岚科技有限公司",
    "深圳云岚食品有限公司",
    "杭州澄衡软件有限公司",
    "澄衡软件",
    "Zorvex Kilmuir Trading Ltd",
    "Zorvex Kilmuir Trading",
    "Zorvex Kilmuirr",
    "散客",
    "—",
]


def pick(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


IDS = pick(*"12345678")
CUSTOMER = st.fixed_dictionaries(
    {
        "id": IDS,
        "name": st.sampled_from(NAMES),
        "kind": pick(None, None, None, None, "branch", "person"),
        "uscc": pick(None, None, None, HEAD, OTHER, HEAD.replace("0", "O")),
        "phone": pick(None, "+862161234567", "+862160000001", "+8675599887766"),
        "address": pick(None, "上海市长江路183号", "上海市长江路9号", "12 Harbour Street"),
        "city": pick(None, "上海", "北京", "Leeds"),
        "website": pick(None, None, "yunlan.example", "zorvex.example"),
        "code": pick(None, "K1", "K2"),
        "crm_code": pick(None, None, None, "K1", "2"),
        "merged_into_id": pick(None, None, None, None, "1"),
    }
)
CHANGE = st.tuples(pick("crm", "erp", "service"), st.one_of(CUSTOMER, CUSTOMER, CUSTOMER, st.none()), IDS)
DECISION = st.tuples(pick("crm", "erp"), IDS, pick("erp", "service"), IDS, pick("same", "different", "unmerge"))


def apply(con: Any, changes: list[Any], step: int) -> None:
    at = helpers.T0 + timedelta(days=step)
    for number, (source, row, key) in enumerate(changes):
        moment = at + timedelta(seconds=number)
        if row is None:
            helpers.drop(con, "customer", source, [key], at=moment)
        else:
            merged = None if row["merged_into_id"] == row["id"] else row["merged_into_id"]
            helpers.put(con, "customer", source, [row | {"merged_into_id": merged}], at=moment)


def decide(inst: Instance, decisions: list[tuple[str, str, str, str, str]]) -> None:
    with inst.store.begin() as connection:
        for a, x, b, y, verdict in decisions:
            if (a, x) != (b, y):
                connection.execute(
                    insert(tables.match_decisions).values(
                        left_source=a,
                        left_id=x,
                        right_source=b,
                        right_id=y,
                        decision=verdict,
                        decided_by="steward",
                        decided_at="2026-11-01T00:00:00.000000Z",
                    )
                )


@contextmanager
def narrow(inst: Instance) -> Iterator[None]:
    """Few records may share a value, so that small data crosses every threshold."""
    with inst.store.begin() as connection:
        t = tables.model_versions
        card = json.loads(connection.execute(t.select().where(t.c.model == "identity")).one().card)
        card["caps"] = dict.fromkeys(card["caps"], 4) | {"word": 3, "phone": 6, "tax number": 6}
        card["duplicate_free"] = ["service"]
        connection.execute(update(t).where(t.c.model == "identity").values(card=json.dumps(card)))
    ship = shipped()
    guards = ship.guards.model_copy(update={"names_per_identifier": 2, "largest_group_of_one_name": 3})
    changed: Settings = ship.model_copy(update={"guards": guards})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_build, "shipped", lambda: changed)
        patch.setattr(cluster, "shipped", lambda: changed)
        yield


@settings(
    max_examples=helpers.EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    first=st.lists(CHANGE, min_size=8, max_size=40),
    later=st.lists(
        st.tuples(st.lists(CHANGE, min_size=1, max_size=3), st.lists(DECISION, max_size=1)), min_size=1, max_size=5
    ),
)
def test_an_increment_equals_a_full_build(first: list[Any], later: list[tuple[list[Any], list[Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        named = {"id": "1", "name": NAMES[0]} | dict.fromkeys(("merged_into_id", "code"))
        with helpers.open_staging(inst) as con:
            apply(con, [*first, ("crm", named, "1")], 0)
        match_train.train(inst)
        with narrow(inst):
            helpers.make(inst, full=True, release=False)
            for step, (changes, decisions) in enumerate(later, start=1):
                with helpers.open_staging(inst) as con:
                    apply(con, changes, step)
                decide(inst, decisions)
                helpers.make(inst, release=False)
            incremental = helpers.everything(inst)
            helpers.make(inst, full=True, release=False)
            full = helpers.everything(inst)
        inst.store.close()
    for name, expected in full.items():
        lost = [row for row in expected if row not in incremental[name]]
        extra = [row for row in incremental[name] if row not in expected]
        assert (lost, extra) == ([], []), name
        assert len(incremental[name]) == len(expected), name


def _partition(inst: Instance) -> set[frozenset[tuple[str, str]]]:
    groups: dict[str, set[tuple[str, str]]] = {}
    for source, key, golden, _, _ in helpers.table(inst, "identity.customer_crosswalk"):
        if key:
            groups.setdefault(golden, set()).add((source, key))
    return {frozenset(group) for group in groups.values()}


def _company(seed: int, count: int) -> list[tuple[str, dict[str, Any], str]]:
    chance = random.Random(seed)
    return [
        (
            chance.choice(["crm", "erp", "service"]),
            {
                "id": str(number),
                "name": chance.choice(NAMES),
                "uscc": chance.choice([None, None, HEAD, OTHER]),
                "phone": chance.choice([None, "+862161234567", "+8675599887766"]),
                "address": chance.choice([None, "上海市长江路183号", "12 Harbour Street"]),
                "city": chance.choice([None, "上海", "Leeds"]),
                "merged_into_id": None,
            },
            str(number),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_order_of_records_and_sources_decides_nothing(tmp_path: Path, seed: int) -> None:
    rows = _company(seed, 60)
    found = []
    for turn in range(2):
        inst = helpers.instance(tmp_path / f"{turn}")
        if turn:
            random.Random(seed).shuffle(rows)
            inst.config.sources.reverse()
        with helpers.open_staging(inst) as con:
            for source, row, _ in rows:
                helpers.put(con, "customer", source, [row])
        match_train.train(inst)
        helpers.make(inst, full=True, release=False)
        found.append(_partition(inst))
        inst.store.close()
    assert found[0] == found[1]
    assert any(len(group) > 1 for group in found[0])
