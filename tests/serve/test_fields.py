"""What fields, other systems and owners need: conflicts behind masks, notices, leavers' customers, days gone by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from model import policy, serve
from model.policy import HIDDEN, Viewer
from model.serve import past_fields
from model.serve.people import employee_of
from ops.errors import FatalError
from ops.instance import Instance
from tests.warehouse import helpers

ALL = Viewer.operator()
DAY = timedelta(days=1)


@pytest.fixture
def inst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
    instance = helpers.instance(tmp_path / "i")
    yield instance
    instance.store.close()


def put(inst: Instance, source: str, *rows: dict[str, Any], day: int = 0, entity: str = "customer") -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, entity, source, rows, at=helpers.T0 + day * DAY)


def drop(inst: Instance, source: str, key: str, day: int) -> None:
    with helpers.open_staging(inst) as con:
        helpers.drop(con, "customer", source, [key], at=helpers.T0 + day * DAY)


def served(inst: Instance, *, full: bool = False) -> serve.Served:
    helpers.make(inst, full=full)
    return serve.open_published(inst)


def test_spelling_is_no_conflict_and_masks_hold(inst: Instance) -> None:
    crm = {"id": "1", "name": "北辰仪器（苏州）有限公司", "tax_number": "320594MA1WFTQ20", "phone": "0512-6789 0123",
           "tier": "Ａ", "bank_account": "6222"}  # fmt: skip
    erp = {"id": "2", "name": "北辰仪器(苏州)", "tax_number": "91320594MA1WFTQ20T", "phone": "051267890123转801",
           "tier": "a", "bank_account": "6333", "crm_code": "1"}  # fmt: skip
    put(inst, "crm", crm)
    put(inst, "erp", erp)
    found = serve.field_conflicts(ALL, served(inst))
    assert found["by_field"] == {"bank_account": 1}
    (row,) = found["rows"]
    assert {one["value"] for one in row["values"]} == {HIDDEN}
    finance = policy.viewer("f", "f", "finance")
    (row,) = serve.field_conflicts(finance, serve.open_published(inst), field="bank_account")["rows"]
    assert [(one["record_key"], one["value"], one["agrees"]) for one in row["values"]] == [
        ("erp:2", "6333", True), ("crm:1", "6222", False),
    ]  # fmt: skip
    nobody = policy.viewer("n", "n", "account_manager", employee_key="E999999")
    assert serve.field_conflicts(nobody, serve.open_published(inst))["total"] == 0
    with pytest.raises(FatalError, match="does not decide"):
        serve.settle_field(finance, serve.open_published(inst), "crm:1", "bank_account")
    for wrong in ({"state": "shut"}, {"order": "luck"}, {"field": "fax"}):
        with pytest.raises(FatalError):
            serve.field_conflicts(ALL, serve.open_published(inst), **wrong)  # type: ignore[arg-type]


def three(inst: Instance) -> None:
    """One customer in three systems, the ERP's owner known, the helpdesk's not."""
    put(inst, "erp", {"id": "e1", "name": "陈晓", "code": "S1", "email": "chen@example.com"}, entity="employee")
    put(inst, "crm", {"id": "1", "name": "甲公司", "status": "active"})
    put(inst, "erp", {"id": "2", "name": "甲公司", "status": "active", "crm_code": "1", "owner_id": "e1"})
    put(inst, "service", {"id": "3", "name": "甲公司", "crm_code": "1"})


def told(db: serve.Served, **options: Any) -> set[tuple[str, ...]]:
    rows = serve.notices(ALL, db, **options)["rows"]
    return {
        (row["kind"], row["record"]["source"], row["action"], row["state"], row["told"]["name"] or "integration")
        for row in rows
    }


def test_leaving_one_system_tells_the_owners_of_the_others_until_they_follow(inst: Instance) -> None:
    three(inst)
    assert serve.notices(ALL, served(inst), state=None)["total"] == 0
    put(inst, "crm", {"id": "1", "name": "甲公司", "status": "inactive"}, day=1)
    db = served(inst)
    both = {("deactivated", "erp", "deactivate", "open", "陈晓"),
            ("deactivated", "service", "deactivate", "open", "integration")}  # fmt: skip
    assert told(db) == both
    owner = policy.viewer("c", "陈晓", "account_manager", employee_key="E000001")
    assert [row["record"]["source"] for row in serve.notices(owner, db, mine=True)["rows"]] == ["erp"]
    said = {row["record"]["source"]: row["what"] for row in serve.notices(ALL.with_language("zh"), db)["rows"]}
    assert said["service"] == "该客户在 CRM 中已停用（1）；请处理工单中 3 的未结事项，然后停用。"
    # an unchanged rebuild and a later change of the same record say nothing new
    keys = [row["notice_key"] for row in serve.notices(ALL, db)["rows"]]
    put(inst, "crm", {"id": "1", "name": "甲公司", "status": "inactive", "phone": "1"}, day=2)
    assert [row["notice_key"] for row in serve.notices(ALL, served(inst, full=True))["rows"]] == keys
    put(inst, "erp", {"id": "2", "name": "甲公司", "status": "inactive", "crm_code": "1", "owner_id": "e1"}, day=3)
    db = served(inst)
    closed = {row["record"]["source"]: row for row in serve.notices(ALL, db, state="done")["rows"]}
    assert (closed["erp"]["state_basis"], closed["erp"]["closed"]) == ("followed", None)
    (left,) = [row for row in serve.notices(ALL, db)["rows"] if row["kind"] == "deactivated"]
    done = serve.close_notice(ALL, db, left["notice_key"], "not_needed", "stays for warranty")
    assert (done["state"], done["closed"]["note"]) == ("not_needed", "stays for warranty")
    assert serve.notices(ALL, served(inst, full=True), state="not_needed")["total"] >= 1
    serve.close_notice(ALL, db, left["notice_key"], "open")
    assert left["notice_key"] in {row["notice_key"] for row in serve.notices(ALL, db)["rows"]}
    stranger = policy.viewer("s", "s", "service")
    with pytest.raises(FatalError, match="does not close"):
        serve.close_notice(stranger, db, left["notice_key"])
    with pytest.raises(FatalError, match="done, not_needed"):
        serve.close_notice(ALL, db, left["notice_key"], "forgotten")
    with pytest.raises(serve.NotFound):
        serve.close_notice(ALL, db, "crm:9:merged:1>erp:2")


def test_an_event_taken_back_needs_nothing_and_coming_again_is_told_again(inst: Instance) -> None:
    three(inst)
    served(inst)
    for day, hold in ((1, True), (2, False), (3, True)):
        put(inst, "erp", {"id": "2", "name": "甲公司", "crm_code": "1", "owner_id": "e1", "is_on_hold": hold}, day=day)
        helpers.make(inst)
    rows = serve.notices(ALL, serve.open_published(inst), state=None, source="crm")["rows"]
    assert [(row["kind"], row["action"], row["state"], row["state_basis"]) for row in rows] == [
        ("blocked", "block", "open", None), ("blocked", "block", "not_needed", "undone"),
    ]  # fmt: skip


def test_a_copy_that_leaves_is_no_departure_and_old_states_are_no_news(inst: Instance) -> None:
    three(inst)
    put(inst, "erp", {"id": "4", "name": "甲公司", "status": "active", "crm_code": "1"})
    old = {"id": "8", "name": "乙公司", "status": "inactive", "source_updated_at": datetime(2025, 1, 1, tzinfo=UTC)}
    put(inst, "crm", old)
    put(inst, "erp", {"id": "9", "name": "乙公司", "crm_code": "8"})
    helpers.make(inst)
    drop(inst, "erp", "4", day=1)
    assert serve.notices(ALL, served(inst), state=None)["total"] == 0
    drop(inst, "erp", "2", day=2)
    assert ("deleted", "crm", "deactivate", "open", "integration") in told(served(inst))


def test_a_merge_asks_to_change_codes_that_name_what_is_gone(inst: Instance) -> None:
    put(inst, "crm", {"id": "1", "name": "甲公司"}, {"id": "5", "name": "甲公司"})
    put(inst, "erp", {"id": "2", "name": "甲公司", "crm_code": "1"})
    put(inst, "service", {"id": "3", "name": "甲公司", "crm_code": "5"})
    put(inst, "projects", {"id": "7", "name": "甲公司", "erp_code": "2"})
    helpers.make(inst)
    put(inst, "crm", {"id": "5", "name": "甲公司", "merged_into_id": "1"}, day=1)
    db = served(inst)
    # the ERP names the survivor already
    assert {row[1:4] for row in told(db, kind="merged")} == {
        ("service", "repoint", "open"),
        ("projects", "check", "open"),
    }
    (row,) = serve.notices(ALL, db, source="service")["rows"]
    assert "3" in row["what"]
    assert "改为 1" in row["what"]
    put(inst, "service", {"id": "3", "name": "甲公司", "crm_code": "1"}, day=2)
    (row,) = serve.notices(ALL, served(inst), source="service", state="done")["rows"]
    assert (row["action"], row["state_basis"]) == ("repoint", "followed")
    incremental = helpers.everything(inst)
    helpers.make(inst, full=True)
    assert helpers.everything(inst) == incremental


def test_leavers_customers_wait_with_what_is_at_stake(inst: Instance) -> None:
    staff = {"team": "东", "department": "销售"}
    put(inst, "crm", {"id": "u1", "name": "陈晓", "code": "S1", "email": "chen@example.com", "is_active": False,
                      "manager_id": "u2", **staff},
        {"id": "u2", "name": "林总", "code": "S2", "email": "lin@example.com", "is_active": True, **staff},
        {"id": "u3", "name": "赵六", "code": "S3", "email": "zhao@example.com", "is_active": True, **staff},
        entity="employee")  # fmt: skip
    # the helpdesk has not noticed that she left
    put(inst, "service", {"id": "a1", "name": "陈晓", "code": "S1", "email": "CHEN@example.com"}, entity="employee")
    put(inst, "crm", {"id": "1", "name": "甲公司", "owner_id": "u1"}, {"id": "2", "name": "乙公司", "owner_id": "gone"},
        {"id": "3", "name": "丙公司"}, {"id": "4", "name": "丁公司", "owner_id": "u3"})  # fmt: skip
    put(inst, "crm", {"id": "i", "number": "1", "customer_id": "1", "currency": "CNY", "invoice_on": "2026-01-05",
                      "due_on": "2026-02-05", "gross_amount": 900}, entity="invoice")  # fmt: skip
    put(inst, "crm", {"id": "h", "number": "H", "customer_id": "1", "status": "in_force", "start_on": "2026-01-01",
                      "end_on": "2026-12-31"}, entity="contract")  # fmt: skip
    db = served(inst)
    found = serve.leavers(ALL, db)
    assert found["by_why"] == {"left": 1, "unknown": 1, "none": 1}
    first = found["rows"][0]
    assert (first["name"], str(first["open_amount"]), str(first["overdue_amount"])) == ("甲公司", "900.00", "900.00")
    assert (first["contracts_due"], str(first["next_contract_on"])) == (1, "2026-12-31")
    assert (first["successor"]["name"], first["successor"]["basis"]) == ("林总", "manager")
    assert [row["name"] for row in serve.leavers(ALL, db, why="none")["rows"]] == ["丙公司"]
    cut = serve.leavers(ALL, db, limit=0)
    assert (str(cut["totals"]["open_amount"]), cut["totals"]["contracts_due"], cut["rows"]) == ("900.00", 1, [])
    with pytest.raises(FatalError, match="left, unknown, none"):
        serve.leavers(ALL, db, why="bored")


def test_one_employee_across_systems_by_mail_number_phone_or_file(inst: Instance) -> None:
    put(inst, "crm", {"id": "u1", "name": "陈晓", "email": "chen@example.com", "department": "销售"},
        {"id": "u2", "name": "李四", "email": "team@example.com"},
        {"id": "u3", "name": "王五", "email": "team@example.com"},
        {"id": "u4", "name": "周周", "department": "销售"}, entity="employee")  # fmt: skip
    put(inst, "erp", {"id": "e1", "name": "陈晓", "code": "S1", "email": "Chen@Example.com",
                      "phone": "+86 139 0000 0001"},
        {"id": "e4", "name": "周周", "code": "S4", "department": "销售"},
        {"id": "e5", "name": "外号", "code": "S5"}, entity="employee")  # fmt: skip
    put(inst, "service", {"id": "a1", "name": "陈 晓", "phone": "13900000001"},
        {"id": "a2", "name": "李四", "code": "S1"},
        entity="employee")  # fmt: skip
    (inst.config_dir / "employees.csv").write_text("source,id,employee\nerp,S5,team@example.com\n", encoding="utf-8")
    db = served(inst)
    groups = {
        frozenset(f"{one['source']}:{one['source_id']}" for one in row["records"]) for row in serve.employees(ALL, db)
    }
    assert frozenset({"crm:u1", "erp:e1", "service:a1"}) in groups
    assert frozenset({"crm:u2", "erp:e5"}) in groups  # by the file, through a mailbox that two people share
    assert frozenset({"crm:u3"}) in groups
    assert frozenset({"service:a2"}) in groups
    assert [(row["name"], row["department"]) for row in serve.employee_proposals(ALL, db)] == [("周周", "销售")]
    known = employee_of(db, "chen@EXAMPLE.com")
    assert known is not None
    assert known == employee_of(db, "chen@example.com")
    assert employee_of(db, "team@example.com") is None


def test_products_meet_by_code_and_by_file(inst: Instance) -> None:
    put(inst, "erp", {"id": "p1", "code": "M-300", "name": "传感器"}, entity="product")
    put(inst, "crm", {"id": "q1", "code": "Sensor300", "name": "Sensor"},
        {"id": "q2", "code": "m-300", "name": "传感器"},
        entity="product")  # fmt: skip
    put(inst, "crm", {"id": "1", "name": "甲公司"})
    put(inst, "crm", {"id": "o", "customer_id": "1", "number": "1", "order_on": "2026-01-01", "currency": "CNY"},
        entity="sales_order")  # fmt: skip
    put(inst, "crm", {"id": "l", "order_id": "o", "product_code": "sensor300"}, entity="sales_order_line")
    db = served(inst)
    assert len(db.rows("select * from core.dim_product")) == 2
    (inst.config_dir / "products.csv").write_text("source,code,product\ncrm,sensor300,M-300\n", encoding="utf-8")
    db = served(inst)
    assert db.rows("select code, name, record_count from core.dim_product") == [
        {"code": "M-300", "name": "传感器", "record_count": 3}
    ]
    assert db.rows("select product_key is not null as found from core.fct_order_line") == [{"found": True}]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("products.csv", "source,code\ncrm,1\n", "source, code, product"),
        ("products.csv", "source,code,product\ncmr,1,2\n", "line 2: there is no source 'cmr'"),
        ("products.csv", "source,code,product\ncrm,1,2\ncrm,1,3\n", "line 3"),
        ("employees.csv", "source,id,employee\ncrm,,x\n", "a cell is empty"),
    ],
)
def test_a_wrong_crosswalk_file_is_named_with_its_line(inst: Instance, name: str, text: str, said: str) -> None:
    (inst.config_dir / name).write_text(text, encoding="utf-8")
    with pytest.raises(FatalError) as error:
        helpers.make(inst)
    assert name in str(error.value)
    assert said in str(error.value)


def test_owner_tier_and_limit_of_a_day_gone_by(inst: Instance) -> None:
    put(inst, "crm", {"id": "u1", "name": "陈晓", "email": "chen@example.com"},
        {"id": "u2", "name": "林北", "email": "lin@example.com"}, entity="employee")  # fmt: skip
    first = {"id": "1", "name": "甲公司", "owner_id": "u1", "tier": "B"}
    limit = {"id": "2", "name": "甲公司", "crm_code": "1", "credit_limit_amount": 1000, "credit_currency": "CNY"}
    put(inst, "crm", first)
    put(inst, "erp", limit)
    helpers.make(inst)
    put(inst, "crm", first | {"owner_id": "u2"}, day=5)
    put(inst, "erp", limit | {"credit_limit_amount": 3000}, day=5)
    put(inst, "crm", first | {"owner_id": "u2", "tier": "A"}, day=10)
    put(inst, "erp", limit | {"credit_limit_amount": None}, day=12)
    db = served(inst)
    finance = policy.viewer("f", "f", "finance")

    def on(day: int) -> tuple[Any, ...]:
        card = serve.customer(finance, db, "C000001", as_of=date(2026, 11, day))
        return card["owner"], card["tier"], card["kpis"]["credit"]["limit"], card["as_of_basis"]["identity"]

    assert on(3) == ("陈晓", "B", 1000, "as_of")
    assert on(8) == ("林北", "B", 3000, "as_of")
    assert on(15) == ("林北", "A", None, "as_of")
    assert serve.customer(finance, db, "C000001")["tier"] == "A"
    before = serve.customer(finance, db, "C000001", as_of=date(2026, 6, 1))
    assert (before["owner"], before["kpis"]["credit"]["limit"], before["as_of_basis"]["identity"]) == (
        "陈晓",
        1000,
        "current",
    )
    changed = serve.provenance(finance, db, "C000001")["fields"]["owner"]
    assert (changed["changed_basis"], changed["changed_at"].date()) == ("field", date(2026, 11, 6))
    (row,) = db.rows("select * from core.dim_customer where customer_key = 'C000001'")
    then, is_known = past_fields.identity_at(db, "C000001", datetime(2026, 11, 30, tzinfo=UTC))
    assert is_known
    assert {name: row[name] for name in then} == then
