"""Databases without a server: the SQL of each dialect, what a description may say, errors before the first row.

SQL Server is tested here only: no server can be started where these tests run. tests/system/test_databases.py has a
real PostgreSQL and MariaDB.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from ingest import probe
from ingest.collect import sync
from ingest.dialects import DIALECTS, Column, Kind
from ingest.documents import text_of
from ingest.drivers import Place
from ingest.drivers_paged import SqlServerDriver
from ingest.errors import ContractError, LoginError, SourceBusy, SpecError
from ingest.spec import SourceSpec
from ops.instance import Instance, InstanceConfig

NAMES = {"postgresql": "postgres", "mysql": "mysql", "sqlserver": "tsql"}
KINDS: list[Kind] = [
    "integer", "float", "boolean", "decimal", "text", "date", "time", "datetime", "instant", "binary", "other",
]  # fmt: skip
COLUMNS = [Column(f"a {kind}", kind) for kind in KINDS]
VALUES = {
    "integer": "-12", "decimal": "12.50", "date": "2026-01-02", "datetime": "2026-01-02 03:04:05.5",
    "instant": "2026-01-02 03:04:05Z", "binary": "00ff", "text": "it's \\ 北辰", "other": "6f96-x", "time": "03:04:05",
}  # fmt: skip


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("limit", [None, 20])
def test_a_page_is_one_select_in_the_order_of_its_keys(dialect: str, limit: int | None) -> None:
    asked = DIALECTS[dialect]
    keys = [Column("company", "text"), Column("number", "integer")]
    where = [asked.changed(Column("stamp", "datetime"), "2026-01-02 00:00:00"), asked.after(keys, ["o'x", "7"])]
    sql = asked.select(asked.source("sales.Invoice Lines", ""), COLUMNS, where, keys, limit)
    parsed = sqlglot.parse_one(sql, dialect=NAMES[dialect])
    assert isinstance(parsed, exp.Select)
    assert [one.alias for one in parsed.selects] == [one.name for one in COLUMNS]
    (table,) = parsed.find_all(exp.Table)
    assert (table.db, table.name, table.alias) == ("sales", "Invoice Lines", "q")
    order = [one.this.name for one in parsed.args["order"].expressions]
    assert order == ["company", "number"]
    assert all(one.this.table == "q" for one in parsed.args["order"].expressions), "else a text would be ordered"
    assert (parsed.args.get("limit") is not None) == (limit is not None)


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("kind", VALUES)
def test_a_value_is_one_literal_that_nothing_breaks_out_of(dialect: str, kind: Kind) -> None:
    asked = DIALECTS[dialect]
    text = asked.literal(VALUES[kind], Column("a", kind))
    (tree,) = sqlglot.parse(f"select 1 from t where a = {text}", dialect=NAMES[dialect])
    assert isinstance(tree, exp.Select)
    assert len(list(tree.find_all(exp.EQ))) == 1


@pytest.mark.parametrize("dialect", NAMES)
@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind not in {"text", "other"}])
def test_what_is_no_value_of_the_column_is_refused(dialect: str, kind: Kind) -> None:
    with pytest.raises(ContractError, match="cannot be compared with column a"):
        DIALECTS[dialect].literal("1' or '1'='1", Column("a", kind))


def test_forms_of_each_dialect() -> None:
    stamp = Column("s", "instant")
    key = [Column("id", "text")]
    shown = {name: one.shown(stamp) for name, one in DIALECTS.items()}
    assert shown == {
        "postgresql": "(q.\"s\" at time zone 'UTC')::text || 'Z'",
        "mysql": "case when cast(q.`s` as char) like '0000-00-00%' then null else concat(cast(q.`s` as char), 'Z') end",
        "sqlserver": "convert(varchar(40), q.[s] at time zone 'UTC', 127)",
    }
    after = {name: one.after(key, ["o'x"]) for name, one in DIALECTS.items()}
    assert after == {
        "postgresql": "q.\"id\" >= 'o''x'",
        "mysql": "q.`id` >= _utf8mb4 x'6f2778'",
        "sqlserver": "q.[id] >= N'o''x'",
    }
    page = DIALECTS["sqlserver"].select("[dbo].[t] q", [Column("id", "integer")], [], [Column("id", "integer")], 5)
    assert page == "select top (5) q.[id] as [id] from [dbo].[t] q order by q.[id]"
    moment = DIALECTS["sqlserver"].literal("2026-01-02 03:04:05", Column("d", "datetime"))
    assert moment == "'2026-01-02T03:04:05'"
    assert DIALECTS["mysql"].source("", " select 1 as a; ") == "(select 1 as a) q"
    assert DIALECTS["mysql"].quoted("a`b") == "`a``b`"
    assert DIALECTS["sqlserver"].quoted("a]b") == "[a]]b]"


HEAD = '[connector]\nname = "erp"\nlabel = "ERP"\nrole = "erp"\nkind = "{kind}"\n[sql]\ndialect = "{dialect}"\n'
STREAM = '[[stream]]\nname = "invoice"\nid = "id"\n'


def _spec(home: Path, streams: str, *, kind: str = "sql", dialect: str = "mysql") -> SourceSpec:
    folder = home / "config" / "sources" / "erp"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "source.toml").write_text(HEAD.format(kind=kind, dialect=dialect) + streams, encoding="utf-8")
    return SourceSpec.load("erp", home / "config")


def test_a_database_has_its_settings_without_describing_them(tmp_path: Path) -> None:
    spec = _spec(tmp_path, STREAM + 'table = "t"\n[settings.port]\ntype = "integer"\ndefault = 3307\nhelp = "port"\n')
    assert spec.settings["password"].secret
    assert spec.settings["host"].required
    assert spec.settings["port"].default == 3307


@pytest.mark.parametrize(
    ("streams", "kind", "dialect", "told"),
    [
        (STREAM + 'table = "t"', "sql", "oracle", "valid: postgresql, mysql, sqlserver"),
        (STREAM, "sql", "mysql", "say either table or query"),
        (STREAM + 'table = "t"\nquery = "select 1"', "sql", "mysql", "say either table or query"),
        (STREAM + 'table = "t"', "http", "", 'table and query need connector.kind = "sql"'),
        (STREAM + 'table = "t"\nincremental = { type = "window" }', "sql", "mysql", "window over the column `updated`"),
        (STREAM + 'table = "t"\ndeletes = { type = "feed", path = "x" }', "sql", "mysql", "none, flag, sweep or full"),
        (STREAM + 'table = "t"\npage = { type = "offset" }', "sql", "mysql", "page is for HTTP"),
    ],
)
def test_a_description_that_cannot_work_is_refused(
    tmp_path: Path, streams: str, kind: str, dialect: str, told: str
) -> None:
    with pytest.raises(SpecError, match=told):
        _spec(tmp_path, streams, kind=kind, dialect=dialect)


def _instance(home: Path, mode: str = "live", **settings: Any) -> Instance:
    given = {
        "host": "127.0.0.1",
        "port": 1,
        "database": "erp",
        "user": "reader",
        "password": "env:C360_ERP",
        **settings,
    }
    source = {"name": "erp", "connector": "erp", "role": "erp", "settings": given}
    return Instance.create(home, InstanceConfig.model_validate({"mode": mode, "source": [source]}))


@pytest.mark.parametrize("dialect", NAMES)
def test_a_server_that_is_away_is_told(tmp_path: Path, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_ERP", "never told")
    instance = _instance(tmp_path)
    _spec(tmp_path, STREAM + 'table = "t"', dialect=dialect)
    (result,) = sync(instance, "erp")
    assert "source erp: 127.0.0.1:1" in str(result.error)
    assert "network" in str(result.remedy)
    (tried,) = probe.probe(instance, "erp")
    assert tried.state == "failed"
    assert "never told" not in f"{result.error}{tried.message}"


def test_a_demo_instance_speaks_to_this_machine_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_ERP", "never told")
    instance = _instance(tmp_path, mode="demo", host="192.0.2.1")
    _spec(tmp_path, STREAM + 'table = "t"')
    (result,) = sync(instance, "erp")
    assert "a demo instance does not speak to '192.0.2.1'" in str(result.error)


def test_postgres_checks_a_certificate_against_a_named_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq would look for a file in the home folder of whoever runs the collector."""
    monkeypatch.setenv("C360_ERP", "never told")
    instance = _instance(tmp_path, tls="verify")
    _spec(tmp_path, STREAM + 'table = "t"', dialect="postgresql")
    (result,) = sync(instance, "erp")
    assert "tls = verify needs `ca`" in str(result.error)


