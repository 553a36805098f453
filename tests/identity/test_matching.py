"""What the matcher links, what it must never link, and what keeps bad input from melting it."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from model.identity.matching import Matching, match
from model.identity.matching.link import AUTO, Judged, cluster
from model.identity.matching.prepare import prepare
from model.identity.matching.settings import Settings, shipped
from tests.identity.demo_truth import records as demo_records

HEAD, OTHER = "91310115MA4JURQ203", "91440305MAYUYU126Y"


def run(*rows: dict[str, Any], background: int = 60) -> Matching:
    """Match `rows` among unrelated companies, so that frequencies mean something."""
    noise = demo_records(background).select("name", "phone", "address", "city", "tax_id").to_dicts()
    empty = dict.fromkeys(("name", "tax_id", "phone", "email", "domain", "address", "city", "source"))
    return match(pl.DataFrame([empty | row for row in (*rows, *noise)], infer_schema_length=None))


def together(result: Matching, *rows: int) -> bool:
    return len({int(result.clusters[row]) for row in rows}) == 1


def veto(result: Matching, one: int, two: int) -> str:
    return str(result.pairs.filter((pl.col("left") == one) & (pl.col("right") == two))["veto"].item())


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"name": "上海云岚科技有限公司", "tax_id": HEAD}, {"name": "云岚(上海)科技有限责任公司", "tax_id": HEAD}),
        ({"name": "上海云岚科技有限公司", "tax_id": HEAD}, {"name": "上海云岚科技", "tax_id": HEAD[2:17]}),
        ({"name": "上海云岚科技有限公司", "tax_id": HEAD}, {"name": "云岚科技", "tax_id": "9131O115MA4JURQ2O3"}),
        ({"name": "上海雲嵐科技有限公司"}, {"name": "云岚（上海）科技有限责任公司（勿用）"}),
        (
            {"name": "Acme Trading Co Ltd", "phone": "+44 20 7946 0001"},
            {"name": "ACME TRADING LIMITED", "phone": "+442079460001"},
        ),
        (
            {"name": "Nordwind Shipping", "address": "12 Main Street", "city": "Hamburg", "phone": "4040012345"},
            {"name": "Nordwynd Shipping GmbH", "address": "12 Main St.", "city": "Hamburg", "phone": "404-001-2345"},
        ),
    ],
)
def test_one_organisation(one: dict[str, Any], two: dict[str, Any]) -> None:
    assert together(run(one, two), 0, 1)


PLACE = {"phone": "021-61234567", "address": "上海市长江路183号"}


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [
        (
            {"name": "上海云岚科技有限公司", "tax_id": HEAD} | PLACE,
            {"name": "上海云岚科技有限公司", "tax_id": OTHER} | PLACE,
            "different credit codes",
        ),
        (
            {"name": "上海云岚科技有限公司", "tax_id": HEAD} | PLACE,
            {"name": "上海云岚科技有限公司北京分公司", "tax_id": HEAD} | PLACE,
            "branch",
        ),
        (
            {"name": "上海云岚科技有限公司北京分公司"} | PLACE,
            {"name": "上海云岚科技有限公司苏州分公司"} | PLACE,
            "branch",
        ),
        ({"name": "上海云岚科技有限公司"} | PLACE, {"name": "北京云岚科技有限公司"} | PLACE, "different regions"),
        (
            {"name": "Acme Coffee", "address": "12 Main Street", "city": "Leeds"},
            {"name": "Acme Coffee", "address": "98 Main Street", "city": "Leeds"},
            "different house numbers",
        ),
        ({"name": "Acme Inc"} | PLACE, {"name": "Acme Inc. - Leeds Branch"} | PLACE, "branch"),
    ],
)
def test_vetoes(one: dict[str, Any], two: dict[str, Any], reason: str) -> None:
    result = run(one, two)
    assert veto(result, 0, 1) == reason
    assert not together(result, 0, 1)


def test_a_veto_holds_through_a_third_record() -> None:
    """The record between head office and branch shares phone and address with both."""
    result = run(
        {"name": "上海云岚科技有限公司", "tax_id": HEAD} | PLACE,
        {"name": "上海云岚科技有限公司"} | PLACE,
        {"name": "上海云岚科技有限公司", "tax_id": OTHER} | PLACE,
    )
    assert not together(result, 0, 2)
    assert sum(together(result, 1, row) for row in (0, 2)) <= 1


def test_sister_companies_at_one_address_are_for_a_person() -> None:
    result = run({"name": "上海云岚机械有限公司"} | PLACE, {"name": "上海云岚食品有限公司"} | PLACE)
    assert not together(result, 0, 1)
    pair = result.pairs.filter((pl.col("left") == 0) & (pl.col("right") == 1))
    assert pair["band"].item() == "review"


def test_one_switchboard_for_a_park_of_companies() -> None:
    names = [f"上海{a}{b}科技有限公司" for a in "云澄恒启华" for b in "岚川峰达远"]
    result = run(*({"name": name, "phone": "021-60000001"} for name in names))
    assert len({int(c) for c in result.clusters[: len(names)]}) == len(names)


def test_one_tax_number_on_many_names_links_nothing() -> None:
    names = [f"{a}{b}有限公司" for a in "云澄恒启华" for b in ("岚机械", "川食品", "峰软件", "达物流")]
    result = run(*({"name": name, "tax_id": "310115123456789"} for name in names))
    assert len({int(c) for c in result.clusters[: len(names)]}) == len(names)


def test_buckets_match_nothing() -> None:
    result = run(*({"name": "现金客户", "phone": "021-60000001"} for _ in range(5)))
    assert len({int(c) for c in result.clusters[:5]}) == 5


def test_best_link_keeps_one_record_per_duplicate_free_source() -> None:
    frame = _two_sources(60)
    twin = frame.row(0, named=True) | {"name": frame["name"][0] + " North", "source": "b"}
    result = match(pl.concat([frame, pl.DataFrame([twin], schema=frame.schema)]))
    assert result.duplicate_free == {"a", "b"}
    members = pl.DataFrame({"cluster": result.clusters, "source": [*frame["source"], "b"]})
    assert members.group_by("cluster", "source").len()["len"].max() == 1
    assert (result.pairs["refused"] == "best link").any()


def test_cluster_size_guard() -> None:
    settings = _changed(largest_cluster=3)
    rows = [{"name": "Zorvex Kilmuir Trading", "city": "Leeds", "domain": "zorvex.example"} for _ in range(6)]
    rows = [row | {"name": f"Zorvex Kilmuir{'r' * n} Trading"} for n, row in enumerate(rows)]
    frame = pl.DataFrame(rows)
    sizes = [int((match(frame, chosen).clusters == 0).sum()) for chosen in (shipped(), settings)]
    assert sizes[0] > 3 >= sizes[1]


def test_no_chain_of_certain_links_joins_what_a_veto_parts() -> None:
    prepared = prepare(pl.DataFrame({"name": ["Acme", "Acme", "Acme - Leeds Branch"]}))
    left, right = np.array([0, 1, 0]), np.array([1, 2, 2])
    judged = Judged(np.array([AUTO, AUTO, 0], dtype=np.int8), ["tax number"] * 2 + [""], ["", "", "branch"])
    labels, refused = cluster(prepared, judged, left, right, np.array([9.0, 8, 7]), frozenset(), shipped().guards)
    assert labels.tolist() == [0, 0, 2]
    assert refused == ["", "veto inside", ""]


def test_weak_bridge_is_refused() -> None:
    """Two groups that one soft link alone joins stay two, and the link is shown to a person."""
    prepared = prepare(pl.DataFrame({"name": [f"Firm {n}" for n in "abcdef"]}))
    left, right = np.array([0, 0, 1, 3, 3, 4, 2]), np.array([1, 2, 2, 4, 5, 5, 3])
    judged = Judged(np.full(7, AUTO, dtype=np.int8), [""] * 7, [""] * 7)
    bits = np.array([9.0, 9, 9, 9, 9, 9, 5])
    labels, refused = cluster(prepared, judged, left, right, bits, frozenset(), shipped().guards)
    assert labels.tolist() == [0, 0, 0, 3, 3, 3]
    assert refused[-1] == "weak bridge"
    sure = Judged(judged.band, [""] * 6 + ["credit code"], judged.veto)
    assert set(cluster(prepared, sure, left, right, bits, frozenset(), shipped().guards)[0].tolist()) == {0}


def test_blocks_over_the_cap_are_refused() -> None:
    """Ten thousand records of one name: the rule that would bring fifty million pairs brings none."""
    names = ["Acme Stores"] * 10_000 + [f"Firm {n}" for n in range(500)]
    result = match(pl.DataFrame({"name": names}))
    budget = max(shipped().blocking.pairs_at_least, shipped().blocking.pairs_per_record * len(names))
    assert result.rules["pairs"].max() <= budget
    assert result.rules.filter(pl.col("rule") == "name")["refused"].item() == 1


@pytest.mark.parametrize("names", [[], ["Acme"], ["", "", ""], [None, "Acme", None], ["…", "（）", "-"]])
def test_hardly_any_input(names: list[str | None]) -> None:
    result = match(pl.DataFrame({"name": names}, schema={"name": pl.String}))
    assert len(set(result.clusters.tolist())) == len(names)


def test_fifty_records_of_one_source() -> None:
    frame = _two_sources(25)
    result = match(frame.drop("source"))
    truth = np.concatenate([np.arange(25), np.arange(25)])
    assert all(together(result, n, n + 25) for n in range(25))
    assert len(set(result.clusters.tolist())) == len(set(truth.tolist()))


def test_same_input_same_result() -> None:
    frame = demo_records(120)
    one, two = match(frame), match(frame)
    assert one.clusters.tolist() == two.clusters.tolist()
    assert one.pairs.equals(two.pairs)


@pytest.mark.parametrize("customers", [120, 600])
def test_the_order_of_records_decides_nothing(customers: int) -> None:
    """Also where candidates come from blocking and u from a sample."""
    frame = demo_records(customers)
    order = np.random.default_rng(3).permutation(len(frame))
    first, second = match(frame), match(frame[order.tolist()])
    assert sorted(first.bits.tolist()) == sorted(second.bits.tolist())
    straight, shuffled = first.clusters, second.clusters
    one = {frozenset(np.flatnonzero(straight == label).tolist()) for label in set(straight.tolist())}
    two = {frozenset(order[np.flatnonzero(shuffled == label)].tolist()) for label in set(shuffled.tolist())}
    assert one == two


def test_the_waterfall_adds_up_to_the_weight() -> None:
    result = match(demo_records(80))
    for index in range(0, len(result.left), max(1, len(result.left) // 200)):
        assert sum(bits for *_, bits in result.explain(index)) == pytest.approx(result.bits[index], abs=1e-6)


def _two_sources(count: int) -> pl.DataFrame:
    """`count` organisations, each once in sources a and b, the second time spelled otherwise."""
    stems = [
        a + b
        for a in ("Zorvex", "Kilmuir", "Tannberg", "Ashgrove", "Lindqvist", "Falken")
        for b in "abdegiklnoprstuvwxyz"
    ]
    rows = [
        {"name": f"{stem} Trading", "city": "Leeds", "address": f"{n + 3} Harbour Street", "source": "a"}
        for n, stem in enumerate(stems[:: max(1, len(stems) // count)][:count])
    ]
    twins = [
        row | {"name": row["name"].upper() + " LTD", "address": row["address"].replace("Street", "St."), "source": "b"}
        for row in rows
    ]
    return pl.DataFrame(rows + twins)


def _changed(**guards: float) -> Settings:
    settings = shipped()
    return settings.model_copy(update={"guards": settings.guards.model_copy(update=guards)})
