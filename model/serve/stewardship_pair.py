"""Two records side by side: what agrees, what differs, and the waterfall of why they may be one customer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import polars as pl

from model import schema
from model.identity.decisions import Pair, Record, ordered
from model.policy import Viewer
from model.serve import stewards
from model.serve.connection import Served
from model.serve.links import link
from model.serve.stewards import columns, record_of
from model.serve.stewardship_links import links

# what the matcher reads of a record: its field, the column of the customer entity
COMPARED = {"name": "name", "phone": "phone", "email": "email", "domain": "website", "address": "address",
            "city": "city"}  # fmt: skip


def pair(viewer: Viewer, db: Served, left: str | Sequence[str], right: str | Sequence[str]) -> dict[str, Any]:
    """Two records (`source:id`) side by side.

    {left, right, is_one_customer, fields, links, waterfall, decision, decisions}: left (the smaller record) and right
    as in `stewards.heads` with link; fields {name, label, left, right, verdict: agree, differ, missing} in the schema's
    order, masked, without those empty on both sides; links as in stewardship_links.links; waterfall {steps
    [{comparison, level, bits}], bits, probability, band, rule, veto, refused, basis: build (the weights of this build)
    or shipped (the two records alone)}; decision: the one that holds, or null; decisions: all ever taken on the pair.
    NotFound where a record is not the viewer's.
    """
    records = ordered(record_of(left), record_of(right))
    known = stewards.found(viewer, db, records)
    staged = [_staged(db, record) for record in records]
    taken = [one for one in stewards.taken(db) if one.pair == records]
    holding = taken[-1] if taken and taken[-1].decision != "unmerge" else None
    one, two = (known[record] for record in records)
    return {
        "left": {**one, "link": link(db, "customer", one)},
        "right": {**two, "link": link(db, "customer", two)},
        "is_one_customer": one["customer_key"] == two["customer_key"],
        "fields": _fields(viewer, *staged),
        "links": links(db, records, stewards.standing(db)),
        "waterfall": _waterfall(db, records, staged),
        "decision": None if holding is None else stewards.shown(holding),
        "decisions": [stewards.shown(item) for item in taken],
    }


def _staged(db: Served, record: Record) -> dict[str, Any]:
    """The record's last living version; empty for one that only documents name."""
    rows = db.rows(
        """select * from staging.customer where source = ? and source_id = ?
           order by is_deleted, seen_from desc limit 1""",
        list(record),
    )
    return rows[0] if rows else {}


def _fields(viewer: Viewer, left: dict[str, Any], right: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for column in schema.entity("customer").columns:
        one, two = left.get(column.name), right.get(column.name)
        if one in (None, "") and two in (None, ""):
            continue
        verdict = "missing" if one in (None, "") or two in (None, "") else "agree" if _same(one, two) else "differ"
        rows.append(
            {
                "name": column.name,
                "label": column.zh if viewer.language == "zh" else column.en,
                "left": viewer.hide(column.sensitivity, one),
                "right": viewer.hide(column.sensitivity, two),
                "verdict": verdict,
            }
        )
    return rows


def _same(one: Any, two: Any) -> bool:
    if isinstance(one, str) and isinstance(two, str):
        return " ".join(one.split()).casefold() == " ".join(two.split()).casefold()
    return bool(one == two)


def _waterfall(db: Served, records: Pair, staged: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What the build weighed; the two records alone under shipped weights where it found the pair of no interest.

    None where a record has no name to compare.
    """
    weighed = _weighed(db, records)
    if weighed is not None:
        return weighed
    from model.identity.matching import match  # its arrays cost every command's start otherwise

    if not all(row.get("name") for row in staged):
        return None
    fields = {
        "source": [record[0] for record in records],
        "tax_id": [row["uscc"] or row["tax_number"] for row in staged],
        **{field: [row[column] for row in staged] for field, column in COMPARED.items()},
    }
    found = match(pl.DataFrame(fields, schema=dict.fromkeys(fields, pl.String)))
    if not len(found.left):
        return None
    steps = [{"comparison": name, "level": level, "bits": round(bits, 2)} for name, level, bits in found.explain(0)]
    return {
        "steps": steps,
        "bits": round(float(found.bits[0]), 2),
        "probability": float(found.probability[0]),
        "veto": found.judged.veto[0],
        "rule": found.judged.rule[0],
        "band": None,
        "refused": None,
        "basis": "shipped",
    }


def _weighed(db: Served, records: Pair) -> dict[str, Any] | None:
    if not columns(db, "identity.match_pair"):
        return None
    (left, left_id), (right, right_id) = records
    rows = db.rows(
        """select bits, probability, band, rule, veto, refused, steps from identity.match_pair
           where (left_source = $left and left_id = $left_id and right_source = $right and right_id = $right_id)
              or (left_source = $right and left_id = $right_id and right_source = $left and right_id = $left_id)""",
        {"left": left, "left_id": left_id, "right": right, "right_id": right_id},
    )
    if not rows:
        return None
    steps = [{"comparison": name, "level": level, "bits": bits} for name, level, bits in json.loads(rows[0]["steps"])]
    kept = ("bits", "probability", "band", "rule", "veto", "refused")
    return {"steps": steps, **{name: rows[0][name] for name in kept}, "basis": "build"}
