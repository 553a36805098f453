"""Overdue items with everything that was done about them: the item lines of the worklist."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import codes, open_items_sql
from model.receivables.holding import covered, held
from model.receivables.items import OVERDUE, received_parameters
from model.receivables.limitation import WARNED_DAYS, limitation_on
from model.serve import promising, work, work_rows
from model.serve.connection import Served
from ops.errors import FatalError

ZERO = Decimal(0)
SORTS: dict[str, tuple[str, bool]] = {
    "due": ("due_on", False), "amount": ("open_amount", True), "days": ("days_past_due", True),
    "limitation": ("limitation_on", False), "name": ("name", False),
}  # fmt: skip


def work_items(
    viewer: Viewer, db: Served, as_of: date | None = None, owner: str | None = None, *, state: str | None = None,
    bucket: str | None = None, currency: str | None = None, min_amount: Decimal | None = None,
    text: str | None = None, customer_key: str | None = None, sort: str = "due",
) -> list[dict[str, Any]]:  # fmt: skip
    """Overdue open items this viewer may see, each with its status, work state and limitation clock.

    Beside what the ledger says: status, chaseable_amount (open less disputed, less promised in time; 0 when snoozed),
    disputed_amount, promised_amount, promise, dispute, assigned, call, stage, note, limitation_on, limitation_days
    (left; negative once over), is_limitation_near. `owner`: key of the account manager or of whom it is assigned to;
    "unowned" for none. `min_amount` is in the item's own currency. FatalError for an unknown sort.
    """
    if sort not in SORTS:
        raise FatalError(f"work items cannot be sorted by {sort!r}", valid=", ".join(SORTS))
    day = as_of or db.today()
    rows = [
        row for row in lines(viewer, db, day)
        if (owner is None or owner in owners_of(row)) and (customer_key is None or row["customer_key"] == customer_key)
        and (currency is None or row["currency"] == currency) and (bucket is None or row["bucket"] == bucket)
        and (state is None or row["status"] == state) and (min_amount is None or row["open_amount"] >= min_amount)
        and (text is None or has_text(row, text))
    ]  # fmt: skip
    name, falling = SORTS[sort]
    rows.sort(key=lambda row: row["record_key"])
    return sorted(rows, key=lambda row: (row[name] is None, row[name] or ""), reverse=falling)


def lines(viewer: Viewer, db: Served, day: date) -> list[dict[str, Any]]:
    """Every overdue item of the viewer with its state; see `work_items`."""
    items = overdue(viewer, db, day)
    keys = [item["record_key"] for item in items]
    states = work.state_of(db, keys, day)
    waiting = _covered(db, items, states, day)
    clocks = limitations(db, items, states, day)
    return [_line(item, states.get(item["record_key"], {}), waiting, clocks, day) for item in items]


def overdue(viewer: Viewer, db: Served, day: date) -> list[dict[str, Any]]:
    """What the ledger says of every overdue item of the viewer's customers; cached."""
    received = work.recorded_receipts(db)
    key = ("overdue", viewer.cache_key, day, tuple(sorted(received.items())))
    if key not in db.cache:
        rule, named = viewer.named_rows()
        db.cache[key] = db.rows(
            f"""select item.customer_key, customer.name, customer.owner_key, customer.owner_name, item.record_key,
                       item.invoice_number, item.plan_row, item.invoice_on, item.currency, item.amount,
                       item.open_amount, item.days_past_due, item.due_on, item.is_retention, item.bucket,
                       item.contract_number, kpi.last_interaction_at
                from ({open_items_sql(received=bool(received))}) as item
                join core.dim_customer as customer on customer.customer_key = item.customer_key
                left join marts.mart_customer_kpi as kpi on kpi.customer_key = item.customer_key
                where item.open_amount > 0 and item.kind <> 'provisional' and item.days_past_due > 0 and {rule}
                order by item.record_key""",
            {"as_of": day, **named, **received_parameters(received)},
        )
    found: list[dict[str, Any]] = db.cache[key]
    return [row for row in found if row["bucket"] in OVERDUE]


