"""The review queue: pairs of records that only a person can decide, the most doubtful and most valuable first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from model.identity.decisions import Decision, Pair
from model.policy import Viewer
from model.receivables import open_items_sql
from model.receivables.items import received_parameters
from model.serve import money, stewards, work
from model.serve.connection import Served
from model.serve.stewards import columns, heads
from ops.errors import FatalError

ORDERS = {
    "priority": "priority desc, revenue desc",
    "revenue": "revenue desc, priority desc",
    "probability": "coalesce(probability, 0.5) desc, revenue desc",
    "doubt": "doubt desc, revenue desc",
}
FILTERS = ("why", "source", "owner_key", "text", "least_probability", "most_probability")
MOST = 5_000
ZERO = Decimal(0)

# every pair that the build could not settle: left, right, probability, bits, rule, veto, refused, why, detail
_MATCHED = """
    select left_source, left_id, right_source, right_id, probability, bits, rule, veto, refused,
           case when refused <> '' then 'refused' when veto <> '' then 'contradiction' else 'review' end as why,
           case when refused <> '' then refused when veto <> '' then veto else rule end as detail
    from (
        select * replace (coalesce(rule, '') as rule, coalesce(veto, '') as veto, coalesce(refused, '') as refused)
        from identity.match_pair
    ) where band = 'review' or refused <> ''
"""
# a refused link names the record and the value; the other record is the first one of another customer with that value
_REFUSED = """
    select c.source as left_source, c.source_id as left_id, o.source as right_source, o.source_id as right_id,
           cast(null as double) as probability, cast(null as double) as bits, i.kind as rule, '' as veto,
           c.kind as refused, 'refused' as why, c.detail as detail
    from identity.customer_conflict as c
    join identity.customer_identifier as i
        on i.source = c.source and i.source_id = c.source_id and c.detail = i.kind || '=' || i.value
    join identity.customer_identifier as o on o.kind = i.kind and o.value = i.value
    join identity.customer_crosswalk as x on x.source = o.source and x.source_id = o.source_id
    where c.kind = 'refused_link' and x.customer_key <> c.customer_key
    qualify row_number() over (
        partition by c.source, c.source_id, c.detail order by o.source, o.source_id
    ) = 1
