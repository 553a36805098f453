"""The life of statements of account (对账) and confirmation requests (询证): sent, confirmed, difference, resolved.

One that goes by mail is queued until the mail server took it, or failed when that refused it or it came back.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, select, update

from model.policy import Viewer
from model.receivables import codes
from model.serve import acting, actions, work_rows
from model.serve.anchors import anchor_of, customers_of, people
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.letters import Document, keep, statement_document
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import statements as table

CENT = Decimal("0.01")
STATES = ("queued", "sent", "failed", "confirmed", "difference", "resolved", "cancelled")
OUT = ("queued", "sent", "difference")
# state → actions that may follow
FOLLOWS = {
    "queued": (), "sent": ("confirm", "returned", "cancel"), "failed": ("cancel",),
    "difference": ("confirm", "resolve", "cancel"), "confirmed": (), "resolved": (), "cancelled": (),
}  # fmt: skip
LATE_DAYS = 15
LARGEST_COPY = 20 * 2**20
COPIES = frozenset({".pdf", ".png", ".jpg", ".jpeg"})


def send_statement(
    viewer: Viewer, db: Served, customer: str, currency: str, start: date, end: date, *, kind: str = "statement",
    sent_to: str | None = None, language: str | None = None, note: str | None = None, auditor: str = "",
    auditor_address: str = "",
) -> int:  # fmt: skip
    """Record that the statement of one currency was sent as it is now; its PDF and figures are kept. Its id.

    kind "confirmation": an auditor's request, which names `auditor`. FatalError when nothing moved and nothing is owed,
    or when the same statement is out already.
    """
    acting.may_work(viewer)
    made = statement_document(
        viewer, db, customer, start, end, kind=kind, currency=currency, language=language, auditor=auditor,
        auditor_address=auditor_address,
    )  # fmt: skip
    with db.instance.store.begin() as connection:
        row = enter(connection, viewer, db, made, state="sent", sent_to=sent_to, note=note)
        _log(db, connection, viewer, "statement_sent", row, body=row["file"], person=sent_to)
    return int(row["statement_id"])


def enter(connection: Connection, viewer: Viewer, db: Served, made: Document, **values: Any) -> dict[str, Any]:
    """Keep the file of a statement of one currency and write its row; `values`: state, sent_to, note.

    One that failed for the same day is put away. FatalError when there is nothing in it, or when it is out already.
    """
    facts = made.facts
    if not facts["currencies"]:
        raise FatalError(f"nothing moved and nothing is owed from {facts['from_on']} to {facts['to_on']}")
    if len(facts["currencies"]) > 1:
        raise FatalError("a statement that is sent is of one currency", remedy="make one for each currency")
    (part,), at = facts["currencies"], stamp()
    anchor = anchor_of(db, made.customer_key)
    same = (table.c.kind == made.kind, table.c.anchor == anchor, table.c.currency == part["currency"],
            table.c.to_on == str(facts["to_on"]))  # fmt: skip
    found = connection.execute(select(table.c.statement_id).where(*same, table.c.state.in_(OUT))).scalar()
    if found is not None:
        raise FatalError(f"statement {found} of that day is out already", remedy="cancel it first")
    connection.execute(update(table).where(*same, table.c.state == "failed").values(state="cancelled", updated_at=at))
    row = {
        "kind": made.kind, "anchor": anchor, "currency": part["currency"], "from_on": str(facts["from_on"]),
        "to_on": str(facts["to_on"]), "opening_amount": str(part["opening_amount"]),
        "closing_amount": str(part["closing_amount"]), "version": db.version,
        "items": json.dumps({item["record_key"]: str(item["open_amount"]) for item in part["items"]}),
        "file": keep(db, made.name, made.content, "statements"), "file_hash": made.sha256, "sent_by": viewer.user,
        "sent_at": at, "updated_at": at, **values,
    }  # fmt: skip
    made_key = connection.execute(table.insert().values(**row)).inserted_primary_key
    return row | {"statement_id": int(made_key[0]) if made_key else 0}


def answer_statement(viewer: Viewer, db: Served, statement_id: int, action: str, **given: Any) -> str:
    """Record what came back; the new state.

    confirm: amount (default: ours), on (default today), copy (bytes of the sealed copy) with copy_name; another amount
    than ours makes it a difference, with reason and owner (employee) · resolve: outcome, note · returned (it came back
    undelivered: failed), cancel: note.
    FatalError for an action that does not follow its state; NotFound when it is not one of the viewer's.
    """
    acting.may_work(viewer)
    row = _one(viewer, db, statement_id)
    if action not in FOLLOWS[row.state]:
        valid = ", ".join(FOLLOWS[row.state]) or "nothing more"
        raise FatalError(f"a statement that is {row.state} cannot {action}", valid=valid)
    takes = {"confirm": {"amount", "on", "copy", "copy_name", "reason", "owner", "note"},
             "resolve": {"outcome", "note"}, "returned": {"note"}, "cancel": {"note"}}[action]  # fmt: skip
    if strange := sorted(set(given) - takes):
        raise FatalError(f"{action} takes no {', '.join(strange)}", valid=", ".join(sorted(takes)))
    changes = _changes(db, row, action, given)
    with db.instance.store.begin() as connection:
        changed = connection.execute(
            update(table)
            .where(table.c.statement_id == statement_id, table.c.state == row.state)
            .values(**changes, updated_at=stamp())
        )
        if changed.rowcount != 1:
            raise FatalError(f"statement {statement_id} was answered by somebody else meanwhile", remedy="look again")
        _log(db, connection, viewer, f"statement_{action}", dict(row._mapping) | changes,  # noqa: SLF001
             body=given.get("note"), code=changes.get("reason") or changes.get("outcome"))  # fmt: skip
    return str(changes["state"])


def statements(
    viewer: Viewer, db: Served, state: str | None = None, kind: str | None = None, customer_key: str | None = None
) -> list[dict[str, Any]]:
    """Statements and confirmation requests of the viewer's customers, longest without an answer first.

    {statement_id, kind, customer_key, name, owner, currency, from_on, to_on, opening_amount, closing_amount, state,
    sent_on, days (since sent, until answered), is_late (over 15 days without an answer), confirmed_on,
    confirmed_amount, difference_amount, reason, label, difference_owner, outcome, file, file_hash, copy_file, note}.
    """
    with db.instance.store.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.statement_id)).all()
    rows = [row for row in rows if state in {None, row.state} and kind in {None, row.kind}]
    customers = customers_of(viewer, db, {row.anchor for row in rows})
    names = people(db, {row.owner_key for row in rows})
    found = [
        _shown(viewer, db, row, customers[row.anchor], names)
        for row in rows
        if row.anchor in customers and customer_key in {None, customers[row.anchor]["customer_key"]}
    ]
    waiting = {"failed": 0, "sent": 1, "queued": 1, "difference": 2}
    return sorted(found, key=lambda row: (waiting.get(row["state"], 3), -row["days"], row["statement_id"]))


def statement_file(viewer: Viewer, db: Served, statement_id: int, *, copy: bool = False) -> tuple[str, bytes]:
    """(name, content) of a statement as sent, or of the sealed copy; FatalError when it is not what was recorded."""
    row = _one(viewer, db, statement_id)
    where, wanted = (row.copy_file, row.copy_hash) if copy else (row.file, row.file_hash)
    path = db.instance.home / where if where else None
    if path is None or not path.is_file():
        raise NotFound(f"statement {statement_id} has no {'sealed copy' if copy else 'file'}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != wanted:
        raise FatalError(f"{where} is not the file that was recorded", remedy="restore it from a backup")
    return path.name, content


def _changes(db: Served, row: Any, action: str, given: dict[str, Any]) -> dict[str, Any]:
    known, today = codes.load(db.instance.config_dir), db.today()
    if action in {"cancel", "returned"}:
        return {"state": "cancelled" if action == "cancel" else "failed"}
    if action == "resolve":
        outcome = codes.choose(known, "difference_outcome", given.get("outcome"))
        return {"state": "resolved", "outcome": outcome}
    ours = Decimal(row.closing_amount)
    theirs = Decimal(str(given.get("amount", ours))).quantize(CENT)
    on = actions.day_of(given, "on") if given.get("on") else today
    if not date.fromisoformat(row.to_on) <= on <= today:
        raise FatalError(f"it cannot be confirmed on {on}", valid=f"from {row.to_on} to {today}")
    changes: dict[str, Any] = {"state": "confirmed", "confirmed_on": str(on), "confirmed_amount": str(theirs)}
    if theirs != ours:
        changes |= {
            "state": "difference",
            "reason": codes.choose(known, "difference_reason", given.get("reason")),
            "owner_key": actions.employee_of(db, given.get("owner")),
        }
    if given.get("copy"):
        changes |= _copy(db, row, given)
    return changes


def _copy(db: Served, row: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Keep the sealed copy: a scan or photo under a name of ours."""
    content, suffix = bytes(given["copy"]), PurePath(str(given.get("copy_name") or "")).suffix.lower()
    if suffix not in COPIES or len(content) > LARGEST_COPY:
        raise FatalError("this is not a scan of a sealed copy", valid=f"{', '.join(sorted(COPIES))}, at most 20 MB")
    where = keep(db, f"{row.statement_id}-sealed{suffix}", content, "statements")
    return {"copy_file": where, "copy_hash": hashlib.sha256(content).hexdigest()}


