"""Provisional receivables (暂估) are taken back by their own red document or by invoicing, never by both."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

from model import serve
from model.policy import Viewer
from tests.receivables import books

FILES = {
    "invoice": "customer_id,number,kind,order_number,original_invoice_id,invoice_on,due_on,currency,gross_amount\n"
    # taken back in full by a red one, then invoiced
    "C1,P1,provisional,SO1,,2026-09-28,,CNY,1000\n"
    "C1,P1R,provisional,SO1,P1,2026-10-15,,CNY,-1000\n"
    "C1,I1,,SO1,,2026-10-15,2026-11-14,CNY,1000\n"
    # taken back in part, the same part invoiced
    "C1,P2,provisional,SO2,,2026-09-28,,EUR,1130\n"
    "C1,P2R,provisional,SO2,P2,2026-10-15,,EUR,-678\n"
    "C1,I2,,SO2,,2026-10-15,2026-11-14,EUR,678\n"
    # taken back and not invoiced
    "C1,P3,provisional,SO3,,2026-09-28,,USD,50\n"
    "C1,P3R,provisional,SO3,P3,2026-10-20,,USD,-50\n"
}


def test_what_is_taken_back_is_not_reduced_by_invoicing_as_well(tmp_path: Path) -> None:
    made = books.instance(tmp_path, FILES)
    db = serve.open_published(made)

    def shown(day: date) -> dict[str, tuple[Decimal, Decimal, Decimal]]:
        totals = serve.aging(Viewer.operator(), db, as_of=day)["totals"]
        return {row["currency"]: (row["open"], row["provisional"], row["credits"]) for row in totals}

    assert shown(date(2026, 9, 30)) == {"CNY": (0, 1000, 0), "EUR": (0, 1130, 0), "USD": (0, 50, 0)}
    assert shown(date(2026, 11, 21)) == {"CNY": (1000, 0, 0), "EUR": (678, 452, 0)}
    rows = db.rows("select source_id, open_amount from marts.mart_open_item where kind = 'provisional' order by 1")
    assert {row["source_id"]: row["open_amount"] for row in rows} == {
        "P1": 0, "P1R": 0, "P2": 452, "P2R": 0, "P3": 0, "P3R": 0,
    }  # fmt: skip
    made.store.close()
