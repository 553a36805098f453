"""Deletes, merges and children."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fake import Seen, documents, make_instance, serving

from ingest import landing
from ingest.collect import sync
from ingest.cursor import read_cursor

SWEPT = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}", since = "{window.start}" }
records = "items"
id = "id"
page = { type = "keyset", key = "id", limit = 10 }
incremental = { type = "window", overlap_s = 0 }
deletes = { type = "sweep", every_h = 0, max_percent = 20, params = { after = "{page.after}", ids = 1 } }
"""


class Shop:
    """Rows by id; a change shows in the window once, an id list shows what is there."""

    def __init__(self, count: int) -> None:
        self.rows = {n: {"id": n, "v": 0} for n in range(1, count + 1)}
        self.changed: set[int] = set(self.rows)

    def __call__(self, seen: Seen) -> Any:
        after = int(seen.query.get("after", 0))
        wanted = [row for key, row in sorted(self.rows.items()) if key > after]
        if "ids" in seen.query:
            return {"items": [{"id": row["id"]} for row in wanted][:10]}
        return {"items": [row for row in wanted if row["id"] in self.changed][:10]}


def test_missing_twice_is_deleted_and_reappearing_comes_back(tmp_path: Path) -> None:
    shop = Shop(30)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        shop.changed = set()
        gone = shop.rows.pop(7)
        (first,) = sync(instance, "src")
        assert (first.rows_deleted, len(documents(instance, "things"))) == (0, 30)
        (second,) = sync(instance, "src")
        assert (second.rows_deleted, len(documents(instance, "things"))) == (1, 29)
        shop.rows[7] = gone
        sync(instance, "src")
        shop.changed = set(shop.rows)
        (back,) = sync(instance, "src")
        assert (back.rows_landed, len(documents(instance, "things"))) == (1, 30)


def test_missing_once_and_back_is_not_deleted_later(tmp_path: Path) -> None:
    shop = Shop(30)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        shop.changed = set()
        for _ in range(2):
            hidden = shop.rows.pop(7)
            sync(instance, "src")
            shop.rows[7] = hidden
            sync(instance, "src")
    assert len(documents(instance, "things")) == 30


def test_an_id_that_nobody_knows_twice_running_is_read_with_everything(tmp_path: Path) -> None:
    """A record that some fault or a right given later has hidden from the list of changes."""
    shop = Shop(30)
    shop.changed.discard(7)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        sync(instance, "src")
        assert "7" not in documents(instance, "things")
        sync(instance, "src")
        assert read_cursor(instance.store, "src", "things")["full"] is True
        shop.changed = set(shop.rows)
        (back,) = sync(instance, "src")
        assert (back.rows_landed, len(documents(instance, "things"))) == (1, 30)


def test_an_id_that_everything_read_does_not_bring_is_asked_for_once(tmp_path: Path) -> None:
    shop = Shop(30)
    shop.changed.discard(7)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        runs = []
        for _ in range(7):
            sync(instance, "src")
            runs.append(bool(read_cursor(instance.store, "src", "things").get("full")))
    assert runs.count(True) == 1


def test_a_list_of_ids_that_is_wider_than_the_stream_asks_for_everything_once(tmp_path: Path) -> None:
    shop = Shop(30)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        shop.changed = set()
        runs = []
        for number in range(31, 41):
            shop.rows[number] = {"id": number, "v": 0}  # listed by the sweep alone
            sync(instance, "src")
            runs.append(bool(read_cursor(instance.store, "src", "things").get("full")))
    assert runs.count(True) == 1


def test_a_record_made_between_the_list_of_changes_and_the_sweep_asks_for_nothing(tmp_path: Path) -> None:
    shop = Shop(30)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        shop.changed = set()
        shop.rows[31] = {"id": 31, "v": 0}
        sync(instance, "src")
        shop.changed = {31}
        for _ in range(3):
            sync(instance, "src")
            assert not read_cursor(instance.store, "src", "things").get("full")
    assert len(documents(instance, "things")) == 31


@pytest.mark.parametrize("left", [0, 10, 23])
def test_a_shrunken_list_stops_the_sweep(tmp_path: Path, left: int) -> None:
    shop = Shop(30)
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, SWEPT)
        sync(instance, "src")
        shop.changed = set()
        shop.rows = {key: row for key, row in shop.rows.items() if key <= left}
        results = [sync(instance, "src")[0] for _ in range(3)]
    assert all("nothing was marked deleted" in result.warnings[0] for result in results)
    assert len(documents(instance, "things")) == 30


FLAG = """
[[stream]]
name = "things"
path = "things"
records = "items"
id = "id"
deletes = { type = "flag", path = "gone" }
merges = { path = "master" }
"""


def test_delete_by_flag_and_merge_are_recorded(tmp_path: Path) -> None:
    rows = [{"id": 1, "gone": False, "master": None}, {"id": 2, "gone": True, "master": 1}]
    with serving(lambda _: {"items": rows}) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG)
        sync(instance, "src")
        assert sorted(documents(instance, "things")) == ["1"]
        (run,) = landing.runs(instance.landing, "src", "things")
        assert landing.manifest(instance.landing, "src", "things", run)["merges"] == [["2", "1"]]
        rows[1] = {"id": 2, "gone": False, "master": None}
        sync(instance, "src")
    assert sorted(documents(instance, "things")) == ["1", "2"]


MERGED = """
[[stream]]
name = "things"
path = "things"
records = "items"
id = "id"
deletes = { type = "sweep", every_h = 0 }
merges = { path = "master" }
"""


