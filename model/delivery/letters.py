"""Letters and statements of account to customers as mails with a file: through the same outbox and ledger as digests.

A letter is a demand, and a statement is out, only when the mail server took it: the stage of its items, or the state of
the statement, is written with the record of that, in one transaction.
"""

from __future__ import annotations

import json
import secrets
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select, update

from model.delivery.mail import message_id
from ops import clock
from ops.instance import Instance
from ops.letter_tables import letters
from ops.store import stamp
from ops.tables import audit, outbox, statements, work_events


def compose(
    instance: Instance, identifier: str, to: tuple[str, str], subject: str, text: str, attachment: tuple[str, bytes],
    reply_to: tuple[str, str] | None, media_type: str = "application/pdf",
) -> EmailMessage:  # fmt: skip
    """The mail: `to` and `reply_to` are (name, address), `attachment` (name, content of `media_type`)."""
    sender = instance.config.mail.sender if instance.config.mail else "customer360@localhost"
    mail = EmailMessage(policy=SMTP)
    mail["From"] = formataddr((instance.config.company, sender))
    mail["To"] = formataddr(to)
    if reply_to is not None:
        mail["Reply-To"] = formataddr(reply_to)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = message_id(instance, identifier)
    mail["X-C360-Kind"] = "letter"
    mail.set_content(text, cte="base64")
    name, content = attachment
    maintype, _, subtype = media_type.partition("/")
    mail.add_attachment(content, maintype=maintype, subtype=subtype, filename=name)
    return mail


def is_known(connection: Connection, identifier: str) -> bool:
    """Whether this letter was confirmed before."""
    return connection.execute(select(letters.c.letter_id).where(letters.c.message_id == identifier)).first() is not None


def enqueue(connection: Connection, mail: EmailMessage, address: str) -> None:
    """Put a letter into the outbox."""
    now = stamp()
    connection.execute(
        insert(outbox).values(
            message_id=str(mail["Message-ID"]), channel="mail", recipient=address, subject=str(mail["Subject"]),
            body=mail.as_bytes().decode("ascii"), created_at=now, state="waiting", attempts=0, next_try_at=now,
        )
    )  # fmt: skip


def settle(connection: Connection, identifier: str, outcome: str) -> None:
    """Note how a letter ended (sent, dead, dropped); nothing for other messages. Only a sent one sets stages, or makes
    its statement of account one that is out."""
    row = connection.execute(
        select(letters).where(letters.c.message_id == identifier, letters.c.state == "queued")
    ).first()
    if row is None:
        return
    at, details = stamp(), json.loads(row.details)
    connection.execute(update(letters).where(letters.c.letter_id == row.letter_id).values(state=outcome, ended_at=at))
    today = clock.now().astimezone(ZoneInfo(details["zone"])).date().isoformat()
    common: dict[str, Any] = {"at": at, "actor": row.confirmed_by, "happened_on": today, "code": row.kind}
    if "statement_id" in details:
        _settle_statement(connection, row, details, outcome, common)
        return
    said = json.dumps({"letter_id": row.letter_id, "to": row.recipient, "file": row.file}, ensure_ascii=False)
    connection.execute(
        insert(work_events).values(
            **common, action=f"letter_{outcome}", anchor=row.anchor, person=row.person, body=said
        )
    )
    items = details["items"] if outcome == "sent" else {}
    batch = secrets.token_hex(8) if len(items) > 1 else None
    for key, currency in sorted(items.items()):
        connection.execute(
            insert(work_events).values(
                **common, action="stage", item_key=key, currency=currency, person=row.person, batch_id=batch
            )
        )
    connection.execute(
        insert(audit).values(
            at=at, actor=row.confirmed_by, action=f"receivable.letter_{outcome}", subject=row.anchor, details=said
        )
    )


def _settle_statement(
    connection: Connection, row: Any, details: dict[str, Any], outcome: str, common: dict[str, Any]
) -> None:
    """The statement is out once its mail was taken; else it failed, which is said until another one is sent."""
    state = "sent" if outcome == "sent" else "failed"
    [(currency, amount)] = details["totals"].items()
    connection.execute(
        update(statements)
        .where(statements.c.statement_id == details["statement_id"], statements.c.state == "queued")
        .values(state=state, sent_at=common["at"], updated_at=common["at"])
    )
    connection.execute(
        insert(work_events).values(
            **common, action=f"statement_{state}", anchor=row.anchor, person=row.person, body=row.file,
            amount=amount, currency=currency,
        )
    )  # fmt: skip
    said = json.dumps({"statement_id": details["statement_id"], "to": row.recipient, "file": row.file})
    connection.execute(
        insert(audit).values(
            at=common["at"], actor=row.confirmed_by, action=f"receivable.statement_{state}", subject=row.anchor,
            details=said,
        )
    )  # fmt: skip
