"""Files as deliveries: complete and partial ones, renamed, sent again, half written, in any encoding."""

from __future__ import annotations

import fnmatch
import json
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from ingest import files, folders, landing, probe
from ingest.collect import RunResult, sync
from ingest.csv_text import decoded, separator_of
from ingest.errors import ContractError
from ops import clock
from ops.instance import Instance, InstanceConfig


class Box:
    """A folder that files are put into, and an instance that reads it."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.folder = home / "in"
        self.folder.mkdir()
        given = {"path": str(self.folder), "mapping": "x", **settings}
        source = {"name": "box", "connector": "files", "role": "files", "settings": given}
        self.instance = Instance.create(home / "i", InstanceConfig.model_validate({"source": [source]}))
        self.clock = clock.wall() - timedelta(days=1)

    def put(self, name: str, text: str | bytes, *, age_s: float | None = None) -> Path:
        """A file, a minute newer than the one before (or of this age)."""
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        self.clock += timedelta(minutes=1)
        stamp = (clock.wall() - timedelta(seconds=age_s) if age_s is not None else self.clock).timestamp()
        os.utime(path, (stamp, stamp))
        return path

    def set(self, **settings: Any) -> None:
        """Change settings."""
        self.instance.config.sources[0].settings.update(settings)

    def sync(self, *, full: bool = False) -> RunResult:
        """Collect."""
        (result,) = sync(self.instance, "box", full=full)
        return result

    def good(self, *, full: bool = False) -> tuple[int, int]:
        """Collect without an error or a warning: rows landed, rows deleted."""
        result = self.sync(full=full)
        assert (result.error, result.warnings) == (None, [])
        return result.rows_landed, result.rows_deleted

    def rows(self, column: str = "v") -> dict[str, Any]:
        """id → newest value of a column, of what is not deleted."""
        newest: dict[str, Any] = {}
        for frame in landing.read(self.instance.landing, "box", "rows"):
            for row_id, text, gone in frame.select("id", "document", "deleted").iter_rows():
                newest[row_id] = None if gone else json.loads(text)
        return {row_id: row[column] for row_id, row in newest.items() if row is not None}


def lines(**values: str) -> str:
    """A CSV of keys and values."""
    return "k,v\n" + "".join(f"{key},{value}\n" for key, value in values.items())


def test_a_partial_file_deletes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial")
    box.put("1.csv", lines(a="1", b="1"))
    assert box.good() == (2, 0)
    box.put("2.csv", lines(b="2", c="2"))
    assert box.good() == (2, 0)
    assert box.rows() == {"a": "1", "b": "2", "c": "2"}
    (box.folder / "1.csv").unlink()
    assert box.good() == (0, 0)
    assert box.rows() == {"a": "1", "b": "2", "c": "2"}


def test_a_partial_file_may_say_what_is_deleted(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial")
    box.put("1.csv", lines(a="1", b="1"))
    box.good()
    box.put("2.csv", "k,v,_deleted\nb,1,true\n")
    assert box.good() == (1, 1)
    assert box.rows() == {"a": "1"}


def test_a_complete_file_deletes_what_it_does_not_name(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="complete")
    box.put("1.csv", lines(a="1", b="1", c="1"))
    assert box.good() == (3, 0)
    box.put("2.csv", lines(a="1", c="3", d="3"))
    assert box.good() == (3, 1)
    assert box.rows() == {"a": "1", "c": "3", "d": "3"}


def test_a_complete_file_among_partial_ones(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial", complete_names="*full*")
    box.put("0.csv", lines(z="0"))
    box.put("1-full.csv", lines(a="1", b="1"))
    box.put("2.csv", lines(b="2", c="2"))
    assert box.good() == (4, 0), "what a later complete file says again is not read"
    assert box.rows() == {"a": "1", "b": "2", "c": "2"}
    box.put("3-full.csv", lines(b="2", c="2"))
    box.put("4.csv", lines(a="4"))
    assert box.good() == (2, 1)
    assert box.rows() == {"a": "4", "b": "2", "c": "2"}


def test_a_renamed_file_lands_nothing(tmp_path: Path) -> None:
    for delivery in ("folder", "complete", "partial"):
        home = tmp_path / delivery
        home.mkdir()
        box = Box(home, key=["k"], delivery=delivery)
        path = box.put("1.csv", lines(a="1", b="1"))
        box.good()
        path.rename(box.folder / "moved.csv")
        assert box.good() == (0, 0), delivery


def test_a_file_sent_again_lands_nothing_and_undoes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial")
    old = lines(a="1", b="1")
    box.put("1.csv", old)
    box.put("2.csv", lines(b="2"))
    box.good()
    box.put("1.csv", old)
    box.put("again.csv", old)
    assert box.good() == (0, 0)
    assert box.rows() == {"a": "1", "b": "2"}
    box.put("1.csv", lines(a="3", b="3"))
    assert box.good() == (2, 0), "another content under a known name is a new delivery"


def test_a_complete_file_that_looks_like_an_earlier_one_counts(tmp_path: Path) -> None:
    """Things are again as they were: the row that came in between is gone."""
    box = Box(tmp_path, key=["k"], delivery="complete")
    for name, text in (("1.csv", lines(a="1")), ("2.csv", lines(a="1", b="1")), ("3.csv", lines(a="1"))):
        box.put(name, text)
        assert box.sync().error is None
    assert box.rows() == {"a": "1"}
    box.put("2.csv", lines(a="1", b="1"))
    assert box.good() == (0, 0), "sent again under its name"


def test_a_complete_file_written_again_unchanged_does_not_hide_a_partial_one(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial", complete_names="full_*", order="modified")
    box.put("full_0.csv", lines(a="1", b="1"))
    assert box.good() == (2, 0)
    box.put("part_1.csv", lines(b="2", c="2"))
    box.put("full_0.csv", lines(a="1", b="1"))
    assert box.good() == (2, 0)
    assert box.rows() == {"a": "1", "b": "2", "c": "2"}


def test_a_partial_file_that_comes_after_a_newer_complete_one_is_told(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial", complete_names="*full*")
    box.put("1-full.csv", lines(a="2"))
    box.good()
    box.put("0.csv", lines(a="1"), age_s=10**6)
    result = box.sync()
    assert (result.error, box.rows()) == (None, {"a": "2"})
    assert "0.csv is older than the complete file that was read last" in result.warnings[0]
    assert box.good() == (0, 0)


def test_a_row_that_moves_within_its_file_lands_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"])
    box.put("1.csv", lines(a="1", b="1"))
    box.good()
    box.put("1.csv", lines(b="1", c="1", a="1"))
    assert box.good() == (1, 0)


def test_a_folder_in_which_nothing_changed_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path, key=["k"])
    box.put("1.csv", lines(a="1"))
    box.good()
    monkeypatch.setattr(files, "parsed", lambda *_: pytest.fail("read"))
    assert box.good() == (0, 0)
    monkeypatch.undo()
    box.set(separator=";")
    box.put("2.csv", "k;v\nb;1\n")
    assert "key column(s) missing: k" in str(box.sync().error), "other settings: everything is read anew"


def test_a_file_without_its_marker_waits_and_deletes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], done_suffix=".done")
    box.put("1.csv", lines(a="1"))
    (box.folder / "1.csv.done").touch()
    box.put("2.csv", lines(b="1"))
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 1)
    assert "2.csv waits for the next run: 2.csv.done is not there yet" in result.warnings[0]
    (box.folder / "2.csv.done").touch()
    assert box.good() == (1, 0)
    (box.folder / "1.csv.done").unlink()
    result = box.sync()
    assert (result.rows_deleted, len(result.warnings)) == (0, 1)
    assert box.rows() == {"a": "1", "b": "1"}


def test_a_file_that_has_not_rested_waits(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="partial", settle_s=3600)
    box.put("1.csv", lines(a="1"))
    box.put("2.csv", lines(b="1"), age_s=5)
    result = box.sync()
    assert result.rows_landed == 1
    assert "less than settle_s = 3600" in result.warnings[0]
    box.set(settle_s=0)
    assert box.good() == (1, 0), "how long files rest is no reason to read everything anew"


@pytest.mark.parametrize("delivery", ["folder", "complete", "partial"])
def test_a_file_that_grows_while_it_is_read_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, delivery: str
) -> None:
    box = Box(tmp_path, key=["k"], delivery=delivery)
    box.put("0.csv", lines(z="0"))
    box.good()
    path = box.put("1.csv", lines(a="1", b="1"))
    fetch = folders.Local.fetch

    def growing(self: folders.Local, name: str, place: Path) -> Path:
        if name == "1.csv":
            with path.open("a") as file:
                file.write("c,1\n")
        return fetch(self, name, place)

    monkeypatch.setattr(folders.Local, "fetch", growing)
    result = box.sync()
    assert (result.error, result.rows_landed) == (None, 0)
    assert "it changed while it was read" in result.warnings[0]
    monkeypatch.undo()
    landed, deleted = box.good()
    assert (landed - deleted, deleted) == (3, delivery == "complete")


def test_a_truncated_workbook_that_still_grows_waits_and_a_steady_one_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, key=["k"])
    pl.DataFrame({"k": ["a"], "v": ["1"]}).write_excel(tmp_path / "whole.xlsx")
    whole = (tmp_path / "whole.xlsx").read_bytes()
    path = box.put("1.xlsx", whole[: len(whole) // 2])
    assert "1.xlsx cannot be read" in str(box.sync().error)
    entry = folders.Local.entry

    def growing(self: folders.Local, name: str) -> Any:
        found = entry(self, name)
        path.write_bytes(whole[: path.stat().st_size + 1])
        return found

    monkeypatch.setattr(folders.Local, "entry", growing)
    result = box.sync()
    assert result.error is None
    assert "it changed while it was read" in result.warnings[0]
    monkeypatch.undo()
    path.write_bytes(whole)
    assert box.good() == (1, 0)


def test_a_file_cut_short_deletes_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], delivery="complete")
    box.put("1.csv", lines(**{f"k{n}": "1" for n in range(40)}))
    box.good()
    box.put("2.csv", lines(**{f"k{n}": "1" for n in range(9)}))
    result = box.sync()
    assert result.rows_deleted == 0
    assert "lack 31 of 40 known rows, more than 20 %" in result.warnings[0]
    box.set(max_deleted_percent=90)
    assert box.good() == (31, 31)


def test_a_run_that_was_cut_off_between_two_files_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    box = Box(tmp_path, key=["k"], delivery="partial")
    box.put("1.csv", lines(a="1", b="1"))
    box.put("2.csv", lines(b="2"))
    parsed = files.parsed

    def broken(data: bytes, name: str, settings: dict[str, Any]) -> pl.DataFrame:
        if name == "2.csv":
            raise OSError("the disk is gone")
        return parsed(data, name, settings)

    monkeypatch.setattr(files, "parsed", broken)
    assert box.sync().error
    monkeypatch.undo()
    assert box.good() == (3, 0)
    assert box.good() == (0, 0)
    assert box.rows() == {"a": "1", "b": "2"}


def test_trying_a_source_says_what_waits(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], settle_s=3600)
    box.put("1.csv", lines(a="1"))
    box.put("2.csv", lines(b="1"), age_s=5)
    (tried,) = probe.probe(box.instance, "box")
    assert (tried.state, tried.rows) == ("ok", 1)
    assert "2.csv waits for the next run" in str(tried.message)
    assert landing.runs(box.instance.landing, "box", "rows") == []


def test_deliveries_need_a_key(tmp_path: Path) -> None:
    box = Box(tmp_path, delivery="partial")
    result = box.sync()
    assert "needs the columns that identify a row" in str(result.error)


def test_an_empty_key_and_a_key_twice_are_told(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"])
    box.put("1.csv", "k,v\na,1\n ,2\n")
    assert "in/1.csv: row 3 has no k" in str(box.sync().error)
    box.put("1.csv", "k,v\na,1\nb,1\na,2\n")
    result = box.sync()
    assert (result.error, box.rows()) == (None, {"a": "2", "b": "1"})
    assert "1 row(s) have the key of an earlier one, such as row 4" in result.warnings[0]


def test_only_files_of_the_pattern_are_read(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"], pattern="orders_*")
    box.put("orders_1.csv", lines(a="1"))
    box.put("orders_2.txt", "k\tv\nb\t1\n")
    box.put("customers.csv", "other,columns\n1,2\n")
    box.put("~$orders_1.csv", "x")
    assert box.good() == (2, 0)
    box.set(pattern="*.xlsx")
    assert "holds no file that can be read" in str(box.sync().error)


def test_a_file_named_like_a_pattern_is_read_as_named(tmp_path: Path) -> None:
    box = Box(tmp_path, key=["k"])
    box.put("a[1].csv", lines(a="1"))
    box.put("a1.csv", lines(b="1"))
    box.set(path=str(box.folder / "a[1].csv"))
    assert box.good() == (1, 0)
    assert box.rows() == {"a": "1"}


TEXT = "名称,城市,数量\n北辰示例有限公司,上海,1\n云岚示例有限公司,杭州,2\n"


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""), ("utf-8-sig", b""), ("gb18030", b""), ("gbk", b""), ("utf-16", b""), ("utf-32", b""),
        ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff"),
    ],
)  # fmt: skip
def test_chinese_in_every_encoding_it_is_sent_in(encoding: str, mark: bytes) -> None:
    data = mark + TEXT.encode(encoding)
    assert decoded(data, "x.csv") == TEXT
    assert files.parsed(data, "x.csv", {"separator": "auto", "encoding": "auto"}).rows()[0][0] == "北辰示例有限公司"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_latin_utf_16_without_a_mark(encoding: str) -> None:
    assert decoded("id,name\n1,Example\n".encode(encoding), "x.csv") == "id,name\n1,Example\n"


def test_western_letters_are_not_taken_for_chinese(tmp_path: Path) -> None:
    text = "name,city\nMüller Beispiel GmbH,Köln\nSöhne & Töchter,Düsseldorf\n"
    with pytest.raises(ContractError, match=r"x\.csv is neither UTF-8 nor Chinese in GB 18030") as told:
        decoded(text.encode("cp1252"), "x.csv")
    assert "encoding" in str(told.value.remedy)
    assert decoded(text.encode("cp1252"), "x.csv", "cp1252") == text
    with pytest.raises(ContractError, match=r"line 3 is neither UTF-8 nor GB 18030"):
        decoded("a\nb\n\xff\xff\n".encode("latin-1"), "x.csv")
    with pytest.raises(ContractError, match="is no encoding"):
        decoded(b"a", "x.csv", "klingon")


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(separator: str) -> None:
    text = f'id{separator}"na{separator}me, and; more"{separator}amount\n1{separator}"a,b;c|d"{separator}"1,5"\n'
    assert separator_of(text) == separator
    frame = files.parsed(text.encode(), "x.csv", {"separator": "auto", "encoding": "auto"})
    assert frame.rows() == [("1", "a,b;c|d", "1,5")]


def test_a_column_alone_and_excel_s_own_mark() -> None:
    settings = {"separator": "auto", "encoding": "auto"}
    assert files.parsed(b"name\na;b\nc\n", "x.csv", settings).rows() == [("a;b",), ("c",)]
    assert files.parsed(b"sep=;\r\nid;v\r\n1;2\r\n", "x.csv", settings).to_dicts() == [{"id": "1", "v": "2"}]


def test_a_line_with_too_many_values_is_named() -> None:
    with pytest.raises(ContractError, match=r"x\.csv cannot be read: line 3 has 3 values, the header 2"):
        files.parsed(b"a,b\n1,2\n1,2,3\n", "x.csv", {"separator": "auto", "encoding": "auto"})


def test_a_complete_file_that_is_withdrawn_while_it_is_read_loses_no_earlier_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(tmp_path, delivery="partial", complete_names="*full*", order="name", key=["k"])
    box.put("1-full.csv", "k,v\na,1\nb,1\n")
    assert box.good() == (2, 0)
    box.put("2.csv", "k,v\nb,2\n")
    whole = box.put("3-full.csv", "k,v\na,1\nb,3\nc,3\n")
    fetch = folders.Local.fetch

    def changing(self: folders.Local, file: str, place: Path) -> Path:
        if file == whole.name:
            whole.write_text("k,v\n", encoding="utf-8")
        return fetch(self, file, place)

    with monkeypatch.context() as patch:
        patch.setattr(folders.Local, "fetch", changing)
        result = box.sync()
    assert (result.error, result.rows_landed) == (None, 0)
    assert "it changed while it was read" in result.warnings[0]
    whole.unlink()
    assert box.good() == (1, 0)
    assert box.rows() == {"a": "1", "b": "2"}
    assert box.good() == (0, 0)


@pytest.mark.parametrize("scheme", ["s3://bucket", "sftp://me@localhost"])
def test_a_file_named_in_an_address_is_looked_for_under_its_real_name(
    scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    for kind in ("S3", "Sftp"):
        monkeypatch.setattr(f"ingest.remote_folders.{kind}.__init__", lambda _self, _call, path: opened.append(path))
    call: Any = SimpleNamespace(settings={"path": f"{scheme}/in%20box/all%20%5B1%5D.csv", "pattern": "*"})
    _, pattern = folders.open_folder(call, (".csv",))
    assert opened == [f"{scheme}/in%20box"]
    assert fnmatch.fnmatchcase("all [1].csv", pattern)
    assert not fnmatch.fnmatchcase("all%20%5B1%5D.csv", pattern)
