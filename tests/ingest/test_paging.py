"""Paging and change detection against a source that changes while it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake import Seen, documents, make_instance, serving

from ingest.collect import sync
from ingest.cursor import next_window, written
from ingest.spec_parts import IncrementalSpec

OFFSET = """
[[stream]]
name = "things"
path = "things"
params = { offset = "{page.offset}", limit = "{page.limit}", since = "{window.start}", until = "{window.end}" }
records = "items"
id = "id"
page = { type = "offset", limit = 10, total = "total", overlap = 3 }
incremental = { type = "window", overlap_s = 600 }
"""


def stamp(seconds: int) -> str:
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


class Table:
    """Rows sorted by change stamp, served by offset; `between` may change them before each answer."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = {row["id"]: row for row in rows}
        self.between: Any = None

    def edit(self, row_id: int, at: int) -> None:
        self.rows[row_id] = {**self.rows[row_id], "updated": stamp(at), "v": self.rows[row_id]["v"] + 1}

    def __call__(self, seen: Seen) -> Any:
        if self.between:
            self.between(self, seen)
        wanted = [row for row in self.rows.values() if row["updated"] >= seen.query.get("since", "")]
        wanted.sort(key=lambda row: (row["updated"], row["id"]))
        start, limit = int(seen.query["offset"]), int(seen.query["limit"])
        return {"items": wanted[start : start + limit], "total": len(wanted)}


def rows(count: int, at: int | None = None) -> list[dict[str, Any]]:
    return [{"id": n, "v": 0, "updated": stamp(n if at is None else at)} for n in range(1, count + 1)]


def test_rows_edited_between_pages_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    def edit(table: Table, seen: Seen) -> None:
        if seen.number in {1, 2, 3}:
            for row_id in range(seen.number * 4 - 3, seen.number * 4 + 1):
                table.edit(row_id, 10_000 + seen.number * 100 + row_id)

    table = Table(rows(45))
    table.between = edit
    with serving(table) as fake:
        instance = make_instance(tmp_path, fake.url, OFFSET)
        (result,) = sync(instance, "src")
    assert result.error is None
    found = documents(instance, "things")
    assert sorted(map(int, found)) == sorted(table.rows)
    assert {int(key): row["v"] for key, row in found.items()} == {key: row["v"] for key, row in table.rows.items()}


def test_an_unguarded_offset_reader_would_lose_rows(tmp_path: Path) -> None:
    """The same changes with overlap = 0 lose rows: the guard above is what saves them."""

    def edit(table: Table, seen: Seen) -> None:
        if seen.number == 1:
            for row_id in range(1, 6):
                table.edit(row_id, 10_000 + row_id)
                table.rows[row_id]["updated"] = stamp(10_000)

    table = Table(rows(45))
    table.between = edit
    with serving(table) as fake:
        instance = make_instance(tmp_path, fake.url, OFFSET.replace("overlap = 3", "overlap = 0"))
        sync(instance, "src")
    assert len(documents(instance, "things")) < 45


def test_a_late_commit_inside_the_overlap_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(rows(12))
    with serving(table) as fake:
        instance = make_instance(tmp_path, fake.url, OFFSET)
        monkeypatch.setenv("C360_NOW", stamp(1000))
        sync(instance, "src")
        table.rows[99] = {
            "id": 99,
            "v": 0,
            "updated": stamp(900),
        }  # stamped before the watermark, visible after it
        monkeypatch.setenv("C360_NOW", stamp(1060))
        (result,) = sync(instance, "src")
        assert fake.seen[-1].query["since"] == stamp(400)
    assert result.rows_landed == 1
    assert "99" in documents(instance, "things")


def test_nothing_new_lands_nothing_and_makes_no_run(tmp_path: Path) -> None:
    with serving(Table(rows(25))) as fake:
        instance = make_instance(tmp_path, fake.url, OFFSET)
        sync(instance, "src")
        (again,) = sync(instance, "src", full=True)
    assert again.rows_received >= 25
    assert again.rows_landed == 0
    from ingest import landing

    assert len(landing.runs(instance.landing, "src", "things")) == 1


