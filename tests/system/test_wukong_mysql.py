"""悟空CRM out of its database, on a real MariaDB with the columns that its program knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from realsystems.mariadb import PASSWORD

from ingest import landing
from ingest.collect import RunResult, sync
from model import conform, staging
from ops.instance import Instance, InstanceConfig

if TYPE_CHECKING:
    from realsystems.mariadb import MariaDb

pytestmark = pytest.mark.system

TIMES = "create_time datetime, update_time datetime, batch_id varchar(32)"
TABLES = """
create table wk_admin_dept (dept_id int primary key, name varchar(64));
create table wk_admin_user (user_id bigint primary key, username varchar(64), password varchar(64),
  num varchar(64), realname varchar(64), mobile varchar(64), email varchar(64), post varchar(64), status int,
  parent_id bigint, dept_id int);
create table wk_crm_customer (customer_id int primary key, customer_name varchar(255), deal_status int,
  mobile varchar(64), telephone varchar(64), website varchar(99), email varchar(99), remark text,
  owner_user_id bigint, address varchar(99), detail_address varchar(99), pool_time datetime, status int, TIMES);
create table wk_crm_customer_data (id int auto_increment primary key, field_id int, name varchar(99),
  value text, create_time datetime, batch_id varchar(32));
create table wk_crm_contacts_data like wk_crm_customer_data;
create table wk_crm_contacts (contacts_id int primary key, customer_id int, name varchar(99), post varchar(99),
  mobile varchar(99), telephone varchar(99), email varchar(99), owner_user_id bigint, TIMES);
create table wk_crm_product_category (category_id int primary key, name varchar(99));
create table wk_crm_product (product_id int primary key, num varchar(99), name varchar(99), unit varchar(9),
  status int, category_id int, TIMES);
create table wk_crm_business_status (status_id int primary key, name varchar(99));
create table wk_crm_business (business_id int primary key, customer_id int, business_name varchar(99),
  owner_user_id bigint, money decimal(18,2), deal_date date, is_end int, status_id int, status int, TIMES);
create table wk_crm_contract (contract_id int primary key, customer_id int, business_id int, num varchar(99),
  name varchar(99), check_status int, owner_user_id bigint, order_date datetime, start_time datetime,
  end_time datetime, money decimal(18,2), types varchar(99), payment_type varchar(99), TIMES);
create table wk_crm_receivables_plan (plan_id int primary key, contract_id int, customer_id int, num varchar(9),
  money decimal(18,2), return_date datetime, return_type varchar(99), remark text, received_status int, TIMES);
create table wk_crm_receivables (receivables_id int primary key, number varchar(99), plan_id int,
  customer_id int, contract_id int, check_status int, return_time datetime, return_type varchar(99),
  money decimal(18,2), remark text, owner_user_id bigint, TIMES);
create table wk_crm_return_visit (visit_id int primary key, visit_number varchar(99), visit_time datetime,
  owner_user_id bigint, customer_id int, contract_id int, contacts_id int, TIMES)
"""
NEVER_EDITED = "'2026-10-08 10:12:30', null"
ROWS = """
insert into wk_admin_dept values (1, '销售一部');
insert into wk_admin_user values (14773, 'lin', 'hash', 'E1', '林示例', '13800000001', 'lin@example.com', '', 1, 0,
  1);
insert into wk_crm_customer (customer_id, customer_name, deal_status, owner_user_id, status, create_time,
  update_time, batch_id) values (57, '上海云岚示例有限公司', 1, 14773, 1, NEVER_EDITED, 'b57'),
  (58, '北辰示例有限公司', 0, null, 1, NEVER_EDITED, 'b58');
insert into wk_crm_customer_data (name, value, batch_id) values ('level', 'A（重点客户）', 'b57'), ('field_uscc',
  '91310000MA1FL0000X', 'b57');