def _one(viewer: Viewer, db: Served, statement_id: int) -> Any:
    with db.instance.store.read() as connection:
        row = connection.execute(select(table).where(table.c.statement_id == statement_id)).one_or_none()
    if row is None or row.anchor not in customers_of(viewer, db, [row.anchor]):
        raise NotFound(f"there is no statement {statement_id}", remedy="take its number from the list of statements")
    return row


def _log(db: Served, connection: Connection, viewer: Viewer, action: str, row: dict[str, Any], **values: Any) -> None:
    amount = row.get("confirmed_amount") or row["closing_amount"]
    on = row.get("confirmed_on") or str(db.today())
    acting.log(connection, viewer, stamp(), action=action, anchor=row["anchor"], happened_on=on, amount=amount,
               currency=row["currency"], **values)  # fmt: skip


def _shown(viewer: Viewer, db: Served, row: Any, customer: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    sent = work_rows.local_day(row.sent_at, ZoneInfo(db.instance.config.zone))
    confirmed = row.confirmed_on and date.fromisoformat(row.confirmed_on)
    days = ((confirmed or db.today()) - sent).days
    ours, theirs = Decimal(row.closing_amount), row.confirmed_amount and Decimal(row.confirmed_amount)
    reason = codes.load(db.instance.config_dir)["difference_reason"].get(row.reason or "")
    return {
        **{name: getattr(row, name) for name in ("statement_id", "kind", "currency", "state", "reason", "outcome",
                                                 "file", "file_hash", "copy_file", "sent_to", "note")},
        **{name: customer[name] for name in ("customer_key", "name", "owner", "owner_key")},
        "from_on": date.fromisoformat(row.from_on), "to_on": date.fromisoformat(row.to_on),
        "opening_amount": Decimal(row.opening_amount), "closing_amount": ours, "sent_on": sent, "days": days,
        "is_late": row.state == "sent" and days > LATE_DAYS, "confirmed_on": confirmed, "confirmed_amount": theirs,
        "difference_amount": None if theirs is None else theirs - ours,
        "label": reason and reason.label(viewer.language),
        "difference_owner_key": row.owner_key, "difference_owner": names.get(row.owner_key or ""),
    }  # fmt: skip
