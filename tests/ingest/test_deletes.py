"""Deletes, merges and children."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake import Seen, documents, make_instance, serving

from ingest import landing
from ingest.collect import sync

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


def test_min_rows_refuses_an_empty_full_read(tmp_path: Path) -> None:
    with serving(lambda _: {"items": []}) as fake:
        instance = make_instance(tmp_path, fake.url, FLAG + "assertions = { min_rows = 1 }\n")
        (result,) = sync(instance, "src")
    assert "min_rows" in (result.error or "")


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
