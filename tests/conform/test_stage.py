"""Landing to staging: counts, versions, quarantine, children, deletes, replay."""

from __future__ import annotations

import gc
import weakref
from dataclasses import astuple
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from ingest.packs import Part
from model import conform, staging, warehouse
from model.conform import frames
from model.conform.pieces import pieces

GOOD = {"Id": "1", "Name": "ＡＢ公司", "Code": "C1", "Phone": "13800000000", "Kind": "Co", "Limit": "12.345"}
CURRENT = "SELECT source_id FROM staging.{} WHERE seen_to IS NULL AND NOT is_deleted ORDER BY 1"


def test_values_arrive_typed_and_bad_records_are_set_aside(landing: Any) -> None:
    broken = {"Id": "4", "Name": "x", "Limit": "abc"}
    landing.land("Account", [("1", GOOD), ("2", {"Name": None}), ("3", "<html>"), ("4", broken), ("1", GOOD)])
    result = conform.stage(landing.instance)
    counts = result.by_stream["crm", "Account"]
    assert astuple(counts) == (5, 1, 1, 0, 3)
    found = landing.rows(
        "SELECT source_id, name, phone, kind, CAST(credit_limit_amount AS VARCHAR) FROM staging.customer"
    )
    assert found == [("1", "AB公司", "+8613800000000", "company", "12.35")]
    assert landing.quarantine() == [
        ("3", "customer", "document", "<html>", "not a JSON document", "open"),
        ("2", "customer", "name", None, "required and empty", "open"),
        ("4", "customer", "credit_limit_amount", "abc", "not an amount", "open"),
    ]


def test_counts_add_up_over_runs_and_a_good_version_closes_the_entry(landing: Any) -> None:
    landing.land("Account", [("1", GOOD), ("4", {"Name": "x", "Limit": "abc"})])
    landing.land("Account", [("1", GOOD), ("4", {"Name": "x", "Limit": "5"}), ("5", {**GOOD, "Name": "other"})])
    landing.land("Account", [("1", {**GOOD, "unmapped": 1}), ("5", {**GOOD, "Name": "new"})])
    counts = conform.stage(landing.instance).counts
    assert astuple(counts) == (7, 1, 4, 1, 1)
    assert counts.landed == counts.deduplicated + counts.staged + counts.unchanged + counts.rejected
    assert [row[5] for row in landing.quarantine()] == ["fixed"]
    versions = landing.rows(
        "SELECT name, seen_to IS NULL FROM staging.customer WHERE source_id = '5' ORDER BY seen_from"
    )
    assert versions == [("other", False), ("new", True)]


def test_nothing_new_stages_nothing(landing: Any) -> None:
    landing.land("Account", [("1", GOOD)])
    assert astuple(conform.stage(landing.instance).counts) == (1, 0, 1, 0, 0)
    assert astuple(conform.stage(landing.instance).counts) == (0, 0, 0, 0, 0)


def order(*lines: dict[str, Any], key: str = "o1") -> tuple[str, dict[str, Any]]:
    return key, {"id": key, "no": key, "on": "2026-01-02", "cust": {"id": "1"}, "lines": list(lines)}


def test_lines_are_replaced_with_their_document(landing: Any) -> None:
    landing.land(
        "Order",
        [order({"n": 1, "q": 2, "custom": [{"id": 7, "value": "P"}], "a.b": "dot"}, {"n": 2, "q": 3})],
    )
    conform.stage(landing.instance)
    assert landing.rows("SELECT product_code, product_name FROM staging.sales_order_line WHERE line_number = 1") == [
        ("P", "dot")
    ]
    landing.land("Order", [order({"n": 1, "q": 2.5}, {"n": 3, "q": 1})])
    conform.stage(landing.instance)
    assert landing.rows(CURRENT.format("sales_order_line")) == [("o1:1",), ("o1:3",)]
    landing.land("Order", [], deleted=("o1",))
    conform.stage(landing.instance)
    assert landing.rows(CURRENT.format("sales_order_line")) == []
    assert landing.rows("SELECT number, is_deleted FROM staging.sales_order WHERE seen_to IS NULL") == [("o1", True)]


