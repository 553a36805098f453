"""The reconciliation marts after increments equal those of a full build, whatever changed."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.warehouse import helpers
from tests.warehouse.test_incremental import apply, pick

MARTS = tuple(f"marts.mart_{name}" for name in (
    "chain_entry", "cash_entry", "collision_entry", "claim_entry", "reconciliation",
    "reconciliation_cash"))  # fmt: skip
IDS, MAYBE, MONEY = pick("1", "2", "3"), pick(None, "1", "2", "9"), pick(100, 250)
DAY, NUMBER = pick("2026-01-05", "2026-02-10", "2026-03-15"), pick(None, "HT1", "HT2")
APPROVED = pick("approved", "approved", "draft")
CUSTOMERS = [("customer", "erp", {"id": key, "name": f"客户{key}有限公司", "code": f"K{key}", "owner_id": key}, key)
             for key in "123"]  # fmt: skip
DOCUMENTS: dict[str, dict[str, Any]] = {
    "contract": {"customer_id": IDS, "number": pick("HT1", "HT2", "ht1"), "amount": MONEY,
                 "currency": pick("CNY", "EUR"),
                 "kind": pick("sales", "service", "frame"),
                 "signed_on": DAY, "status": pick("in_force", "draft")},
    "sales_order": {"customer_id": IDS, "number": pick("SO1", "SO2"), "order_on": DAY, "currency": pick("CNY"),
                    "contract_number": NUMBER, "gross_amount": MONEY, "owner_id": IDS, "document_status": APPROVED},
    "sales_order_line": {"order_id": IDS, "product_code": pick("p1", "p2"), "quantity": pick(1, 2), "unit_price": MONEY,
                         "gross_amount": MONEY, "delivered_quantity": pick(None, 1)},
    "shipment": {"customer_id": IDS, "number": pick("D1"), "order_id": MAYBE, "order_number": pick(None, "SO1"),
                 "shipped_on": DAY, "gross_amount": MONEY, "is_return": st.booleans(), "currency": pick("CNY")},
    "invoice": {"customer_id": IDS, "number": pick("A", "B"), "invoice_on": DAY, "currency": pick("CNY", "EUR"),
                "gross_amount": pick(100, 250, -50), "order_id": MAYBE, "contract_number": NUMBER,
                "original_invoice_id": MAYBE, "document_status": APPROVED, "kind": pick(None, "provisional")},
    "receipt": {"customer_id": pick(None, "1", "2"), "number": pick("R"), "received_on": DAY, "currency": pick("CNY"),
                "amount": MONEY, "purpose": pick("sale", "prepayment")},
    "allocation": {"kind": pick("receipt"), "receipt_id": IDS, "invoice_id": IDS, "amount": MONEY, "allocated_on": DAY,
                   "reversed_on": pick(None, "2026-04-01")},
    "credit_note": {"customer_id": IDS, "number": pick("N"), "credit_on": DAY, "currency": pick("CNY"),
                    "gross_amount": MONEY, "kind": pick("return", "credit")},
    "project": {"customer_id": IDS, "code": pick("P1", "P2"), "contract_number": NUMBER, "start_on": DAY,
                "amount": MONEY, "customer_code": pick("K1", "K2")},
    "milestone": {"project_id": IDS, "name": pick("M"), "kind": pick("milestone"), "status": pick("done", "open"),
                  "done_on": DAY},
    "opportunity": {"customer_id": IDS, "name": pick("A", "B"), "amount": MONEY, "owner_id": IDS, "kind": pick("new"),
                    "is_closed": st.booleans(), "created_at": pick("2026-03-01T10:00:00", "2026-03-09T10:00:00")},
    "ticket": {"customer_id": IDS, "number": pick("T1"), "subject": pick("保修", "交期"),
               "product_code": pick("p1", "p3"), "serial_key": pick(None, "S1", "S2"),
               "created_at": pick("2026-03-01T10:00:00")},
    "asset": {"customer_id": IDS, "serial_number": pick("s-1"), "serial_key": pick("S1", "S2"), "shipped_on": DAY,
              "warranty_end_on": pick("2026-02-28", "2026-03-01"), "status": pick("in_use", "scrapped")},
    "employee": {"name": pick("王五", "赵六"), "email": pick("a@example.com", "b@example.com"),
                 "code": pick("E1", "E2")},
    "customer": {"name": pick("甲阀门有限公司", "乙阀门有限公司"), "code": pick("K1", "K2"),
                 "merged_into_id": pick(None, None, "1", "2"), "owner_id": IDS},
}  # fmt: skip


def change() -> st.SearchStrategy[Any]:
    made = [st.tuples(st.just(entity), st.just("erp"), st.fixed_dictionaries({"id": IDS} | fields), IDS)
            for entity, fields in DOCUMENTS.items()]  # fmt: skip
    gone = st.tuples(st.sampled_from(sorted(DOCUMENTS)), st.just("erp"), st.none(), IDS)
    return st.one_of(*made, gone)


@settings(max_examples=helpers.EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    first=st.lists(change(), min_size=20, max_size=60),
    later=st.lists(st.lists(change(), min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_increments_equal_a_full_build(first: list[Any], later: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, [*CUSTOMERS, *first], 0)
        helpers.make(inst, full=True, release=False)
        for step, changes in enumerate(later, start=1):
            with helpers.open_staging(inst) as con:
                apply(con, changes, step)
            helpers.make(inst, release=False)
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True, release=False)
        full = helpers.everything(inst)
        inst.store.close()
        helpers.same(incremental, {name: full[name] for name in MARTS})


def test_a_ticket_leaves_the_money_alone() -> None:
    """The entries of money are apart because settlements cost an increment much: nothing else may run them."""
    rows = [*CUSTOMERS,
            ("invoice", "erp", {"id": "1", "customer_id": "1", "number": "A", "invoice_on": "2026-01-05",
                                "currency": "CNY", "gross_amount": 100}, "1"),
            ("sales_order", "erp", {"id": "1", "customer_id": "1", "number": "SO1", "order_on": "2026-01-05",
                                    "currency": "CNY", "gross_amount": 100}, "1")]  # fmt: skip
    ticket = {"id": "1", "customer_id": "1", "number": "T1", "created_at": "2026-03-01T10:00:00", "product_code": "p1"}
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, [*rows, ("ticket", "erp", ticket, "1")], 0)
        helpers.make(inst, full=True)
        with helpers.open_staging(inst) as con:
            apply(con, [("ticket", "erp", ticket | {"subject": "保修"}, "1")], 1)
        result = helpers.make(inst)
        assert result.mode == "incremental"
        assert {"marts.mart_collision_entry", "marts.mart_reconciliation"} <= set(result.changes)
        assert not {"marts.mart_cash_entry", "marts.mart_chain_entry", "core.fct_settlement"} & set(result.changes)
        inst.store.close()
