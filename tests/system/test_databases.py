"""Databases as sources, on a real PostgreSQL and a real MariaDB."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from realsystems.mariadb import PASSWORD

from ingest import database, landing, probe
from ingest.collect import RunResult, sync
from ingest.drivers import Place, PostgreSqlDriver
from ingest.drivers_paged import MySqlDriver
from ingest.errors import SourceBusy
from model import build, conform, control_totals, staging
from ops.instance import Instance, InstanceConfig

if TYPE_CHECKING:
    from realsystems.mariadb import MariaDb
    from realsystems.postgresql import PostgreSql

pytestmark = pytest.mark.system

HEAD = """
[connector]
name = "erp"
label = "ERP of a fictional company"
role = "erp"
kind = "sql"
zone = "Asia/Shanghai"

[sql]
dialect = "{dialect}"
"""
INVOICE = """
[[stream]]
name = "invoice"
table = "invoice"
id = "id"
updated = "changed"
incremental = { type = "window", overlap_s = 600 }
deletes = { type = "sweep", every_h = 0 }
assertions = { required = ["id"] }
"""


class Erp:
    """A database, an instance that collects from it, and what has landed."""

    def __init__(self, home: Path, dialect: str, settings: dict[str, Any], run: Callable[..., Any]) -> None:
        self.sql, self.dialect = run, dialect
        source = {"name": "erp", "connector": "erp", "role": "erp", "settings": settings}
        self.instance = Instance.create(home, InstanceConfig.model_validate({"source": [source]}))

    def streams(self, text: str) -> None:
        """Describe the streams."""
        folder = self.instance.config_dir / "sources" / "erp"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "source.toml").write_text(HEAD.format(dialect=self.dialect) + text, encoding="utf-8")

    def sync(self, stream: str | None = None, *, full: bool = False) -> RunResult:
        """Collect the one stream; its result."""
        (result,) = sync(self.instance, "erp", stream, full=full)
        return result

    def good(self, **how: Any) -> tuple[int, int]:
        """Collect without an error: rows landed, rows deleted."""
        result = self.sync(**how)
        assert (result.error, result.warnings) == (None, [])
        return result.rows_landed, result.rows_deleted

    def documents(self, stream: str = "invoice") -> dict[str, Any]:
        """id → newest document of what is not deleted."""
        newest: dict[str, Any] = {}
        for frame in landing.read(self.instance.landing, "erp", stream):
            for row_id, text, gone in frame.select("id", "document", "deleted").iter_rows():
                newest[row_id] = None if gone else json.loads(text)
        return {key: document for key, document in newest.items() if document is not None}


@pytest.fixture
def on_postgres(tmp_path: Path, postgres: str, postgres_server: PostgreSql, monkeypatch: pytest.MonkeyPatch) -> Erp:
    url = urlsplit(postgres)
    name = url.path[1:]
    role = f"reader_{name[-8:]}"
    monkeypatch.setenv("C360_ERP", "s3cret & 'quoted'")

    def run(*statements: str) -> str:
        return [postgres_server.psql(one.replace("READER", role), name=name) for one in statements][-1]

    run(
        "create role READER login password 's3cret & ''quoted'''",
        "alter default privileges grant select on tables to READER",
    )
    settings = {"host": "127.0.0.1", "port": url.port, "database": name, "user": role, "password": "env:C360_ERP"}
    return Erp(tmp_path / "i", "postgresql", settings, run)


@pytest.fixture
def on_mariadb(tmp_path: Path, mariadb: MariaDb, monkeypatch: pytest.MonkeyPatch) -> Erp:
    name = mariadb.database()
    monkeypatch.setenv("C360_ERP", PASSWORD)

    def run(*statements: str) -> Any:
        return mariadb.sql(*statements, name=name)

    settings = {
        "host": "127.0.0.1",
        "port": mariadb.port,
        "database": name,
        "user": "reader",
        "password": "env:C360_ERP",
    }
    return Erp(tmp_path / "i", "mysql", settings, run)


@pytest.fixture(params=["postgres", "mariadb"])
def erp(request: pytest.FixtureRequest) -> Erp:
    made: Erp = request.getfixturevalue(f"on_{request.param}")
    return made


def _invoices(erp: Erp, count: int, changed: str = "2026-01-02 03:04:05") -> None:
    erp.sql("create table invoice (id int primary key, number varchar(40), amount decimal(18,2), changed timestamp)")
    rows = ",".join(f"({n},'A{n}',{n}.10,'{changed}')" for n in range(1, count + 1))
    erp.sql(f"insert into invoice values {rows}")


def _now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).strftime("%Y-%m-%d %H:%M:%S")


def test_all_then_changes_then_deletions(erp: Erp) -> None:
    erp.streams(INVOICE)
    _invoices(erp, 40)
    assert erp.good() == (40, 0)
    assert erp.good() == (0, 0)
    stamp = _now() if erp.dialect == "mysql" else _now(hours=-8)  # a wall clock in the connector's zone
    erp.sql(
        f"update invoice set amount = 7, changed = '{stamp}' where id = 3", "delete from invoice where id in (5, 6)"
    )
    assert erp.good() == (1, 0)
    assert erp.good() == (2, 2)
    assert set(erp.documents()) == {str(n) for n in range(1, 41) if n not in (5, 6)}
    assert erp.documents()["3"]["amount"] == "7.00"


def test_a_row_without_a_stamp_is_not_lost(erp: Erp) -> None:
    """NULL is neither before nor after the window."""
    erp.streams(INVOICE)
    erp.sql(
        "create table invoice (id int primary key, note varchar(9), changed timestamp null)",
        "insert into invoice values (1, 'a', null)",
    )
    assert erp.good() == (1, 0)
    erp.sql("update invoice set note = 'b'", "insert into invoice values (2, 'c', null)")
    assert erp.good() == (2, 0)


def test_a_sweep_that_finds_most_rows_missing_marks_nothing(erp: Erp) -> None:
    erp.streams(INVOICE)
    _invoices(erp, 40)
    erp.good()
    erp.sql("delete from invoice where id > 20")
    for _ in range(2):
        result = erp.sync()
        assert result.rows_deleted == 0
        assert "nothing was marked deleted" in result.warnings[0]
    assert len(erp.documents()) == 40


def test_pages_and_batches_lose_and_double_nothing(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BATCH_ROWS", 7)
    monkeypatch.setattr(database, "FEWEST", 10)
    monkeypatch.setattr("ingest.drivers_paged.Paged.page", 10)
    erp.streams(INVOICE.replace('id = "id"', 'id = ["company", "number"]').replace('["id"]', '["number"]'))
    erp.sql("create table invoice (company varchar(9), number int, changed timestamp, primary key (company, number))")
    ids = [(company, number) for company in ("北'辰", "x\\y", "z", "") for number in range(-9, 10)]
    quoted = {one: one.replace("'", "''") for one, _ in ids}
    if erp.dialect == "mysql":
        quoted = {one: text.replace("\\", "\\\\") for one, text in quoted.items()}
    erp.sql("insert into invoice values " + ",".join(f"('{quoted[a]}',{b},'2026-01-01')" for a, b in ids if a))
    assert erp.good() == (57, 0)
    assert set(erp.documents()) == {f"{a}:{b}" for a, b in ids if a}
    assert erp.good(full=True) == (0, 0)


def test_a_run_that_was_cut_off_goes_on_behind_the_last_key(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BATCH_ROWS", 10)
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    erp.streams(INVOICE)
    _invoices(erp, 40)
    take, calls = database._Documents.of, []

    def broken(self: Any, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise ConnectionResetError("cut")
        return take(self, *given)

    monkeypatch.setattr(database._Documents, "of", broken)
    assert "ConnectionResetError" in str(erp.sync().error)
    result = erp.sync()
    assert (result.error, result.rows_received, result.rows_landed) == (None, 40, 40)
    assert len(calls) == 6  # the last row is read again, to be sure


def test_a_query_is_a_stream(erp: Erp) -> None:
    query = "select i.*, upper(number) as code from invoice i where id > 2"
    erp.streams(INVOICE.replace('table = "invoice"', f'query = "{query}"'))
    _invoices(erp, 5)
    assert erp.good() == (3, 0)
    assert erp.documents()["3"]["code"] == "A3"
    erp.streams(INVOICE.replace('table = "invoice"', 'query = "select i.*, i.* from invoice i"'))
    assert "two columns" in str(erp.sync().error) or "Duplicate column" in str(erp.sync().error)


def test_rows_that_leave_a_filter_are_read_once_more(erp: Erp) -> None:
    """Write-offs that do not move the stamp: open ones are read in every run, and once when they are no longer open."""
    more = (
        'updated = "changed"\nincremental = { type = "window", reread = ["q.is_open = 1"], by_id = "q.id in ({ids})" }'
    )
    erp.streams(INVOICE.replace('updated = "changed"\nincremental = { type = "window", overlap_s = 600 }', more))
    erp.sql("create table invoice (id int primary key, is_open int, rest int, changed timestamp)")
    erp.sql("insert into invoice values (1, 1, 9, '2026-01-01'), (2, 0, 0, '2026-01-01')")
    erp.good()
    erp.sql("update invoice set rest = 4, changed = '2026-01-01' where id = 1")
    assert erp.good() == (1, 0)
    erp.sql("update invoice set rest = 0, is_open = 0, changed = '2026-01-01' where id = 1")
    assert erp.good() == (1, 0)
    assert erp.documents()["1"]["rest"] == 0


def test_a_numeric_stamp(erp: Erp) -> None:
    erp.streams(INVOICE.replace("overlap_s = 600", 'overlap_s = 0, format = "epoch"'))
    old, new = 1_700_000_000, int(datetime.now(UTC).timestamp()) + 60
    erp.sql(
        "create table invoice (id int primary key, changed bigint)",
        f"insert into invoice values (1, {old}), (2, {old})",
    )
    erp.good()
    erp.sql(f"update invoice set changed = {new} where id = 2", f"update invoice set changed = {old + 1} where id = 1")
    assert erp.good() == (1, 0)


def test_wrong_names_and_rights_are_told(erp: Erp) -> None:
    _invoices(erp, 1)
    erp.streams(INVOICE.replace('table = "invoice"', 'table = "invoces"'))
    assert "invoces" in str(erp.sync().error)
    erp.streams(INVOICE.replace('updated = "changed"', 'updated = "modified"'))
    erp.good()
    told = str(erp.sync().error)
    assert "erp/invoice: updated: there is no column 'modified'" in told
    assert "valid: id, number, amount, changed" in told
    erp.streams(INVOICE.replace('id = "id"', 'id = "number"'))
    erp.sql("update invoice set number = null")
    assert "1 row(s) have no number" in str(erp.sync().error)


def test_a_wrong_password_is_tried_once_and_told(erp: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    erp.streams(INVOICE)
    monkeypatch.setenv("C360_ERP", "never this")
    result = erp.sync()
    assert "127.0.0.1" in str(result.error)
    assert "never this" not in str(result.error)
    assert result.remedy is not None
    assert "password" in result.remedy
    (tried,) = probe.probe(erp.instance, "erp")
    assert tried.state == "failed"


def test_a_server_that_is_away_is_told(erp: Erp) -> None:
    erp.streams(INVOICE)
    erp.instance.config.sources[0].settings["port"] = 1
    result = erp.sync()
    assert "127.0.0.1:1" in str(result.error)
    assert "network" in str(result.remedy)


def test_a_connection_that_the_server_ended_is_told(on_postgres: Erp) -> None:
    given = on_postgres.instance.config.sources[0].settings
    place = Place(
        "erp", given["host"], given["port"], given["database"], given["user"], "s3cret & 'quoted'", "off", "", "report"
    )
    driver = PostgreSqlDriver(place)
    assert driver.now() is not None
    on_postgres.sql(f"select pg_terminate_backend(pid) from pg_stat_activity where usename = '{given['user']}'")
    with pytest.raises(SourceBusy, match="source erp"):
        driver.now()
    with pytest.raises(SourceBusy, match="source erp"):
        driver.hidden("pg_class", "")
    driver.close()


def test_trying_a_source_reads_one_batch_and_lands_nothing(erp: Erp) -> None:
    erp.streams(INVOICE)
    _invoices(erp, 3)
    (tried,) = probe.probe(erp.instance, "erp")
    assert (tried.state, tried.rows, tried.message) == ("ok", 3, None)
    assert landing.runs(erp.instance.landing, "erp", "invoice") == []


def test_nothing_can_be_written(erp: Erp) -> None:
    erp.sql("create table invoice (id int primary key, changed timestamp)")
    if erp.dialect == "postgresql":
        erp.sql(
            "create function f() returns int language sql as 'insert into invoice values (1) returning id'",
            "grant insert on invoice to READER",
        )
        erp.streams(INVOICE.replace('table = "invoice"', 'query = "select f() as id, now() as changed"'))
        assert "read-only transaction" in str(erp.sync().error)
    else:
        erp.sql(
            "create function f() returns int begin insert into invoice (id) values (1); return 1; end",
            "grant insert, execute on *.* to reader@'%'",
        )
        erp.streams(INVOICE.replace('table = "invoice"', 'query = "select f() as id, now() as changed"'))
        assert "READ ONLY" in str(erp.sync().error)
        erp.sql("revoke insert, execute on *.* from reader@'%'")


def test_postgres_values_keep_every_digit(on_postgres: Erp) -> None:
    on_postgres.streams(INVOICE.replace('table = "invoice"', 'table = "public.Invoice Lines"'))
    on_postgres.sql(
        'create table "Invoice Lines" (id bigint primary key, amount numeric(38,10), share float8, is_open boolean,'
        " at timestamptz, wall timestamp, due date, raw bytea, tags text[], facts jsonb, u uuid, c char(5),"
        " changed timestamptz)",
        'insert into "Invoice Lines" values (9007199254740993, 12345678901234567890.0123456789, 0.1, true,'
        " '2026-03-08 01:02:03.456789+08', '2026-03-08 01:02:03.5', '2026-03-08', '\\x00ff', '{a,b}', '{\"a\": 1}',"
        " '6f9619ff-8b86-d011-b42d-00c04fc964ff', 'ab', now())",
        'insert into "Invoice Lines" (id) values (2)',
    )
    on_postgres.good()
    row = on_postgres.documents()["9007199254740993"]
    row.pop("changed")
    assert row == {
        "id": 9007199254740993,
        "amount": "12345678901234567890.0123456789",
        "share": 0.1,
        "is_open": True,
        "at": "2026-03-07 17:02:03.456789Z",
        "wall": "2026-03-08 01:02:03.5",
        "due": "2026-03-08",
        "raw": "00ff",
        "tags": "{a,b}",
        "facts": '{"a": 1}',
        "u": "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        "c": "ab",
    }
    assert set(on_postgres.documents()["2"].values()) == {2, None}


def test_mariadb_values_keep_every_digit_and_zero_dates_are_none(on_mariadb: Erp) -> None:
    on_mariadb.streams(INVOICE)
    on_mariadb.sql(
        "create table invoice (id bigint unsigned primary key, amount decimal(38,10), share double, is_open tinyint(1),"
        " at timestamp(3) null, wall datetime(1), due date, raw varbinary(9), facts json, kind enum('a','b'),"
        " flag bit(1), y year, t time, u int unsigned, name varchar(9) character set gbk, changed datetime)",
        "set time_zone = '+08:00', sql_mode = ''",
        "insert into invoice values (18446744073709551615, 1234567890123456789012345678.0123456789, 0.1, 1,"
        " '2026-03-08 01:02:03.456', '2026-03-08 01:02:03.5', '2026-03-08', x'00ff', '{\"a\": 1}', 'b', b'1', 2026,"
        " '25:00:01', 4294967295, '北辰', '2026-01-01')",
        "insert into invoice (id, due, wall, changed) values (2, '0000-00-00', '0000-00-00 00:00:00', '0000-00-00')",
    )
    on_mariadb.good()
    assert on_mariadb.documents()["18446744073709551615"] == {
        "id": 18446744073709551615,
        "amount": "1234567890123456789012345678.0123456789",
        "share": 0.1,
        "is_open": 1,
        "at": "2026-03-07 17:02:03.456Z",
        "wall": "2026-03-08 01:02:03.5",
        "due": "2026-03-08",
        "raw": "00ff",
        "facts": '{"a": 1}',
        "kind": "b",
        "flag": 1,
        "y": 2026,
        "t": "25:00:01",
        "u": 4294967295,
        "name": "北辰",
        "changed": "2026-01-01 00:00:00",
    }
    second = on_mariadb.documents()["2"]
    assert (second["due"], second["wall"], second["changed"]) == (None, None, None)


def test_ids_that_differ_only_in_case_are_not_lost_between_pages(
    on_mariadb: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query over two tables gives 'a' and 'A', which the collation holds for equal."""
    monkeypatch.setattr(database, "FEWEST", 2)
    monkeypatch.setattr("ingest.drivers_paged.Paged.page", 3)
    query = "select code as id, changed from one union all select code, changed from two"
    on_mariadb.streams(INVOICE.replace('table = "invoice"', f'query = "{query}"'))
    for table, codes in (("one", "abcdef"), ("two", "ABCDEF")):
        on_mariadb.sql(f"create table {table} (code varchar(9) primary key, changed datetime)")
        on_mariadb.sql(f"insert into {table} values " + ",".join(f"('{code}', '2026-01-01')" for code in codes))
    assert on_mariadb.good() == (12, 0)


