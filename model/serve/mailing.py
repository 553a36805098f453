"""Sending a letter by mail to a customer's finance contact, after a person confirmed to whom and what.

Shown first, written only when confirmed. In a demo nothing leaves: the mail is kept as a file.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from model.delivery import letters as post
from model.delivery.mail import message_id
from model.policy import Viewer
from model.receivables.letters import CHASING
from model.serve import acting
from model.serve.anchors import anchor_of, customers_of
from model.serve.connection import Served
from model.serve.letters import Document, keep
from model.serve.recipients import addressed, reply_to
from ops.errors import FatalError
from ops.letter_tables import letters
from ops.store import stamp
from ops.texts import text


def mail_letter(
    viewer: Viewer, db: Served, made: Document, *, contact: str | None = None, confirmed: bool = False
) -> dict[str, Any]:
    """Send a reminder or demand_letter to the customer's finance contact; without `confirmed` only say what would be.

    {to {contact_key, name, email}, choices, subject, text, file, sha256, items, totals, leaves, state, message_id}.
    `contact`: its key or address, needed where there are several. state: preview, queued (the outbox sends it, and the
    stage of its items is set when the mail server took it) or kept (a demo). FatalError: not a letter of this kind,
    nobody to send to, no mail server, an item that is settled by now, or the same letter confirmed before.
    """
    acting.may_work(viewer)
    if made.kind not in CHASING:
        raise FatalError(f"a {made.kind} is not sent by mail from here", valid=", ".join(CHASING))
    items = _items(viewer, db, made)
    choices, to, leaves = addressed(db, made.customer_key, contact, confirmed=confirmed)
    company = db.instance.config.company
    subject = text(made.language, f"letter.mail.subject.{made.kind}", company=company)
    body = text(made.language, "letter.mail.body", name=to["name"] if to else "", company=company,
                title=text(made.language, f"letter.{made.kind}.title"))  # fmt: skip
    answer: dict[str, Any] = {
        "to": to, "choices": choices, "subject": subject, "text": body, "file": made.name, "sha256": made.sha256,
        "items": sorted(items), "totals": made.facts["totals"], "leaves": leaves, "state": "preview",
        "message_id": None,
    }  # fmt: skip
    if not confirmed or to is None:
        return answer
    what = hashlib.blake2b("|".join([to["email"], *sorted(items)]).encode(), digest_size=6).hexdigest()
    identifier = f"c360.letter.{made.name.removesuffix('.pdf')}.{what}"
    mail = post.compose(db.instance, identifier, (to["name"], to["email"]), subject, body, (made.name, made.content),
                        reply_to(db, viewer.employee_key))  # fmt: skip
    state = "queued" if leaves else "kept"
    with db.instance.store.begin() as connection:
        if post.is_known(connection, message_id(db.instance, identifier)):
            raise FatalError("this letter was confirmed already", remedy="see `c360 letters`")
        where = keep(db, made.name, made.content, "letters")
        if not leaves:
            keep(db, f"{made.name.removesuffix('.pdf')}.eml", mail.as_bytes(), "letters")
        else:
            post.enqueue(connection, mail, to["email"])
        connection.execute(
            letters.insert().values(
                message_id=str(mail["Message-ID"]), anchor=anchor_of(db, made.customer_key), kind=made.kind,
                language=made.language, person=to["name"], recipient=to["email"], file=where, file_hash=made.sha256,
                details=json.dumps({"items": items, "totals": made.facts["totals"], "zone": db.instance.config.zone}),
                state=state, confirmed_by=viewer.user, confirmed_at=stamp(),
            )
        )  # fmt: skip
        acting.log(
            connection, viewer, stamp(), action="letter_confirmed", anchor=anchor_of(db, made.customer_key),
            happened_on=str(db.today()), code=made.kind, person=to["name"],
            body=json.dumps({"file": where, "sha256": made.sha256, "to": to["email"], "state": state}),
        )  # fmt: skip
    return answer | {"state": state, "message_id": str(mail["Message-ID"])}


def mailed_letters(viewer: Viewer, db: Served, state: str | None = None) -> list[dict[str, Any]]:
    """Letters and statements that went to the viewer's customers by mail, newest first: letter_id, customer_key, name,
    kind, person, recipient, state, confirmed_by, confirmed_at, ended_at, file, totals, message_id."""
    query = letters.select().order_by(letters.c.letter_id.desc())
    with db.instance.store.read() as connection:
        rows = connection.execute(query if state is None else query.where(letters.c.state == state)).mappings().all()
    mine = customers_of(viewer, db, {row["anchor"] for row in rows})
    names = ("letter_id", "kind", "language", "person", "recipient", "state", "confirmed_by", "confirmed_at",
             "ended_at", "file", "message_id")  # fmt: skip
    return [
        {**mine[row["anchor"]], **{name: row[name] for name in names}, "totals": json.loads(row["details"])["totals"]}
        for row in rows if row["anchor"] in mine
    ]  # fmt: skip


def _items(viewer: Viewer, db: Served, made: Document) -> dict[str, str]:
    """Item key → currency; FatalError when one is no longer open, or of another customer."""
    planned = acting.act_many(viewer, db, made.item_keys, "stage", preview=True, stage=made.kind)
    if problems := planned["problems"]:
        raise FatalError(f"the letter cannot be sent: {problems[0]['what']}", remedy="make it anew")
    if {row["customer_key"] for row in planned["rows"]} != {made.customer_key}:
        raise FatalError("the letter names items of another customer", remedy="make it anew")
    return {row["item_key"]: row["currency"] for row in planned["rows"]}