def test_a_clock_that_stands_still_makes_distinct_ordered_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", stamp(5000))
    table = Table(rows(5))
    with serving(table) as fake:
        instance = make_instance(tmp_path, fake.url, OFFSET)
        ids = []
        for turn in range(3):
            table.edit(1, 5000 + turn)
            ids.append(sync(instance, "src")[0].run_id)
    assert ids == sorted(set(ids))
    assert documents(instance, "things")["1"]["v"] == 3


KEYSET = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}", op = "{page.op}" }
records = "items"
id = "id"
page = { type = "keyset", key = "updated", initial = "", limit = 10, unique = false, tie_key = "id", TIE }
""".replace("TIE", 'tie = { params = { equal = "{page.after}", above = "{page.after_id}" } }')


def by_time(table: list[dict[str, Any]], seen: Seen) -> Any:
    ordered = sorted(table, key=lambda row: (row["updated"], row["id"]))
    if "equal" in seen.query:
        ordered = [
            row for row in ordered if row["updated"] == seen.query["equal"] and row["id"] > int(seen.query["above"])
        ]
    else:
        after, op = seen.query.get("after", ""), seen.query["op"]
        ordered = [row for row in ordered if row["updated"] > after or (op == ">=" and row["updated"] == after)]
    return {"items": ordered[:10]}


@pytest.mark.parametrize("crowd", [9, 10, 11, 20, 37])
def test_pages_full_of_one_time_stamp(tmp_path: Path, crowd: int) -> None:
    table = rows(15) + [{"id": 100 + n, "v": 0, "updated": stamp(7)} for n in range(crowd)]
    with serving(lambda seen: by_time(table, seen)) as fake:
        instance = make_instance(tmp_path, fake.url, KEYSET)
        (result,) = sync(instance, "src")
        assert len(fake.seen) < 20
    assert result.error is None
    assert len(documents(instance, "things")) == 15 + crowd


FEED = """
[[stream]]
name = "things"
path = "things"
params = { start = "{window.start}", cursor = "{cursor}" }
records = "items"
id = "id"
page = { type = "next_url", path = "next", stop = { path = "done", values = ["true"] } }
incremental = { type = "token", path = "cursor", format = "epoch" }
"""


def test_empty_page_is_not_the_end_and_the_cursor_is_kept(tmp_path: Path) -> None:
    pages = {
        "0": {"items": rows(3), "cursor": "a", "done": False},
        "a": {"items": [], "cursor": "b", "done": False},
        "b": {"items": [{"id": 9, "v": 1}], "cursor": "c", "done": True},
        "c": {"items": [], "cursor": "c", "done": True},
    }

    def handle(seen: Seen) -> Any:
        key = seen.query.get("cursor") or seen.query["start"]
        return {**pages[key], "next": f"/things?cursor={pages[key]['cursor']}"}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, FEED)
        for _ in range(2):
            (result,) = sync(instance, "src")
            assert result.error is None
        asked = [seen.query for seen in fake.seen]
    assert asked == [{"start": "0"}, {"cursor": "a"}, {"cursor": "b"}, {"cursor": "c"}]
    assert len(documents(instance, "things")) == 4


def test_a_feed_that_does_not_advance_is_stopped(tmp_path: Path) -> None:
    answer = {"items": rows(3), "next": "/things?cursor=a", "cursor": "a", "done": False}
    with serving(lambda _: answer) as fake:
        instance = make_instance(tmp_path, fake.url, FEED)
        (result,) = sync(instance, "src")
        assert len(fake.seen) < 6
    assert "does not advance" in (result.error or "")


def test_link_header(tmp_path: Path) -> None:
    stream = (
        OFFSET.replace(
            'page = { type = "offset", limit = 10, total = "total", overlap = 3 }', 'page = { type = "link" }'
        )
        .replace('offset = "{page.offset}", limit = "{page.limit}", ', "")
        .replace('"items"', '""')
    )

    def handle(seen: Seen) -> Any:
        number = int(seen.query.get("p", 1))
        headers = {"link": f'<{seen.path}?p=1>; rel="first", <{seen.path}?p={number + 1}>; rel="next"'}
        body = f'[{{"id": {number}}}]'.encode()
        return (200, headers if number < 4 else {}, body)

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
    assert sorted(documents(instance, "things")) == ["1", "2", "3", "4"]


def test_page_numbers_and_a_last_page_that_repeats(tmp_path: Path) -> None:
    stream = OFFSET.replace(
        'type = "offset", limit = 10, total = "total", overlap = 3',
        'type = "number", limit = 10, short_is_last = false',
    ).replace("{page.offset}", "{page.number}")

    def handle(seen: Seen) -> Any:
        number = min(int(seen.query["offset"]), 3)
        return {"items": rows(30)[(number - 1) * 10 : number * 10]}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        assert len(fake.seen) == 4
    assert len(documents(instance, "things")) == 30


def test_a_page_that_brings_rows_of_the_one_before_once_more_ends_no_list(tmp_path: Path) -> None:
    """Rows counted twice would reach the total before the last page."""
    stream = OFFSET.replace(
        'type = "offset", limit = 10, total = "total", overlap = 3',
        'type = "number", limit = 10, total = "total"',
    ).replace("{page.offset}", "{page.number}")

    def handle(seen: Seen) -> Any:
        number = int(seen.query["offset"])
        again = 10 if number == 2 else 0
        return {"items": rows(30)[(number - 1) * 10 - again : number * 10], "total": 30}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        assert len(fake.seen) == 3
    assert len(documents(instance, "things")) == 30


def test_window_overlaps_and_is_floored_to_the_vendor_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-08-01T10:00:30Z")
    spec = IncrementalSpec(type="window", overlap_s=600, granularity_s=60)
    window = next_window(spec, "2026-08-01T09:15:22+00:00", timedelta(0))
    assert window.start == datetime(2026, 8, 1, 9, 5, tzinfo=UTC)
    assert window.end == datetime(2026, 8, 1, 10, 0, tzinfo=UTC)


def test_a_server_clock_behind_ours_ends_the_window_earlier() -> None:
    spec = IncrementalSpec(type="window")
    late, same = next_window(spec, None, timedelta(seconds=-90)), next_window(spec, None, timedelta(0))
    assert timedelta(seconds=85) < same.end - late.end < timedelta(seconds=95)


@pytest.mark.parametrize(
    ("instant", "lower", "expected"),
    [
        ("2026-08-01T09:15:00+00:00", True, "2026-08-01 11:15"),
        ("2026-10-25T00:30:00+00:00", True, "2026-10-25 01:30"),  # 02:30 summer time, the first of two
        ("2026-10-25T01:30:00+00:00", True, "2026-10-25 01:30"),  # 02:30 winter time, the second
        ("2026-10-25T00:30:00+00:00", False, "2026-10-25 03:30"),
        ("2026-10-25T01:30:00+00:00", False, "2026-10-25 03:30"),
    ],
)
def test_times_in_the_hour_that_comes_twice_only_re_read(instant: str, lower: bool, expected: str) -> None:
    moment = datetime.fromisoformat(instant)
    text = written(moment, "%Y-%m-%d %H:%M", "Europe/Berlin", lower=lower)
    assert text == expected


OPEN = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}", filter = "{filter}" }
records = "items"
id = "id"
page = { type = "keyset", key = "id", limit = 10 }

[stream.incremental]
type = "window"
filter = "since {window.start}"
full = "all"
reread = ["open"]
by_id = "ids {ids}"
overlap_s = 0
"""


def test_an_open_item_that_closes_without_a_stamp_is_read_once_more(tmp_path: Path) -> None:
    """A write-off may not move the receivable's stamp, and the closed one no longer matches the open filter."""
    table = {n: {"id": n, "open": n > 20, "updated": stamp(n)} for n in range(1, 31)}

    def handle(seen: Seen) -> Any:
        kind, _, value = seen.query["filter"].partition(" ")
        found = {
            "all": lambda row: True,
            "open": lambda row: row["open"],
            "since": lambda row: row["updated"] >= value,
            "ids": lambda row: str(row["id"]) in value.split(","),
        }[kind]
        return {"items": [row for row in table.values() if found(row) and row["id"] > int(seen.query["after"])][:10]}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, OPEN)
        sync(instance, "src")
        table[25] = {**table[25], "open": False}
        (closing,) = sync(instance, "src")
        asked = len(fake.seen)
        (quiet,) = sync(instance, "src")
        assert not any(seen.query["filter"].startswith("ids") for seen in fake.seen[asked:])
    assert (closing.error, closing.rows_landed) == (None, 1)
    assert documents(instance, "things")["25"]["open"] is False
    assert quiet.rows_landed == 0