insert into wk_crm_contacts values (3, 57, '王示例', '采购经理', '13800000002', null, 'w@example.com', 14773,
  NEVER_EDITED, 'b3');
insert into wk_crm_product_category values (1, '软件');
insert into wk_crm_product values (9, 'P9', '年度服务', '套', 1, 1, NEVER_EDITED, 'b9'), (10, 'P10', '旧', '套', 3, 1,
  NEVER_EDITED, 'b10');
insert into wk_crm_business_status values (4, '方案报价');
insert into wk_crm_business values (7, 57, '云岚续约', 14773, 99.5, '2026-12-01', null, 4, 1, NEVER_EDITED, 'b7');
insert into wk_crm_contract values (311, 57, 7, 'HT20261008001', '云岚年度框架', 1, 14773, '2026-10-08', '2026-10-08',
  '2027-10-07', 13560.00, null, null, NEVER_EDITED, 'b311');
insert into wk_crm_receivables_plan values (21, 311, 57, '1', 6000, '2026-10-20', null, null, 1, NEVER_EDITED,
  'b21'), (22, 311, 57, '2', 7560, '2026-12-20', null, null, 0, NEVER_EDITED, 'b22');
insert into wk_crm_receivables values (31, 'HK1', 21, 57, 311, 1, '2026-10-19', '电汇', 6000, null, 14773,
  NEVER_EDITED, 'b31');
insert into wk_crm_return_visit values (41, 'HF1', '2026-11-01 09:00:00', 14773, 57, 311, 3, NEVER_EDITED,
  'b41')
"""


class Wukong:
    """A database of 悟空CRM and an instance that reads it."""

    def __init__(self, home: Path, server: MariaDb, **settings: Any) -> None:
        self.server, self.name = server, server.database()
        self.sql(*TABLES.replace("TIMES", TIMES).split(";"), *ROWS.replace("NEVER_EDITED", NEVER_EDITED).split(";"))
        given = {
            "host": "127.0.0.1",
            "port": server.port,
            "database": self.name,
            "user": "reader",
            "password": "env:PW",
        }
        source = {"name": "crm", "connector": "wukong_mysql", "role": "crm", "settings": {**given, **settings}}
        self.instance = Instance.create(home, InstanceConfig.model_validate({"source": [source]}))

    def sql(self, *statements: str) -> None:
        """Run statements as the superuser."""
        self.server.sql(*statements, name=self.name)

    def sync(self, *, full: bool = False) -> dict[str, RunResult]:
        """Collect; AssertionError when a stream failed or warns."""
        results = sync(self.instance, "crm", full=full)
        assert not [(one.stream, one.error, one.warnings) for one in results if one.error or one.warnings]
        return {one.stream: one for one in results}

    def landed(self, *, full: bool = False) -> dict[str, int]:
        """Collect: stream → rows landed, of those that landed some."""
        return {name: one.rows_landed for name, one in self.sync(full=full).items() if one.rows_landed}

    def staged(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of staging; AssertionError when a record was set aside."""
        assert conform.stage(self.instance).counts.rejected == 0
        with staging.open_warehouse(self.instance) as con:
            return con.execute(query).fetchall()


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", PASSWORD)


