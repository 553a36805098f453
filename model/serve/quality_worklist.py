"""Worst offenders: the records whose correction is worth most, with what to do and who should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.quality.rule import Rule, find, load
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.quality import assert_source, failures
from model.serve.quality_counts import parameters, relations
from model.serve.worth import worth
from ops.errors import FatalError

ORDERS = ("revenue x failures", "revenue", "failures", "name")


def quality_worklist(
    viewer: Viewer,
    db: Served,
    *,
    rule: str | None = None,
    source: str | None = None,
    customer: str | None = None,
    owner_key: str | None = None,
    order: str = "revenue x failures",
    as_of: date | None = None,
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """{as_of, total, has_more, currency, by_rule, rows}: broken records of the viewer's customers, worst ones first.

    rows: rule, label, dimension, entity, weight, customer_key, name, owner, owner_key, record_key, source, source_id,
    field, value (masked), action, link, revenue (open and ordered in 12 months, in the company's currency), failures
    (of the customer, by weight). by_rule: rule → failures that the filters leave. `order` ranks customers; within one,
    heavier rules come first. Documents whose customer nobody named stand under C000000. FatalError for an unknown
    rule, source or order; NotFound, Ambiguous as resolve.
    """
    if order not in ORDERS:
        raise FatalError(f"the worklist has no order {order!r}", valid=", ".join(ORDERS))
    assert_source(db, source)
    day, config = as_of or db.today(), db.instance.config_dir
    rules = [one for one in ([find(rule, config)] if rule else load(config)) if one.entity]
    key = resolve(viewer, db, customer) if customer else None
    counted = [
        row for row in _counted(viewer, db, rules, day, source)
        if key in (None, row["customer_key"]) and owner_key in (None, row["owner_key"])
    ]  # fmt: skip
    by_rule: dict[str, int] = {}
    for row in counted:
        for name, number in row["by_rule"].items():
            by_rule[name] = by_rule.get(name, 0) + number
    total = sum(by_rule.values())
    return {
        "as_of": day,
        "total": total,
        "has_more": offset + limit < total,
        "currency": db.instance.config.base_currency,
        "by_rule": dict(sorted(by_rule.items(), key=lambda item: (-item[1], item[0]))),
        "rows": _page(viewer, db, rules, day, source, _ranked(db, counted, order), (offset, limit)),
    }


def _counted(
    viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, source: str | None
) -> list[dict[str, Any]]:  # fmt: skip
    """One row per customer with broken records: customer_key, name, owner_key, failures, by_rule; cached."""
    cached = (
        "quality worklist",
        viewer.cache_key,
        day,
        source,
        repr([(one.id, one.check, one.weight) for one in rules]),
    )
    if cached not in db.cache:
        found: dict[str, dict[str, Any]] = {}
        seen, named = viewer.named_rows()
        for mine, relation in relations(db, rules):
            failed = [f"q.{one.id}_failed" for one in mine]
            sums = ", ".join(f"sum({name})" for name in failed)
            sql = f"""select customer.customer_key, customer.name, customer.owner_key, {sums} from {relation} as q
                      join core.dim_customer as customer on customer.customer_key = q.customer_key
                      where {seen} {"and q.source = $source" if source else ""} and ({" + ".join(failed)}) > 0
                      group by all"""
            given = {**named, **parameters(sql, day), **({"source": source} if source else {})}
            for row in db.rows(sql, given):
                key, name, owner, *numbers = row.values()
                one = found.setdefault(
                    key, {"customer_key": key, "name": name, "owner_key": owner, "failures": Decimal(0), "by_rule": {}}
                )
                for each, number in zip(mine, numbers, strict=True):
                    if number:
                        one["by_rule"][each.id] = int(number)
                        one["failures"] += int(number) * each.weight
        db.cache[cached] = list(found.values())
    answer: list[dict[str, Any]] = db.cache[cached]
    return answer


def _ranked(db: Served, counted: Sequence[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    at_stake = worth(db)
    rows = [{**row, "revenue": at_stake.get(row["customer_key"], Decimal(0))} for row in counted]

    def place(row: dict[str, Any]) -> tuple[Any, ...]:
        first: dict[str, tuple[Any, ...]] = {
            "revenue x failures": (-(1 + row["revenue"]) * row["failures"],),
            "revenue": (-row["revenue"],),
            "failures": (-row["failures"],),
            "name": (row["name"],),
        }
        return (*first[order], row["customer_key"])

    return sorted(rows, key=place)


def _page(
    viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, source: str | None,
    ranked: Sequence[dict[str, Any]], window: tuple[int, int],
) -> list[dict[str, Any]]:  # fmt: skip
    """The failures in `window` (offset, limit), looked up only for the customers they stand under."""
    offset, limit = window
    passed, skipped, chosen = 0, 0, []
    for row in ranked:
        number = sum(row["by_rule"].values())
        if passed + number <= offset:
            skipped += number
        elif passed < offset + limit:
            chosen.append(row)
        passed += number
    if not chosen:
        return []
    places = {row["customer_key"]: (place, row) for place, row in enumerate(chosen)}
    broken = {name for row in chosen for name in row["by_rule"]}
    found = failures(viewer, db, [one for one in rules if one.id in broken], day, source=source, keys=list(places))
    found.sort(key=lambda one: (places[one["customer_key"]][0], -one["weight"], one["rule"], one["record_key"]))
    return [
        {**one, "revenue": places[one["customer_key"]][1]["revenue"],
         "failures": places[one["customer_key"]][1]["failures"]}
        for one in found[offset - skipped : offset - skipped + limit]
    ]  # fmt: skip
