"""A customer is not taken apart when a namesake or a record that fits better comes; a person is told."""

from __future__ import annotations

from typing import Any

import pytest

from bench import organisations
from model import serve, warehouse
from model.identity import match_kept
from model.policy import Viewer
from ops import clock, tables
from ops.instance import Instance
from tests.identity.test_match_guards import PLACE, built, crosswalk, decide, put
from tests.identity.test_match_guards import inst as inst
from tests.warehouse import helpers
from views.parts import match_queue
from views.parts.format import Look

ALL = Viewer.operator()
NAME = "云岚精密仪器"
PAIR = {"crm": [{"id": "x", "name": NAME, "city": "上海"}], "erp": [{"id": "y", "name": NAME}]}
NAMESAKES = {
    "service": [
        {"id": "n1", "name": NAME, "uscc": "91310115MA4JURQ203", "address": "上海市长江路183号"},
        {"id": "n2", "name": NAME, "uscc": "91440305MAYUYU126Y", "address": "深圳市滨海路9号"},
    ]
}


@pytest.fixture
def met(inst: Instance) -> Instance:
    """x and y were linked by their name alone; then two organisations of this name came, which cannot be one."""
    before = built(inst, PAIR)
    assert before["crm", "x"] == before["erp", "y"]
    assert _rule(inst) == "only one of this name"
    put(inst, NAMESAKES, day=1)
    assert helpers.make(inst, release=False).mode == "incremental"
    after = crosswalk(inst)
    assert {key: after[key] for key in before} == before
    return inst


def _rule(inst: Instance) -> str | None:
    found = [row for row in _rows(inst, "match_pair", "left_id, right_id, rule, is_link") if row[:2] == ("x", "y")]
    return found[0][2] if found and found[0][3] else None


def _rows(inst: Instance, table: str, columns: str) -> list[tuple[Any, ...]]:
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        return con.execute(f"select {columns} from identity.{table} order by all").fetchall()
    finally:
        con.close()


def _told(inst: Instance, kind: str = match_kept.CONFLICT) -> list[tuple[Any, ...]]:
    return [row[:2] for row in _rows(inst, "customer_conflict", "source_id, detail, kind") if row[2] == kind]


def test_the_customer_stays_and_a_person_is_told(met: Instance) -> None:
    keys = crosswalk(met)
    assert keys["crm", "x"] == keys["erp", "y"]
    assert _rule(met) == match_kept.RULE
    assert _told(met) == [("x", "crm:x = erp:y"), ("y", "crm:x = erp:y")]
    assert len({keys["service", "n1"], keys["service", "n2"], keys["crm", "x"]}) == 3


def test_without_the_past_such_records_are_not_linked(inst: Instance) -> None:
    keys = built(inst, PAIR | NAMESAKES)
    assert keys["crm", "x"] != keys["erp", "y"]
    assert _told(inst) == []


def test_a_build_from_nothing_keeps_the_customer_as_well(met: Instance) -> None:
    found, kept = crosswalk(met), helpers.everything(met)
    helpers.make(met, full=True, release=False)
    assert helpers.everything(met) == kept
    con = warehouse.connect(warehouse.warehouse_path(met.warehouse))
    con.execute("delete from identity.match_pair")
    con.close()
    helpers.make(met, full=True, release=False)
    assert crosswalk(met) == found
    with met.store.read() as connection:
        assert [tuple(row)[:4] for row in connection.execute(tables.kept_links.select())] == [("crm", "x", "erp", "y")]


def test_a_decision_ends_it_either_way(met: Instance) -> None:
    decide(met, ("crm", "x"), ("erp", "y"), "same")
    helpers.make(met, release=False)
    keys = crosswalk(met)
    assert keys["crm", "x"] == keys["erp", "y"]
    assert _told(met) == []
    decide(met, ("crm", "x"), ("erp", "y"), "different")
    helpers.make(met, release=False)
    keys = crosswalk(met)
    assert keys["crm", "x"] != keys["erp", "y"]
    assert _told(met) == []
    helpers.make(met, full=True, release=False)
    assert crosswalk(met) == keys


def test_what_speaks_against_the_two_themselves_parts_them(met: Instance) -> None:
    put(met, {"erp": [{"id": "y", "name": NAME, "uscc": "91440305MAYUYU126Y", "address": "深圳市滨海路9号"}]}, day=2)
    put(met, {"crm": [{"id": "x", "name": NAME, "uscc": "91310115MA4JURQ203", "city": "上海"}]}, day=2)
    helpers.make(met, release=False)
    keys = crosswalk(met)
    assert keys["crm", "x"] != keys["erp", "y"]
    assert keys["erp", "y"] == keys["service", "n2"]
    assert _told(met) == []
    incremental = helpers.everything(met)
    helpers.make(met, full=True, release=False)
    assert helpers.everything(met) == incremental


