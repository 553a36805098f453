"""What a decision would do, before it is taken: who is one customer then, and what moves with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from model.identity.decisions import KINDS, Decision, Pair, Record
from model.policy import Viewer
from model.serve import money, stewards
from model.serve.connection import Served
from model.serve.stewards import key_of, pairs_of
from model.serve.stewardship_links import links, parts
from model.serve.stewardship_money import AMOUNTS, add, holdings
from ops.errors import FatalError

# strongest first, as clustering takes them; a merge in the source holds against a decision
_STRENGTH = ("decision", "merge", "reference", "identifier", "match")


def preview(viewer: Viewer, db: Served, decision: str, pairs: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """{decision, pairs, before, after, moves, problems}: what `decision` on `pairs` would do with the next build.

    before, after: one entry per customer {customer_key (null: a new one), name, records, owner, owners, by_currency
    [{currency, open, overdue, unallocated, credits, provisional, ordered, contract, contracts}], company (the same in
    the company's currency, missing_rates), limits [{record_key, amount, currency}], highest limits behind the credit
    mask}. The sums of before and after are equal. moves: whether anything changes. problems: {pair, what, remedy} that
    keep a decision from being taken. What the matcher makes of a retracted decision is estimated from today's links.
    """
    if decision not in KINDS:
        raise FatalError(f"there is no decision {decision!r}", valid=", ".join(KINDS))
    chosen = pairs_of(pairs)
    known = stewards.found(viewer, db, {record for one in chosen for record in one})
    decided = stewards.standing(db)
    keys = {known[record]["customer_key"] for one in chosen for record in one}
    members = stewards.members(db, keys)
    groups = outcome(db, decision, chosen, members, decided)
    found = problems(decision, chosen, members, decided)
    if decision == "different":
        found += [held(pair) for pair in chosen if any(set(pair) <= set(group) for group in groups)]
    return {
        "decision": decision,
        "pairs": [{"left": key_of(left), "right": key_of(right)} for left, right in chosen],
        **effect(viewer, db, members, groups),
        "problems": found,
    }


def outcome(
    db: Served, decision: str, pairs: Collection[Pair], members: Mapping[Record, str], decided: Mapping[Pair, Decision]
) -> list[list[Record]]:
    """How `members` (record → customer) would be grouped after `decision` on `pairs`."""
    together = [{"left": key_of(a), "right": key_of(b)} for a, b in _chain(members)]
    if decision == "unsure":
        return parts(members, together)
    if decision == "same":
        return parts(members, [*together, *({"left": key_of(a), "right": key_of(b)} for a, b in pairs)])
    left_over = {pair: one for pair, one in decided.items() if pair not in pairs}
    joined = [row for row in links(db, members, left_over) if _inside(row, members)]
    if decision == "unmerge":
        return parts(members, joined)
    return _without(members, joined, pairs)


def _chain(members: Mapping[Record, str]) -> list[Pair]:
    """Links that hold every customer of today together."""
    first: dict[str, Record] = {}
    for record, key in sorted(members.items()):
        first.setdefault(key, record)
    return [(first[key], record) for record, key in sorted(members.items()) if first[key] != record]


def _inside(row: Mapping[str, Any], members: Mapping[Record, str]) -> bool:
    left, right = (stewards.record_of(row[side]) for side in ("left", "right"))
    return members.get(left) == members.get(right)


def _without(
    members: Mapping[Record, str], joined: Sequence[Mapping[str, Any]], apart: Collection[Pair]
) -> list[list[Record]]:
    """Links strongest first, those refused that would put a pair of `apart` together: as clustering does it."""
    forbidden = [{key_of(left), key_of(right)} for left, right in apart]
    kept: list[Mapping[str, Any]] = []
    for row in sorted(joined, key=lambda row: (_STRENGTH.index(row["kind"]), -(row["probability"] or 0), row["left"])):
        groups = parts(members, [*kept, row])
        if row["kind"] == "merge" or not any(pair <= set(map(key_of, group)) for pair in forbidden for group in groups):
            kept.append(row)
    return parts(members, kept)


def problems(
    decision: str, pairs: Collection[Pair], members: Mapping[Record, str], decided: Mapping[Pair, Decision]
) -> list[dict[str, Any]]:
    """Why a decision on one of `pairs` would not hold: {pair, what, remedy}."""
    rows: list[dict[str, Any]] = []
    for pair in pairs:
        standing = decided.get(pair)
        if decision == "unmerge" and standing is None:
            rows.append(_problem(pair, "nobody decided on this pair", "say different to keep the records apart"))
        if decision != "same":
            continue
        ends = {members.get(record) for record in pair}
        for other, one in decided.items():
            crossing = {members.get(record) for record in other}
            if one.decision == "different" and other not in pairs and len(ends) == 2 and crossing == ends:
                what = f"{key_of(other[0])} and {key_of(other[1])} were decided different by {one.decided_by}"
                rows.append(_problem(pair, what, "take that decision back first, or take one of the records apart"))
    return rows


def held(pair: Pair) -> dict[str, Any]:
    """The problem of a pair that a merge in the source holds together."""
    what = f"{key_of(pair[0])} and {key_of(pair[1])} are merged in their source"
    return _problem(pair, what, "undo the merge there; it holds against a decision here")


def _problem(pair: Pair, what: str, remedy: str) -> dict[str, Any]:
    return {"pair": {"left": key_of(pair[0]), "right": key_of(pair[1])}, "what": what, "remedy": remedy}


def effect(
    viewer: Viewer, db: Served, members: Mapping[Record, str], groups: Sequence[Sequence[Record]]
) -> dict[str, Any]:
    """before, after and moves of a change that groups `members` into `groups`."""
    today: dict[str, list[Record]] = {}
    for record, key in sorted(members.items()):
        today.setdefault(key, []).append(record)
    heads = stewards.heads(viewer, db, members.keys())
    held, limits = holdings(db, today), _limits(db, members)
    owners = _owners(db, members)

    def entry(records: Sequence[Record], key: str | None, keys: Collection[str]) -> dict[str, Any]:
        mine = [heads[record] for record in records if record in heads]
        best = min((owners[record] for record in records if record in owners), default=None)
        by_currency: dict[str, dict[str, Any]] = {}
        wanted = {(members[record], record) for record in records} | {(one, ("", "")) for one in keys}
        for place in wanted & held.keys():
            for currency, row in held[place].items():
                add(by_currency, currency, row)
        rows = [by_currency[name] for name in sorted(by_currency)]
        return {
            "customer_key": key,
            "name": next((head["customer_name"] for head in mine if head["customer_key"] == key), None)
            or (mine[0]["name"] if mine else None),
            "records": mine,
            "owner": best[-1] if best else None,
            "owners": sorted({owners[record][-1] for record in records if record in owners}),
            "by_currency": rows,
            "company": _company(db, rows),
            "limits": [
                {**limits[record], "amount": viewer.hide("credit", limits[record]["amount"])}
                for record in records if record in limits
            ],
        }  # fmt: skip

    before = [entry(records, key, [key]) for key, records in today.items()]
    after = [entry(records, key, keys) for records, key, keys in _named(groups, members, today)]
    moves = sorted(map(sorted, groups)) != sorted(map(sorted, today.values()))
    return {"before": before, "after": after, "moves": moves}


def _named(
    groups: Sequence[Sequence[Record]], members: Mapping[Record, str], today: Mapping[str, Sequence[Record]]
) -> list[tuple[Sequence[Record], str | None, list[str]]]:
    """Each group with the key it keeps (the one it has most records of) and the keys whose pool goes with it."""
    rest = dict.fromkeys(today)
    found: list[tuple[Sequence[Record], str | None, list[str]]] = []
    for group in groups:
        shares = {key: sum(members[record] == key for record in group) for key in {members[r] for r in group}}
        free = sorted((key for key in shares if key in rest), key=lambda key: (-shares[key], key))
        for key in free:
            rest.pop(key)
        found.append((group, free[0] if free else None, free))
    return found


def _company(db: Served, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The amounts in the company's currency, with the currencies that have no rate today."""
    sums = {name: money.total(db, {row["currency"]: row[name] for row in rows}, db.today()) for name in AMOUNTS}
    return {
        "currency": db.instance.config.base_currency,
        **{name: total["amount"] for name, total in sums.items()},
        "contracts": sum(row["contracts"] for row in rows),
        "missing_rates": sorted({code for total in sums.values() for code in total["missing_rates"]}),
    }


def _limits(db: Served, members: Collection[Record]) -> dict[Record, dict[str, Any]]:
    rows = _records(db, members, "r.credit_limit_amount as amount, coalesce(r.credit_currency, r.currency) as currency")
    base = db.instance.config.base_currency
    return {
        (row["source"], row["source_id"]): {
            "record_key": f"{row['source']}:{row['source_id']}", "amount": row["amount"],
            "currency": row["currency"] or base,
        }
        for row in rows if row["amount"] is not None
    }  # fmt: skip


def _owners(db: Served, members: Collection[Record]) -> dict[Record, tuple[int, str]]:
    """Record → (how its owner ranks among others', owner): living records first, then by source and last change."""
    rows = _records(
        db, members,
        """r.owner_name, row_number() over (
            order by r.is_reference_only, r.is_deleted, s.rank_owner,
                coalesce(r.source_updated_at, r.created_at) desc nulls last, r.source, r.source_id
        ) as place""",
    )  # fmt: skip
    return {(row["source"], row["source_id"]): (row["place"], row["owner_name"]) for row in rows if row["owner_name"]}


def _records(db: Served, members: Collection[Record], what: str) -> list[dict[str, Any]]:
    wanted = sorted(members)
    return db.rows(
        f"""select r.source, r.source_id, {what} from core.dim_customer_record as r
            join meta.source as s on s.source = r.source
            join (select unnest($sources) as source, unnest($ids) as source_id) as w
                on w.source = r.source and w.source_id = r.source_id""",
        {"sources": [source for source, _ in wanted], "ids": [key for _, key in wanted]},
    )
