"""Records cut out of answers land exactly what records read one by one land."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fake import BASE, Seen, add_connector, documents, make_instance, serving

from ingest import landing
from ingest.ahead import DEPTH, ahead
from ingest.collect import sync
from ingest.documents import identify, loads
from ingest.hooks import Hooks
from ingest.slices import Slicer
from ingest.spec import SourceSpec, StreamSpec
from ops.instance import SourceConfig

STREAMS = """
[[stream]]
name = "things"
path = "things"
params = { offset = "{page.offset}" }
records = "data.items"
id = ["id", "part.no"]
page = { type = "offset", limit = 17, total = "data.total", overlap = 2 }
deletes = { type = "flag", path = "state.gone" }
merges = { path = "master" }
drop = ["self", "links"]
assertions = { required = ["name", "state.gone"] }

[[stream]]
name = "lines"
path = "lines/{parent_id}"
params = { page = "{page.number}" }
records = ""
id = "id"
page = { type = "number", limit = 2 }
parent = { stream = "things" }
"""
WHOLE = "def record(call, record):\n    return record\n"


class Shop:
    """Things with awkward values; an answer is spaced, escaped or tight by its number."""

    def __init__(self, dice: random.Random, count: int) -> None:
        self.things = [self._thing(dice, number) for number in range(count)]

    def _thing(self, dice: random.Random, number: int) -> dict[str, Any]:
        words = ["北辰 \u2028", 'a"b\\c', "x/y", "\t\n\u0007", "😀", "", "plain", "é"]
        thing: dict[str, Any] = {
            "self": f"https://example.com/{dice.random()}",
            "id": dice.choice([number, f"K{number}", 10**20 + number]),
            "name": dice.choice(words),
            "part": {"no": dice.choice([1, "A", None]), "x": [1, {"y": None}]},
            "state": {"gone": dice.random() < 0.2, "at": dice.choice(words)},
            "master": dice.choice([None, "", "K1", "K2;K3"]),
            "amount": _Digits(dice.choice(["1.50", "13560.0000000000", "-0.1", "7", "12345678901234567890.12"])),
            "empty": dice.choice([[], {}, None, True, False]),
        }
        if dice.random() < 0.3:
            thing["links"] = {"a": 1}
        return thing

    def __call__(self, seen: Seen) -> Any:
        style = ({"indent": 2, "ensure_ascii": True}, {"ensure_ascii": False}, {"separators": (",", ":")})[
            sum(map(ord, seen.path + str(seen.query))) % 3
        ]
        if seen.path.startswith("/lines/"):
            page = int(seen.query["page"])
            rows = [{"id": f"{seen.path}-{page}-{n}", "v": _Digits("2.50")} for n in range(2 if page == 1 else 1)]
            return 200, {"content-type": "application/json"}, _text(rows, style)
        start = int(seen.query["offset"])
        body = {"ok": True, "data": {"total": len(self.things), "items": self.things[start : start + 17], "z": "z"}}
        return 200, {"content-type": "application/json"}, _text(body, style)


class _Digits(float):
    """A number that is written with the digits it was given."""

    def __new__(cls, text: str) -> _Digits:
        made = super().__new__(cls, text)
        made.text = text
        return made

    text: str

    def __repr__(self) -> str:
        return f"<{self.text}>"


def _text(value: Any, style: dict[str, Any]) -> bytes:
    marked = json.dumps(_marked(value), **style)
    return marked.replace('"\u00a7', "").replace('\u00a7"', "").replace('"\\u00a7', "").replace('\\u00a7"', "").encode()


def _marked(value: Any) -> Any:
    if isinstance(value, _Digits):
        return f"\u00a7{value.text}\u00a7"
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    return [_marked(item) for item in value] if isinstance(value, list) else value


def _landed(root: Path, source: str, stream: str) -> tuple[list[Any], list[Any]]:
    frames = list(landing.read(root, source, stream))
    rows = pl.concat(frames).select("id", "document", "hash", "deleted", "parent_id").rows() if frames else []
    merges = [landing.manifest(root, source, stream, run)["merges"] for run in landing.runs(root, source, stream)]
    return rows, merges


def test_cut_records_land_what_whole_records_land(tmp_path: Path) -> None:
    seed = int(os.environ.get("C360_SLICES_SEED", random.SystemRandom().randrange(10**6)))
    sys.stderr.write(f"\nC360_SLICES_SEED={seed}\n")
    with serving(Shop(random.Random(seed), 120)) as fake:
        instance = make_instance(tmp_path, fake.url, STREAMS)
        add_connector(tmp_path, "whole", STREAMS, head=BASE.format(name="whole"), hooks=WHOLE)
        settings = {"base_url": fake.url}
        instance.config.sources.append(SourceConfig(name="whole", connector="whole", role="crm", settings=settings))
        spec = SourceSpec.load("fake", instance.config_dir)
        assert all(Slicer.of(stream, Hooks()) for stream in spec.streams)
        for source in ("src", "whole"):
            for _ in range(2):
                results = sync(instance, source)
                assert [result.error for result in results] == [None, None], f"seed {seed}: {results}"
    for stream in ("things", "lines"):
        cut, whole = (_landed(instance.landing, source, stream) for source in ("src", "whole"))
        assert cut == whole, f"seed {seed}"
        assert cut[0], "nothing landed"
    assert any('"amount":13560.0000000000' in row[1] for row in _landed(instance.landing, "src", "things")[0])


def _stream(**keys: Any) -> StreamSpec:
    return StreamSpec.model_validate({"name": "things", "id": "id", "records": "items", **keys})


@pytest.mark.parametrize(
    "body",
    [
        b"{'items': []}",
        '{"items":[{"id":1,"name":"北辰"}]}'.encode("gb18030"),
        b'{"items":{"id":1}}',
        b'{"items":[1,2]}',
        b'{"other":[]}',
        b'{"items":[{"id":1}],"broken":tru}',
        b"<html>",
        b"",
    ],
)
def test_what_cannot_be_cut_is_left_to_be_read_whole(body: bytes) -> None:
    assert Slicer(_stream()).cut(body) is None


def test_a_value_of_another_shape_than_expected_is_left_to_be_read_whole() -> None:
    slicer = Slicer(_stream(assertions={"required": ["fields.updated"]}))
    assert slicer.cut(b'{"items":[{"id":1,"fields":"text"}]}') is None
    cut = slicer.cut(b'{"items":[{"id":1,"fields":null},{"id":2,"fields":{"updated":"x","more":1.0}}]}')
    assert cut
    assert cut.heads == [{"id": 1, "fields": None}, {"id": 2, "fields": {"updated": "x"}}]


def test_only_what_is_needed_is_read_and_dropped_keys_are_gone() -> None:
    cut = Slicer(_stream(drop=["url"])).cut(b'{ "next": 2.0, "items": [ {"url": 1, "id": "a\\u0041", "n": 1.0} ] }')
    assert cut
    assert (cut.heads, cut.ids) == ([{"id": "aA"}], ["aA"])
    assert cut.documents == [b'{"id":"aA","n":1.0}']
    assert str(cut.payload["next"]) == "2.0"


def test_hooks_that_shape_records_and_dropped_ids_are_not_cut() -> None:
    assert Slicer.of(_stream(drop=["id"]), Hooks()) is None
    assert Slicer.of(_stream(), Hooks(record=lambda _, record: record)) is None
    assert Slicer.of(_stream(), Hooks(records=lambda *_: [])) is None


def test_an_error_inside_a_good_answer_is_still_seen(tmp_path: Path) -> None:
    streams = '[[stream]]\nname = "things"\npath = "things"\nrecords = "items"\nid = "id"\n'
    head = BASE.format(name="fake") + 'errors = [ { path = "code", values = ["7"], remedy = "ask again" } ]\n'
    with serving(lambda _: {"items": [{"id": 1}], "code": 7, "message": "no seats"}) as fake:
        instance = make_instance(tmp_path, fake.url, streams, head=head)
        (result,) = sync(instance, "src")
    assert "no seats" in (result.error or "")
    assert result.remedy == "ask again"


def test_a_fault_between_pages_keeps_what_was_read_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are read ahead, yet the next run goes on after the last page that was kept."""
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    is_broken = True

    def handle(seen: Seen) -> Any:
        after = int(seen.query["after"])
        if is_broken and after >= 60:
            return 400, {"content-type": "application/json"}, b'{"message":"down"}'
        return {"items": [{"id": number} for number in range(after + 1, min(after + 10, 200) + 1)]}

    streams = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}" }
