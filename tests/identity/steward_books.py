"""A small company whose customers stand in three systems, with money on every record, and helpers for decisions."""

from __future__ import annotations

from typing import Any

from model import serve, warehouse
from model.identity.frames import fetch
from model.policy import Viewer
from model.serve import Served
from ops.instance import Instance
from tests.warehouse import helpers

STEWARD = Viewer(user="he.jing", name="何静", role="steward", masks=frozenset({"bank", "credit"}))
NAMES = ["北辰精密仪器有限公司", "远洲电子有限公司", "澄湖化工有限公司", "松岭纺织有限公司"]
CUSTOMERS = range(len(NAMES))
RECORDS = [(source, f"{source[0]}{n}") for source in ("crm", "erp", "service") for n in CUSTOMERS]
# what a sequence of decisions may change: who a row belongs to, and how it is told
_TOLD = {"customer_key", "group_key", "group_name", "parent_key", "customer_name"}


def stage(inst: Instance) -> None:
    """Customer n is crm:c<n>, erp:e<n> (names crm's id) and service:s<n> (names erp's code); documents on all three."""
    with helpers.open_staging(inst) as con:
        helpers.put(con, "customer", "crm", [
            {"id": f"c{n}", "code": f"KH-{n}", "name": NAMES[n], "owner_id": f"u{n}", "phone": f"010-555500{n}",
             "city": "上海"} for n in CUSTOMERS])  # fmt: skip
        helpers.put(con, "customer", "erp", [
            {"id": f"e{n}", "code": f"C-{n}", "name": NAMES[n], "crm_code": f"c{n}", "payment_terms": f"月结{n + 1}0天",
             "credit_limit_amount": 1000 * (n + 1)} for n in CUSTOMERS])  # fmt: skip
        helpers.put(con, "customer", "service", [
            {"id": f"s{n}", "name": NAMES[n], "erp_code": f"C-{n}"} for n in CUSTOMERS])  # fmt: skip
        helpers.put(con, "employee", "crm", [
            {"id": f"u{n}", "name": f"员工{n}", "email": f"u{n}@example.com"} for n in CUSTOMERS])  # fmt: skip
        for entity, rows in documents().items():
            helpers.put(con, entity, "erp", rows)
        helpers.put(con, "contract", "crm", [
            {"id": f"h{n}", "customer_id": f"c{n}", "number": f"HT-{n}", "amount": 700 + n, "currency": "CNY",
             "start_on": "2026-01-01", "end_on": "2027-12-31", "status": "active"} for n in CUSTOMERS])  # fmt: skip
        helpers.put(con, "ticket", "service", [
            {"id": f"t{n}", "customer_id": f"s{n}", "number": f"T-{n}", "subject": "漂移", "status": "open",
             "created_at": "2026-10-01T08:00:00"} for n in CUSTOMERS])  # fmt: skip


def documents() -> dict[str, list[dict[str, Any]]]:
    """ERP documents of every customer."""
    return {
        "sales_order": [{"id": f"o{n}", "number": f"SO-{n}", "customer_id": f"e{n}", "order_on": "2026-09-01",
                         "currency": "CNY", "gross_amount": 300 + n} for n in CUSTOMERS],
        "invoice": [{"id": f"i{n}", "number": f"INV-{n}", "customer_id": f"e{n}", "currency": "CNY" if n else "EUR",
                     "invoice_on": "2026-09-01", "due_on": "2026-10-01", "gross_amount": 100 * (n + 1)}
                    for n in CUSTOMERS],
        "receipt": [{"id": f"r{n}", "number": f"RC-{n}", "customer_id": f"e{n}", "received_on": "2026-09-20",
                     "currency": "CNY", "amount": 30 + n} for n in CUSTOMERS],
        "allocation": [{"id": f"a{n}", "kind": "receipt", "receipt_id": f"r{n}", "invoice_id": f"i{n}",
                        "amount": 20, "allocated_on": "2026-09-21"} for n in CUSTOMERS if n],
    }  # fmt: skip


def served(inst: Instance) -> Served:
    """The build that is published now."""
    return serve.open_published(inst)


def decide(inst: Instance, left: tuple[str, str], right: tuple[str, str], decision: str) -> dict[str, Any]:
    """One decision of the steward."""
    return serve.decide(STEWARD, served(inst), [(left, right)], decision, "Test")


def crosswalk(inst: Instance) -> dict[tuple[str, str], str]:
    """Record → customer key, of the warehouse."""
    found = helpers.table(inst, "identity.customer_crosswalk")
    return {(source, key): golden for source, key, golden, _, _ in found if key}


def facts(inst: Instance) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of core facts and of the parts they come from, without the customer it belongs to, sorted."""
    con = warehouse.connect(warehouse.warehouse_path(inst.warehouse), read_only=True)
    try:
        found = {}
        for model in warehouse.models():
            if not model.name.startswith("core.fct_"):
                continue
            frame = fetch(con, f"select * from {model.name}")
            kept = frame.drop(_TOLD & set(frame.columns))
            found[model.name] = sorted(kept.rows(), key=repr)
        return found
    finally:
        con.close()