def test_the_address_of_a_sql_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.create_connection", lambda *_a, **_k: type("S", (), {"close": lambda _self: None})())
    place = Place("erp", "db.example.com", 0, "K3 数据", "re:ader", "p@ss/word", "prefer", "", "refuse")
    address = SqlServerDriver(place).address()
    assert address == (
        "mssql://re%3Aader:p%40ss%2Fword@db.example.com:1433/K3%20%E6%95%B0%E6%8D%AE"
        "?encrypt=true&trust_server_certificate=true"
    )
    refused = SqlServerDriver(place).no_login(RuntimeError("Token error: 'Login failed for user'"))
    assert isinstance(refused, LoginError)
    assert isinstance(SqlServerDriver(place).no_login(RuntimeError("Connection refused")), SourceBusy)


@pytest.mark.parametrize("dialect", NAMES)
def test_floats_and_booleans_as_documents_write_them(dialect: str) -> None:
    asked = DIALECTS[dialect]
    for value in (0.1, 1e-07, -2.5e300, 3.0):
        text = asked.literal(text_of(value), Column("a", "float"))
        (tree,) = sqlglot.parse(f"select 1 from t where a = {text}", dialect=NAMES[dialect])
        assert isinstance(tree, exp.Select)
        assert float(text) == value
    yes, no = ("1", "0") if dialect == "sqlserver" else ("true", "false")
    assert [asked.literal(text_of(value), Column("a", "boolean")) for value in (True, False)] == [yes, no]
    assert [asked.literal(value, Column("a", "boolean")) for value in ("1", "0")] == [yes, no]
    for wrong in ("nan", "inf", "1e", "e5", "1e5 or 1=1"):
        with pytest.raises(ContractError):
            asked.literal(wrong, Column("a", "float"))
