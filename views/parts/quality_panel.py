"""Data quality: the score of all, of a source or of one customer, what costs most, how it went, and whom to correct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from model.quality import DIMENSIONS
from ops.texts import catalogue
from views import state
from views.parts import quality_trend, trust_filters, trust_tabs, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, bar, chip, empty, h, join, link, panel, table, tag

SHOWN = 40
RULES = 8
ORDERS = {"": "revenue x failures", "revenue": "revenue", "failures": "failures", "name": "name"}
KEPT = ("source", "rule", "order", "customer")
# From here on a score needs no colour, below the second one it needs somebody today.
GOOD, POOR = 95, 80
BARS = {"": "green", "amber": "soft", "red": "red"}


def show(context: state.Context) -> None:
    """Filters, the score with its dimensions, sources and trend, the costliest rules, and the records to correct."""
    look, viewer, db = context.look, context.viewer, context.db
    customer = st.query_params.get("customer")
    every = serve.quality(viewer, db)
    source, rule, order = _filters(look, every)
    alone = source is None and customer is None
    found = every if alone else serve.quality(viewer, db, source=source, customer=customer)
    records = serve.quality_worklist(
        viewer, db, rule=rule, source=source, customer=customer, order=ORDERS[order], limit=SHOWN
    )
    named = next((row["name"] for row in records["rows"]), customer) if customer else look.t("quality.score")
    st.html(_tiles(look, found, named))
    sides = [_sources(look, found if customer else every, source)]
    if not customer:
        sides.append(quality_trend.drawn(look, serve.quality_trend(viewer, db, source=source)))
    st.html(tag("div", *sides, class_="panels fill"))
    st.html(_rules(look, found["rules"], rule))
    st.html(_records(look, records, customer))


def tone(score: Any) -> str:
    """The colour of a score: none when it is good."""
    return "" if score is None or score >= GOOD else "amber" if score >= POOR else "red"


def _filters(look: Look, found: Mapping[str, Any]) -> tuple[str | None, str | None, str]:
    sources = {row["source"]: str(look.label("source", row["source"])) for row in found["sources"]}
    # A measure of a whole source has no records to list.
    rules = {row["rule"]: row["label"] for row in found["rules"] if row["entity"] and row["failed"]}
    orders = {name: look.t(f"quality.order_{name or 'worth'}") for name in ORDERS}
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        source = trust_filters.choice(look, "source", sources, 130)
        rule = trust_filters.choice(look, "rule", rules, 230)
        order = trust_filters.choice(look, "order", orders, 190, every=False)
        trust_filters.rest(look, KEPT)
    return source, rule, order or ""


def _score(look: Look, score: Any) -> Html:
    """A score to a tenth, with its colour; not applicable where no rule applies."""
    if score is None:
        return look.na()
    return tag("span", str(score), class_=f"n t-{tone(score)}" if tone(score) else "n")


def _tiles(look: Look, found: Mapping[str, Any], named: str | None) -> Html:
    whole = _tile(look, named or look.t("quality.score"), found["score"], _failed(look, found), "")
    parts = [
        _tile(look, look.t(f"quality.dim_{name}"), one["score"], _failed(look, one),
              look.t("quality.weight", n=str(one["weight"])))
        for name, one in ((name, found["dimensions"][name]) for name in DIMENSIONS if name in found["dimensions"])
    ]  # fmt: skip
    return tag("div", whole, *parts, class_="tiles even")


def _tile(look: Look, title: str, score: Any, failed: object, foot: str) -> Html:
    lines = [tag("span", line, class_="ln") for line in (failed, foot) if line]
    drawn = "" if score is None else bar([(float(score) / 100, BARS[tone(score)], "")], f"{title} {score}")
    figure = tag("span", _score(look, score), tag("small", look.t("quality.of_100")), class_="fig")
    return tag("div", tag("span", title, class_="ln"), figure, drawn, *lines, class_="tile")


def _failed(look: Look, one: Mapping[str, Any]) -> str:
    return look.t("quality.failed_of", failed=look.count(one["failed"]), n=look.count(one["checked"]))


def _sources(look: Look, found: Mapping[str, Any], chosen: str | None) -> Html:
    title = look.t("quality.sources")
    if not found["sources"]:
        return panel("quality-sources", title, empty(look.t("quality.no_sources")))
    rows = [
        Row(
            [
                look.label("source", row["source"]),
                tag("b", _score(look, row["score"])),
                *(_score(look, row["dimensions"].get(name)) for name in DIMENSIONS),
                look.count(row["failed"]),
            ],
            href=trust_tabs.kept(source=None if row["source"] == chosen else row["source"], record=None),
            selected=row["source"] == chosen,
        )
        for row in found["sources"]
    ]
    columns = [
        Column(look.t("col.source"), "mid"), Column(look.t("quality.score"), "num"),
        *(Column(look.t(f"quality.dim_{name}"), "num", phone=False) for name in DIMENSIONS),
        Column(look.t("quality.broken"), "num"),
    ]  # fmt: skip
    body = tag("div", table(title, columns, rows), class_="scroll")
    return panel("quality-sources", title, body, source=look.t("quality.scale"))


def _rules(look: Look, rules: Sequence[Mapping[str, Any]], chosen: str | None) -> Html:
    """The rules that are broken, costliest first; each one opens its records below."""
    title = look.t("quality.rules")
    broken = [row for row in rules if row["failed"]]
    if not broken:
        return panel("quality-rules", title, empty(look.t("quality.all_kept")))
    rows = [
        Row(
            [
                join([row["label"], tag("span", row["action"], class_="second")]),
                look.t(f"quality.dim_{row['dimension']}"),
                str(row["weight"]),
                look.count(row["failed"]),
                look.count(row["checked"]),
                _score(look, row["score"]),
            ],
            href=trust_tabs.kept(rule=None if row["rule"] == chosen else row["rule"], record=None)
            if row["entity"]
            else None,
            selected=row["rule"] == chosen,
        )
        for row in broken
    ]
    columns = [
        Column(look.t("trust.rule"), "wide"), Column(look.t("quality.dimension"), "mid", phone=False),
        Column(look.t("quality.weight_head"), "num", phone=False), Column(look.t("quality.broken"), "num"),
        Column(look.t("quality.checked"), "num", phone=False), Column(look.t("quality.score"), "num"),
    ]  # fmt: skip
    toggle = tag(
        "button", tag("span", look.t("panel.all", n=look.count(len(rows))), class_="more"),
        tag("span", look.t("panel.fewer"), class_="less"), type="button", data_toggle="all", aria_expanded="false",
    )  # fmt: skip
    badge = chip(look.count(len(rows)), "amber")
    return panel(
        "quality-rules", title, tag("div", table(title, columns, rows, RULES), class_="scroll"),
        badge=badge, foot=toggle if len(rows) > RULES else "",
    )  # fmt: skip


def _records(look: Look, found: Mapping[str, Any], customer: str | None) -> Html:
    title = look.t("quality.records")
    back = link(look.t("quality.every_customer"), trust_tabs.kept(customer=None, record=None)) if customer else ""
    if not found["rows"]:
        return panel("quality-records", title, empty(look.t("quality.no_records")), source=back)
    rows = [
        Row(
            [
                join([row["name"], tag("span", look.text(row["owner"]), class_="second")]),
                join([row["label"], tag("span", row["action"], class_="second")]),
                join([tag("span", row["label"], class_="below"), _record(look, row)]),
                look.money(row["revenue"]),
            ],
            href=trust_tabs.kept(customer=row["customer_key"], record=None),
        )
        for row in found["rows"]
    ]
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("trust.rule"), phone=False),
        Column(look.t("quality.stands")),
        Column(f"{look.t('trust.at_stake')} ({found['currency']})", "num", look.t("trust.at_stake_help"), phone=False),
    ]  # fmt: skip
    foot = look.t("quality.more", shown=look.count(len(rows)), total=look.count(found["total"]))
    badge = chip(look.count(found["total"]), "amber")
    body = tag("div", table(title, columns, rows), class_="scroll")
    shown = panel("quality-records", title, body, badge=badge, source=back, foot=h(foot) if found["has_more"] else "")
    return tag("div", shown, class_="worklist")


def _record(look: Look, row: Mapping[str, Any]) -> Html:
    """What the field holds, and the record it stands in."""
    value = look.text(str(row["value"]) if isinstance(row["value"], Decimal) else row["value"])
    if row["value"] in {None, ""}:
        value = tag("span", look.t("quality.missing"), class_="unknown")
    elif row["field"].endswith("_at"):
        value = look.stamp(row["value"])
    elif row["field"] == "status" and row["entity"] == "customer":
        value = look.label("customer_status", row["value"])
    where = join([look.label("source", row["source"]), f" {row['source_id']}"])
    opened = trust_tabs.kept(record=f"{row['entity']}:{row['source']}:{row['source_id']}")
    said = f"record.{row['field']}"
    field = look.t(said) if said in catalogue() else words.column(look, row["entity"], row["field"])
    return join([
        look.t("quality.field", field=field), value,
        tag("span", link(where, opened, is_record=True), class_="second"),
    ])  # fmt: skip
