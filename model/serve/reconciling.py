"""Reconciliation between systems: differences with their class and state, both sides' documents, and accepting one.

A difference is told apart by rule, anchor and currency (its item id). Accepting one is this product's own state: it
holds for the amounts and counts it was given for and lapses when one of them changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from model import reconcile
from model.policy import Viewer
from model.reconcile import Rule
from model.reconcile.differences import CLASSES, OUTSIDE, coverage_sql, differences_sql, entries_sql
from model.serve import links, reconciling_state
from model.serve.connection import Served
from model.serve.find import NotFound, resolve
from ops.errors import FatalError

STATES = ("open", "accepted", "waiting")
_NUMBERED = {"receipt": "core.fct_receipt", "credit_note": "core.fct_credit_note", "invoice": "core.fct_invoice"}
# the order in which people look: what has a deadline behind it first
_RANK = {name: place for place, name in enumerate(("currency", "duplicate", "missing", "amount", "timing"))}


def reconciliation(
    viewer: Viewer, db: Served, *, rule: str | None = None, as_of: date | None = None, customer: str | None = None,
    classes: Collection[str] | None = None, state: str | None = None, owner: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """{as_of, rules, items}: what the systems say differently about the viewer's customers, as of a day.

    rules, one per rule asked: rule, label, left_label, right_label, tolerance_amount, tolerance_percent,
    settles_in_days, is_answerable, lacks (measures without any document), before_history (anchors that began before
    the other side's documents do), classes {class: {count, by_currency {currency: sum of absolute differences}}},
    open, accepted, waiting (counts).
    items: item_id, rule, rule_label, anchor, number, customer_key, name, owner_key, owner, other_customers (documents
    stand under several), currency, right_currency, period_on, first_on, last_on, left_count, left_amount, right_count,
    right_amount, difference (left less right; null without amounts or without a rate), short_side, due_on (when it
    stops being a matter of time), days (since then), class, state (open, accepted, waiting: a matter of time),
    accepted and lapsed ({acceptance_id, reason, label, note, by, at, left_amount, right_amount} or null).
    `customer`: a key, code or name; `owner`: an employee's key. The summary counts what these leave; `classes` and
    `state` filter items only. FatalError for an unknown rule, class or state.
    """
    day = as_of or db.today()
    for given, valid in ((classes or (), CLASSES), ([state] if state else (), STATES)):
        strange = sorted(set(given) - set(valid))
        if strange:
            raise FatalError(f"differences are not {', '.join(strange)}", valid=", ".join(valid))
    rules = _rules(db, rule)
    key = resolve(viewer, db, customer) if customer else None
    found = [row for row in _found(viewer, db, rules, day, key) if owner is None or row["owner_key"] == owner]
    items = reconciling_state.with_state(viewer, db, [row for row in found if row["class"] != OUTSIDE], day)
    outside = [row["rule"] for row in found if row["class"] == OUTSIDE]
    covered = _coverage(db, rules, day)
    return {
        "as_of": day,
        "rules": [_summary(viewer, one, items, outside.count(one.id), covered) for one in rules],
        "items": [
            item for item in items
            if (classes is None or item["class"] in classes) and (state is None or item["state"] == state)
        ],
    }  # fmt: skip


def difference(viewer: Viewer, db: Served, item_id: str, as_of: date | None = None) -> dict[str, Any]:
    """One difference as `reconciliation` lists it; NotFound when there is none of that id among the viewer's."""
    day = as_of or db.today()
    parts = item_id.split("|", 1)
    known = {rule.id for rule in reconcile.load(db.instance.config_dir)}
    if len(parts) == 2 and parts[0] in known:
        for row in reconciliation(viewer, db, rule=parts[0], as_of=day)["items"]:
            if row["item_id"] == item_id:
                found: dict[str, Any] = row
                return found
    raise NotFound(f"there is no difference {item_id!r}", remedy="take its id from the list of differences")


def reconciliation_rows(viewer: Viewer, db: Served, item_id: str, as_of: date | None = None) -> dict[str, Any]:
    """The difference with both sides' documents: {item, left, right}; NotFound when it is not one of the viewer's.

    Rows, by date: measure, record_key, entity, source, source_id, number, dated_on, expected_on, currency, amount,
    customer_key, name, link.
    """
    day = as_of or db.today()
    item = difference(viewer, db, item_id, day)
    rule = reconcile.find(item["rule"], db.instance.config_dir)
    seen, named = viewer.named_rows()
    rows = db.rows(
        f"""select e.measure, e.record_key, e.entity, e.source, e.number, e.dated_on, e.expected_on, e.currency,
                   sum(e.amount) as amount, customer.customer_key, customer.name
            from ({entries_sql([rule])}) as e
            join core.dim_customer as customer on customer.customer_key = e.customer_key
            where e.anchor = $anchor and e.dated_on <= $as_of and {seen} and list_contains($measures, e.measure)
            group by all order by e.dated_on, e.record_key, e.measure, customer.customer_key""",
        {"anchor": item["anchor"], "as_of": day, "measures": [*rule.left, *rule.right], **named},
    )
    _number(db, rows)
    shown = [
        {**row, "source_id": row["record_key"].removeprefix(f"{row['source']}:")} for row in rows
    ]  # fmt: skip
    for row in shown:
        row["link"] = links.link(db, row["entity"], row)
    return {
        "item": item,
        "left": [row for row in shown if row["measure"] in rule.left],
        "right": [row for row in shown if row["measure"] in rule.right],
    }


def reconciliation_periods(
    viewer: Viewer, db: Served, rule: str, as_of: date | None = None, customer: str | None = None
) -> list[dict[str, Any]]:
    """Both sides of a rule by month of their documents and currency, newest first: the control totals.

    {period_on, currency, left_count, left_amount, right_count, right_amount, difference, by_class}; by_class counts
    the differences whose first document is of that month and whose left (else right) currency it is.
    """
    day = as_of or db.today()
    one = reconcile.find(rule, db.instance.config_dir)
    key = resolve(viewer, db, customer) if customer else None
    seen, named = viewer.named_rows()
    rows = db.rows(
        f"""select cast(date_trunc('month', e.dated_on) as date) as period_on, e.currency,
                   count(*) filter (e.measure in ({_listed(one.left)})) as left_count,
                   coalesce(sum(e.amount) filter (e.measure in ({_listed(one.left)})), 0) as left_amount,
                   count(*) filter (e.measure in ({_listed(one.right)})) as right_count,
                   coalesce(sum(e.amount) filter (e.measure in ({_listed(one.right)})), 0) as right_amount
            from ({entries_sql([one])}) as e
            join core.dim_customer as customer on customer.customer_key = e.customer_key
            where e.dated_on <= $as_of and e.measure in ({_listed([*one.left, *one.right])}) and {seen}
              {"and e.customer_key = $customer_key" if key else ""}
            group by all order by period_on desc, e.currency""",
        {"as_of": day, **named, **({"customer_key": key} if key else {})},
    )
    counts: dict[tuple[date, str | None], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for item in _found(viewer, db, [one], day, key):
        if item["class"] != OUTSIDE:
            counts[item["period_on"], item["currency"]][item["class"]] += 1
    return [
        {
            **row,
            "difference": row["left_amount"] - row["right_amount"],
            "by_class": dict(counts[row["period_on"], row["currency"]]),
        }
        for row in rows
    ]


def _rules(db: Served, rule: str | None) -> list[Rule]:
    config = db.instance.config_dir
    return [reconcile.find(rule, config)] if rule else reconcile.load(config)


def _found(viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, customer: str | None) -> list[dict[str, Any]]:
    """Differences without work state; cached."""
    cached = ("reconcile", viewer.cache_key, day, customer, *(rule.model_dump_json() for rule in rules))
    if cached not in db.cache:
        rule, named = viewer.named_rows()
        mine = f"customer_key in (select customer.customer_key from core.dim_customer as customer where {rule})"
        of = "c.anchor in (select anchor from entry where customer_key = $customer_key)"
        sql = differences_sql(rules, seen="true" if viewer.scope == "all" else mine, asked=of if customer else "true")
        rows = db.rows(
            f"""select d.* exclude (customers), customer.name, customer.owner_key, customer.owner_name as owner,
                       list_filter(d.customers, lambda one: one <> d.customer_key) as other_customers
                from ({sql}) as d
                join core.dim_customer as customer on customer.customer_key = d.customer_key""",
            {
                "as_of": day,
                **(named if viewer.scope != "all" else {}),
                **({"customer_key": customer} if customer else {}),
            },
        )
        db.cache[cached] = sorted((_item(viewer, row, rules, day) for row in rows), key=_order)
    found: list[dict[str, Any]] = db.cache[cached]
    return found


def _item(viewer: Viewer, row: dict[str, Any], rules: Sequence[Rule], day: date) -> dict[str, Any]:
    rule = next(rule for rule in rules if rule.id == row["rule"])
    return {
        "item_id": f"{row['rule']}|{row['anchor']}|{row['currency'] or ''}",
        "rule_label": rule.label.text(viewer.language),
        **{name: value for name, value in row.items() if name != "label"},
        "number": row["label"],
        "period_on": row["first_on"].replace(day=1),
        "days": max((day - row["due_on"]).days, 0),
    }


def _order(item: dict[str, Any]) -> tuple[Any, ...]:
    return (_RANK.get(item["class"], len(_RANK)), -abs(item["difference"] or 0), item["item_id"])


def _summary(
    viewer: Viewer, rule: Rule, items: Sequence[dict[str, Any]], outside: int, covered: Collection[str]
) -> dict[str, Any]:
    mine = [item for item in items if item["rule"] == rule.id]
    lacks = _lacking(rule, covered)
    return {
        "rule": rule.id, "label": rule.label.text(viewer.language),
        "left_label": rule.sides.left.text(viewer.language), "right_label": rule.sides.right.text(viewer.language),
        "tolerance_amount": rule.tolerance_amount, "tolerance_percent": rule.tolerance_percent,
        "settles_in_days": rule.settles_in_days, "is_answerable": not lacks, "lacks": lacks,
        "before_history": outside,
        "classes": {name: _class(mine, name) for name in CLASSES},
        **{state: sum(item["state"] == state for item in mine) for state in STATES},
    }  # fmt: skip


def _lacking(rule: Rule, covered: Collection[str]) -> list[str]:
    """Measures without any document, without which the rule says nothing."""
    if rule.needs is not None:
        return [name for name in rule.needs if name not in covered]
    return [name for side in (rule.left, rule.right) if not set(side) & set(covered) for name in side]


def _class(items: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    """How many differences are of a class, and their absolute amounts per currency, accepted ones included."""
    amounts: dict[str, Decimal] = defaultdict(Decimal)
    mine = [item for item in items if item["class"] == name]
    for item in mine:
        if item["difference"] is not None and item["currency"]:
            amounts[item["currency"]] += abs(item["difference"])
    return {"count": len(mine), "by_currency": dict(sorted(amounts.items()))}


def _coverage(db: Served, rules: Sequence[Rule], day: date) -> set[str]:
    """Measures of which there is any document, whoever asks; cached."""
    key = ("reconcile coverage", day, *(rule.model_dump_json() for rule in rules))
    if key not in db.cache:
        db.cache[key] = {row["measure"] for row in db.rows(coverage_sql(rules), {"as_of": day})}
    found: set[str] = db.cache[key]
    return found


def _number(db: Served, rows: list[dict[str, Any]]) -> None:
    """Give rows that name no number the one of their document."""
    for entity, table in _NUMBERED.items():
        keys = sorted({row["record_key"] for row in rows if row["number"] is None and row["entity"] == entity})
        if not keys:
            continue
        known = "" if entity == "invoice" else "and known_to is null"
        found = db.rows(
            f"select record_key, number from {table} where list_contains($keys, record_key) {known}", {"keys": keys}
        )
        numbers = {row["record_key"]: row["number"] for row in found}
        for row in rows:
            if row["number"] is None and row["entity"] == entity:
                row["number"] = numbers.get(row["record_key"])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
