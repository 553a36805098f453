"""The matcher inside the build: increments equal a full build, decisions survive, order decides nothing."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update

from bench import organisations
from model.identity import cluster, match_build, match_model, match_train
from model.identity.match_records import matchable
from model.identity.matching.blocking import RULES, keys, within
from model.identity.matching.fit import fit
from model.identity.matching.prepare import prepare
from model.identity.matching.refused import hashed, too_common
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
    placed: list[helpers.Change] = []
    for number, (source, row, key) in enumerate(changes):
        own = row and row | {"merged_into_id": None if row["merged_into_id"] == row["id"] else row["merged_into_id"]}
        placed.append(("customer", source, own, key, at + timedelta(seconds=number)))
    helpers.replay(con, placed, f"{at:%Y%m%dT%H%M%S}")


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


@contextmanager
def small_budget() -> Iterator[None]:
    """Training refuses every value on more than two records, of each rule that would bring more than one pair."""
    ship = shipped()
    blocking = ship.blocking.model_copy(update={"standing_pairs_per_record": 0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match_train, "shipped", lambda: ship.model_copy(update={"blocking": blocking}))
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
    is_tight=st.booleans(),
)
def test_an_increment_equals_a_full_build(
    first: list[Any], later: list[tuple[list[Any], list[Any]]], is_tight: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        named = {"id": "1", "name": NAMES[0]} | dict.fromkeys(("merged_into_id", "code"))
        with helpers.open_staging(inst) as con:
            apply(con, [*first, ("crm", named, "1")], 0)
        with small_budget() if is_tight else nullcontext():
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
    helpers.same(incremental, full)


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
            for source in dict.fromkeys(source for source, _, _ in rows):
                helpers.put(con, "customer", source, [row for one, row, _ in rows if one == source])
        match_train.train(inst)
        helpers.make(inst, full=True, release=False)
        found.append(_partition(inst))
        inst.store.close()
    assert found[0] == found[1]
    assert any(len(group) > 1 for group in found[0])


def _named(name: str, *places: tuple[str, str]) -> list[tuple[str, dict[str, Any]]]:
    return [(source, {"id": key, "name": name, "merged_into_id": None}) for source, key in places]


def _land(inst: Instance, found: list[tuple[str, dict[str, Any]]], step: int = 0) -> None:
    with helpers.open_staging(inst) as con:
        for source, row in found:
            helpers.put(con, "customer", source, [row], at=helpers.T0 + timedelta(days=step))


def _paired(inst: Instance) -> set[frozenset[str]]:
    """The pairs of records in identity.match_pair."""
    with helpers.open_staging(inst) as con:
        found = con.execute("select left_source, left_id, right_source, right_id from identity.match_pair").fetchall()
    return {frozenset((f"{a} {x}", f"{b} {y}")) for a, x, b, y in found}


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[Instance]:
    """Built on parameters that refused the values of 澄衡 (three records), not those of the two other names (two)."""
    inst = helpers.instance(tmp_path / "i")
    _land(inst, _named(NAMES[0], ("crm", "1"), ("erp", "1")) + _named(NAMES[8], ("crm", "2"), ("erp", "2")))
    _land(inst, _named(NAMES[6], ("crm", "3"), ("erp", "3"), ("service", "3")))
    with small_budget():
        match_train.train(inst)
    helpers.make(inst, full=True, release=False)
    yield inst
    inst.store.close()


def test_records_of_old_stay_together_when_others_come_to_share_their_values(grown: Instance) -> None:
    pair, refused = frozenset(("crm 2", "erp 2")), frozenset(("crm 3", "erp 3"))
    assert pair in _paired(grown)
    assert refused not in _paired(grown)
    _land(grown, _named(NAMES[8], ("service", "2"), ("service", "4")), 1)
    with helpers.open_staging(grown) as con:
        helpers.drop(con, "customer", "service", ["3"], at=helpers.T0 + timedelta(days=1))
    helpers.make(grown, release=False)
    assert pair in _paired(grown)
    assert frozenset(("crm 2", "service 2")) in _paired(grown)
    assert refused not in _paired(grown)  # two records have these values now, but they stay refused
    incremental = helpers.everything(grown)
    helpers.make(grown, full=True, release=False)
    assert helpers.everything(grown) == incremental


def test_parameters_of_an_older_version_refuse_nothing_but_keep_their_caps(grown: Instance) -> None:
    matcher = match_model.current(grown)
    assert matcher is not None
    assert not matcher.parameters.refused.is_empty()
    card = matcher.card | {"caps": dict.fromkeys(matcher.card["caps"], 2)}
    frame = pl.read_parquet(matcher.path)
    frame.filter(~pl.col("kind").str.starts_with("refused")).write_parquet(matcher.path)
    t = tables.model_versions
    with grown.store.begin() as connection:
        connection.execute(update(t).where(t.c.model == "identity").values(card=json.dumps(card)))
    helpers.make(grown, full=True, release=False)
    assert frozenset(("crm 2", "erp 2")) in _paired(grown)
    assert frozenset(("crm 3", "erp 3")) not in _paired(grown)


def test_every_value_beyond_its_cap_is_refused_by_its_text() -> None:
    prepared = prepare(matchable(organisations.generate(400)))
    caps = dict.fromkeys(RULES, 2)
    sizes = keys(prepared).group_by("rule", "key").len().filter(pl.col("len") > 2)
    refused = too_common(prepared, caps)
    found = {(RULES.index(rule), key) for rule, own in hashed(refused).items() for key in own.tolist()}
    assert found == set(sizes.select("rule", "key").iter_rows())
    assert refused["count"].sum() == sizes["len"].sum()
    assert {"phone", "house number and city", "alias", "word", "two words"} <= set(refused["rule"])


def test_a_value_that_grows_past_the_largest_block_goes_on_bringing_candidates() -> None:
    blocking = shipped().blocking.model_copy(update={"largest_block": 3, "all_pairs_up_to": 0})
    frame = organisations.generate(400)
    records = matchable(frame)
    prepared = prepare(records)
    parameters = fit(prepared, shipped().model_copy(update={"blocking": blocking}))
    found = keys(prepared)
    sizes = found.group_by("rule", "key").agg(pl.len(), pl.col("row"))
    beyond = sizes.filter(pl.col("len") > 3).select("rule", "key").rows()
    assert beyond
    assert all(key in parameters.refused_keys[RULES[rule]] for rule, key in beyond)

    common = (
        sizes.filter((pl.col("len") == 3) & (pl.col("rule") == RULES.index("domain"))).sort("key").row(0, named=True)
    )
    one = records[common["row"][0]].select("source", "source_id")
    again = frame.join(one, on=["source", "source_id"], how="semi")
    copies = [again.with_columns(source_id=pl.lit(f"copy {number}")) for number in range(4)]

    def brought(more: int) -> set[tuple[int, int]]:
        """Pairs of records that share the domain of the three."""
        now = matchable(pl.concat([frame, *copies[:more]]))
        known = keys(prepare(now)).filter(pl.col("key") == common["key"])
        left, right = within(known, parameters.caps, parameters.refused_keys, now.height)
        return set(zip(left.tolist(), right.tolist(), strict=True))

    assert len(brought(0)) == 3
    assert len(brought(3)) == 15  # on six records, twice as many as any value had that brought candidates at training
    assert not brought(4)