def test_a_deleted_record_comes_back(landing: Any) -> None:
    landing.land("Account", [("1", GOOD)])
    landing.land("Account", [], deleted=("1",))
    landing.land("Account", [("1", GOOD)])
    conform.stage(landing.instance)
    found = landing.rows("SELECT is_deleted, name FROM staging.customer ORDER BY seen_from")
    assert found == [(False, "AB公司"), (True, "AB公司"), (False, "AB公司")]


def test_a_merge_names_the_survivor_and_a_scrubbed_delete_keeps_the_values(landing: Any) -> None:
    landing.land("Account", [("1", GOOD), ("2", GOOD), ("3", GOOD)])
    landing.land("Account", [("2", {**GOOD, "IsDeleted": True, "MasterRecordId": "1"}), ("3", {"IsDeleted": True})])
    conform.stage(landing.instance)
    found = landing.rows("SELECT source_id, name, merged_into_id FROM staging.customer WHERE is_deleted ORDER BY 1")
    assert found == [("2", "AB公司", "1"), ("3", "AB公司", None)]


def test_an_older_version_does_not_overwrite(landing: Any) -> None:
    landing.land("Account", [("1", {**GOOD, "SystemModstamp": "2026-02-02T00:00:00Z"})])
    landing.land("Account", [("1", {**GOOD, "Name": "late", "SystemModstamp": "2026-02-01T00:00:00Z"})])
    conform.stage(landing.instance)
    assert landing.rows("SELECT name FROM staging.customer") == [("AB公司",)]


def test_replay_gives_the_same_rows_and_uses_the_new_mapping(landing: Any) -> None:
    landing.land("Account", [("1", GOOD), ("4", {"Name": "x", "Limit": "abc"})])
    landing.land("Account", [("1", {**GOOD, "Kind": "?"})])
    landing.land("Order", [order({"n": 1, "q": 2})])
    conform.stage(landing.instance)
    everything = "SELECT * EXCLUDE (run_id) FROM staging.customer ORDER BY source_id, seen_from"
    before = landing.rows(everything)
    conform.replay(landing.instance, "crm")
    assert landing.rows(everything) == before
    path = landing.instance.config_dir / "conform" / "acme.toml"
    path.write_text(path.read_text().replace('"Limit"', '{ path = "Limit", on_error = "null" }'))
    conform.replay(landing.instance, "crm")
    assert landing.rows(CURRENT.format("customer")) == [("1",), ("4",)]
    assert [row[5] for row in landing.quarantine()] == ["fixed"]


def test_a_broken_mapping_stops_only_its_source(landing: Any) -> None:
    landing.land("Account", [("1", GOOD)])
    config = landing.instance.config
    config.sources.append(config.sources[0].model_copy(update={"name": "other", "connector": "nothere"}))
    result = conform.stage(landing.instance)
    assert "no mapping for 'nothere'" in result.errors["other"]
    assert result.counts.staged == 1


@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_chunks_do_not_matter(landing: Any, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.conform.pieces.CHUNK", chunk)
    landing.land("Account", [(str(n), {**GOOD, "Name": f"n{n}"}) for n in range(7)])
    assert conform.stage(landing.instance).counts.staged == 7


def test_a_chunk_is_bounded_by_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"id": ["1"] * 10, "document": ["x" * 1000] * 10, "hash": [""] * 10, "run_id": [""] * 10}
    frame = pl.DataFrame(columns).with_columns(seen_at=pl.lit(None), deleted=pl.lit(value=False))
    files = [Part(tmp_path, "run", f"part-{number}", frame.height, 0) for number in range(6)]
    (tmp_path / "run").mkdir()
    for part in files:
        frame.write_parquet(part.path)
    assert [piece.marks.height for piece in pieces(files, lambda _: None)] == [60]
    monkeypatch.setattr("model.conform.pieces.CHUNK_BYTES", 15_000)
    made = list(pieces(files, lambda _: None))
    assert [piece.marks.height for piece in made] == [20, 20, 20]
    assert [piece.marks["ordinal"][0] for piece in made] == [0, 20, 40]


