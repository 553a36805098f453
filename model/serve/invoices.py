"""What is recorded here about an invoice that no system holds: the day the customer received it."""

from __future__ import annotations

import json
from datetime import date

from model import policy
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import audit, notes

RECEIVED = "invoice_received"


def record_invoice_received(viewer: Viewer, db: Served, invoice_key: str, received_on: date) -> None:
    """Record that the customer received `invoice_key` (source:id) on `received_on`: terms such as 票到60天 start then.

    The latest record counts. FatalError for a role that does not work receivables or a day before the invoice;
    NotFound when the invoice is not one of the viewer's.
    """
    if not policy.roles()[viewer.role].may_work:
        raise FatalError(f"the role {viewer.role} does not work receivables", valid="account_manager, finance, leader")
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select i.invoice_on from core.fct_receivable_item as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.invoice_key = $invoice_key and {rule} limit 1""",
        {"invoice_key": invoice_key, **named},
    )
    if not rows:
        raise NotFound(f"no invoice {invoice_key!r}", remedy="take its key from the customer's receivables")
    if received_on < rows[0]["invoice_on"]:
        raise FatalError(
            f"{received_on} is before the invoice of {rows[0]['invoice_on']}", valid="a day from the invoice date on"
        )
    with db.instance.store.begin() as connection:
        connection.execute(
            notes.insert().values(
                anchor=invoice_key, kind=RECEIVED, body=None, until=received_on.isoformat(), made_by=viewer.user,
                made_at=stamp(),
            )
        )  # fmt: skip
        connection.execute(
            audit.insert().values(
                at=stamp(), actor=viewer.user, action=f"receivable.{RECEIVED}", subject=invoice_key,
                details=json.dumps({"received_on": received_on.isoformat()}),
            )
        )  # fmt: skip