"""
_QUEUE = """
with rate as (
    select unnest($currencies) as currency, unnest($rates) as rate
),
pair as (
    select * replace (
        least(struct_pack(s := left_source, i := left_id), struct_pack(s := right_source, i := right_id)).s
            as left_source,
        least(struct_pack(s := left_source, i := left_id), struct_pack(s := right_source, i := right_id)).i as left_id,
        greatest(struct_pack(s := left_source, i := left_id), struct_pack(s := right_source, i := right_id)).s
            as right_source,
        greatest(struct_pack(s := left_source, i := left_id), struct_pack(s := right_source, i := right_id)).i
            as right_id
    ) from ({pairs})
),
apart as (
    select pair.*, l.customer_key as left_key, r.customer_key as right_key
    from pair
    join identity.customer_crosswalk as l on l.source = left_source and l.source_id = left_id
    join identity.customer_crosswalk as r on r.source = right_source and r.source_id = right_id
    where l.customer_key <> r.customer_key
    qualify row_number() over (
        partition by left_source, left_id, right_source, right_id order by probability desc nulls last, why, detail
    ) = 1
),
concerned as (
    select left_key as customer_key from apart union select right_key from apart
),
owed as (
    select customer_key, sum(open_amount * rate) as amount
    from ({items}) join rate using (currency)
    where open_amount > 0 and kind <> 'provisional' group by customer_key
),
bought as (
    select customer_key, sum(gross_amount * rate) as amount, count(*) as orders
    from core.fct_order join rate using (currency)
    where excluded_reason is null and order_on > $year_ago and order_on <= $as_of group by customer_key
),
worth as (
    select customer_key, cast(coalesce(owed.amount, 0) as decimal(18, 2)) as open_amount,
           cast(coalesce(bought.amount, 0) as decimal(18, 2)) as ordered_amount, coalesce(orders, 0) as orders
    from concerned left join owed using (customer_key) left join bought using (customer_key)
),
ranked as (
    select apart.*, lw.open_amount as left_open, lw.ordered_amount as left_ordered, lw.orders as left_orders,
           rw.open_amount as right_open, rw.ordered_amount as right_ordered, rw.orders as right_orders,
           cast(lw.open_amount + lw.ordered_amount + rw.open_amount + rw.ordered_amount as decimal(18, 2)) as revenue,
           case when probability is null or refused <> '' then 1.0
                when probability >= $auto then 0.5
                else greatest(0.05, 1 - abs(2 * probability - 1)) end as doubt
    from apart
    join worth as lw on lw.customer_key = left_key
    join worth as rw on rw.customer_key = right_key
)
select *, doubt * (1 + cast(revenue as double)) as priority from ranked
order by {order}, left_source, left_id, right_source, right_id limit {most}
"""


def review_queue(
    viewer: Viewer,
    db: Served,
    *,
    order: str = "priority",
    limit: int = 50,
    offset: int = 0,
    filters: Mapping[str, Any] | None = None,
    grouped: bool = True,
) -> dict[str, Any]:
    """{total, has_more, by_why, currency, rows}: pairs of records of two customers between which nobody has decided.

    One row per pair of customers, told by the pair of records that comes first; its `pairs` [{left, right (record
    keys), probability, why}] are all open pairs between them, to be decided at once. Not `grouped`: one row per pair
    of records.

    Rows: left and right (stewards.heads with open_amount, ordered_amount and orders of their customers, the last two of
    12 months, in the company's currency), probability, bits, rule, veto, refused (null or '' where it is no matter of
    names), why (review: likely but not sure; refused: linked by `rule`, held back by a guard; contradiction: certain
    rule against a veto; changed: decided unsure, and a record has changed since), detail, revenue, doubt, priority.
    `order`: priority (doubt × revenue), revenue, probability, doubt. `filters`: any of FILTERS. FatalError for others.
    """
    if order not in ORDERS:
        raise FatalError(f"the queue has no order {order!r}", valid=", ".join(ORDERS))
    strange = set(filters or ()) - set(FILTERS)
    if strange:
        raise FatalError(f"the queue has no filter {', '.join(sorted(strange))}", valid=", ".join(FILTERS))
    found, decided = _candidates(viewer, db, order), stewards.standing(db)
    # a decision between two customers' records holds their other records apart, or at rest, as well
    settled = {_customers(row) for row in found if not _is_waiting(row, decided)}
    waiting = [
        {**row, "why": "changed"} if pair_of(row) in decided else row for row in found if _customers(row) not in settled
    ]
    chosen = _by_customers([row for row in waiting if _fits(row, filters or {})], grouped=grouped)
    return {
        "total": len(chosen),
        "has_more": len(found) >= MOST,
        "by_why": dict(Counter(row["why"] for row in chosen)),
        "currency": db.instance.config.base_currency,
        "rows": chosen[offset : offset + limit],
    }


def open_pairs(viewer: Viewer, db: Served, left: Any, right: Any) -> list[Pair]:
    """The open pairs between the customers of two records, with that of the two records itself."""
    asked = stewards.pairs_of([(left, right)])
    known = stewards.found(viewer, db, asked[0])
    ends = {head["customer_key"] for head in known.values()}
    rows = review_queue(viewer, db, limit=MOST, grouped=False)["rows"]
    between = [pair_of(row) for row in rows if _customers(row) == ends]
    return list(dict.fromkeys([*asked, *between]))


def conflicts(viewer: Viewer, db: Served, limit: int = 100) -> list[dict[str, Any]]:
    """What the build doubts beside pairs: {kind, detail, records, customers, sample}, that of most customers first.

    kind: overused_identifier (a value that too many customers share to link anything), kept_link (two records that were
    one customer by a name which another organisation has by now; sample holds both), kept_place (two records that were
    one customer before a record came that fits one of them better). sample: heads of up to five of the records. At most
    `limit` of each kind. Links that were refused are pairs of the review queue.
    """
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select c.kind, c.detail, count(*) as records, count(distinct c.customer_key) as customers,
                   list_slice(list(
                       struct_pack(source := c.source, source_id := c.source_id) order by c.source, c.source_id
                   ), 1, 5) as sample
            from identity.customer_conflict as c
            join core.dim_customer as customer on customer.customer_key = c.customer_key
            where c.kind <> 'refused_link' and {rule} group by c.kind, c.detail
            qualify row_number() over (
                partition by c.kind order by count(distinct c.customer_key) desc, c.detail
            ) <= $most
            order by customers desc, c.kind, c.detail""",
        {"most": limit, **named},
    )
    known = heads(viewer, db, {(one["source"], one["source_id"]) for row in rows for one in row["sample"]})
    for row in rows:
        row["sample"] = [known[key] for one in row["sample"] if (key := (one["source"], one["source_id"])) in known]
    return [row for row in rows if row["sample"]]


