"""The ledger against the ERP's own control balance, per source, currency and day."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from typing import Any

from model.conform.rejected import receivables
from model.policy import Viewer
from model.receivables.items import open_credits_sql, open_items_sql
from model.serve.connection import Served
from model.serve.faults import ledger_control

ZERO = Decimal(0)
# classes of documents that are not shown, and what each kind does to what is owed
CLASSES = ("not_approved", "void", "deleted", "later")
INCLUDED = ("provisional", "not_approved", "void")
_SIGNS = {"invoice": 1, "receipt": -1, "credit_note": -1}


def control_balances(viewer: Viewer, db: Served, as_of: date | None = None) -> list[dict[str, Any]]:
    """Each balance the source states, newest day first, and what it is made of here; [] for who does not see all rows.

    Rows: source, currency, balance_on, includes, erp_amount, shown_amount (= open_amount − unallocated_amount −
    credits_amount as of that day), quarantined_amount (of documents whose amount can be read) with quarantined and
    unreadable (counts), excluded {class: amount} (not_approved, void, deleted, later, provisional), difference =
    erp_amount − shown − quarantined − what it includes of the excluded, and agrees. `as_of`: only balances up to it.
    """
    if viewer.scope != "all":
        return []
    rows = db.rows(
        """select source, currency, balance_on, sum(amount) as erp_amount,
                  string_agg(distinct includes, ' ' order by includes) as includes
           from core.fct_control_balance where balance_on <= $day group by source, currency, balance_on
           order by balance_on desc, source, currency""",
        {"day": as_of or db.today()},
    )
    rejected = _rejected(db)
    answer: list[dict[str, Any]] = []
    for day in sorted({row["balance_on"] for row in rows}, reverse=True):
        shown, excluded = _shown(db, day), _excluded(viewer, db, day)
        for row in rows:
            if row["balance_on"] == day:
                place = row["source"], row["currency"]
                answer.append(_compare(row, shown[place], excluded[place], rejected[place]))
    return answer


def _compare(
    row: dict[str, Any], shown: dict[str, Decimal], excluded: dict[str, Decimal], rejected: dict[str, Any]
) -> dict[str, Any]:
    net = shown["open_amount"] - shown["unallocated_amount"] - shown["credits_amount"]
    includes = [name for name in INCLUDED if name in (row["includes"] or "").split()]
    apart = {**excluded, "provisional": shown["provisional_amount"]}
    explained = net + rejected["amount"] + sum((apart[name] for name in includes), ZERO)
    return {
        **row,
        "includes": includes,
        **{name: shown[name] for name in ("open_amount", "unallocated_amount", "credits_amount")},
        "shown_amount": net,
        "quarantined": rejected["count"],
        "quarantined_amount": rejected["amount"],
        "unreadable": rejected["unreadable"],
        "excluded": apart,
        "difference": row["erp_amount"] - explained,
        "agrees": row["erp_amount"] == explained,
    }


Sums = dict[tuple[str, str], dict[str, Decimal]]


def _shown(db: Served, day: date) -> Sums:
    """(source, currency) → what the ledger shows at the end of `day`, as known now."""
    names = ("open_amount", "unallocated_amount", "credits_amount", "provisional_amount")
    found: Sums = defaultdict(lambda: dict.fromkeys(names, ZERO))
    rows = db.rows(
        f"""select source, currency, case when kind = 'provisional' then 'provisional_amount'
                   when open_amount < 0 then 'credits_amount' else 'open_amount' end as figure,
                   sum(abs(open_amount)) as amount
            from ({open_items_sql()}) where open_amount <> 0 group by all
            union all
            select source, currency, case when class = 'credits' then 'credits_amount' else 'unallocated_amount' end,
                   sum(left_amount)
            from ({open_credits_sql()}) group by all""",
        {"as_of": day},
    )
    for row in rows:
        found[row["source"], row["currency"]][row["figure"]] += row["amount"]
    return found


def _excluded(viewer: Viewer, db: Served, day: date) -> Sums:
    """(source, currency) → class → what its documents would do to the balance."""
    found: Sums = defaultdict(lambda: dict.fromkeys(CLASSES, ZERO))
    for row in ledger_control(viewer, db, day):
        sign = _SIGNS.get(row["document"])
        if sign is not None and row["class"] in CLASSES and row["amount"] is not None:
            found[row["source"], row["currency"]][row["class"]] += sign * row["amount"]
    return found


def _rejected(db: Served) -> dict[tuple[str, str], dict[str, Any]]:
    """(source, currency) → count, amount and unreadable; a document without a readable currency counts in each."""
    found: dict[tuple[str, str], dict[str, Any]] = defaultdict(lambda: {"count": 0, "amount": ZERO, "unreadable": 0})
    everything = receivables(db.instance)
    stated = db.rows("select distinct source, currency from core.fct_control_balance")
    currencies = {(one.source, one.currency or "") for one in everything if one.currency}
    currencies |= {(row["source"], row["currency"]) for row in stated}
    for one in everything:
        places = [(one.source, one.currency)] if one.currency else [at for at in currencies if at[0] == one.source]
        for source, currency in places:
            entry = found[source, currency or ""]
            entry["count"] += 1
            entry["amount"] += one.amount or ZERO if one.currency else ZERO
            entry["unreadable"] += one.amount is None or one.currency is None
    return found
