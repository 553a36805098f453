"""What the build's matcher must link, must never link, and what bad input must not melt."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from sqlalchemy import insert

from bench import organisations
from model import build_delta, warehouse
from model.identity import match_build, match_model, match_train
from model.identity.match_records import matchable
from model.identity.matching.fit import fit
from model.identity.matching.prepare import prepare
from model.identity.matching.settings import shipped
from ops import tables
from ops.instance import Instance
from tests.warehouse import helpers

HEAD, OTHER = "91310115MA4JURQ203", "91440305MAYUYU126Y"
PLACE = {"phone": "+862161234567", "address": "上海市长江路183号", "city": "上海"}
Records = dict[str, list[dict[str, Any]]]


@pytest.fixture
def inst(tmp_path: Path) -> Iterator[Instance]:
    """An instance with two hundred unrelated records, so that frequencies mean something."""
    made = helpers.instance(tmp_path / "i")
    noise = organisations.generate(200).filter(pl.col("source").is_in(["crm", "erp", "service"])).drop("truth")
    with helpers.open_staging(made) as con:
        for source, rows in noise.partition_by("source", as_dict=True).items():
            kept = [{"id": row.pop("source_id"), **row} for row in rows.drop("source").to_dicts()]
            helpers.put(con, "customer", str(source[0]), kept)
    yield made
    made.store.close()


def put(inst: Instance, records: Records, day: int = 0) -> None:
    with helpers.open_staging(inst) as con:
        for source, rows in records.items():
            helpers.put(con, "customer", source, rows, at=helpers.T0 + timedelta(days=day))


def built(inst: Instance, records: Records) -> dict[tuple[str, str], str]:
    put(inst, records)
    match_train.train(inst)
    helpers.make(inst, release=False)
    return crosswalk(inst)


def crosswalk(inst: Instance) -> dict[tuple[str, str], str]:
    found = helpers.table(inst, "identity.customer_crosswalk")
    return {(source, key): golden for source, key, golden, _, _ in found if key}


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"name": "上海云岚科技有限公司", "uscc": HEAD}, {"name": "云岚科技", "tax_number": HEAD.replace("0", "O")}),
        ({"name": "上海云岚科技有限公司"}, {"name": "云岚（上海）科技有限公司"}),
        ({"name": "上海云岚科技有限公司"} | PLACE, {"name": "云岚科技"} | PLACE),
        (
            {"name": "Zorvex Kilmuir Trading Ltd"},
            {"name": "ZORVEX KILMUIR TRADING LIMITED", "website": "zorvex.example"},
        ),
    ],
)
def test_linked(inst: Instance, one: dict[str, Any], two: dict[str, Any]) -> None:
    keys = built(inst, {"crm": [{"id": "x"} | one], "erp": [{"id": "y"} | two]})
    assert keys["crm", "x"] == keys["erp", "y"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        # the same trade name in another city
        ({"name": "上海云岚科技有限公司"}, {"name": "北京云岚科技有限公司"}),
        ({"name": "上海云岚科技有限公司"} | PLACE, {"name": "北京云岚科技有限公司"} | PLACE),
        ({"name": "云岚科技", "address": "上海市长江路183号"}, {"name": "云岚科技", "address": "北京市振兴路7号"}),
        # branch and head office, also where only the source says so
        (
            {"name": "上海云岚科技有限公司", "uscc": HEAD} | PLACE,
            {"name": "上海云岚科技有限公司北京分公司", "uscc": HEAD} | PLACE,
        ),
        ({"name": "上海云岚科技有限公司"} | PLACE, {"name": "上海云岚科技有限公司", "kind": "branch"} | PLACE),
        # sister companies
        ({"name": "上海云岚机械有限公司"} | PLACE, {"name": "上海云岚食品有限公司"} | PLACE),
        # two credit codes
        (
            {"name": "上海云岚科技有限公司", "uscc": HEAD} | PLACE,
            {"name": "上海云岚科技有限公司", "uscc": OTHER} | PLACE,
        ),
        # persons, buckets and records without a name
        ({"name": "王小明", "kind": "person"} | PLACE, {"name": "王小明", "kind": "person"} | PLACE),
        ({"name": "散客"} | PLACE, {"name": "散客"} | PLACE),
        ({"name": "上海云岚科技有限公司", "kind": "bucket"} | PLACE, {"name": "上海云岚科技有限公司"} | PLACE),
        ({"name": "—"} | PLACE, {"name": "…"} | PLACE),
    ],
)
def test_kept_apart(inst: Instance, one: dict[str, Any], two: dict[str, Any]) -> None:
    keys = built(inst, {"crm": [{"id": "x"} | one], "erp": [{"id": "y"} | two]})
    assert keys["crm", "x"] != keys["erp", "y"]


def test_one_switchboard_for_a_park_of_companies(inst: Instance) -> None:
    park = {"phone": "+862160000001", "address": "上海市科技路1号", "city": "上海"}
    names = [f"上海{a}{b}科技有限公司" for a in "云澄恒启华" for b in "岚川峰达远"]
    rows = [{"id": f"p{number}", "name": name} | park for number, name in enumerate(names)]
    keys = built(inst, {"crm": rows, "erp": rows})
    for row in rows:
        assert keys["crm", row["id"]] == keys["erp", row["id"]]
    assert len({keys["crm", row["id"]] for row in rows}) == len(rows)


def test_a_number_that_becomes_common_stops_counting(inst: Instance) -> None:
    """One mailbox links two spellings, until more companies than can be one write it as theirs."""
    pair = {
        "crm": [{"id": "x", "name": "Zorvex Kilmuir", "email": "office@mail.example", "city": "Leeds"}],
        "erp": [{"id": "y", "name": "Zorvex Kilmuir Ltd", "email": "office@mail.example"}],
    }
    keys = built(inst, pair)
    assert keys["crm", "x"] == keys["erp", "y"]
    names = [f"{a}{b} Pumps" for a in ("Tann", "Ash", "Lind", "Falk", "Mor") for b in ("berg", "grove", "qvist", "mar")]
    more = [{"id": f"m{number}", "name": name, "email": "office@mail.example"} for number, name in enumerate(names)]
    put(inst, {"service": more}, day=1)
    assert helpers.make(inst, release=False).mode == "incremental"
    after = helpers.everything(inst)
    rules = {
        row[8] or row[9]
        for row in _pairs(inst)
        if {row[0], row[2]} == {"crm", "erp"} and {row[1], row[3]} == {"x", "y"}
    }
    assert "name and contact" not in rules
    found = crosswalk(inst)
    assert len({found["service", row["id"]] for row in more}) == len(more)
    helpers.make(inst, full=True, release=False)
    assert helpers.table(inst, "identity.match_pair") == after["identity.match_pair"]
    assert crosswalk(inst) == found


def _pairs(inst: Instance) -> list[tuple[Any, ...]]:
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        return con.execute(
            "select left_source, left_id, right_source, right_id, bits, probability, band, refused, rule, veto "
            "from identity.match_pair"
        ).fetchall()
    finally:
        con.close()


def decide(inst: Instance, left: tuple[str, str], right: tuple[str, str], verdict: str) -> None:
    with inst.store.begin() as connection:
        connection.execute(
            insert(tables.match_decisions).values(
                left_source=left[0],
                left_id=left[1],
                right_source=right[0],
                right_id=right[1],
                decision=verdict,
                decided_by="steward",
                decided_at="2026-11-02T00:00:00.000000Z",
            )
        )


def test_decisions_survive_rebuild_and_other_settings(inst: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    records = {
        "crm": [{"id": "x", "name": "上海云岚科技有限公司"} | PLACE, {"id": "v", "name": "杭州澄衡软件有限公司"}],
        "erp": [{"id": "y", "name": "上海云岚科技有限公司"} | PLACE, {"id": "w", "name": "Harbour Pumps"}],
    }
    keys = built(inst, records)
    assert keys["crm", "x"] == keys["erp", "y"]
    assert keys["crm", "v"] != keys["erp", "w"]
    decide(inst, ("crm", "x"), ("erp", "y"), "different")
    decide(inst, ("crm", "v"), ("erp", "w"), "same")
    assert helpers.make(inst, release=False).mode == "incremental"

    def holds() -> bool:
        found = crosswalk(inst)
        return found["crm", "x"] != found["erp", "y"] and found["crm", "v"] == found["erp", "w"]

    assert holds()
    decided = crosswalk(inst)
    helpers.make(inst, full=True, release=False)
    assert crosswalk(inst) == decided
    ship = shipped()
    eager = ship.model_copy(update={"bands": ship.bands.model_copy(update={"auto": 0.3, "review": 0.05})})
    monkeypatch.setattr(match_build, "shipped", lambda: eager)
    helpers.make(inst, full=True, release=False)
    assert holds()
    put(inst, {"crm": [{"id": "new", "name": "青岛远洲物流有限公司"}]}, day=1)
    match_train.train(inst)
    assert helpers.make(inst, release=False).mode == "full"
    assert holds()
    decide(inst, ("crm", "x"), ("erp", "y"), "unmerge")
    helpers.make(inst, release=False)
    assert crosswalk(inst)["crm", "x"] == crosswalk(inst)["erp", "y"]


def test_training_again_on_the_same_records_changes_nothing(inst: Instance) -> None:
    built(inst, {})
    first = match_model.current(inst)
    second = match_train.train(inst)
    assert first is not None
    assert second is not None
    assert first.version == second.version
    assert helpers.make(inst, release=False).mode == "none"
    kept = second.parameters.statistics
    assert match_model.current(inst) == second
    assert kept.size == second.card["records"]


def test_without_parameters_only_identifiers_link(inst: Instance) -> None:
    put(
        inst,
        {"crm": [{"id": "x", "name": "上海云岚科技有限公司"}], "erp": [{"id": "y", "name": "上海云岚科技有限公司"}]},
    )
    helpers.make(inst, release=False)
    keys = crosswalk(inst)
    assert keys["crm", "x"] != keys["erp", "y"]
    assert helpers.table(inst, "identity.match_pair") == []


def matched(records: pl.DataFrame) -> pl.DataFrame:
    """The pairs of `records` by parameters trained on them."""
    con = duckdb.connect()
    con.execute("attach ':memory:' as warehouse")
    con.execute("use warehouse")
    warehouse.prepare(con)
    con.execute((warehouse.ROOM / "identity/schema.sql").read_text(encoding="utf-8"))
    build_delta.attach(con)
    parameters = fit(prepare(matchable(records)), shipped())
    matcher = match_model.Matcher("test", Path(), {})
    matcher.__dict__["parameters"] = parameters
    found = match_build.match_all(con, matcher, records)
    con.close()
    return found


def test_ten_thousand_records_of_one_name_and_a_phone_on_five_hundred_customers() -> None:
    noise = organisations.generate(3_000).drop("truth")
    acme = {"source": "crm", "name": "Acme Stores"}
    rows = [acme | {"source_id": f"n{i}", "city": f"Town {i % 900}"} for i in range(10_000)]
    shared = noise.head(500).with_columns(phone=pl.lit("+862160000001"), source=pl.lit("erp"))
    records = pl.concat([noise, pl.DataFrame(rows), shared], how="diagonal").unique(["source", "source_id"])
    pairs = matched(records)
    assert len(pairs) < 20 * len(records)
    crowd = pairs.filter(pl.col("left_id").str.starts_with("n") & pl.col("right_id").str.starts_with("n"))
    assert not crowd["is_link"].any()
    assert crowd["base"].max() == 0


def test_each_step_of_the_waterfall_is_kept_with_the_pair() -> None:
    pairs = matched(organisations.generate(400))
    steps = pairs.select(
        "bits", total=pl.col("steps").str.json_decode(pl.List(pl.List(pl.String)))
        .list.eval(pl.element().list.get(2).cast(pl.Float64)).list.sum()
    )  # fmt: skip
    assert (steps["bits"] - steps["total"]).abs().max() < 0.06