def owners_of(row: dict[str, Any]) -> set[str]:
    """Who works an item: whom it is assigned to and their deputy, else the customer's account manager."""
    people = {entry["employee_key"] for entry in (row["assigned"], row["deputy"]) if entry}
    if row["assigned"]:
        return people
    return people | {row["owner_key"] or "unowned"}


def has_text(row: dict[str, Any], text: str) -> bool:
    """Whether `text` is part of the customer's name, the invoice or contract number, or the note."""
    wanted = text.casefold()
    return any(wanted in str(row[name] or "").casefold() for name in
               ("name", "invoice_number", "contract_number", "note", "customer_key"))  # fmt: skip


def limitations(
    db: Served, items: Iterable[dict[str, Any]], states: dict[str, dict[str, Any]], day: date
) -> dict[str, date | None]:
    """Item key → last day of the limitation period as of `day`, from demands, promises, confirmations and payments."""
    demanding = codes.demands(codes.load(db.instance.config_dir))
    rows = list(items)
    paid = _paid_days(db, [row["record_key"] for row in rows], day)
    confirmations: dict[str, list[date]] = defaultdict(list)
    for row in work_rows.confirmed(db):
        for key in json.loads(row.items):
            confirmations[key].append(date.fromisoformat(row.confirmed_on))
    found = {}
    for row in rows:
        key = row["record_key"]
        state = states.get(key, {})
        demands = [item["on"] for item in state.get("stages", ()) if item["stage"] in demanding]
        promised = [item["made_on"] for item in state.get("promises", ())]
        found[key] = limitation_on(row["due_on"], demands, [*promised, *confirmations[key], *paid.get(key, ())], day)
    return found


def _paid_days(db: Served, keys: Collection[str], day: date) -> dict[str, list[date]]:
    """Item key → days on which receipts settled part of it. An estimate is no payment anybody could prove."""
    cached = ("paid_days", tuple(keys), day)
    if cached not in db.cache:
        rows = db.rows(
            """select m.record_key, list_sort(list(distinct m.moved_on)) as days
               from marts.mart_item_movement as m
               join (select unnest($keys) as record_key) as wanted on wanted.record_key = m.record_key
               where m.kind = 'receipt' and m.amount > 0 and m.moved_on <= $as_of group by m.record_key""",
            {"keys": list(keys), "as_of": day},
        )
        db.cache[cached] = {row["record_key"]: row["days"] for row in rows}
    found: dict[str, list[date]] = db.cache[cached]
    return found


def _covered(
    db: Served, items: list[dict[str, Any]], states: dict[str, dict[str, Any]], day: date
) -> frozenset[str]:  # fmt: skip
    """Keys of the items that money which waits to be allocated covers, each part of it counted once."""
    purses: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for item in items:
        purses[item["customer_key"], item["currency"]].append(item)
    waiting = promising.waiting(db, set(purses), day) if purses else {}
    return frozenset().union(
        *(covered(purses[purse], states, day, sum((amount for _, amount in cash), ZERO))
          for purse, cash in waiting.items())
    )  # fmt: skip


def _line(
    item: dict[str, Any], state: dict[str, Any], waiting: frozenset[str], clocks: dict[str, date | None], day: date,
) -> dict[str, Any]:  # fmt: skip
    disputed, promised = held(item, state, day)
    status = work.status_of(item, state, day, is_covered=item["record_key"] in waiting)
    ends = clocks[item["record_key"]]
    left = None if ends is None else (ends - day).days
    return {
        **item,
        "owner": item["owner_name"],
        "status": status,
        "disputed_amount": disputed,
        "promised_amount": promised,
        "chaseable_amount": ZERO if status == "snoozed" else item["open_amount"] - disputed - promised,
        **{name: state.get(name) for name in ("promise", "dispute", "assigned", "deputy", "call", "stage", "note")},
        "snoozed_until": state.get("snoozed_until"),
        "limitation_on": ends,
        "limitation_days": left,
        "is_limitation_near": left is not None and left <= WARNED_DAYS,
    }
