"""The SQL console: one plain query, nobody else's rows, no masked value, no way to files, settings or time."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from model import policy
from model.policy import HIDDEN, Viewer
from model.serve import Served, console
from model.serve.console import TooLong
from model.serve.console_sql import Refused
from ops.tables import audit
from tests.serve.conftest import BANK, LIMIT, PHONE, viewer

OTHER = ("南岭", "C-south", "K-south", "INV-south", "I-south", "P-south", "王south")
SECRETS = {"phone": (PHONE,), "bank": (BANK,), "credit": (LIMIT, "777777")}

HOSTILE = [
    # not one query
    "drop table core.dim_customer",
    "select 1; select 2",
    "select 1; drop table core.dim_customer",
    "insert into core.dim_customer select * from core.dim_customer",
    "create table t as select 1",
    "copy core.dim_customer to '/tmp/x.csv'",
    "copy (select 1) to '/tmp/x.csv'",
    "attach '/etc/passwd' as x",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "pragma database_list",
    "call pragma_version()",
    "export database '/tmp/x'",
    "explain analyze select 1",
    "describe core.dim_customer",
    "summarize core.dim_customer",
    "show tables",
    "use staging",
    "prepare p as select 1",
    "execute p",
    "begin",
    "checkpoint",
    "vacuum",
    "",
    "-- only a comment",
    "select",
    # files and other databases
    "select * from read_csv('/etc/passwd')",
    "select * from read_text('/etc/passwd')",
    "select * from read_blob('/etc/passwd')",
    "select * from read_parquet('x.parquet')",
    "select * from read_json('x.json')",
    "select * from '/etc/passwd'",
    "select * from \"data.csv\"",
    "select * from glob('/*')",
    "select * from sqlite_scan('ops.db', 'audit')",
    "select * from parquet_metadata('x')",
    "select content from read_text(['/etc/passwd'])",
    # tables that are not published to the console
    "select * from staging.customer",
    "select * from meta.state",
    "select * from identity.customer_crosswalk",
    "select * from information_schema.tables",
    "select * from pg_catalog.pg_tables",
    "select * from duckdb_tables",
    "select * from duckdb_tables()",
    "select * from duckdb_secrets()",
    "select * from duckdb_settings()",
    "select * from pragma_table_info('core.dim_customer')",
    "select * from sqlite_master",
    "select * from build.core.dim_customer",
    "select * from memory.core.dim_customer",
    "select * from system.main.duckdb_tables",
    "select * from a.b.c.d",
    "select * from core.dim_customer at (version => 1)",
    # functions
    "select getenv('HOME')",
    "select current_setting('memory_limit')",
    "select getvariable('x')",
    "select * from query('select 1')",
    "select * from query_table('core.dim_customer')",
    "select query('drop table x')",
    "select nextval('s')",
    "select pg_sleep(10)",
    "select repeat('x', 1000000000)",
    "select lpad('x', 1000000000, 'y')",
    "select main.getenv('HOME')",
    "select system.main.getenv('HOME')",
    "select read_text('/etc/passwd')",
    "select list_transform(['HOME'], lambda x: getenv(x))",
    "select count(*) filter (where getenv('HOME') = '/root') from core.dim_customer",
    "select * from core.dim_customer order by getenv('HOME')",
    "select version()",
    "select txid_current()",
    "select json_execute_serialized_sql('x')",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "select parse_path('/etc')",
    "select write_log('x')",
    "select error('x')",
    # scope of names
    "with duckdb_tables as (select 1) select * from duckdb_tables",
    "select * from (with q as (select 1) select * from q), q",
    "with a as (select * from b), b as (select 1) select * from a",
    "select * from (describe core.dim_customer)",
    "select * from (show all tables)",
    # parameters
    "select $1",
    "select ?",
]  # fmt: skip

# each is a way somebody might try to reach rows of the other side, or the value behind a mask
REACHING = [
    "select * from core.dim_customer",
    "from core.dim_customer",
    "table core.dim_customer",
    "select * from dim_customer",
    'select * from "core"."dim_customer"',
    'select * from CORE.DIM_CUSTOMER',
    'select * from "Core"."Dim_Customer" as x',
    "select core.dim_customer.name from core.dim_customer",
    "select dim_customer from core.dim_customer",
    "select columns('.*') from core.dim_customer",
    "select * exclude (name) from core.dim_customer",
    "select a.* from core.dim_customer a join core.dim_customer b on true",
    "select b.* from core.dim_customer a right join core.dim_customer b on false",
    "select * from core.dim_customer a full join core.fct_invoice b using (customer_key)",
    "select * from core.fct_invoice natural join core.dim_customer",
    "select * from core.dim_employee e left join core.dim_customer c on c.owner_key = e.employee_key",
    "select * from core.dim_customer where customer_key in (select customer_key from core.fct_invoice)",
    "select (select string_agg(name, ',') from core.dim_customer) as names",
    "select * from core.dim_customer union all select * from core.dim_customer",
    "select name from core.dim_customer union select number from core.fct_invoice",
    "select name from core.dim_customer except select '北岭精密仪器有限公司'",
    "with dim_customer as (select * from core.dim_customer) select * from dim_customer",
    "with core as (select * from core.dim_customer) select * from core",
    "with x as (select 1 as n) select * from core.dim_customer, x",
    "with recursive r as (select name, 1 n from core.dim_customer union all select name, 2 from r where n < 2) from r",
    "select * from core.dim_customer c, lateral (from core.fct_invoice i where i.customer_key <> c.customer_key)",
    "select * from core.dim_employee e, lateral (from core.dim_customer c where c.owner_key = e.employee_key)",
    "select * from (values ('南')) v(x) join core.dim_customer on name like v.x || '%'",
    "select * from core.dim_customer where phone like '1%' or bank_account > '' or credit_limit_amount > 0",
    "select count(*), phone, bank_account, credit_limit_amount from core.dim_customer group by all order by all",
    "select max(credit_limit_amount), min(bank_account), max(phone) from core.dim_customer",
    "select list(phone), list(bank_account), list(credit_limit_amount) from core.dim_customer_record",
    "select substr(phone, 2), bank_account || 'x', credit_limit_amount + 1 from core.dim_customer",
    "select phone, mobile, wechat from core.dim_contact",
    "select c.name from core.dim_customer c join core.dim_contact p on p.mobile = '13811112222'",
    "select rank() over (order by credit_limit_amount), max(name) over (order by phone) from core.dim_customer",
    "select * from core.dim_customer qualify row_number() over (order by phone) > 0",
    "select value from core.dim_customer_history",
    "select * from core.dim_customer_code",
    "select try_cast(name as int), cast(customer_key as text) from core.dim_customer",
    "select unnest(list(name)) from core.dim_customer",
    "select * from core.dim_customer tablesample 100%",
    "select * from core.dim_customer positional join core.fct_invoice",
    "select (dim_customer).phone, (c).bank_account from core.dim_customer, core.dim_customer c",
    "select struct_extract(c, 'phone'), typeof(c) from core.dim_customer c",
    "select * from marts.mart_open_item",
    "select * from marts.mart_timeline",
]  # fmt: skip
# statements that fail on a value: the message may quote only what the viewer sees anyway
LOUD = [
    "select json_extract_string(name, '$') from core.dim_customer",
    "select cast(name as int) from core.dim_customer",
    "select * from core.dim_customer where cast(name as int) = 1",
    "select * from core.dim_customer where cast(phone as date) is null",
    "select cast(number as date) from core.fct_invoice where cast(number as date) > date '2026-01-01'",
    "select 1 from core.dim_customer where case when name like '南%' then cast(name as int) else 1 end = 1",
]


def said(answer: Any) -> str:
    return json.dumps(answer, default=str, ensure_ascii=False)


def ask(who: Viewer, db: Served, sql: str) -> str:
    """What the console answers, an error included."""
    try:
        return said(console.query(who, db, sql)["rows"])
    except Refused as error:
        return str(error).replace(sql, "")


@pytest.mark.parametrize("sql", HOSTILE)
@pytest.mark.parametrize("role", ["operator", "account_manager"])
def test_anything_but_a_plain_query_is_refused(db: Served, role: str, sql: str) -> None:
    with pytest.raises(Refused) as error:
        console.query(viewer(db, role), db, sql)
    assert error.value.valid


@pytest.mark.parametrize("sql", REACHING)
def test_own_scope_never_sees_another_customer(db: Served, sql: str) -> None:
    (other,) = (
        row["customer_key"] for row in db.rows("select customer_key from core.dim_customer where name like '南%'")
    )
    asking = viewer(db, "account_manager")
    text = said(console.query(asking, db, sql)["rows"])
    assert not [word for word in (*OTHER, other) if word in text]
    assert not [secret for kind in asking.masks for secret in SECRETS[kind] if secret in text]


@pytest.mark.parametrize("sql", [*REACHING, *LOUD])
@pytest.mark.parametrize("role", ["finance", "leader", "operator"])
def test_no_statement_reaches_behind_a_mask(db: Served, role: str, sql: str) -> None:
    asking = viewer(db, role)
    text = ask(asking, db, sql)
    assert not [secret for kind in asking.masks for secret in SECRETS[kind] if secret in text]


@pytest.mark.parametrize("sql", LOUD)
def test_error_messages_quote_no_foreign_row(db: Served, sql: str) -> None:
    text = ask(viewer(db, "account_manager"), db, sql)
    assert not [word for word in OTHER if word in text]


@pytest.mark.parametrize("role", policy.roles())
def test_every_table_that_is_listed_can_be_read_and_keeps_its_masks(db: Served, role: str) -> None:
    asking = viewer(db, role)
    listed = console.tables(asking, db)
    assert {"core.dim_customer", "marts.mart_timeline"} <= {item["table"] for item in listed}
    for item in listed:
        answer = console.query(asking, db, f"select * from {item['table']} limit 500")
        assert answer["columns"] == [column["name"] for column in item["columns"]]
        text = said(answer["rows"])
        assert not [secret for kind in asking.masks for secret in SECRETS[kind] if secret in text], item["table"]
        if asking.scope == "own":
            assert not [word for word in OTHER if word in text], item["table"]


def test_totals_over_everybody_are_for_those_who_see_everybody(db: Served) -> None:
    sql = "select sum(n) from (select count(*) as n from marts.mart_pipeline)"
    assert console.query(Viewer.operator(), db, sql)["rows"]
    with pytest.raises(Refused, match="mart_pipeline"):
        console.query(viewer(db, "account_manager"), db, sql)


def test_an_own_scope_without_an_employee_sees_no_row(db: Served) -> None:
    nobody = policy.viewer("x", "x", "account_manager")
    for table in ("core.dim_customer", "core.fct_invoice", "marts.mart_open_item"):
        assert console.query(nobody, db, f"from {table}")["rows"] == []


def test_masks_tell_hidden_from_unknown_and_unmasked_roles_see_values(db: Served) -> None:
    sql = "select phone, bank_account, credit_limit_amount, website from core.dim_customer where name like '北岭%'"
    assert console.query(Viewer.operator(), db, sql)["rows"] == [[HIDDEN, HIDDEN, None, None]]
    assert console.query(viewer(db, "finance"), db, sql)["rows"] == [[HIDDEN, BANK, Decimal(LIMIT), None]]


def test_answers_are_right_and_bounded(db: Served) -> None:
    who = Viewer.operator()
    answer = console.query(
        who, db,
        "with open_items as (select customer_key, currency, sum(open_amount) as amount from marts.mart_open_item"
        " group by all) select c.name, o.amount from open_items o join core.dim_customer c using (customer_key)"
        " where o.currency = 'CNY' order by c.name limit 5",
    )  # fmt: skip
    assert answer["columns"] == ["name", "amount"]
    assert [row[1] for row in answer["rows"]] == [Decimal("900000.00")] * 2
    assert answer["truncated"] is False
    few = console.query(who, db, "select date_on from core.dim_date order by 1 desc", limit=3)
    assert [row[0].isoformat() for row in few["rows"]] == ["2040-12-31", "2040-12-30", "2040-12-29"]
    assert few["truncated"] is True
    assert console.query(who, db, "select current_date, now()")["rows"][0][0].isoformat() == "2026-11-21"
    with pytest.raises(Refused, match="limit"):
        console.query(who, db, "select 1", limit=0)


def test_time_and_memory_have_bounds(db: Served) -> None:
    with pytest.raises(TooLong, match="stopped after"):
        console.query(Viewer.operator(), db, "select count(*) from range(100000000000)", timeout_s=0.5)
    with pytest.raises(TooLong, match="more than"):
        console.query(Viewer.operator(), db, "select list(x.range) from range(1000000000) x", timeout_s=600)
    with pytest.raises(Refused, match="characters"):
        console.query(Viewer.operator(), db, "select 1" + " " * 30_000)
    with pytest.raises(Refused):
        console.query(Viewer.operator(), db, "select " + "(" * 5000 + "1" + ")" * 5000)


def test_every_statement_is_audited_even_a_refused_one(db: Served) -> None:
    with pytest.raises(Refused):
        console.query(viewer(db, "finance"), db, "select 'audited' from staging.customer")
    with db.instance.store.read() as connection:
        rows = connection.execute(audit.select().where(audit.c.action == "query")).mappings().all()
    assert [row["actor"] for row in rows if "'audited'" in row["details"]] == ["finance@north"]
