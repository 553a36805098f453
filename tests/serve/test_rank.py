"""The best hits of a search cannot be pushed out by many weaker ones, whatever the size of the company."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import duckdb
import pytest

from model import search, search_query
from model.policy import Viewer

MANY = 6_000
ALL = Viewer(user="x", name="x", role="service", masks=frozenset())
TABLES = """
create schema core;
create table core.dim_customer as
    select 'C' || lpad(i::varchar, 6, '0') as customer_key,
           case i when 5999 then '北辰' when 5998 then '辰光' else '苏州北辰精密仪器' || i || '有限公司' end as name,
           case i when 5997 then '精密' end as short_name, null::varchar as english_name,
           case when i = 5999 then 'E2' else 'E1' end as owner_key
    from range({many}) r(i);
create table core.dim_customer_record as
    select customer_key, name, short_name, null::varchar as former_name, null::varchar as email,
           '+86138' || lpad((right(customer_key, 6)::int * 7 % 10000)::varchar, 8, '0') as phone, false as is_deleted
    from core.dim_customer;
create table core.dim_customer_code as
    select customer_key, 'code' as kind, 'KH' || right(customer_key, 6) as code from core.dim_customer
    union all select 'C005996', 'code', 'KH00';
create table core.dim_contact (customer_key text, name text, email text, phone text, mobile text, is_active boolean);
create table core.dim_project (customer_key text, code text, name text);
create table core.dim_employee as select 'E1' as employee_key, 'E9' as manager_key, 'north' as team
    union all select 'E2', null, 'south' union all select 'E9', null, null;
create table core.fct_invoice as
    select customer_key, 'INV' || right(customer_key, 6) as number, null::varchar as tax_invoice_number
    from core.dim_customer;
"""


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rank")
    connection = duckdb.connect(str(folder / "wh.duckdb"))
    connection.execute(TABLES.format(many=MANY))
    for name in ("order", "contract", "shipment", "ticket"):
        connection.execute(f"create table core.fct_{name} (customer_key text, number text)")
    connection.execute("create table core.dim_asset (customer_key text, serial_number text)")
    connection.close()
    search.build_sidecar(folder / "wh.duckdb", folder / "s.sqlite")
    return folder / "s.sqlite"


@pytest.mark.parametrize(
    ("typed", "customer_key", "kind"),
    [("北辰", "C005999", "name"), ("辰光", "C005998", "name"), ("bc", "C005999", "name"),
     ("精密", "C005997", "short_name"), ("KH00", "C005996", "code"), ("kh005123", "C005123", "code"),
     ("INV005123", "C005123", "invoice")],
)  # fmt: skip
def test_the_whole_value_comes_first_of_thousands(sidecar: Path, typed: str, customer_key: str, kind: str) -> None:
    (first, *_) = search_query.query(ALL, sidecar, typed)
    assert (first["customer_key"], first["matched"]["kind"]) == (customer_key, kind)


@pytest.mark.parametrize("typed", ["北", "辰", "仪器", "suzhou", "szbc", "kh0", "INV", "1380", "公司", "司"])
def test_a_page_is_full_and_in_order(sidecar: Path, typed: str) -> None:
    hits = search_query.query(ALL, sidecar, typed)
    assert len({hit["customer_key"] for hit in hits}) == 10
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)


@pytest.mark.parametrize("typed", ["北", "北辰", "bc", "beichen", "KH", "KH0", "INV", "INV0", "138", "c0"])
@pytest.mark.parametrize("scope", ["own", "team"])
def test_a_scope_holds_before_the_page_is_cut(sidecar: Path, typed: str, scope: str) -> None:
    asking = Viewer("x", "x", "account_manager", "E2", "south", scope=scope, masks=frozenset())  # type: ignore[arg-type]
    assert [hit["customer_key"] for hit in search_query.query(asking, sidecar, typed)] == ["C005999"]


def test_a_manager_s_team_is_found_and_another_s_not(sidecar: Path) -> None:
    leader = Viewer("x", "x", "leader", "E9", None, scope="team", masks=frozenset())
    assert len(search_query.query(leader, sidecar, "苏州")) == 10
    assert search_query.query(leader, sidecar, "KH005999") == []
    assert search_query.codes(leader, sidecar, "KH005999") == []
    assert not search_query.has(leader, sidecar, "C005999")
    assert search_query.has(leader, sidecar, "C005998")


@pytest.mark.parametrize("typed", ["001465", "0086", "00", "001"])
def test_an_ending_with_zeros_is_no_country_code(sidecar: Path, typed: str) -> None:
    for hit in search_query.query(ALL, sidecar, typed):
        assert typed in "".join(filter(str.isalnum, hit["matched"]["value"]))


def test_ids_order_entries_by_kind_then_length(sidecar: Path) -> None:
    connection = sqlite3.connect(sidecar)
    rows = connection.execute("select kind, value from entry order by id").fetchall()
    connection.close()
    ranks = [(-search_query.WEIGHT.get(kind, search_query.OTHER_WEIGHT), len(value)) for kind, value in rows]
    assert ranks == sorted(ranks)
