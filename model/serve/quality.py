"""Data quality: scores from 0 to 100 by source and dimension, the rules behind them, and how they went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from model import schema
from model.policy import MASKS, Viewer
from model.quality import scores
from model.quality.compile import by_entity, failures_sql
from model.quality.rule import DIMENSIONS, Rule, load
from model.quality.scores import ALL, Tally
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.links import link
from model.serve.quality_counts import Counted, parameters, sources_of, tallies
from ops.errors import FatalError
from ops.store import unstamp
from ops.tables import quality_history

SAMPLES = 3


def quality(
    viewer: Viewer, db: Served, *, source: str | None = None, customer: str | None = None, as_of: date | None = None
) -> dict[str, Any]:
    """{as_of, source, customer, score, checked, failed, dimensions, sources, rules} of the viewer's records.

    score: 0 to 100 to a tenth, null where no rule applies to a record. dimensions: dimension → {score, weight, checked,
    failed}. sources: {source, role, score, checked, failed, dimensions {dimension: score}}, worst first. rules: {rule,
    label, action, dimension, entity, fields, weight, checked, failed, score, samples}, costliest first; samples: the
    first broken records as `quality_worklist` has them, without revenue and failures. `source`: only its records;
    `customer` (a key, code or name): only theirs, without measures of whole sources. `as_of`: the day that freshness
    of records is judged on; all else is as the build has it. FatalError for an unknown source or a broken rule;
    NotFound, Ambiguous as resolve.
    """
    day, rules = as_of or db.today(), load(db.instance.config_dir)
    assert_source(db, source)
    key = resolve(viewer, db, customer) if customer else None
    found = tallies(viewer, db, rules, day, source=source, key=key)
    samples = _samples(viewer, db, [rule for rule in rules if scores.total(found, rule.id).failed], day, source, key)
    parts = scores.parts(rules, found)
    return {
        "as_of": day,
        "source": source,
        "customer": key,
        "score": scores.score(rules, found),
        **_counts(parts.values()),
        "dimensions": parts,
        "sources": _sources(db, rules, found, source),
        "rules": _rules(viewer, rules, found, samples),
    }


def quality_trend(viewer: Viewer, db: Served, *, source: str | None = None, limit: int = 100) -> dict[str, Any]:
    """{source, is_hidden, points}: the scores of the last `limit` published builds, oldest first.

    points: {version, taken_at, as_of, score, checked, failed, dimensions {dimension: score}} of all sources together,
    or of one. The history is of all customers: for viewers who do not see all of them is_hidden is true and points
    are empty. FatalError for an unknown source.
    """
    assert_source(db, source)
    if viewer.scope != "all":
        return {"source": source, "is_hidden": True, "points": []}
    c = quality_history.c
    mine = c.source == (source or "")
    with db.instance.store.read() as connection:
        latest = select(c.version).where(mine, c.dimension == ALL).order_by(c.taken_at.desc(), c.version.desc())
        versions = [row[0] for row in connection.execute(latest.limit(limit))]
        rows = connection.execute(select(quality_history).where(mine, c.version.in_(versions))).mappings().all()
    points: dict[str, dict[str, Any]] = {}
    for row in rows:
        point = points.setdefault(row["version"], {"version": row["version"], "dimensions": {}})
        if row["dimension"] == ALL:
            point |= {"taken_at": unstamp(row["taken_at"]), "as_of": date.fromisoformat(row["as_of"]),
                      "score": _tenth(row["score"]), "checked": row["checked"], "failed": row["failed"]}  # fmt: skip
        else:
            point["dimensions"][row["dimension"]] = _tenth(row["score"])
    for point in points.values():
        point["dimensions"] = {name: point["dimensions"].get(name) for name in DIMENSIONS}
    return {"source": source, "is_hidden": False, "points": [points[version] for version in reversed(versions)]}


def assert_source(db: Served, source: str | None) -> None:
    """FatalError naming the shown sources, unless `source` is one of them or None."""
    if source is not None and source not in sources_of(db):
        raise FatalError(f"there is no source {source!r}", valid=", ".join(sources_of(db)))


def failures(
    viewer: Viewer,
    db: Served,
    rules: Sequence[Rule],
    day: date,
    *,
    source: str | None = None,
    keys: Sequence[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Records of the viewer's customers that break `rules`; `keys`: only these customers; `limit`: so many per rule.

    Rows: rule, label, dimension, entity, weight, customer_key, name, owner, owner_key, record_key, source, source_id,
    field, value (masked), action, link.
    """
    seen, named = viewer.named_rows()
    conditions = [seen]
    if source is not None:
        conditions.append("record.source = $source")
        named["source"] = source
    if keys is not None:
        conditions.append("list_contains($keys, record.customer_key)")
        named["keys"] = list(keys)
    rows = []
    for mine in by_entity(rules).values():
        sql = f"""select f.*, customer.name, customer.owner_name as owner, customer.owner_key
                  from ({failures_sql(mine, where=" and ".join(conditions), limit=limit)}) as f
                  join core.dim_customer as customer on customer.customer_key = f.customer_key"""
        by_id = {rule.id: rule for rule in mine}
        rows += [
            _failure(viewer, db, by_id[row["rule"]], row) for row in db.rows(sql, {**named, **parameters(sql, day)})
        ]
    return rows


