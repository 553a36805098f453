"""Who at a customer gets papers by mail, and in which language."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import resolve
from ops.errors import FatalError
from ops.letter_tables import letters

_HAN = re.compile(r"[\u3400-\u9fff]")


def finance_contacts(db: Served, customer_key: str) -> list[dict[str, Any]]:
    """{contact_key, name, email} of the active finance contacts with a mail address, the primary one first."""
    return db.rows(
        """select contact_key, name, email from core.dim_contact
           where customer_key = ? and is_finance and is_active and coalesce(email, '') <> ''
           order by is_primary desc, name, contact_key""",
        [customer_key],
    )


def choose(choices: list[dict[str, Any]], contact: str | None, *, confirmed: bool) -> dict[str, Any] | None:
    """The contact that is meant (key or address); None where there are several and nothing is confirmed yet.

    FatalError when there is none, when `contact` is none of them, or when several are left once it is confirmed.
    """
    if not choices:
        raise FatalError(
            "this customer has no finance contact with a mail address",
            remedy="mark the contact as finance contact, with a mail address, in the system it comes from",
        )
    found = [one for one in choices if contact in {one["contact_key"], one["email"]}] if contact else choices
    valid = ", ".join(f"{one['name']} <{one['email']}>" for one in choices)
    if not found:
        raise FatalError(f"{contact!r} is no finance contact of this customer", valid=valid)
    if len({one["email"] for one in found}) > 1:
        if confirmed:
            raise FatalError("there are several finance contacts: say which one", valid=valid)
        return None
    return found[0]


def addressed(
    db: Served, customer_key: str, contact: str | None, *, confirmed: bool
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, bool]:
    """(finance contacts, the one that is meant, whether mail leaves the house), for a paper of this customer.

    A demo keeps its mail. FatalError as `choose` says, and where mail would leave and no mail server is configured.
    """
    choices = finance_contacts(db, customer_key)
    to = choose(choices, contact, confirmed=confirmed)
    leaves = db.instance.config.mode != "demo"
    if leaves and db.instance.config.mail is None:
        raise FatalError("no mail server is configured", remedy="write [mail] into c360.toml")
    return choices, to, leaves


def contact_language(viewer: Viewer, db: Served, customer: str) -> str:
    """zh or en: the language of the last paper mailed to a finance contact of `customer`, else that of its name.

    Sources do not say which language a contact reads; a name with Chinese characters is taken for Chinese, that of the
    customer where no finance contact is known. Every form that uses it lets another one be chosen.
    """
    key = resolve(viewer, db, customer)
    contacts = finance_contacts(db, key)
    query = select(letters.c.language).where(letters.c.recipient.in_([one["email"] for one in contacts]))
    with db.instance.store.read() as connection:
        last = connection.execute(query.order_by(letters.c.letter_id.desc()).limit(1)).scalar()
    if last is not None:
        return str(last)
    names = [one["name"] for one in contacts[:1]] or [
        row["name"] for row in db.rows("select name from core.dim_customer where customer_key = ?", [key])
    ]
    return "zh" if any(_HAN.search(name or "") for name in names) else "en"


def reply_to(db: Served, employee_key: str | None) -> tuple[str, str] | None:
    """(name, address) that answers go to; None for somebody without a mail address."""
    rows = db.rows("select name, email from core.dim_employee where employee_key = ?", [employee_key])
    return (rows[0]["name"], rows[0]["email"]) if rows and rows[0]["email"] else None
