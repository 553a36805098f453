"""An incremental build equals a full one, row for row, whatever changed."""

from __future__ import annotations

import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from model import build_run
from ops import tables
from tests.warehouse import helpers

# the first two have right check characters
CODES = ["91350211M000100Y43", "91320594MA1P9QGE2Q", "91350211M000100Y46"]
NAMES = ["北辰仪器有限公司", "远洲电子(苏州)有限公司", "北辰仪器有限公司上海分公司", "散客", "澄衡股份"]


def pick(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


IDS = pick("1", "2", "3", "4")
MAYBE_ID = pick(None, "1", "2", "3", "9")
DAY = pick("2026-01-05", "2026-02-10", "2026-03-15")
MONEY = pick(100, 250, 1000)
CUSTOMER = st.fixed_dictionaries(
    {
        "id": IDS,
        "name": st.sampled_from(NAMES),
        "code": pick(None, "K1", "K2"),
        "uscc": st.sampled_from([None, *CODES]),
        "parent_id": MAYBE_ID,
        "crm_code": pick(None, None, "1", "K1"),
        "erp_code": pick(None, None, "2", "K2"),
        "owner_id": MAYBE_ID,
        "merged_into_id": pick(None, None, None, "1", "2"),
        "region": pick(None, "华东", "华南"),
    }
)
DOCUMENTS: dict[str, dict[str, Any]] = {
    "contact": {"customer_id": IDS, "name": pick("张三", "李四")},
    "opportunity": {"customer_id": IDS, "name": pick("A"), "amount": MONEY, "is_won": st.booleans(), "owner_id": IDS},
    "contract": {"customer_id": IDS, "number": pick("HT1", "HT2"), "amount": MONEY, "renewal_of_id": MAYBE_ID,
                 "start_on": DAY, "status": pick("in_force", "expired", "draft")},
    "shipment": {"customer_id": IDS, "number": pick("D1", "D2"), "shipped_on": DAY, "is_return": st.booleans()},
    "asset": {"customer_id": IDS, "serial_number": pick("s-1", "s-2"), "serial_key": pick("S1", "S2"),
              "product_id": MAYBE_ID, "product_code": pick(None, "p1"), "warranty_months": pick(None, None, 12),
              "installed_on": pick(None, "2026-01-31"), "shipment_number": pick(None, "D1"),
              "contract_number": pick(None, "HT1", "2"), "status": pick("in_use", "returned")},
    "sales_order": {"customer_id": IDS, "number": pick("SO1"), "order_on": DAY, "currency": pick("CNY"),
                    "contract_number": pick(None, "HT1", "HT3"), "gross_amount": MONEY},
    "sales_order_line": {"order_id": IDS, "product_id": MAYBE_ID, "product_code": pick(None, "p1"),
                         "quantity": pick(1, 2), "unit_price": MONEY},
    "invoice": {"customer_id": IDS, "number": pick("A", "B"), "invoice_on": DAY, "due_on": pick(None, "2026-04-01"),
                "currency": pick("CNY", "EUR"), "gross_amount": pick(100, 500, -50),
                "document_status": pick("approved", "draft"), "order_id": MAYBE_ID},
    "invoice_plan": {"invoice_id": IDS, "due_on": DAY, "amount": MONEY},
    "receipt": {"customer_id": MAYBE_ID, "number": pick("R"), "received_on": DAY, "currency": pick("CNY"),
                "amount": MONEY, "is_void": st.booleans()},
    "credit_note": {"customer_id": IDS, "number": pick("N"), "credit_on": DAY, "currency": pick("CNY"),
                    "gross_amount": MONEY},
    "allocation": {"kind": pick("receipt", "credit_note"), "receipt_id": MAYBE_ID, "credit_note_id": MAYBE_ID,
                   "invoice_id": IDS, "plan_row_number": pick(None, 1, 2), "amount": MONEY, "allocated_on": DAY},
    "ticket": {"customer_id": MAYBE_ID, "contact_id": MAYBE_ID, "number": pick("T1"), "assignee_id": MAYBE_ID,
               "created_at": pick("2026-03-01T10:00:00"), "status": pick("open", "solved")},
    "ticket_event": {"ticket_id": IDS, "happened_at": pick("2026-03-01T11:00:00"), "to_value": pick("open", "solved")},
    "interaction": {"customer_id": MAYBE_ID, "contact_id": MAYBE_ID, "ticket_id": MAYBE_ID, "opportunity_id": MAYBE_ID,
                    "happened_at": pick("2026-03-02T11:00:00"), "kind": pick("call", "visit")},
    "project": {"customer_id": MAYBE_ID, "code": pick("P1", "P2"), "customer_code": pick(None, "K1", "2"),
                "contract_number": pick(None, "HT1", "HT2"), "customer_name": pick(None, *NAMES)},
    "milestone": {"project_id": IDS, "name": pick("M"), "planned_on": DAY},
    "employee": {"name": pick("王五", "赵六"), "email": pick(None, "a@example.com", "b@example.com"),
                 "code": pick(None, "E1")},
    "product": {"code": pick("P1", "P2"), "name": pick("传感器", "阀"), "warranty_months": pick(None, 6, 24)},
    "exchange_rate": {"from_currency": pick("EUR"), "to_currency": pick("CNY"), "valid_on": DAY, "rate": pick(7, 8)},
}  # fmt: skip


def change() -> st.SearchStrategy[tuple[str, str, dict[str, Any] | None, str]]:
    """(entity, source, row or None for a deletion, id)."""
    customer = st.tuples(st.just("customer"), pick("crm", "erp", "service"), CUSTOMER, IDS)
    documents = [
        st.tuples(st.just(entity), pick("crm", "erp"), st.fixed_dictionaries({"id": IDS} | fields), IDS)
        for entity, fields in DOCUMENTS.items()
    ]
    gone = st.tuples(st.sampled_from(["customer", *DOCUMENTS]), pick("crm", "erp"), st.none(), IDS)
    return st.one_of(customer, *documents, gone)


def decision() -> st.SearchStrategy[tuple[str, ...]]:
    return st.tuples(pick("crm", "erp"), IDS, pick("erp", "service"), IDS, pick("same", "different"))


def apply(con: Any, changes: list[Any], step: int) -> None:
    at = helpers.T0 + timedelta(days=step)
    moments = [at + timedelta(seconds=number) for number in range(len(changes))]
    placed = [(*change, moment) for change, moment in zip(map(_placed, changes), moments, strict=True)]
    helpers.replay(con, placed, f"{at:%Y%m%dT%H%M%S}")


def _placed(change: Any) -> Any:
    """The change as a source would tell it."""
    entity, source, row, key = change
    if row is None:
        return change
    full = dict(row)
    if entity == "invoice_plan":
        # a payment plan has each row number once, as the source numbers them
        full |= {"id": f"{row['invoice_id']}-{row['id']}", "row_number": int(row["id"])}
    if full.get("merged_into_id") == full["id"]:
        full["merged_into_id"] = None
    return entity, source, full, key


# an allocation that now belongs to nobody, whose earlier version stood under a customer; then nobody's rows change
_CREDIT = {"credit_on": "2026-01-05", "currency": "CNY", "gross_amount": 100, "number": "N"}
_ALLOCATION = {"id": "4", "amount": 100, "allocated_on": "2026-02-10", "plan_row_number": None}
ORPHAN: list[Any] = [
    ("allocation", "crm", _ALLOCATION | {"kind": "credit_note", "credit_note_id": "2", "invoice_id": "3",
                                         "receipt_id": "9"}, "1"),
    ("allocation", "crm", _ALLOCATION | {"kind": "receipt", "credit_note_id": None, "invoice_id": "4",
                                         "receipt_id": "2"}, "1"),
    ("credit_note", "crm", _CREDIT | {"id": "2", "customer_id": "4"}, "1"),
]  # fmt: skip
NOBODYS: list[Any] = [
    ("credit_note", "erp", _CREDIT | {"id": "1", "customer_id": "3"}, "1"),
    ("ticket", "erp", {"id": "3", "customer_id": None, "contact_id": None, "number": "T1", "assignee_id": None,
                       "created_at": "2026-03-01T10:00:00", "status": "solved"}, "1"),
]  # fmt: skip


@settings(
    max_examples=helpers.EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(first=ORPHAN, later=[(NOBODYS, [])])
@given(
    first=st.lists(change(), min_size=5, max_size=60),
    later=st.lists(
        # small steps leave most models out of an increment, large ones make it go through most
        st.tuples(
            st.one_of(st.lists(change(), min_size=1, max_size=1), st.lists(change(), min_size=1, max_size=6)),
            st.lists(decision(), max_size=1),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_incremental_equals_full(first: list[Any], later: list[tuple[list[Any], list[Any]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, first, 0)
        helpers.make(inst, full=True, release=False)
        for step, (changes, decisions) in enumerate(later, start=1):
            with helpers.open_staging(inst) as con:
                apply(con, changes, step)
            with inst.store.begin() as connection:
                for a, x, b, y, verdict in decisions:
                    connection.execute(
                        insert(tables.match_decisions).values(
                            left_source=a,
                            left_id=x,
                            right_source=b,
                            right_id=y,
                            decision=verdict,
                            decided_by="steward",
                            decided_at="2026-11-01T00:00:00.000000Z",
                        )
                    )
            helpers.make(inst, release=False)
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True, release=False)
        full = helpers.everything(inst)
        inst.store.close()
        helpers.same(incremental, full)


def test_an_increment_runs_and_merges_only_what_changed() -> None:
    """A phone touches the customer's own tables, an amount the ledger's, a repeated document nothing."""
    customer = {"id": "1", "name": NAMES[0], "code": "K1", "phone": "1"}
    invoice = {"id": "1", "customer_id": "1", "number": "A", "invoice_on": "2026-01-05", "currency": "CNY"}
    ticket = {"id": "1", "customer_id": "1", "number": "T1", "created_at": "2026-03-01T10:00:00", "status": "open"}
    first = [
        ("customer", "crm", customer, "1"),
        ("invoice", "crm", invoice | {"gross_amount": 100}, "1"),
        ("ticket", "crm", ticket, "1"),
    ]
    steps: list[tuple[Any, set[str]]] = [
        (("customer", "crm", customer | {"phone": "2"}, "1"), {"core.dim_customer", "core.dim_customer_record"}),
        (("ticket", "crm", ticket | {"subject": "漂移"}, "1"), {"core.fct_ticket", "marts.mart_timeline"}),
        (("invoice", "crm", invoice | {"gross_amount": 90}, "1"), {"core.fct_invoice", "marts.mart_open_item"}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, first, 0)
        helpers.make(inst, full=True)
        seen: list[set[str]] = []
        for step, (one, expected) in enumerate(steps, start=1):
            with helpers.open_staging(inst) as con:
                apply(con, [one], step)
            result = helpers.make(inst)
            assert (result.mode, result.affected) == ("incremental", 1), "its customer, and not the records of nobody"
            merged = {name for name in result.changes if name.startswith(("core.", "marts.mart_"))}
            assert expected <= merged
            seen.append(merged)
        customers_own, tickets, ledger = seen
        assert not customers_own & {
            "core.fct_invoice",
            "core.fct_ticket",
            "marts.mart_timeline",
            "core.dim_customer_code",
        }
        assert not tickets & {"core.fct_invoice", "core.dim_customer", "marts.mart_open_item", "core.fct_allocation"}
        assert not ledger & {"core.fct_ticket", "core.dim_customer", "core.dim_currency", "marts.mart_service_month"}
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True)
        assert helpers.everything(inst) == incremental
        inst.store.close()


def test_a_products_warranty_reaches_the_devices_that_name_it() -> None:
    """By its id or by its code alone, of whatever source; nobody else is looked at."""
    asset = {"serial_number": "s-1", "serial_key": "S1", "shipped_on": "2026-01-31"}
    first = [
        *(("customer", "crm", {"id": key, "name": name}, key) for key, name in zip("123", NAMES, strict=False)),
        ("product", "erp", {"id": "9", "code": "P1", "name": "阀", "warranty_months": 12}, "9"),
        ("product", "crm", {"id": "8", "code": "P1", "name": "阀"}, "8"),
        ("asset", "crm", asset | {"id": "1", "customer_id": "1", "product_id": "8"}, "1"),
        ("asset", "crm", asset | {"id": "2", "customer_id": "2", "product_code": "p1"}, "2"),
        ("asset", "crm", asset | {"id": "3", "customer_id": "3", "product_code": "p2"}, "3"),
    ]
    ends = "select source_id, warranty_until_on from marts.mart_asset_entitlement order by source_id"
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, first, 0)
        helpers.make(inst, full=True)
        assert helpers.rows(inst, ends) == [("1", date(2027, 1, 30)), ("2", date(2027, 1, 30)), ("3", None)]
        with helpers.open_staging(inst) as con:
            longer = {"id": "9", "code": "P1", "name": "阀", "warranty_months": 13}
            apply(con, [("product", "erp", longer, "9")], 1)
        result = helpers.make(inst)
        assert (result.mode, result.affected) == ("incremental", 2)
        assert helpers.rows(inst, ends) == [("1", date(2027, 2, 27)), ("2", date(2027, 2, 27)), ("3", None)]
        inst.store.close()


def test_rows_of_a_deleted_ticket_stay_counted_in_every_later_increment() -> None:
    """The events of a ticket that is gone move to the unidentified customer, and are not lost again afterwards."""
    ticket = {"customer_id": "1", "number": "T1", "created_at": "2026-03-01T10:00:00", "status": "open"}
    event = {"ticket_id": "1", "happened_at": "2026-03-01T11:00:00", "to_value": "open"}
    customers = [("customer", "crm", {"id": key, "name": name}, key) for key, name in zip("123", NAMES, strict=False)]
    first = [
        *customers,
        ("ticket", "crm", {"id": "1", **ticket}, "1"),
        ("ticket_event", "crm", {"id": "1", **event}, "1"),
    ]
    steps: list[list[Any]] = [
        [("ticket", "crm", None, "1")],
        [("customer", "crm", {"id": "1", "name": "换了名字有限公司"}, "1")],
        [("ticket", "crm", {"id": "2", **ticket, "customer_id": None}, "2")],
    ]
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, first, 0)
        helpers.make(inst, full=True)
        for step, changes in enumerate(steps, start=1):
            with helpers.open_staging(inst) as con:
                apply(con, changes, step)
            assert helpers.make(inst).mode == "incremental"
            assert helpers.rows(inst, "select customer_key from core.fct_ticket_event") == [("C000000",)]
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True)
        assert helpers.everything(inst) == incremental
        inst.store.close()


def test_an_increment_that_does_not_add_up_is_rebuilt_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    genuine = build_run.check_counts

    def first_time_wrong(con: Any, changes: Any = None) -> None:
        calls.append("check")
        if len(calls) == 1:
            raise build_run.CountMismatchError("core.fct_ticket has 1 current rows, staging.ticket has 2")
        genuine(con, changes)

    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, [("customer", "crm", {"id": "1", "name": NAMES[0]}, "1")], 0)
        helpers.make(inst, full=True)
        with helpers.open_staging(inst) as con:
            apply(con, [("customer", "crm", {"id": "1", "name": NAMES[1]}, "1")], 1)
        monkeypatch.setattr(build_run, "check_counts", first_time_wrong)
        assert helpers.make(inst).mode == "full"
        assert ("C000001", NAMES[1]) in helpers.rows(inst, "select customer_key, name from core.dim_customer")
        inst.store.close()