def test_spellings_of_an_instant_in_one_column(landing: Any) -> None:
    """The usual spelling is read in one go; others beside it are read as before, and nothing is mixed up."""
    stamps = ["2026-01-01T08:00:00Z", "2026-01-01T08:00:00.500+08:00", "2026-01-01 08:00", None, "soon"]
    landing.land("Account", [(str(n), {**GOOD, "SystemModstamp": text}) for n, text in enumerate(stamps)])
    assert conform.stage(landing.instance).counts.staged == 5
    sql = "SELECT CAST(epoch_ms(source_updated_at) AS VARCHAR) FROM staging.customer ORDER BY source_id"
    # Acme's clock shows Shanghai time
    expected = ["1767254400000", "1767225600500", "1767225600000", None, None]
    assert [row[0] for row in landing.rows(sql)] == expected


TWO_TABLES = """
[mapping]
connector = "acme"

[[entity]]
entity = "allocation"
name = "by_receipt"
streams = "Match"
filter = { path = "type", equals = "1" }
[entity.fields]
kind = { constant = "receipt" }
receipt_id = "other"
invoice_id = "invoice"
amount = "amount"
allocated_on = { constant = "2026-01-01" }

[[entity]]
entity = "allocation"
name = "by_credit"
streams = "Match"
filter = { path = "type", equals = "2" }
[entity.fields]
kind = { constant = "credit_note" }
credit_note_id = "other"
invoice_id = "invoice"
amount = "amount"
allocated_on = { constant = "2026-01-01" }
"""


def test_two_tables_of_one_entity_share_a_stream(landing: Any) -> None:
    (landing.instance.config_dir / "conform" / "acme.toml").write_text(TWO_TABLES)
    one, two = (
        {"type": 1, "other": "r", "invoice": "i", "amount": 1},
        {"type": 2, "other": "c", "invoice": "i", "amount": 2},
    )
    landing.land("Match", [("a", one), ("b", two)])
    conform.stage(landing.instance)
    current = "SELECT source_id, kind FROM staging.allocation WHERE seen_to IS NULL AND NOT is_deleted ORDER BY 1"
    assert landing.rows(current) == [("a", "receipt"), ("b", "credit_note")]
    landing.land("Match", [("a", {**two, "other": "c2"}), ("b", {**two, "type": 9})])
    conform.stage(landing.instance)
    assert landing.rows(current) == [("a", "credit_note")]


def test_what_duckdb_keeps_of_written_blocks_is_let_go_and_its_limit_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "MEMORY_BYTES", 4 << 20)
    told = "SELECT sum(memory_usage_bytes), current_setting('memory_limit') FROM duckdb_memory()"
    con = warehouse.connect(tmp_path / "w.duckdb", row_group=staging.ROW_GROUP)
    con.execute("BEGIN")
    con.execute("CREATE TABLE t AS SELECT range AS a, md5(range::VARCHAR) AS b FROM range(400_000)")
    before, limit = con.execute(told).fetchall()[0]
    staging.spare(con)
    after, again = con.execute(told).fetchall()[0]
    assert before > 4 << 20
    assert after < before / 2
    assert again == limit
    con.execute("COMMIT")
    assert con.execute("SELECT count(DISTINCT b) FROM t").fetchall() == [(400_000,)]
    con.close()


def test_a_transaction_does_not_keep_the_frames_it_has_read(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[pa.Table]] = []
    real = frames._in_batches

    def watched(frame: pl.DataFrame) -> pa.Table:
        table = real(frame)
        made.append(weakref.ref(table))
        return table

    monkeypatch.setattr(frames, "_in_batches", watched)
    con = duckdb.connect()
    con.execute("BEGIN")
    with frames.shown(con, numbers=pl.DataFrame({"a": list(range(20_000))})):
        con.execute("CREATE TABLE kept AS SELECT a FROM numbers")
    gc.collect()
    assert made[0]() is None
    con.execute("COMMIT")
    assert con.execute("SELECT count(*), sum(a) FROM kept").fetchall() == [(20_000, 199_990_000)]
    con.close()
