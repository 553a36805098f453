"""Sending a statement of account (对账单) by mail to a customer's finance contact, after a person confirmed it.

Shown first, written only when confirmed; it counts as sent when the mail server took it. In a demo nothing leaves.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, func, select

from model.delivery import letters as post
from model.delivery.mail import message_id
from model.policy import Viewer
from model.serve import acting
from model.serve.anchors import anchor_of
from model.serve.connection import Served
from model.serve.letters import Document, keep
from model.serve.recipients import addressed, reply_to
from model.serve.statement import statement
from model.serve.statements import enter
from ops.errors import FatalError
from ops.letter_tables import letters
from ops.store import stamp
from ops.tables import statements
from ops.texts import text

_NAMED = {"pdf": "PDF", "xlsx": "Excel"}


def mail_statement(
    viewer: Viewer, db: Served, made: Document, *, contact: str | None = None, confirmed: bool = False
) -> dict[str, Any]:
    """Send a statement of one currency to the customer's finance contact; without `confirmed` only say what would be.

    {to {contact_key, name, email}, choices, subject, text, file, sha256, items, totals (currency → closing balance),
    leaves, state, message_id, statement_id}. `contact`: its key or address, needed where there are several. state:
    preview, queued (sent once the mail server took it, failed when it refused it for good) or kept (a demo).
    FatalError: not a statement, more than one currency or none, nobody to send to, no mail server, figures that are no
    longer the ledger's, or one of that day that is out or confirmed already.
    """
    acting.may_work(viewer)
    part = _part(viewer, db, made)
    choices, to, leaves = addressed(db, made.customer_key, contact, confirmed=confirmed)
    company = db.instance.config.company
    said = {"company": company, "name": to["name"] if to else "", "from_on": made.facts["from_on"],
            "to_on": made.facts["to_on"], "format": _NAMED[PurePath(made.name).suffix[1:]],
            "balance": f"{part['currency']} {part['closing_amount']:,.2f}"}  # fmt: skip
    answer: dict[str, Any] = {
        "to": to, "choices": choices, "subject": text(made.language, "letter.mail.subject.statement", **said),
        "text": text(made.language, "letter.mail.statement", **said), "file": made.name, "sha256": made.sha256,
        "items": [item["record_key"] for item in part["items"]], "totals": {part["currency"]: part["closing_amount"]},
        "leaves": leaves, "state": "preview", "message_id": None, "statement_id": None,
    }  # fmt: skip
    if not confirmed or to is None:
        return answer
    with db.instance.store.begin() as connection:
        return answer | _confirm(connection, viewer, db, made, answer)


def _part(viewer: Viewer, db: Served, made: Document) -> dict[str, Any]:
    """The one currency of a statement that is still what the ledger says; NotFound for a customer of somebody else."""
    if made.kind != "statement":
        raise FatalError(f"a {made.kind} is not mailed as a statement", valid="statement")
    facts = made.facts
    if len(facts["currencies"]) != 1:
        raise FatalError("a statement that is sent is of one currency, and not empty", remedy="choose the currency")
    [part] = facts["currencies"]
    now = statement(viewer, db, made.customer_key, facts["from_on"], facts["to_on"], part["currency"])
    if now["customer_key"] != made.customer_key or [_told(one) for one in now["currencies"]] != [_told(part)]:
        raise FatalError("the letter cannot be sent: its figures are no longer the ledger's", remedy="make it anew")
    found: dict[str, Any] = part
    return found


def _told(part: dict[str, Any]) -> tuple[Any, ...]:
    """What a statement says of one currency, in no order."""
    lines = sorted(
        str([line[name] for name in ("moved_on", "document_key", "kind", "amount")]) for line in part["lines"]
    )
    items = sorted(f"{item['record_key']} {item['open_amount']}" for item in part["items"])
    return part["opening_amount"], part["closing_amount"], lines, items


def _confirm(
    connection: Connection, viewer: Viewer, db: Served, made: Document, shown: dict[str, Any]
) -> dict[str, Any]:
    """Write the mail into the outbox with the statement it carries, all in one transaction."""
    to, [(currency, amount)], instance = shown["to"], shown["totals"].items(), db.instance
    anchor = anchor_of(db, made.customer_key)
    identifier = _identifier(connection, made, anchor, currency, amount, to["email"])
    if post.is_known(connection, message_id(instance, identifier)):
        raise FatalError("this letter was confirmed already", remedy="see `c360 letters`")
    mail = post.compose(instance, identifier, (to["name"], to["email"]), shown["subject"], shown["text"],
                        (made.name, made.content), reply_to(db, viewer.employee_key), made.media_type)  # fmt: skip
    state = "queued" if shown["leaves"] else "kept"
    details: dict[str, Any] = {"items": {}, "totals": {currency: str(amount)}, "zone": instance.config.zone}
    if shown["leaves"]:
        person = f"{to['name']} <{to['email']}>"
        row = enter(connection, viewer, db, made, state="queued", sent_to=person)
        where, details["statement_id"] = row["file"], row["statement_id"]
        post.enqueue(connection, mail, to["email"])
    else:
        where = keep(db, made.name, made.content, "statements")
        keep(db, f"{PurePath(made.name).stem}.eml", mail.as_bytes(), "statements")
    connection.execute(
        letters.insert().values(
            message_id=str(mail["Message-ID"]), anchor=anchor, kind=made.kind, language=made.language,
            person=to["name"], recipient=to["email"], file=where, file_hash=made.sha256, details=json.dumps(details),
            state=state, confirmed_by=viewer.user, confirmed_at=stamp(),
        )
    )  # fmt: skip
    acting.log(
        connection, viewer, stamp(), action="statement_mailed", anchor=anchor, happened_on=str(db.today()),
        code=made.kind, person=to["name"], amount=str(amount), currency=currency, body=where,
    )  # fmt: skip
    return {"state": state, "message_id": str(mail["Message-ID"]), "statement_id": details.get("statement_id")}


def _identifier(connection: Connection, made: Document, anchor: str, currency: str, amount: Any, address: str) -> str:
    """The same for the same statement to the same address, until an earlier one failed or was cancelled."""
    query = select(func.count()).where(
        statements.c.anchor == anchor, statements.c.currency == currency,
        statements.c.to_on == str(made.facts["to_on"]), statements.c.state.in_(["failed", "cancelled"]),
    )  # fmt: skip
    before = connection.execute(query).scalar_one()
    said = [address, currency, made.facts["from_on"], amount, PurePath(made.name).suffix, before]
    what = hashlib.blake2b("|".join(map(str, said)).encode(), digest_size=6).hexdigest()
    return f"c360.letter.{PurePath(made.name).stem}.{what}"
