"""What is recorded here about an invoice that no system holds: the day the customer received it."""

from __future__ import annotations

from datetime import date

from model.policy import Viewer
from model.receivables.received import RECEIVED
from model.serve import acting
from model.serve.connection import Served
from model.serve.find import NotFound
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import notes


def record_invoice_received(viewer: Viewer, db: Served, invoice_key: str, received_on: date) -> None:
    """Record that the customer received `invoice_key` (source:id) on `received_on`: terms such as 票到60天 start then.

    The latest record counts; it stands in the history of every item of the invoice. FatalError for a role that does
    not work receivables, a day before the invoice or one to come; NotFound when the invoice is not one of the viewer's.
    """
    acting.may_work(viewer)
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select i.record_key, i.invoice_on from marts.mart_open_item as i
            join core.dim_customer as customer on customer.customer_key = i.customer_key
            where i.invoice_key = $invoice_key and {rule} order by i.record_key""",
        {"invoice_key": invoice_key, **named},
    )
    if not rows:
        raise NotFound(f"no invoice {invoice_key!r}", remedy="take its key from the customer's receivables")
    if received_on < rows[0]["invoice_on"]:
        raise FatalError(
            f"{received_on} is before the invoice of {rows[0]['invoice_on']}", valid="a day from the invoice date on"
        )
    if received_on > db.today():
        raise FatalError(f"{received_on} has not come yet", valid=f"up to {db.today()}")
    at = stamp()
    with db.instance.store.begin() as connection:
        connection.execute(
            notes.insert().values(
                anchor=invoice_key, kind=RECEIVED, body=None, until=received_on.isoformat(), made_by=viewer.user,
                made_at=at,
            )
        )  # fmt: skip
        for row in rows:
            acting.log(
                connection, viewer, at, action=RECEIVED, item_key=row["record_key"], happened_on=received_on.isoformat()
            )