def test_matches_lists_the_two_records(met: Instance) -> None:
    helpers.make(met)
    db = serve.open_published(met)
    (row,) = [one for one in serve.conflicts(ALL, db) if one["kind"] == match_kept.CONFLICT]
    assert (row["records"], row["customers"]) == (2, 1)
    assert [one["record_key"] for one in row["sample"]] == ["crm:x", "erp:y"]
    page = str(match_queue._kept_together(Look("zh", "Asia/Shanghai", clock.now()), [row]))
    assert NAME in page
    assert "crm%3Ax%7Cerp%3Ay" in page


FULL_NAME = "上海云岚精密仪器有限公司"
MATE = {"crm": [{"id": "x", "name": FULL_NAME, **PLACE}], "projects": [{"id": "y", "name": NAME, **PLACE}]}
BETTER = {"projects": [{"id": "z", "name": FULL_NAME, **PLACE}]}


@pytest.fixture
def tidy(inst: Instance) -> Instance:
    """The projects hold every organisation once."""
    names = organisations.generate(60, first=5_000).unique("truth", maintain_order=True)["name"].to_list()
    put(inst, {"projects": [{"id": f"p{place}", "name": name} for place, name in enumerate(names)]})
    return inst


@pytest.fixture
def placed(tidy: Instance) -> Instance:
    """x and y were one customer; then z came, of y's source, which has no duplicates, and fits x better."""
    inst = tidy
    before = built(inst, MATE)
    assert before["crm", "x"] == before["projects", "y"]
    put(inst, BETTER, day=1)
    assert helpers.make(inst, release=False).mode == "incremental"
    after = crosswalk(inst)
    assert {key: after[key] for key in before} == before
    return inst


def test_a_record_that_fits_better_takes_nobodys_place(placed: Instance) -> None:
    keys = crosswalk(placed)
    assert keys["crm", "x"] == keys["projects", "y"] != keys["projects", "z"]
    assert _told(placed, match_kept.PLACE_CONFLICT) == [("x", "crm:x = projects:y"), ("y", "crm:x = projects:y")]
    refused = {row[:2]: row[2] for row in _rows(placed, "match_pair", "left_id, right_id, refused")}
    assert refused["x", "z"] == "best link"
    assert refused["x", "y"] == ""


def test_without_the_past_the_better_record_has_the_place(tidy: Instance) -> None:
    inst = tidy
    keys = built(inst, {"crm": MATE["crm"], "projects": [*MATE["projects"], *BETTER["projects"]]})
    assert keys["crm", "x"] == keys["projects", "z"] != keys["projects", "y"]
    assert _told(inst, match_kept.PLACE_CONFLICT) == []


def test_a_build_from_nothing_keeps_the_place_as_well(placed: Instance) -> None:
    found, kept = crosswalk(placed), helpers.everything(placed)
    helpers.make(placed, full=True, release=False)
    assert helpers.everything(placed) == kept
    con = warehouse.connect(warehouse.warehouse_path(placed.warehouse))
    con.execute("delete from identity.match_pair")
    con.close()
    helpers.make(placed, full=True, release=False)
    assert crosswalk(placed) == found


def test_a_decision_gives_the_place_to_the_better_record(placed: Instance) -> None:
    decide(placed, ("crm", "x"), ("projects", "y"), "different")
    helpers.make(placed, release=False)
    keys = crosswalk(placed)
    assert keys["crm", "x"] == keys["projects", "z"] != keys["projects", "y"]
    assert _told(placed, match_kept.PLACE_CONFLICT) == []
    incremental = helpers.everything(placed)
    helpers.make(placed, full=True, release=False)
    assert helpers.everything(placed) == incremental


def test_a_record_that_itself_changed_finds_its_best_link_anew(tidy: Instance) -> None:
    inst = tidy
    before = built(inst, MATE)
    put(inst, {**BETTER, "projects": [*BETTER["projects"], {"id": "y", "name": NAME, "phone": PLACE["phone"]}]}, day=1)
    helpers.make(inst, release=False)
    keys = crosswalk(inst)
    assert keys["crm", "x"] == before["crm", "x"] == keys["projects", "z"] != keys["projects", "y"]
    incremental = helpers.everything(inst)
    helpers.make(inst, full=True, release=False)
    assert helpers.everything(inst) == incremental


def test_matches_says_that_a_record_waits_for_the_place(placed: Instance) -> None:
    helpers.make(placed)
    db = serve.open_published(placed)
    (row,) = [one for one in serve.conflicts(ALL, db) if one["kind"] == match_kept.PLACE_CONFLICT]
    assert [one["record_key"] for one in row["sample"]] == ["crm:x", "projects:y"]
    for language, words in (("zh", "更吻合"), ("en", "fits better")):
        assert words in str(match_queue._kept_together(Look(language, "Asia/Shanghai", clock.now()), [row]))
