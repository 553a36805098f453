"""The quality marts after increments equal those of a full build, whatever changed."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from model.quality.compile import marts
from tests.warehouse import helpers
from tests.warehouse.test_incremental import apply, pick

MARTS = tuple(f"marts.{path.stem}" for path in marts())
EXAMPLES = int(os.environ.get("C360_EXAMPLES", "6"))
IDS, MAYBE = pick("1", "2", "3"), pick(None, "1", "2", "9")
DAY = pick(None, "2026-01-05", "2026-03-15")
CODES = pick(None, "91310115MA1FYB3K05", "91310115MA1FYB3K06")
RECORDS: dict[str, dict[str, Any]] = {
    "customer": {"name": pick("甲阀门有限公司", "乙阀门有限公司", "丙仪器有限公司"), "code": pick("K1", "K2"),
                 "uscc": CODES, "bank_account": pick(None, "62220001", "62220002"), "phone": pick(None, "12"),
                 "payment_terms": pick(None, "月结30天"), "merged_into_id": pick(None, None, "1"), "owner_id": MAYBE,
                 "erp_code": pick(None, "K1", "K2")},
    "contact": {"customer_id": MAYBE, "name": pick("王五", "赵六"), "email": pick(None, "x", "a@example.com")},
    "opportunity": {"customer_id": IDS, "name": pick("扩产"), "amount": pick(None, 100), "is_closed": st.booleans()},
    "contract": {"customer_id": IDS, "number": pick("HT1", "HT2"), "start_on": DAY, "end_on": DAY},
    "invoice": {"customer_id": MAYBE, "number": pick("A", "B"), "invoice_on": pick("2026-02-01"), "due_on": DAY,
                "currency": pick("CNY"), "gross_amount": pick(100, 250)},
    "receipt": {"customer_id": MAYBE, "number": pick("R"), "received_on": pick("2026-02-03"), "currency": pick("CNY"),
                "amount": pick(50)},
    "ticket": {"customer_id": MAYBE, "number": pick("T1"), "status": pick("open", "solved"),
               "created_at": pick("2026-03-01T10:00:00"), "solved_at": pick(None, "2026-02-01T10:00:00")},
    "project": {"customer_id": MAYBE, "code": pick("P1", "P2"), "planned_end_on": DAY},
    "employee": {"name": pick("王五"), "email": pick("a@example.com"), "code": pick("E1", "E2")},
}  # fmt: skip


def change() -> st.SearchStrategy[Any]:
    source = st.sampled_from(("erp", "crm"))
    made = [st.tuples(st.just(entity), source, st.fixed_dictionaries({"id": IDS} | fields), IDS)
            for entity, fields in RECORDS.items()]  # fmt: skip
    gone = st.tuples(st.sampled_from(sorted(RECORDS)), source, st.none(), IDS)
    return st.one_of(*made, gone)


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    first=st.lists(change(), min_size=20, max_size=50),
    later=st.lists(st.lists(change(), min_size=1, max_size=4), min_size=1, max_size=4),
)
def test_increments_equal_a_full_build(first: list[Any], later: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, first, 0)
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


def test_an_invoice_runs_only_its_own_mart() -> None:
    customer = {"id": "1", "code": "K1", "name": "甲阀门有限公司"}
    invoice = {"id": "1", "customer_id": "1", "number": "A", "invoice_on": "2026-01-05", "currency": "CNY",
               "gross_amount": 100}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        with helpers.open_staging(inst) as con:
            apply(con, [("customer", "erp", customer, "1"), ("invoice", "erp", invoice, "1")], 0)
        helpers.make(inst, full=True)
        with helpers.open_staging(inst) as con:
            apply(con, [("invoice", "erp", invoice | {"due_on": "2026-02-05"}, "1")], 1)
        result = helpers.make(inst)
        assert result.mode == "incremental"
        assert set(MARTS) & set(result.changes) == {"marts.mart_quality_invoice"}
        inst.store.close()
