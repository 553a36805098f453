"""Two people at one item at the same moment, and what is recorded about an invoice."""

from __future__ import annotations

from datetime import date

import pytest

from model import serve
from model.serve import Served, acting, actions
from ops.errors import FatalError
from tests.serve.conftest import viewer


def test_disputes_made_at_once_never_exceed_the_item(db: Served) -> None:
    finance = viewer(db, "finance")
    item = next(row for row in serve.work_items(finance, db) if row["invoice_number"] == "INV-north")
    ground = actions.ground(db)
    both = [actions.plan(ground, item, "dispute", {"amount": "600000", "reason": "quality"}) for _ in range(2)]
    acting.record(finance, db, both[:1])
    with pytest.raises(FatalError, match="not disputed yet"):
        acting.record(finance, db, both[1:])
    [standing] = serve.disputes(finance, db)
    assert standing["said_amount"] == 600_000
    assert [row["action"] for row in serve.work_history(finance, db, item_key=item["record_key"])] == ["dispute"]


def test_the_receipt_of_an_invoice_stands_in_the_history_of_its_items(db: Served) -> None:
    finance = viewer(db, "finance")
    serve.record_invoice_received(finance, db, "erp:I-south", date(2026, 8, 3))
    [event] = serve.work_history(finance, db, customer="K-south")
    assert (event["action"], event["happened_on"], event["invoice_number"]) == (
        "invoice_received", date(2026, 8, 3), "INV-south")  # fmt: skip
    with pytest.raises(FatalError, match="has not come yet"):
        serve.record_invoice_received(finance, db, "erp:I-south", date(2026, 11, 22))
