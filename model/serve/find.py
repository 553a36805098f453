"""From what somebody typed to a customer: a customer key, a former key, any source's code or id, or a search."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from model import search as index
from model.policy import HIDDEN, Viewer
from model.serve.connection import Served
from ops.errors import C360Error
from ops.store import stamp
from ops.tables import aliases, audit


class NotFound(C360Error):  # noqa: N818 - named after what it says
    """No customer that this viewer may see answers to what was asked."""


def search(viewer: Viewer, db: Served, text: str, limit: int = 10) -> list[dict[str, Any]]:
    """Customers this viewer may see, best first: {customer_key, name, matched{kind, value}, score}.

    A masked kind of value (a phone number for finance) matches only when typed in full, and that is audited.
    """
    hits = index.query(viewer, db.published.search_path, text, limit)
    masked = [hit for hit in hits if hit.pop("is_masked", False)]
    if masked:
        with db.instance.store.begin() as connection:
            for hit in masked:
                hit["matched"]["value"] = viewer.hide(hit["matched"]["mask"], hit["matched"]["value"])
                entry = {
                    "at": stamp(),
                    "actor": viewer.user,
                    "action": "search.masked",
                    "subject": hit["customer_key"],
                }
                connection.execute(audit.insert().values(**entry, details=hit["matched"]["kind"]))
    for hit in hits:
        hit["matched"].pop("mask", None)
    return hits


def resolve(viewer: Viewer, db: Served, query: str) -> str:
    """The customer key that `query` names. Raises NotFound with the nearest customers.

    Cached per version and scope, except where a masked value led to it: every such use is audited.
    """
    asked = ("resolve", viewer.cache_key, query)
    if asked in db.cache:
        return str(db.cache[asked])
    key, is_masked = _resolve(viewer, db, query.strip())
    if not is_masked:
        db.cache[asked] = key
    return key


def _resolve(viewer: Viewer, db: Served, text: str) -> tuple[str, bool]:
    """(customer key, whether a value hidden from the viewer named it)."""
    rule, parameters = viewer.rows("customer")
    rows = db.rows(
        f"""select code.customer_key, min(case code.kind when 'customer_key' then 0 when 'id' then 1 else 2 end) as rank
            from (select customer_key, 'customer_key' as kind from core.dim_customer where customer_key = ?
                  union all select customer_key, kind from core.dim_customer_code where code = ?) as code
            join core.dim_customer as customer on customer.customer_key = code.customer_key
            where {rule} group by code.customer_key order by rank, code.customer_key""",
        [text, text, *parameters],
    )
    if rows:
        return str(rows[0]["customer_key"]), False
    with db.instance.store.read() as connection:
        statement = select(aliases.c.golden_key).where(aliases.c.kind == "customer", aliases.c.alias_key == text)
        alias = connection.execute(statement).scalar()
    if alias is not None and alias != text:
        return _resolve(viewer, db, alias)
    hits = search(viewer, db, text, 5)
    if len(hits) == 1 or (
        hits and hits[0]["score"] >= index.EXACT and (len(hits) < 2 or hits[1]["score"] < index.EXACT)
    ):
        return str(hits[0]["customer_key"]), hits[0]["matched"]["value"] == HIDDEN
    near = ", ".join(f"{hit['name']} ({hit['customer_key']})" for hit in hits)
    raise NotFound(
        f"no customer answers to {text!r}",
        valid=near or None,
        remedy="search by name, pinyin, phone, tax number or any system's code",
    )