@pytest.mark.parametrize("tls", ["off", "prefer", "require", "verify"])
def test_ways_of_tls(on_mariadb: Erp, mariadb: MariaDb, tls: str) -> None:
    settings = on_mariadb.instance.config.sources[0].settings
    settings["tls"] = tls
    on_mariadb.streams(INVOICE)
    _invoices(on_mariadb, 2)
    if tls == "verify":
        refused = on_mariadb.sync()
        assert "certificate" in str(refused.error)
        settings["ca"] = str(mariadb.certificate)
    assert on_mariadb.good() == (2, 0)


def test_pages_of_wide_rows_are_short(on_mariadb: Erp, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver holds a whole page in memory: so many bytes, however long the rows are."""
    monkeypatch.setattr(database, "FEWEST", 5)
    monkeypatch.setattr(database, "PAGE_BYTES", 20_000)
    monkeypatch.setattr(MySqlDriver, "page", 100)
    ask, limits = MySqlDriver.batches, []

    def asked(self: MySqlDriver, sql: str, where: str) -> Any:
        limits.append(int(sql.rpartition(" limit ")[2]))
        return ask(self, sql, where)

    monkeypatch.setattr(MySqlDriver, "batches", asked)
    on_mariadb.streams(INVOICE)
    on_mariadb.sql("create table invoice (id int primary key, note text, changed datetime)")
    on_mariadb.sql("insert into invoice select seq, repeat('x', 1000), '2026-01-01' from seq_1_to_150")
    assert on_mariadb.good() == (150, 0)
    assert limits[0] == 100
    assert all(15 <= limit <= 20 for limit in limits[1:]), limits


def test_a_large_answer_comes_in_batches_of_some_megabytes(on_postgres: Erp) -> None:
    given = on_postgres.instance.config.sources[0].settings
    names = ("host", "port", "database", "user")
    where = {name: given[name] for name in names}
    driver = PostgreSqlDriver(
        Place("erp", password="s3cret & 'quoted'", tls="prefer", ca="", row_security="refuse", **where)
    )
    sql = "select q.id, repeat('x', 1000) as note from generate_series(1, 60000) as q(id) order by q.id"
    sizes = [batch.nbytes for batch in driver.batches(sql, "erp/x")]
    driver.close()
    assert len(sizes) >= 3
    assert max(sizes) < 20 * 2**20


def _secured(erp: Erp, policy: str) -> None:
    _invoices(erp, 40)
    erp.sql(
        "alter table invoice enable row level security",
        f"create policy p on invoice to READER using ({policy})",
        "analyze invoice",
    )


def test_a_role_that_sees_no_row_because_of_row_level_security_is_reported(on_postgres: Erp) -> None:
    on_postgres.streams(INVOICE)
    _secured(on_postgres, "current_setting('app.org', true) = 'x'")
    result = on_postgres.sync()
    assert 'row-level security policy for table "invoice"' in str(result.error)
    assert "BYPASSRLS" in str(result.remedy)
    (tried,) = probe.probe(on_postgres.instance, "erp")
    assert tried.state == "failed"
    on_postgres.instance.config.sources[0].settings["row_security"] = "accept"
    result = on_postgres.sync()
    assert "row-level security filters invoice" in str(result.error)
    assert "0 of about 40 rows" in str(result.error)
    assert on_postgres.documents() == {}
    on_postgres.instance.config.sources[0].settings["row_security"] = "refuse"
    on_postgres.sql("alter role READER bypassrls")
    assert on_postgres.good() == (40, 0)


def test_a_role_that_sees_some_rows_is_warned_of(on_postgres: Erp) -> None:
    on_postgres.streams(INVOICE)
    on_postgres.instance.config.sources[0].settings["row_security"] = "accept"
    _secured(on_postgres, "id <= 10")
    result = on_postgres.sync()
    assert (result.error, result.rows_landed) == (None, 10)
    assert "10 of about 40 rows" in result.warnings[0]


def test_row_level_security_behind_a_view_is_reported(on_postgres: Erp) -> None:
    on_postgres.streams(INVOICE.replace('table = "invoice"', 'table = "open_invoice"'))
    _secured(on_postgres, "false")
    on_postgres.sql("create view open_invoice with (security_invoker) as select * from invoice")
    assert "row-level security" in str(on_postgres.sync().error)


def test_policies_that_show_every_row_are_accepted(on_postgres: Erp) -> None:
    on_postgres.streams(INVOICE)
    on_postgres.instance.config.sources[0].settings["row_security"] = "accept"
    _secured(on_postgres, "true")
    assert on_postgres.good() == (40, 0)


def test_a_server_whose_clock_is_behind_ends_the_window_at_its_own_now(
    on_mariadb: Erp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a row stamped by that clock after our run, but before our bound, would never be read."""
    monkeypatch.setattr("ingest.drivers_paged.MySqlDriver.now", lambda _self: datetime.now(UTC) - timedelta(hours=3))
    on_mariadb.streams(INVOICE)
    _invoices(on_mariadb, 2)
    on_mariadb.good()
    on_mariadb.sql(f"update invoice set amount = 9, changed = '{_now(hours=2)}' where id = 1")
    assert on_mariadb.good() == (1, 0)


CUSTOMERS = """
[[stream]]
name = "wk_crm_customer"
entities = ["customer"]
table = "wk_crm_customer"
id = "customer_id"
updated = "update_time"
incremental = { type = "window" }
deletes = { type = "flag", path = "status", values = ["3"] }
"""
MAPPING = """
[mapping]
connector = "erp"
zone = "Asia/Shanghai"

[[entity]]
entity = "customer"
streams = ["wk_crm_customer"]
updated_at = "update_time"

[entity.fields]
name = "customer_name"
"""


def test_a_table_reaches_staging_by_a_specification_and_a_mapping(erp: Erp) -> None:
    """No code: how an own CRM on MySQL is connected."""
    erp.streams(CUSTOMERS)
    (erp.instance.config_dir / "conform").mkdir()
    (erp.instance.config_dir / "conform" / "erp.toml").write_text(MAPPING, encoding="utf-8")
    erp.sql(
        "create table wk_crm_customer"
        " (customer_id int primary key, customer_name varchar(99), status int, update_time timestamp)"
    )
    erp.sql("insert into wk_crm_customer values (57, '上海云岚示例有限公司', 1, '2026-10-09 08:00:01')")
    erp.sql("insert into wk_crm_customer values (58, '北辰示例有限公司', 1, '2026-10-09 08:00:01')")
    assert erp.good() == (2, 0)
    assert conform.stage(erp.instance).counts.rejected == 0
    with staging.open_warehouse(erp.instance) as con:
        rows = con.execute("select source_id, name from staging.customer order by source_id").fetchall()
    assert rows == [("57", "上海云岚示例有限公司"), ("58", "北辰示例有限公司")]
    erp.sql("update wk_crm_customer set status = 3, update_time = '2037-01-01' where customer_id = 58")
    assert erp.good() == (1, 1)


def test_a_query_states_totals_per_currency(erp: Erp) -> None:
    """The database's own sums stand beside what is shown; a row that no window brings is missed by nobody."""
    total = (
        '\n[[total]]\nname = "invoices"\nentity = "invoice"\nquery = "select currency, count(*) as n, sum(gross) as s'
        ' from bill group by currency"\ncount = "n"\namount = "s"\ncurrency = "currency"\nfield = "gross_amount"\n'
    )
    erp.streams(INVOICE.replace('table = "invoice"', 'table = "bill"') + total)
    (erp.instance.config_dir / "conform").mkdir()
    mapping = '[mapping]\nconnector = "erp"\n[[entity]]\nentity = "invoice"\nstreams = "invoice"\n[entity.fields]\n'
    mapping += 'number = "id"\ncurrency = "currency"\ngross_amount = "gross"\ninvoice_on = "day"\n'
    mapping += 'customer_id = "customer"\n'
    (erp.instance.config_dir / "conform" / "erp.toml").write_text(mapping, encoding="utf-8")
    erp.sql("create table bill (id int primary key, currency varchar(3), gross decimal(18,2), day date,"
            " customer varchar(9), changed timestamp)")  # fmt: skip
    for n, currency in enumerate(["CNY", "CNY", "USD"]):
        erp.sql(f"insert into bill values ({n}, '{currency}', 10.25, '2026-01-01', 'A', '{_now(hours=2)}')")
    states = []
    for lost in (False, True, False):
        if lost:
            erp.sql("insert into bill values (9, 'USD', 5, '2026-01-01', 'A', '2020-01-01 00:00:00')")
        erp.good()
        build.build(erp.instance)
        control_totals.judge(erp.instance)
        found = {row["currency"]: row for row in control_totals.newest(erp.instance)}
        states.append((found["CNY"]["state"], found["USD"]["state"]))
    assert states == [("agrees", "agrees"), ("agrees", "settling"), ("agrees", "gap")]
    assert (found["USD"]["gap_count"], found["USD"]["gap_amount"]) == (1, 5)