def _candidates(viewer: Viewer, db: Served, order: str) -> list[dict[str, Any]]:
    """The build's undecided pairs that the viewer may see, best MOST of them. Cached per version, scope and day."""
    day, received = db.today(), work.recorded_receipts(db)
    key = ("review_queue", viewer.cache_key, day, order, tuple(sorted(received.items())))
    if key not in db.cache:
        from model.identity.matching.settings import shipped  # its arrays cost every command's start otherwise

        rates = money.rates(db, day)
        sql = _QUEUE.format(
            pairs=" union all ".join(_sources(db)), items=open_items_sql(received=bool(received)), order=ORDERS[order],
            most=MOST,
        )  # fmt: skip
        rows = db.rows(sql, {
            "as_of": day, "year_ago": day - timedelta(days=365), "currencies": list(rates),
            "rates": list(rates.values()), "auto": shipped().bands.auto, **received_parameters(received),
        })  # fmt: skip
        records = {(row[f"{side}_source"], row[f"{side}_id"]) for row in rows for side in ("left", "right")}
        known = heads(viewer, db, records)
        db.cache[key] = [shaped for row in rows if (shaped := _shape(row, known)) is not None]
    answer: list[dict[str, Any]] = db.cache[key]
    return answer


def _by_customers(rows: list[dict[str, Any]], *, grouped: bool) -> list[dict[str, Any]]:
    """Rows with `pairs`; of each pair of customers only the first when `grouped`."""
    found: dict[Any, dict[str, Any]] = {}
    for row in rows:
        sides = (row["left"], row["right"])
        key = _customers(row) if grouped else pair_of(row)
        keys = dict(zip(("left", "right"), (side["record_key"] for side in sides), strict=True))
        pair = {**keys, "probability": row["probability"], "why": row["why"]}
        found.setdefault(key, {**row, "pairs": []})["pairs"].append(pair)
    return list(found.values())


def _sources(db: Served) -> list[str]:
    """Where pairs come from in the served build."""
    return [_MATCHED, _REFUSED] if columns(db, "identity.match_pair") else [_REFUSED]


def _shape(row: dict[str, Any], known: dict[Any, dict[str, Any]]) -> dict[str, Any] | None:
    sides = {}
    for side in ("left", "right"):
        head = known.get((row[f"{side}_source"], row[f"{side}_id"]))
        if head is None:
            return None
        sides[side] = {
            **head, "open_amount": row[f"{side}_open"], "ordered_amount": row[f"{side}_ordered"],
            "orders": row[f"{side}_orders"],
        }  # fmt: skip
    kept = ("probability", "bits", "rule", "veto", "refused", "why", "detail", "revenue", "doubt", "priority")
    return {**sides, **{name: row[name] for name in kept}}


def pair_of(row: Mapping[str, Any]) -> Pair:
    """The two records of a queue row, in order."""
    left, right = row["left"], row["right"]
    return (left["source"], left["source_id"]), (right["source"], right["source_id"])


def _customers(row: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(row[side]["customer_key"] for side in ("left", "right"))


def _is_waiting(row: dict[str, Any], decided: Mapping[Pair, Decision]) -> bool:
    """False for decided pairs; one decided unsure waits again, as `changed`, when a record has a newer version."""
    decision = decided.get(pair_of(row))
    if decision is None:
        return True
    if decision.decision != "unsure":
        return False
    newest = stewards.seen_of(row["left"], row["right"])
    return newest is not None and newest > (decision.seen or decision.decided_at)


def _fits(row: dict[str, Any], filters: Mapping[str, Any]) -> bool:
    sides, probability = (row["left"], row["right"]), row["probability"]
    text = str(filters.get("text") or "").strip().lower()
    return (
        filters.get("why") in (None, "", row["why"])
        and (not filters.get("source") or any(side["source"] == filters["source"] for side in sides))
        and (not filters.get("owner_key") or any(side["owner_key"] == filters["owner_key"] for side in sides))
        and (not text or any(text in str(side[name] or "").lower() for side in sides for name in ("name", "code")))
        and (filters.get("least_probability") is None or (probability or 0) >= filters["least_probability"])
        and (filters.get("most_probability") is None or (probability or 0) <= filters["most_probability"])
    )
