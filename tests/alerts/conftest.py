"""A small published build with the columns the rules read, an instance on it, and a clock that tests move."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from ops.instance import Instance, InstanceConfig

TABLES = """
create schema core; create schema marts;
create table core.dim_customer (customer_key varchar, name varchar, owner_key varchar,
    credit_limit_amount decimal(18, 2), credit_currency varchar);
create table core.dim_customer_record (customer_key varchar, source varchar, source_id varchar);
create table core.dim_employee (employee_key varchar, name varchar, email varchar, is_active boolean,
    manager_key varchar);
create table core.fct_allocation (invoice_key varchar, receipt_key varchar, plan_row integer, amount decimal(18, 2),
    effective_on date, reversed_on date, excluded_reason varchar, known_to timestamptz);
create table core.fct_receipt (record_key varchar, customer_key varchar, currency varchar, amount decimal(18, 2),
    received_on date, posted_on date, purpose varchar, bill_state varchar, excluded_reason varchar,
    known_to timestamptz);
create table core.fct_ticket (record_key varchar, customer_key varchar, number varchar, is_open boolean,
    resolution_due_at timestamptz);
create table core.fct_milestone (record_key varchar, customer_key varchar, project_key varchar, name varchar,
    kind varchar, status varchar, planned_on date);
create table core.dim_project (project_key varchar, code varchar, status varchar);
create table marts.mart_open_item (record_key varchar, customer_key varchar, source varchar, source_id varchar,
    kind varchar, invoice_number varchar, posted_on date, due_on date, release_on date, is_retention boolean,
    currency varchar, open_amount decimal(18, 2));
insert into core.dim_customer values ('C000001', '北辰仪器 <有限> 公司', 'E2', 1000000, 'CNY');
insert into core.dim_customer_record values ('C000001', 'erp', 'K1');
insert into core.dim_employee values ('E1', '王经理', 'boss@demo.example', true, null),
    ('E2', '李销售', 'li@demo.example', true, 'E1');
"""


@dataclass
class Build:
    """One published version."""

    version: str
    path: Path

    def run(self, sql: str) -> None:
        """Change the build's rows."""
        con = duckdb.connect(str(self.path))
        con.execute(sql)
        con.close()

    def item(self, number: str, due: str, amount: int, *, key: str = "1") -> None:
        """Add an open item `erp:<number>#<key>` of the customer."""
        self.run(
            f"insert into marts.mart_open_item values ('erp:{number}#{key}', 'C000001', 'erp', '{number}', 'invoice', "
            f"'{number}', date '2026-01-05', date '{due}', null, false, 'CNY', {amount})"
        )


@pytest.fixture
def build(tmp_path: Path) -> Build:
    made = Build("v5", tmp_path / "wh-v5.duckdb")
    made.run(TABLES)
    return made


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
    return Instance.create(tmp_path / "instance", InstanceConfig(company="示例仪器", mode="demo"))
