"""From what somebody typed to a customer: a customer key, a former key, any source's code or id, or a search."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

from model import search_query as index
from model.policy import HIDDEN, Viewer
from model.serve.connection import Served
from ops.errors import C360Error
from ops.store import stamp
from ops.tables import aliases, audit, golden_keys

KEY = re.compile(r"C\d{6,}")


class NotFound(C360Error):  # noqa: N818 - named after what it says
    """No customer that this viewer may see answers to what was asked."""


class Ambiguous(NotFound):
    """Several customers answer to one code. `candidates`: {customer_key, name, source, code, query}, best first.

    `query` names that customer alone: `source:code` where that is enough, else the customer key.
    """

    def __init__(self, asked: str, rows: list[dict[str, Any]]) -> None:
        owners: dict[str, set[str]] = {}
        for row in rows:
            owners.setdefault(row["source"], set()).add(row["customer_key"])
        self.candidates: list[dict[str, Any]] = []
        for row in rows:
            if row["customer_key"] not in {item["customer_key"] for item in self.candidates}:
                alone = len(owners[row["source"]]) == 1
                query = f"{row['source']}:{row['code']}" if alone else row["customer_key"]
                kept = {name: row[name] for name in ("customer_key", "name", "source", "code")}
                self.candidates.append({**kept, "query": query})
        super().__init__(
            f"{len(self.candidates)} customers answer to {asked!r}",
            valid=", ".join(f"{item['query']} ({item['name']})" for item in self.candidates),
            remedy="ask for one of them by what stands before its name",
        )


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
    """The customer key that `query` names: a key (also a former one), `source:code`, a code or id, or a search.

    Raises Ambiguous when several customers answer to one code, NotFound with the nearest customers. Cached per version
    and scope, except where a masked value led to it: every such use is audited.
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
    key = _by_key(viewer, db, text) or _by_code(viewer, db, text)
    if key is None and any(letter.isdigit() for letter in text):
        key = _by_former_code(viewer, db, text)
    if key is not None:
        return key, False
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


def _by_key(viewer: Viewer, db: Served, text: str) -> str | None:
    """`text` as a present customer key, or as a former one: that leads to the customer of the record it is bound to.

    The record is looked up in the served build, which may be older or newer than the registry.
    """
    if not KEY.fullmatch(text):
        return None
    if index.has(viewer, db.published.search_path, text):
        return text
    bound = select(golden_keys.c.source, golden_keys.c.source_id).where(
        golden_keys.c.kind == "customer", golden_keys.c.golden_key == text
    )
    with db.instance.store.read() as connection:
        anchor = connection.execute(bound).first()
        statement = select(aliases.c.golden_key).where(aliases.c.kind == "customer", aliases.c.alias_key == text)
        alias = connection.execute(statement).scalar()
    key = _of_record(db, anchor.source, anchor.source_id) if anchor and anchor.source else None
    if key is not None and index.has(viewer, db.published.search_path, key):
        return key
    return _by_key(viewer, db, alias) if alias is not None and alias != text else None


def _of_record(db: Served, source: str, source_id: str) -> str | None:
    rows = db.rows(
        "select customer_key from identity.customer_crosswalk where source = ? and source_id = ?", [source, source_id]
    )
    return rows[0]["customer_key"] if rows else None


def _by_code(viewer: Viewer, db: Served, text: str) -> str | None:
    """The one customer with the code or id `text`, of one source where it is written `source:code`.

    A record's own code or id counts before a tax or registration number.
    """
    source, _, code = text.rpartition(":")
    if source and source in {item.name for item in db.instance.config.sources}:
        rows = [row for row in _coded(viewer, db, code) if row["source"] == source]
    else:
        found = index.codes(viewer, db.published.search_path, text)
        if len(found) == 1:
            return found[0]
        rows = _coded(viewer, db, text) if found else []
    if len(own := [row for row in rows if row["kind"] in {"id", "code"}]) > 0:
        rows = own
    return _only(text, rows)


def _only(text: str, rows: list[dict[str, Any]]) -> str | None:
    keys = list(dict.fromkeys(row["customer_key"] for row in rows))
    if len(keys) > 1:
        raise Ambiguous(text, rows)
    return keys[0] if keys else None


def _by_former_code(viewer: Viewer, db: Served, text: str) -> str | None:
    """The one customer with a record that once had the code `text`, or has it as its id and is deleted."""
    source, _, code = text.rpartition(":")
    is_sourced = bool(source) and source in {item.name for item in db.instance.config.sources}
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select distinct x.customer_key, customer.name, x.source, found.kind, $code as code
            from (
                select source, source_id, 'id' as kind from identity.customer_crosswalk where source_id = $code
                union select source, source_id, 'code' from staging.customer where code = $code
            ) as found
            join identity.customer_crosswalk as x on x.source = found.source and x.source_id = found.source_id
            join core.dim_customer as customer on customer.customer_key = x.customer_key
            where coalesce($source, x.source) = x.source and {rule} order by x.source, x.customer_key, found.kind""",
        {"code": code if is_sourced else text, "source": source if is_sourced else None, **named},
    )
    return _only(text, rows)


def _coded(viewer: Viewer, db: Served, code: str) -> list[dict[str, Any]]:
    """Records with the code, id or number `code`: customer_key, name, source, kind, code."""
    rule, parameters = viewer.rows("customer")
    return db.rows(
        f"""select distinct code.customer_key, customer.name, code.source, code.kind, code.code
            from core.dim_customer_code as code
            join core.dim_customer as customer on customer.customer_key = code.customer_key
            where code.code = ? and {rule} order by code.source, code.customer_key, code.kind""",
        [code, *parameters],
    )