def test_a_crm_without_its_api(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb, money=True, uscc_field="field_uscc")
    assert crm.landed() == {
        "adminUser": 1, "crmCustomer": 2, "crmContacts": 1, "crmProduct": 1, "crmBusiness": 1, "crmContract": 1,
        "crmReceivablesPlan": 2, "crmReceivables": 1, "crmReturnVisit": 1,
    }  # fmt: skip
    assert crm.landed() == {}
    customers = "select source_id, name, status, uscc, tier, owner_id from staging.customer order by source_id"
    assert crm.staged(customers) == [
        ("57", "上海云岚示例有限公司", "active", "91310000MA1FL0000X", "A（重点客户）", "14773"),
        ("58", "北辰示例有限公司", "prospect", None, None, None),
    ]
    plan = "select invoice_id, row_number, cast(due_on as varchar), cast(amount as varchar) from staging.invoice_plan"
    assert crm.staged(f"{plan} order by row_number") == [
        ("311", 1, "2026-10-20", "6000.00"),
        ("311", 2, "2026-12-20", "7560.00"),
    ]
    settled = "select receipt_id, invoice_id, plan_row_number, cast(amount as varchar) from staging.allocation"
    assert crm.staged(settled) == [("31", "311", 1, "6000.00")]
    deal = "select name, stage, cast(amount as varchar), is_closed from staging.opportunity"
    assert crm.staged(deal) == [("云岚续约", "方案报价", "99.50", False)]
    assert crm.staged("select name, department from staging.employee") == [("林示例", "销售一部")]
    assert crm.staged("select number, cast(gross_amount as varchar) from staging.invoice") == [
        ("HT20261008001", "13560.00")
    ]


def test_money_is_left_to_the_erp_unless_asked_for(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb)
    assert not {"crmReceivables", "crmReceivablesPlan"} & crm.landed().keys()
    assert crm.staged("select count(*) from staging.contract") == [(1,)]
    assert crm.staged("select count(*) from staging.invoice") == [(0,)]


def test_a_record_that_was_never_edited_is_read_once_and_its_first_edit_seen(tmp_path: Path, mariadb: MariaDb) -> None:
    """update_time is empty until then."""
    crm = Wukong(tmp_path, mariadb)
    crm.landed()
    assert crm.sync()["crmCustomer"].rows_received == 0
    named = "customer_name = '北辰科技示例有限公司', update_time = '2037-01-01'"
    crm.sql(f"update wk_crm_customer set {named} where customer_id = 58")
    assert crm.landed() == {"crmCustomer": 1}


def test_deletions_by_status_and_without_a_trace(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb)
    crm.landed()
    crm.sql(
        "update wk_crm_customer set status = 3, update_time = '2037-01-01' where customer_id = 58",
        "insert into wk_crm_contacts (contacts_id, customer_id, name, create_time)"
        " select 100 + seq, 57, '示例', '2037-01-01' from seq_1_to_20",
    )
    crm.landed()
    gone = "select source_id, is_deleted from staging.customer where seen_to is null order by source_id"
    assert crm.staged(gone) == [("57", False), ("58", True)]
    crm.sql("delete from wk_crm_contacts where contacts_id = 101")
    for _ in range(2):
        crm.sync(full=True)
    deleted = [
        row_id
        for frame in landing.read(crm.instance.landing, "crm", "crmContacts")
        for row_id, is_gone in frame.select("id", "deleted").iter_rows()
        if is_gone
    ]
    assert deleted == ["101"]


def test_an_own_field_that_moves_no_stamp_is_seen_by_the_daily_full_read(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb, uscc_field="field_uscc")
    crm.landed()
    crm.sql("update wk_crm_customer_data set value = '91310000MA1FL0001X' where name = 'field_uscc'")
    assert crm.landed() == {}
    assert crm.landed(full=True) == {"crmCustomer": 1}


def test_the_first_releases_have_no_state_of_plans(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb, money=True)
    crm.sql("alter table wk_crm_receivables_plan drop column received_status")
    (failed,) = [one for one in sync(crm.instance, "crm") if one.error]
    assert "Unknown column 'p.received_status'" in str(failed.error)
    crm.instance.config.sources[0].settings["plan_status"] = "null"
    assert crm.landed()["crmReceivablesPlan"] == 2


def test_no_password_hash_is_asked_for(tmp_path: Path, mariadb: MariaDb) -> None:
    crm = Wukong(tmp_path, mariadb)
    crm.landed()
    (frame,) = landing.read(crm.instance.landing, "crm", "adminUser")
    assert "password" not in json.loads(frame["document"][0])
