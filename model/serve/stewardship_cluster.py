"""A customer as a graph of its records, and the history of its golden key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import or_, select

from model.identity.decisions import Decision, Record
from model.policy import Viewer
from model.serve import stewards, stewardship
from model.serve.anchors import customers_of
from model.serve.connection import Served
from model.serve.find import KEY, resolve
from model.serve.links import link
from model.serve.stewards import key_of
from model.serve.stewardship_links import links
from ops.store import unstamp
from ops.tables import aliases, golden_keys, registry_history, registry_moves

KIND = "customer"


def cluster(viewer: Viewer, db: Served, customer: str) -> dict[str, Any]:
    """{customer_key, name, nodes, edges, vetoes, outside} of the customer that `customer` (key or code) names.

    nodes: heads of its records with link; edges: stewardship_links.links among them; vetoes: pairs of them with a
    record decided different, {left, right, decision_id, by, at, reason}; outside: rows of the review queue with one of
    the records.
    """
    key = resolve(viewer, db, customer)
    members = stewards.members(db, [key])
    decided = stewards.standing(db)
    heads = stewards.heads(viewer, db, members)
    inside = {key_of(record) for record in members}
    apart = [one for one in decided.values() if one.decision == "different"]
    queue = stewardship.review_queue(viewer, db, limit=stewardship.MOST, grouped=False)["rows"]
    first = next(iter(heads.values()), {})
    return {
        "customer_key": key,
        "name": first.get("customer_name"),
        "nodes": [{**head, "link": link(db, "customer", head)} for head in heads.values()],
        "edges": links(db, members, decided),
        "vetoes": _of_records(viewer, db, apart, members.keys()),
        "outside": [row for row in queue if {row["left"]["record_key"], row["right"]["record_key"]} & inside],
    }


def key_history(viewer: Viewer, db: Served, key: str) -> dict[str, Any]:
    """The life of a golden key, present or former (or of the customer a code names).

    {key, state: living, former, customer_key, name, anchor, created_at, former_keys, others, events, decisions}:
    customer_key: where it leads today; former_keys: keys that lead to it; others: further customers that hold records
    which once stood under this key [{customer_key, name, owner, records}]; events, newest first: {at, event: create,
    merge, split, move, retire, key, other_key, records}; decisions: stewards.shown of every decision on its records.
    """
    asked = key.strip()
    own = asked if KEY.fullmatch(asked) else resolve(viewer, db, asked)
    now = resolve(viewer, db, own)
    with db.instance.store.read() as connection:
        bound = connection.execute(
            select(golden_keys).where(golden_keys.c.kind == KIND, golden_keys.c.golden_key == own)
        ).first()
        events = connection.execute(
            select(registry_history)
            .where(
                registry_history.c.kind == KIND,
                or_(registry_history.c.golden_key == own, registry_history.c.other_key == own),
            )
            .order_by(registry_history.c.event_id.desc())
        ).all()
        moves = connection.execute(
            select(registry_moves)
            .where(registry_moves.c.kind == KIND, or_(registry_moves.c.from_key == own, registry_moves.c.to_key == own))
            .order_by(registry_moves.c.move_id)
        ).all()
        former = connection.execute(
            select(aliases.c.alias_key).where(aliases.c.kind == KIND, aliases.c.golden_key == own)
        ).scalars().all()  # fmt: skip
    records = {(row.source, row.source_id) for row in moves} | set(stewards.members(db, [now]))
    heads = stewards.heads(viewer, db, records)
    shown = [row for row in moves if viewer.scope == "all" or (row.source, row.source_id) in heads]
    return {
        "key": own,
        "state": "living" if now == own else "former",
        "customer_key": now,
        "name": next((head["customer_name"] for head in heads.values() if head["customer_key"] == now), None),
        "anchor": key_of((bound.source, bound.source_id)) if bound and bound.source else None,
        "created_at": unstamp(bound.created_at) if bound else None,
        "former_keys": sorted(former),
        "others": others(viewer, db, own),
        "events": [_event(row, shown) for row in events],
        "decisions": _of_records(viewer, db, stewards.taken(db)[::-1], records),
    }


def _of_records(
    viewer: Viewer, db: Served, decisions: Iterable[Decision], records: Collection[Record]
) -> list[dict[str, Any]]:
    """Those of `decisions` on one of `records`, as stewards.shown; of a scoped viewer only where both are theirs."""
    wanted = set(records)
    mine = [one for one in decisions if wanted & set(one.pair)]
    if viewer.scope != "all":
        known = stewards.heads(viewer, db, {side for one in mine for side in one.pair})
        mine = [one for one in mine if all(side in known for side in one.pair)]
    return [stewards.shown(one) for one in mine]


def _event(row: Any, moves: Any) -> dict[str, Any]:
    """The event with the records that moved in it."""
    between = {row.golden_key, row.other_key}
    return {
        "at": unstamp(row.at),
        "event": row.event,
        "key": row.golden_key,
        "other_key": row.other_key,
        "records": [
            {"record_key": key_of((one.source, one.source_id)), "from_key": one.from_key, "to_key": one.to_key}
            for one in moves
            if one.at == row.at and (row.event == "retire" or {one.from_key, one.to_key} == between)
        ],
    }


def others(viewer: Viewer, db: Served, key: str) -> list[dict[str, Any]]:
    """Customers that hold records which once stood under `key`, without the one it leads to: {customer_key, name,
    owner_key, owner, records}.
    """
    now = resolve(viewer, db, key)
    with db.instance.store.read() as connection:
        left = connection.execute(
            select(registry_moves.c.source, registry_moves.c.source_id)
            .where(registry_moves.c.kind == KIND, registry_moves.c.from_key == key)
            .distinct()
        ).all()
    gone: list[Record] = [(row.source, row.source_id) for row in left]
    found = customers_of(viewer, db, [key_of(record) for record in gone])
    grouped: dict[str, dict[str, Any]] = {}
    records: dict[str, list[str]] = defaultdict(list)
    for anchor, customer in sorted(found.items()):
        if customer["customer_key"] != now:
            grouped[customer["customer_key"]] = customer
            records[customer["customer_key"]].append(anchor)
    return [{**customer, "records": records[name]} for name, customer in sorted(grouped.items())]


def resolution(viewer: Viewer, db: Served, query: str) -> dict[str, Any]:
    """Where a code or key leads, for ever: {asked, customer_key, name, via, others}.

    via: key, former_key, or other (a source's code or id, or a search). others: as in `others`, when a key was asked.
    NotFound and Ambiguous as `resolve`.
    """
    asked = query.strip()
    key = resolve(viewer, db, asked)
    is_key = bool(KEY.fullmatch(asked))
    rows = db.rows("select name from core.dim_customer where customer_key = ?", [key])
    return {
        "asked": asked,
        "customer_key": key,
        "name": rows[0]["name"] if rows else None,
        "via": "other" if not is_key else "key" if key == asked else "former_key",
        "others": others(viewer, db, asked) if is_key else [],
    }