def test_a_loser_that_names_its_survivor_is_deleted_though_the_list_still_names_it(tmp_path: Path) -> None:
    """No flag says so; a record that names itself is no loser; and a merge that is undone is alive again."""
    rows: list[dict[str, Any]] = [{"id": number, "master": None} for number in range(1, 5)]
    rows[3]["master"] = 4
    with serving(lambda _: {"items": rows}) as fake:
        instance = make_instance(tmp_path, fake.url, MERGED)
        sync(instance, "src")
        rows[1]["master"] = 1
        (result,) = sync(instance, "src")
        assert (result.rows_landed, result.rows_deleted) == (1, 1)
        last = landing.runs(instance.landing, "src", "things")[-1]
        assert landing.manifest(instance.landing, "src", "things", last)["merges"] == [["2", "1"]]
        frames = landing.read_run(instance.landing, "src", "things", last)
        assert [row for frame in frames for row in frame.select("id", "document", "deleted").rows()] == [
            ("2", '{"id":2,"master":1}', True)
        ]
        for _ in range(2):
            assert sync(instance, "src")[0].rows_landed == 0
        assert not read_cursor(instance.store, "src", "things").get("full"), "a listed loser asks for no full read"
        rows[1]["master"] = None
        sync(instance, "src")
    assert sorted(documents(instance, "things")) == ["1", "2", "3", "4"]


CHILDREN = """
[[stream]]
name = "orders"
path = "orders"
records = "items"
id = "id"
deletes = { type = "full" }

[[stream]]
name = "lines"
path = "orders/{parent_id}/lines"
records = "lines"
id = "id"
parent = { stream = "orders" }

[[stream]]
name = "notes"
id = "id"
parent = { stream = "orders", records = "notes" }
"""


def test_children_follow_changed_parents_and_are_replaced_as_a_set(tmp_path: Path) -> None:
    orders = {str(n): {"id": n, "v": 0, "notes": [{"id": f"n{n}", "t": "x"}]} for n in range(1, 6)}
    lines = {key: [{"id": f"{key}-1"}, {"id": f"{key}-2"}] for key in orders}

    def handle(seen: Seen) -> Any:
        parts = seen.path.strip("/").split("/")
        return {"items": list(orders.values())} if len(parts) == 1 else {"lines": lines[parts[1]]}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, CHILDREN)
        sync(instance, "src")
        assert len(documents(instance, "lines")) == 10
        assert len(documents(instance, "notes")) == 5
        before = len(fake.seen)
        orders["2"] = {**orders["2"], "v": 1, "notes": []}
        lines["2"] = [{"id": "2-2"}, {"id": "2-3"}]
        sync(instance, "src")
        assert [seen.path for seen in fake.seen[before:]] == ["/orders", "/orders/2/lines"]
        assert sorted(key for key in documents(instance, "lines") if key.startswith("2")) == ["2-2", "2-3"]
        assert len(documents(instance, "notes")) == 4
        del orders["5"]
        sync(instance, "src")
        sync(instance, "src")
        assert len(documents(instance, "orders")) == 4
        assert len(documents(instance, "lines")) == 8


@pytest.mark.parametrize(("from_", "to"), [("1", "2"), ("2", "1")])
def test_a_child_that_moves_to_another_parent_is_kept(tmp_path: Path, from_: str, to: str) -> None:
    orders = {str(n): {"id": n, "v": 0} for n in range(1, 4)}
    lines = {key: [{"id": f"{key}-1"}] for key in orders}

    def handle(seen: Seen) -> Any:
        parts = seen.path.strip("/").split("/")
        return {"items": list(orders.values())} if len(parts) == 1 else {"lines": lines[parts[1]]}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, CHILDREN)
        sync(instance, "src")
        lines[to] += lines[from_]
        lines[from_] = []
        for key in (from_, to):
            orders[key] = {**orders[key], "v": 1}
        sync(instance, "src")
        assert sorted(documents(instance, "lines")) == ["1-1", "2-1", "3-1"]
        parents = {
            row[0]: row[1]
            for frame in landing.read(instance.landing, "src", "lines")
            for row in frame.filter(~pl.col("deleted")).select("id", "parent_id").rows()
        }
        assert parents == {"3-1": "3", f"{from_}-1": to, f"{to}-1": to}


def test_min_rows_refuses_an_empty_full_read(tmp_path: Path) -> None:
    with serving(lambda _: {"items": []}) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG + "assertions = { min_rows = 1 }\n")
        (result,) = sync(instance, "src")
    assert "min_rows" in (result.error or "")


def test_max_rows_refuses_a_run_that_brings_too_many_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    items = [{"id": number} for number in range(2)]
    with serving(lambda _: {"items": items}) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG + "assertions = { max_rows = 2 }\n")
        (result,) = sync(instance, "src")
        assert result.error is None
        items.append({"id": 2})
        (result,) = sync(instance, "src")
        assert "brought 3 rows" in (result.error or "")
        assert sorted(documents(instance, "things")) == ["0", "1"]
        items.pop(0)
        (result,) = sync(instance, "src")
    assert result.error is None
    assert sorted(documents(instance, "things")) == ["0", "1", "2"]


def test_required_field_that_vanished_is_named(tmp_path: Path) -> None:
    with serving(lambda _: {"items": [{"id": 1}]}) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG + 'assertions = { required = ["name"] }\n')
        (result,) = sync(instance, "src")
    assert "has no name" in (result.error or "")


def test_digits_survive(tmp_path: Path) -> None:
    body = b'{"items":[{"id":1234567890123456789012,"amount":13560.0000000000,"big":1234567890123456.78}]}'
    with serving(lambda _: (200, {}, body)) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG)
        sync(instance, "src")
    (frame,) = landing.read(instance.landing, "src", "things")
    assert frame["id"][0] == "1234567890123456789012"
    assert frame["document"][0] == '{"id":1234567890123456789012,"amount":13560.0000000000,"big":1234567890123456.78}'
