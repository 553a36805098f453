"""Drift: fields that appear, vanish, empty or change type, new values, changed contracts; each told once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake import make_instance, serving
from sqlalchemy import insert, select

from ingest import drift, landing, shape
from ingest.collect import sync
from ingest.contract import changes, contract
from ingest.drift import Change, compare
from ingest.spec import SourceSpec
from ops.instance import Instance
from ops.store import stamp
from ops.tables import drifts, planned_changes, stream_shapes

SPEC = """
[[stream]]
name = "things"
path = "things"
records = "items"
id = "id"
"""


def thing(number: int, **more: Any) -> dict[str, Any]:
    stage = ("new", "won", "lost")[number % 3]
    inside = {"name": f"n{number}", "note": None if number % 2 else "x"}
    return {"id": number, "stage": stage, "owner": inside, "price": 1.5, **more}


def shape_of(*documents: dict[str, Any]) -> shape.Shape:
    return shape.of_documents(json.dumps(document) for document in documents)


KNOWN = [thing(number) for number in range(300)]


def found(documents: list[dict[str, Any]]) -> list[Change]:
    return compare(shape_of(*KNOWN), shape_of(*documents))


def test_the_same_shape_is_no_drift() -> None:
    assert found([thing(number) for number in range(1000, 1300)]) == []
    assert found([thing(1000)]) == []


def test_a_new_field_is_told_at_its_top_only() -> None:
    changed = [thing(1, region={"code": "east", "head": {"id": 1}})]
    assert found(changed) == [Change("appeared", "region", None, "object")]
    inside = [thing(1, owner={"name": "n", "note": None, "mail": "a"})]
    assert found(inside) == [Change("appeared", "owner.mail", None, "text")]


def test_a_field_that_vanished_is_believed_of_five_documents_and_its_children_go_with_it() -> None:
    without = [{key: value for key, value in thing(number).items() if key != "owner"} for number in range(5)]
    assert found(without) == [Change("vanished", "owner", "object", None)]
    assert found(without[:4]) == []


def test_a_field_that_many_lacked_is_missed_in_many_documents_only() -> None:
    known = shape_of(*(thing(number, **({"left": 1} if number % 2 else {})) for number in range(300)))
    assert compare(known, shape_of(*(thing(number) for number in range(199)))) == []
    assert compare(known, shape_of(*(thing(number) for number in range(200)))) == [
        Change("vanished", "left", "number", None)
    ]


def test_a_field_that_is_empty_everywhere_looks_like_a_right_that_was_lost() -> None:
    assert found([thing(number, price=None) for number in range(20)]) == [Change("emptied", "price", "number", None)]
    assert found([thing(number, price=None) for number in range(19)]) == []


def test_another_type_is_told_and_a_whole_number_is_the_same_type() -> None:
    assert found([thing(1, price=2)]) == []
    assert found([thing(1, price="2.00")]) == [Change("retyped", "price", "number", "text")]


def test_a_new_value_of_an_enumeration_is_told_and_a_new_name_is_not() -> None:
    assert found([thing(1, stage="paused", owner={"name": "somebody else", "note": None})]) == [
        Change("new_value", "stage", "lost, new, won", "paused")
    ]
    few = shape_of(*KNOWN[:50])
    assert compare(few, shape_of(thing(1, stage="paused"))) == [], "50 documents make no enumeration"


@pytest.mark.parametrize("text", ["客户称到货少 2 只，待核对", "we will pay it next week"])
def test_sentences_are_no_enumeration_however_often_they_come(text: str) -> None:
    known = shape_of(*({"id": number, "note": ("ok", text)[number % 2]} for number in range(300)))
    assert known.fields["note"].values is None
    assert compare(known, shape_of({"id": 1, "note": "another"})) == []


@pytest.mark.parametrize("text", ["an@demo.example", "+86 138-0000 0000", "(021) 5555 0000"])
def test_addresses_and_telephone_numbers_are_not_kept(text: str) -> None:
    kept = shape.of_documents(json.dumps({"owner": text}) for _ in range(200))
    assert kept.fields["owner"].values is None
    assert text not in kept.to_json()


def test_keys_that_are_data_are_one_field() -> None:
    many = {"id": 1, "by_day": {f"2026-{number}": number for number in range(300)}}
    assert set(shape_of(many).fields) == {"id", "by_day"}


def test_an_object_whose_keys_are_data_is_found_out_over_several_runs(served: Any) -> None:
    """Fifty new keys a run are fifty new fields, until there are more than any vendor names."""
    items, instance = served
    counts = []
    for run in range(7):
        days = {f"d{number}": 1 for number in range(run * 50, run * 50 + 50)}
        items[:] = [thing(number, by_day={**days, "run": run}) for number in range(300)]
        sync(instance, name(instance))
        counts.append(len([one for one in told(instance) if one[0] == "appeared"]))
    assert counts[0] == 0
    assert counts[-1] == counts[-2], "no key is told any more"


def test_lists_and_keys_with_dots() -> None:
    seen = shape_of({"lines": [{"price": 1}, {"price": "a"}], "a.b": True, "tags": ["x"]})
    assert seen.fields["lines[].price"].types == {"number", "text"}
    assert seen.fields["lines[].price"].present == 1, "counted by document"
    assert seen.fields["a.b"].types == {"yes/no"}
    assert shape.Shape.from_json(seen.to_json()) == seen


@pytest.fixture
def served(tmp_path: Path) -> Any:
    """(items to answer with, instance) of a source that is collected whole."""
    items: list[dict[str, Any]] = list(KNOWN)
    with serving(lambda _: {"items": items}) as fake:
        yield items, make_instance(tmp_path, fake.url, SPEC)


def told(instance: Instance) -> list[tuple[str, str, str]]:
    with instance.store.read() as connection:
        rows = connection.execute(select(drifts).order_by(drifts.c.drift_id)).all()
    return [(row.kind, row.field, row.state) for row in rows]


def name(instance: Instance) -> str:
    return instance.config.sources[0].name


def test_drift_is_recorded_once_and_ends_when_it_is_back(served: Any) -> None:
    items, instance = served
    assert sync(instance, name(instance))[0].warnings == []
    assert told(instance) == []
    items[:] = [{key: value for key, value in thing(number).items() if key != "price"} for number in range(300)]
    sync(instance, name(instance))
    assert told(instance) == [("vanished", "price", "open")]
    items[:10] = [{"id": number, "stage": "won", "owner": {"name": "m", "note": "x"}} for number in range(10)]
    sync(instance, name(instance))
    assert told(instance) == [("vanished", "price", "open")], "it lasts and is told once"
    items[:] = [thing(number) for number in range(300)]
    sync(instance, name(instance))
    assert told(instance) == [("vanished", "price", "ended")]


def test_a_run_is_counted_once_and_a_fault_of_looking_is_a_warning(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, instance = served
    sync(instance, name(instance))
    [run_id] = landing.runs(instance.landing, name(instance), "things")
    assert drift.look(instance, name(instance), "things", run_id) == []
    items[0] = thing(0, price=[{}])
    monkeypatch.setattr("ingest.shape.orjson.loads", lambda _: 1 / 0)
    [result] = sync(instance, name(instance))
    assert (result.state, result.rows_landed) == ("done", 1)
    assert "ZeroDivisionError" in result.warnings[0]


def test_a_large_run_is_looked_at_in_parts(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    items, instance = served
    items[:] = [thing(number) for number in range(1000)]
    monkeypatch.setattr(landing, "PART_ROWS", 100)
    monkeypatch.setattr(shape, "DOCUMENTS", 50)
    sync(instance, name(instance))
    [run_id] = landing.runs(instance.landing, name(instance), "things")
    seen = shape.of_run(instance.landing, name(instance), "things", run_id)
    assert 50 <= seen.documents < 200
    assert seen.fields["stage"].values is not None
    assert set(seen.fields["stage"].values) == {"new", "won", "lost"}


def test_a_drift_that_was_announced_names_its_announcement(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    items, instance = served
    monkeypatch.setenv("C360_NOW", "2026-03-02T02:00:00Z")
    plan = {"source": name(instance), "title": "new price", "owner": "ERP team", "check": "prices add up",
            "rollback": "old field", "entered_by": "io", "entered_at": stamp(), "state": "announced"}  # fmt: skip
    with instance.store.begin() as connection:
        for field, day in (("cost", "2026-03-02"), ("price", "2026-04-02"), ("price", "2026-03-08")):
            connection.execute(insert(planned_changes).values(**plan, field=field, expected_on=day))
    sync(instance, name(instance))
    monkeypatch.setenv("C360_NOW", "2026-03-03T02:00:00Z")
    items[0] = thing(0, price="1.50", cost={"net": 1})
    sync(instance, name(instance))
    with instance.store.read() as connection:
        rows = connection.execute(select(drifts.c.field, drifts.c.planned_id).order_by(drifts.c.field)).all()
    assert [tuple(row) for row in rows] == [("cost", 1), ("price", 3)]


def test_a_changed_contract_is_listed_by_stream_and_key(served: Any) -> None:
    _, instance = served
    sync(instance, name(instance))
    file = instance.config_dir / "sources" / instance.config.sources[0].connector / "source.toml"
    text = file.read_text(encoding="utf-8")
    added = '\n[[stream]]\nname = "more"\npath = "more"\nrecords = "items"\nid = "id"\n'
    file.write_text(text.replace('id = "id"', 'id = "key"').replace("attempts = 3", "attempts = 2") + added)
    spec = SourceSpec.load(instance.config.sources[0].connector, instance.config_dir)
    found = drift.look_at_contract(instance, name(instance), spec)
    assert [(stream, change.field, change.before, change.after) for stream, change in found] == [
        ("*", "http.attempts", "3", "2"),
        ("more", "", None, "collected"),
        ("things", "id", "id", "key"),
    ]
    assert drift.look_at_contract(instance, name(instance), spec) == []
    assert changes(contract(spec), contract(spec)) == []


@pytest.mark.parametrize(
    ("field", "text", "is_kept"),
    [
        ("state", "closed_won", True), ("state", "OPEN", True), ("state", "A-1", True), ("flag", "true", True),
        ("state", "Smith", False), ("state", "an smith", False), ("state", "王小明", False), ("state", "已审核", False),
        ("owner", "zhangsan", False), ("created_by", "x1", False), ("bank_code", "x1", False), ("负责人", "x1", False),
    ],
)  # fmt: skip
def test_a_value_of_an_unknown_field_is_kept_only_when_it_looks_like_a_code(
    field: str, text: str, is_kept: bool
) -> None:
    made = shape_of(*({field: text} for _ in range(3)))
    assert (made.fields[field].values is not None) == is_kept
    assert (text in made.to_json()) == is_kept


def test_what_a_mapping_says_of_a_field_counts_more_than_how_it_looks() -> None:
    documents = [json.dumps({"state": "已审核", "code": "x1"}, ensure_ascii=False)]
    kept = shape.of_documents(documents, {"state": "all", "code": "none"})
    assert kept.fields["state"].values == {"已审核": 1}
    assert (kept.fields["code"].present, kept.fields["code"].types, kept.fields["code"].values) == (1, {"text"}, None)


def test_what_was_kept_before_is_forgotten_when_a_mapping_calls_it_personal(
    served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items, instance = served
    items[:] = [{"id": number, "code": f"c{number % 3}"} for number in range(200)]
    sync(instance, name(instance))
    items.append({"id": 999, "code": "c9"})
    sync(instance, name(instance))
    assert [kind for kind, *_ in told(instance)] == ["new_value"]
    monkeypatch.setattr(drift, "_ask", lambda *_: {"code": "none"})
    items.append({"id": 1000, "code": "c10"})
    sync(instance, name(instance))
    with instance.store.read() as connection:
        (row,) = connection.execute(select(drifts)).all()
        (fields,) = connection.execute(select(stream_shapes.c.fields)).scalars().all()
    assert (row.before, row.after) == (None, None)
    assert "c9" not in fields
    assert "c10" not in fields


def test_the_order_of_a_list_that_is_a_set_is_no_change_of_the_contract() -> None:
    def one(fields: str, key: str) -> dict[str, dict[str, str]]:
        return {"*": {}, "things": {"fields": fields, "id": key}}

    assert changes(one("a, b", "x, y"), one("b, a", "x, y")) == []
    assert changes(one("a, b", "x, y"), one("a, c", "y, x")) == [
        ("things", "fields", "a, b", "a, c"), ("things", "id", "x, y", "y, x"),
    ]  # fmt: skip
