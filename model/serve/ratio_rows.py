"""The documents behind a ratio: the rows of each input add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from model.policy import Viewer
from model.receivables import figures
from model.receivables.items import OVERDUE, received_parameters
from model.serve import links, work
from model.serve.connection import Served
from ops.errors import FatalError

# what the basis leaves out unless it is switched in
SWITCHES = ("bills", "retention", "provisional", "unallocated", "credits", "prepaid")
INPUTS = (
    "receivables", "not_due", "open", "overdue", "sales", "write_offs", "recoveries", "payments", "retention",
    "provisional", "unallocated", "credits", "bills",
)  # fmt: skip
_RETENTION = "coalesce(is_retention, false)"
_OVERDUE = "bucket in (" + ", ".join(f"'{name}'" for name in sorted(OVERDUE)) + ")"


def ratio_rows(
    viewer: Viewer,
    db: Served,
    what: str,
    currency: str,
    start: date,
    end: date,
    include: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Documents whose amounts add up to the input `what` of a ratio, largest first.

    Grain: document (plan row, receipt, credit note): customer_key, name, entity, record_key, number, currency,
    dated_on, due_on, amount, link. Balances are as of `end`; `include` as in `ratios`. FatalError for other inputs.
    """
    check(include)
    if what not in INPUTS:
        raise FatalError(f"{what!r} is not an input of a ratio", valid=", ".join(INPUTS))
    received = work.recorded_receipts(db)
    sql = _sql(what, set(include), received=bool(received))
    rule, named = viewer.named_rows()
    known = {"as_of": end, "start": start, "end": end, **received_parameters(received)}
    used = {name: value for name, value in known.items() if f"${name}" in sql}
    more = ", days_late" if what == "payments" else ""
    columns = "customer_key, entity, record_key, number, currency, source, source_id, dated_on, due_on, amount" + more
    found = db.rows(
        figures.of_viewer(sql, rule, columns, "f.currency = $currency and f.amount <> 0")
        + " order by abs(f.amount) desc, f.record_key",
        {"currency": currency, **used, **named},
    )
    return [{**row, "link": links.link(db, row["entity"], row)} for row in found]


def check(include: Sequence[str]) -> None:
    """FatalError names the switches there are when one of `include` is none."""
    for name in include:
        if name not in SWITCHES:
            raise FatalError(f"{name!r} cannot be included in a ratio", valid=", ".join(SWITCHES))


def _sql(what: str, include: set[str], *, received: bool) -> str:
    dated = {
        "sales": figures.sales_sql(prepaid="prepaid" in include),
        "write_offs": figures.write_offs_sql(recovered=False),
        "recoveries": figures.write_offs_sql(recovered=True),
        "payments": figures.payments_sql(),
        "unallocated": figures.unallocated_sql().replace("-left_amount", "left_amount"),
        "bills": figures.bills_sql(),
    }
    if what in dated:
        return dated[what]
    if what == "credits":
        return f"select * replace (-amount as amount) from ({figures.credits_sql(received=received)})"
    kinds = "true" if "provisional" in include else "kind <> 'provisional'"
    own = "true" if "retention" in include else f"not {_RETENTION}"
    wheres = {
        "receivables": f"{kinds} and {own}",
        "not_due": f"(kind = 'provisional' and {kinds}) or (kind <> 'provisional' and {own} and bucket = 'not_due')",
        "open": "kind <> 'provisional'",
        "overdue": f"kind <> 'provisional' and {_OVERDUE}",
        "retention": f"kind <> 'provisional' and {_RETENTION}",
        "provisional": "kind = 'provisional'",
    }
    columns = "customer_key, entity, record_key, number, currency, source, source_id, dated_on, due_on, amount"
    parts = [figures.open_rows_sql(wheres[what], received=received)]
    if what in {"receivables", "not_due"} and "bills" in include:
        parts.append(figures.bills_sql())
    if what == "receivables" and "unallocated" in include:
        parts.append(figures.unallocated_sql())
    if what == "receivables" and "credits" in include:
        parts.append(figures.credits_sql(received=received))
    return " union all ".join(f"select {columns} from ({part})" for part in parts)
