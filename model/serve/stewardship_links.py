"""What links records to each other: shared identifiers, codes of another system, merges, decisions, likeness."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any

from model.identity.decisions import Decision, Pair, Record, ordered
from model.serve.connection import Served
from model.serve.stewards import columns, key_of

# a value on more records than this is drawn as a star, not each with each
MESH = 12
_WANTED = "select unnest($sources) as source, unnest($ids) as source_id"


def links(
    db: Served, records: Collection[Record], decided: Mapping[Pair, Decision], *, only: str = "all"
) -> list[dict[str, Any]]:
    """Links among `records`: {left, right (record keys), kind, rule, evidence, probability}.

    kind: identifier, reference (one names the other's code), merge (in the source), match (names and contact data are
    alike enough), decision. `only`: all, or automatic for those without decisions.
    """
    wanted = sorted(set(records))
    given = {"sources": [source for source, _ in wanted], "ids": [key for _, key in wanted]}
    rows = [
        *_identifiers(db, given), *_references(db, given), *_merges(db, given), *_matches(db, given),
        *(_decisions(wanted, decided) if only == "all" else ()),
    ]  # fmt: skip
    unique = {(row["left"], row["right"], row["rule"], row["evidence"]): row for row in rows}
    return [unique[key] for key in sorted(unique, key=lambda key: tuple(map(str, key)))]


def parts(records: Collection[Record], joined: Collection[Mapping[str, Any]]) -> list[list[Record]]:
    """The connected parts of `records` under `joined` links, each sorted, the largest first."""
    parent = {key_of(record): key_of(record) for record in records}

    def find(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for link in joined:
        if link["left"] in parent and link["right"] in parent:
            a, b = sorted((find(link["left"]), find(link["right"])))
            parent[b] = a
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records):
        groups[find(key_of(record))].append(record)
    return sorted(groups.values(), key=lambda group: (-len(group), group))


def _link(
    left: Record, right: Record, kind: str, rule: str, evidence: str | None, probability: float | None = None
) -> dict[str, Any]:
    one, two = ordered(left, right)
    return {"left": key_of(one), "right": key_of(two), "kind": kind, "rule": rule, "evidence": evidence,
            "probability": probability}  # fmt: skip


def _identifiers(db: Served, given: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    rows = db.rows(
        f"""select i.kind, i.value, list(struct_pack(s := i.source, i := i.source_id) order by i.source, i.source_id)
                as records
            from identity.customer_identifier as i
            semi join ({_WANTED}) as w on w.source = i.source and w.source_id = i.source_id
            where i.kind not like 'ref:%' and (i.kind || '=' || i.value) not in (
                select detail from identity.customer_conflict where kind = 'overused_identifier'
            )
            group by i.kind, i.value having count(*) > 1""",
        given,
    )
    for row in rows:
        sharing = [(one["s"], one["i"]) for one in row["records"]]
        pairs = combinations(sharing, 2) if len(sharing) <= MESH else ((sharing[0], other) for other in sharing[1:])
        for left, right in pairs:
            yield _link(left, right, "identifier", row["kind"], f"{row['kind']}={row['value']}")


def _references(db: Served, given: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """A code wins over an id, as in clustering."""
    rows = db.rows(
        f"""with own as (
                select r.source, r.source_id, r.role, r.code from core.dim_customer_record as r
                semi join ({_WANTED}) as w on w.source = r.source and w.source_id = r.source_id
            )
            select i.source, i.source_id, i.kind, i.value, o.source as other, o.source_id as other_id
            from identity.customer_identifier as i
            semi join own as w on w.source = i.source and w.source_id = i.source_id
            join own as o on i.kind = 'ref:' || o.role and i.value in (o.code, o.source_id)
            where (o.source, o.source_id) <> (i.source, i.source_id)
            qualify dense_rank() over (
                partition by i.source, i.source_id, i.kind, i.value order by i.value is not distinct from o.code desc
            ) = 1""",
        given,
    )
    for row in rows:
        rule = f"{row['kind'].removeprefix('ref:')}_code"
        yield _link(
            (row["source"], row["source_id"]), (row["other"], row["other_id"]), "reference", rule,
            f"{rule}={row['value']}",
        )  # fmt: skip


def _merges(db: Served, given: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    rows = db.rows(
        f"""select c.source, c.source_id, c.merged_into_id from staging.customer as c
            semi join ({_WANTED}) as w on w.source = c.source and w.source_id = c.source_id
            semi join ({_WANTED}) as t on t.source = c.source and t.source_id = c.merged_into_id
            where c.merged_into_id <> c.source_id
            qualify row_number() over (
                partition by c.source, c.source_id order by c.is_deleted, c.seen_from desc
            ) = 1""",
        given,
    )
    for row in rows:
        source, merged = row["source"], row["merged_into_id"]
        yield _link((source, row["source_id"]), (source, merged), "merge", "merged_in_source", f"merged into {merged}")


def _matches(db: Served, given: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    if not columns(db, "identity.match_pair"):
        return
    rows = db.rows(
        f"""select p.left_source, p.left_id, p.right_source, p.right_id, p.probability, p.rule
            from identity.match_pair as p
            semi join ({_WANTED}) as l on l.source = p.left_source and l.source_id = p.left_id
            semi join ({_WANTED}) as r on r.source = p.right_source and r.source_id = p.right_id
            where p.band = 'auto' and coalesce(p.refused, '') = ''""",
        given,
    )
    for row in rows:
        left, right = (row["left_source"], row["left_id"]), (row["right_source"], row["right_id"])
        yield _link(left, right, "match", row["rule"] or "probability", None, row["probability"])


def _decisions(wanted: list[Record], decided: Mapping[Pair, Decision]) -> Iterator[dict[str, Any]]:
    here = set(wanted)
    for (left, right), one in decided.items():
        if one.decision == "same" and left in here and right in here:
            yield _link(left, right, "decision", "decision", f"decision {one.decision_id}")