def _failure(viewer: Viewer, db: Served, rule: Rule, row: dict[str, Any]) -> dict[str, Any]:
    column = schema.entity(rule.entity).by_name.get(row["field"])
    kind = column.sensitivity if column is not None and column.sensitivity in MASKS else None
    return {
        "rule": rule.id, "label": rule.label.text(viewer.language), "dimension": rule.dimension,
        "entity": rule.entity, "weight": rule.weight, "customer_key": row["customer_key"], "name": row["name"],
        "owner": row["owner"], "owner_key": row["owner_key"], "record_key": f"{row['source']}:{row['source_id']}",
        "source": row["source"], "source_id": row["source_id"], "field": row["field"],
        "value": viewer.hide(kind, row["value"]) if kind else row["value"],
        "action": rule.action.text(viewer.language), "link": link(db, rule.entity, row),
    }  # fmt: skip


def _samples(
    viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, source: str | None, key: str | None
) -> dict[str, list[dict[str, Any]]]:
    """Rule → its first broken records; cached."""
    cached = ("quality samples", viewer.cache_key, viewer.language, day, source, key, *(rule.id for rule in rules),
              repr([(rule.check, rule.fields, rule.action, rule.label) for rule in rules]))  # fmt: skip
    if cached not in db.cache:
        found: dict[str, list[dict[str, Any]]] = {}
        keys = None if key is None else [key]
        rows = failures(viewer, db, rules, day, source=source, keys=keys, limit=SAMPLES)
        for row in sorted(rows, key=lambda one: (one["customer_key"], one["record_key"])):
            found.setdefault(row["rule"], []).append(row)
        db.cache[cached] = found
    answer: dict[str, list[dict[str, Any]]] = db.cache[cached]
    return answer


def _sources(db: Served, rules: Sequence[Rule], found: Counted, source: str | None) -> list[dict[str, Any]]:
    rows = []
    for name, role in sources_of(db).items():
        if source not in (None, name):
            continue
        parts = scores.parts(rules, found, name)
        rows.append({
            "source": name, "role": role, "score": scores.score(rules, found, name), **_counts(parts.values()),
            "dimensions": {dimension: one["score"] for dimension, one in parts.items()},
        })  # fmt: skip
    return sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0, row["source"]))


def _rules(
    viewer: Viewer, rules: Sequence[Rule], found: Counted, samples: dict[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    rows = []
    for rule in rules:
        one = scores.total(found, rule.id)
        rows.append({
            "rule": rule.id, "label": rule.label.text(viewer.language), "action": rule.action.text(viewer.language),
            "dimension": rule.dimension, "entity": rule.entity or None, "fields": list(rule.fields),
            "weight": rule.weight, "checked": one.checked, "failed": one.failed,
            "score": scores.score([rule], found), "samples": samples.get(rule.id, []),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-_cost(row), row["rule"]))


def _cost(row: dict[str, Any]) -> Decimal:
    """How many points of the score a rule takes, before the weights of the others."""
    return Decimal(row["weight"]) * (0 if row["score"] is None else 100 - row["score"])


def _counts(parts: Any) -> dict[str, int]:
    both = [Tally(one["checked"], one["failed"]) for one in parts]
    whole = sum(both, Tally())
    return {"checked": whole.checked, "failed": whole.failed}


def _tenth(score: float) -> Decimal:
    return Decimal(str(round(score, 1)))