records = "items"
id = "id"
page = { type = "keyset", key = "id", limit = 10 }
"""
    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, streams)
        (failed,) = sync(instance, "src")
        assert "down" in (failed.error or "")
        is_broken = False
        asked = len(fake.seen)
        (result,) = sync(instance, "src")
        assert fake.seen[asked].query["after"] == "60"
    assert result.error is None
    assert sorted(map(int, documents(instance, "things"))) == list(range(1, 201))


def test_ids_in_any_order_land_once(tmp_path: Path) -> None:
    numbers = [*range(90, 120), *range(30), *range(95, 105), 7, 7, 1000]
    pages = [numbers[start : start + 8] for start in range(0, len(numbers), 8)]

    def handle(seen: Seen) -> Any:
        page = int(seen.query["page"])
        return {"items": [{"id": number} for number in pages[page - 1]]}

    streams = """
[[stream]]
name = "things"
path = "things"
params = { page = "{page.number}" }
records = "items"
id = "id"
page = { type = "number", limit = 8 }
"""
    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, streams)
        first, second = (sync(instance, "src")[0] for _ in range(2))
    assert (first.rows_received, first.rows_landed) == (len(numbers), len(set(numbers)))
    assert second.rows_landed == 0
    assert sorted(map(int, documents(instance, "things"))) == sorted(set(numbers))


def test_reading_ahead_keeps_order_and_brings_the_fault_where_it_happened() -> None:
    def items() -> Iterator[int]:
        yield from range(20)
        raise ValueError("after nineteen")

    found: list[int] = []
    with pytest.raises(ValueError, match="after nineteen"):
        found.extend(ahead(items()))
    assert found == list(range(20))
    assert list(ahead(iter(()))) == []


def test_who_stops_listening_ends_the_thread() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(10_000):
            made.append(number)
            yield number

    before = threading.active_count()
    reading = ahead(items())
    assert [next(reading) for _ in range(3)] == [0, 1, 2]
    reading.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    assert len(made) <= 3 + DEPTH + 2


NUMBERS = ["7", "-7", "0", "999999999999999999", "1000000000000000000", "123456789012345678901234567890", "1.50", "1e3"]
WORDS = ["true", "false", "null", '""', '"a"', '"\\u4e00\\"x"', '"样例"', '" 7 "']


@pytest.mark.parametrize("row_id", [*NUMBERS, *WORDS])
def test_plain_ids_are_read_as_the_whole_record_is(row_id: str) -> None:
    """However an id is written, cutting finds the id that reading the record finds."""
    stream = StreamSpec.model_validate({"name": "things", "path": "things", "records": "items", "id": "id"})
    slicer = Slicer.of(stream, Hooks())
    assert slicer is not None
    record = f'{{"id": {row_id}, "name": "样 例"}}'
    cut = slicer.cut(f'{{"items": [{{"id": 1}}, {record}, {{"name": "no id"}}]}}'.encode())
    assert cut is not None
    assert cut.ids == ["1", identify(loads(record), ["id"]) or "", ""]
    assert loads(cut.documents[1].decode()) == loads(record)


@pytest.mark.parametrize("letters", [b"\xff", "样".encode("gb18030"), "样".encode()[:2], b"\xed\xa0\x80", b"\xc0\x80"])
def test_letters_that_are_not_utf8_are_not_cut(letters: bytes) -> None:
    stream = StreamSpec.model_validate({"name": "things", "path": "things", "records": "items", "id": "id"})
    slicer = Slicer.of(stream, Hooks())
    assert slicer is not None
    assert slicer.cut(b'{"items": [{"id": 1, "name": "' + letters + b'"}]}') is None
