"""What a process reads, parses or lays out once is what it would be every time."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from model import parsed, schema, staging
from ops import toml_texts
from ops.instance import Instance, InstanceConfig


def test_a_statement_runs_on_any_connection_and_sees_its_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsed, "_statements", {})
    monkeypatch.setattr(parsed, "_KEPT", 2)
    for number in (1, 2):
        with duckdb.connect() as con:
            parsed.execute(con, "create or replace table t as select 1 as n")
            con.execute("insert into t values (?)", [number])
            assert parsed.execute(con, "select sum(n) from t").fetchall() == [(1 + number,)]
            assert con.execute(parsed.statement(con, "select ? + 1"), [number]).fetchall() == [(number + 1,)]
        assert len(parsed._statements) <= 2


def test_what_is_no_statement_is_refused_as_ever() -> None:
    with duckdb.connect() as con, pytest.raises(duckdb.ParserException, match="selekt"):
        parsed.execute(con, "selekt 1")


def test_a_toml_text_read_twice_is_two_documents() -> None:
    text = 'a = 1\n[b]\nc = [1, 2]\n[[d]]\ne = { f = "g" }\n'
    first, second = toml_texts.read(text), toml_texts.read(text)
    assert first == {"a": 1, "b": {"c": [1, 2]}, "d": [{"e": {"f": "g"}}]}
    first["b"]["c"].append(3)
    first["d"][0]["e"]["f"] = "h"
    first["new"] = True
    assert second == toml_texts.read(text) == {"a": 1, "b": {"c": [1, 2]}, "d": [{"e": {"f": "g"}}]}


def test_a_warehouse_that_other_code_laid_out_gets_what_it_lacks(tmp_path: Path) -> None:
    inst = Instance.create(tmp_path / "i", InstanceConfig())
    with staging.open_warehouse(inst) as con:
        con.execute("alter table staging.invoice drop column due_on")
        con.execute("drop table meta.document_rows")
        con.execute("update meta.state set value = 'before' where key = 'staging'")
    for _ in range(2):
        with staging.open_warehouse(inst) as con:
            found = {row[0] for row in con.execute("select column_name from (describe staging.invoice)").fetchall()}
            assert found == set(staging.columns(schema.entity("invoice")))
            assert con.execute("select count(*) from meta.document_rows").fetchall() == [(0,)]
            marks = con.execute("select value from meta.state where key = 'staging'").fetchall()
            assert marks == [(staging.layout(),)]
