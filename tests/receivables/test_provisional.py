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


NAMELESS = {
    "invoice": "customer_id,number,kind,order_number,original_invoice_id,invoice_on,due_on,currency,gross_amount\n"
    # of an order and an amount: taken back in full, then invoiced before and after that
    "C1,P1,provisional,SO1,,2026-09-28,,CNY,1000\n"
    "C1,I1,,SO1,,2026-10-05,2026-11-14,CNY,600\n"
    "C1,R1,provisional,SO1,,2026-10-15,,CNY,-1000\n"
    "C1,I2,,SO1,,2026-10-20,2026-11-14,CNY,400\n"
    # twice the same amount of one order: in turn, whichever it is
    "C1,P2,provisional,SO2,,2026-09-10,,EUR,80\nC1,P3,provisional,SO2,,2026-09-20,,EUR,80\n"
    "C1,R2,provisional,SO2,,2026-10-01,,EUR,-80\n"
    # without an order: the estimate of the month before, every month
    "C2,M1,provisional,,,2026-08-31,,CNY,500\nC2,N1,provisional,,,2026-09-01,,CNY,-500\n"
    "C2,M2,provisional,,,2026-10-31,,CNY,500\nC2,N2,provisional,,,2026-11-01,,CNY,-500\n"
    # two could be meant, or none: stays apart and is said
    "C3,A1,provisional,SO3,,2026-10-30,,CNY,70\nC3,A2,provisional,SO4,,2026-10-31,,CNY,70\n"
    "C3,B1,provisional,,,2026-11-01,,CNY,-70\nC3,B2,provisional,SO9,,2026-11-02,,CNY,-30\n"
}


def test_a_reversal_that_names_nothing_takes_back_what_it_can_only_mean(tmp_path: Path) -> None:
    made = books.instance(tmp_path, NAMELESS)
    db = serve.open_published(made)
    operator = Viewer.operator()

    def provisional(day: date) -> dict[str, Decimal]:
        return {row["currency"]: row["provisional"] for row in serve.aging(operator, db, as_of=day)["totals"]}

    assert provisional(date(2026, 9, 30)) == {"CNY": 1000, "EUR": 160}
    assert provisional(date(2026, 10, 10)) == {"CNY": 400, "EUR": 80}, "invoiced first"
    assert provisional(date(2026, 10, 16)) == {"CNY": 0, "EUR": 80}, "then taken back, not twice"
    assert provisional(date(2026, 11, 21)) == {"CNY": 40, "EUR": 80}, "what is in doubt counts against all together"
    pairs = db.rows("select reversal_key, invoice_key, found_by from core.fct_provisional_reversal order by 1")
    ours = sorted((row["reversal_key"][-2:], row["invoice_key"][-2:], row["found_by"]) for row in pairs)
    assert ours == [("N1", "M1", "month"), ("N2", "M2", "month"), ("R1", "P1", "order"), ("R2", "P2", "order")]
    faults = [row for row in serve.ledger_faults(operator, db) if row["fault"] == "provisional_unmatched"]
    assert sorted((row["record_key"].split(":")[1][:2], row["amount"]) for row in faults) == [("B1", -70), ("B2", -30)]
    made.store.close()
