"""Conflicts per field: what each record says, which rule decides, and "this one is right"."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import schema, serve
from model.identity.survivorship import COLUMNS
from model.policy import HIDDEN
from ops.errors import C360Error
from ops.texts import catalogue
from views import state
from views.parts import actions, match_pair, trust_filters, trust_tabs, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import show_error

SHOWN = 60
STATES = ("open", "pending", "settled")
TONES = {"open": "amber", "pending": "blue", "settled": "green"}
KEPT = ("field", "source", "owner", "text", "state")


def show(context: state.Context) -> None:
    """Filters, the list of (customer, field), and the chosen one's values beside it."""
    look = context.look
    found, asked = _found(context)
    rows = found["rows"]
    chosen = _chosen(rows)
    left, right = st.columns([1.15, 1])
    with left:
        st.html(_listing(look, found, asked, chosen))
    if chosen is not None:
        with right, st.container(key="card_detail"):
            _detail(context, chosen)


def _found(context: state.Context) -> tuple[dict[str, Any], str]:
    look = context.look
    sources = [row["source"] for row in serve.status(context.viewer, context.db)["sources"]]
    every = serve.field_conflicts(context.viewer, context.db, limit=0)["by_field"]
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        text = trust_filters.search(look)
        counted = {name: f"{field_word(look, name)} ({n})" for name, n in every.items()}
        field = trust_filters.choice(look, "field", counted, 170)
        source = trust_filters.choice(look, "source", {one: str(look.label("source", one)) for one in sources}, 120)
        owner = trust_filters.choice(look, "owner", actions.owners(context), 140)
        asked = trust_filters.choice(
            look, "state", {name: look.t(f"conflict.state.{name}") for name in STATES}, 150, every=False
        )
        trust_filters.rest(look, KEPT)
    asked = asked or "open"
    found = serve.field_conflicts(
        context.viewer, context.db, field=field, source=source, owner_key=owner, text=text, state=asked, limit=SHOWN
    )
    return found, asked


def field_word(look: Look, field: str) -> str:
    """The word for a field that survivorship decides."""
    msgid = f"survivorship.field.{field}"
    return look.t(msgid) if msgid in catalogue() else words.column(look, "customer", COLUMNS.get(field, field))


def _key(row: dict[str, Any]) -> str:
    return f"{row['customer_key']}|{row['field']}"


def _chosen(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    asked = st.query_params.get("item")
    return next((row for row in rows if _key(row) == asked), rows[0] if rows else None)


def _listing(look: Look, found: dict[str, Any], asked: str, chosen: dict[str, Any] | None) -> Html:
    title = look.t("trust.conflicts")
    counts = look.dotted(*(f"{look.t(f'conflict.state.{name}')} {look.count(n)}"
                           for name, n in found["by_state"].items() if name != asked))  # fmt: skip
    if not found["rows"]:
        return panel("conflicts", title, empty(look.t(f"trust.conflicts_none_{asked}")), source=counts)
    rows = [
        Row(
            [
                join([h(row["name"]), tag("span", look.text(row["owner"]), class_="second")]),
                field_word(look, row["field"]),
                _values(look, row),
                look.money(row["revenue"]),
            ],
            href=trust_tabs.kept(item=_key(row), record=None),
            selected=row is chosen,
        )
        for row in found["rows"]
    ]
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("col.field"), "mid"),
        Column(look.t("trust.values"), phone=False),
        Column(join([look.t("trust.at_stake"), f" ({found['currency']})"]), "num", look.t("trust.at_stake_help")),
    ]  # fmt: skip
    foot = look.keys("work.keys")
    if found["total"] > len(rows):
        foot = join([look.t("work.more", shown=len(rows), total=look.count(found["total"])), " ", foot])
    badge = chip(look.count(found["total"]), TONES[asked])
    body = table(title, columns, rows)
    return tag("div", panel("conflicts", title, body, badge=badge, source=counts, foot=foot), class_="worklist")


def _values(look: Look, row: dict[str, Any]) -> Html:
    """The value that stands and the first that contradicts it."""
    against = next((one for one in row["values"] if not one["agrees"]), None)
    if row["value"] == HIDDEN:
        return look.text(HIDDEN)
    parts = [tag("span", _said(look, row, row["value"]), class_="clip")]
    if against is not None:
        parts.append(tag("span", "≠ ", _said(look, row, against["value"]), class_="second clip"))
    return join(parts)


def _said(look: Look, row: dict[str, Any], value: Any) -> Html:
    if row["field"] == "status":
        return look.label("customer_status", value)
    name = COLUMNS.get(row["field"], row["field"])
    known = schema.entity("customer").by_name
    return match_pair.shown(look, name, value) if name in known and row["field"] != "owner" else look.text(value)


def _detail(context: state.Context, row: dict[str, Any]) -> None:
    look = context.look
    mark = chip(look.t(f"conflict.state.{row['state']}"), TONES[row["state"]])
    name = link(row["name"], state.href("customer", customer=row["customer_key"]))
    st.html(tag("div", tag("h2", field_word(look, row["field"]), " · ", name), mark, class_="phead"))
    st.html(_rule(look, row))
    st.html(_table(look, row))
    may_decide = serve.may_decide(context.viewer)
    if may_decide and row["state"] != "pending":
        _settle(context, row)
    if may_decide and (row["pin"] or row["state"] == "pending"):
        st.button(look.t("trust.retract"), key="field_retract", on_click=_retract, args=(context, row))
    if history := _history(context, row):
        st.html(history)


def _rule(look: Look, row: dict[str, Any]) -> Html:
    """Why the value that stands does: a decision, or the rule of its group."""
    if pin := row["pin"]:
        by = look.dotted(look.who(pin["by"]), look.when(pin["at"]), h(pin["reason"]) if pin["reason"] else "")
        return tag("p", tag("b", look.t("trust.pinned")), " ", tag("span", by, class_="muted"))
    rule = row["rule"]
    order = " → ".join(str(look.label("source", role)) for role in rule["roles"])
    said = [look.t(f"survivorship.strategy.{rule['strategy']}"), order, look.t(f"survivorship.state.{rule['state']}")]
    if rule["together"]:
        said.append(look.t("survivorship.together"))
    return tag("p", look.dotted(*said), class_="muted", title=look.t("trust.rule_help"))


def _table(look: Look, row: dict[str, Any]) -> Html:
    rows = [
        Row(
            [
                look.label("source", one["source"]),
                join([_said(look, row, one["value"]), _marks(look, one)]),
                tag("span", look.when(one["changed_at"]) if one["changed_at"] else look.na(),
                    title=look.t(f"trust.changed_{one['changed_basis']}") if one["changed_basis"] else None),
            ],
            href=state.here("trust", record=f"customer:{one['record_key']}"),
            is_record=True,
        )
        for one in row["values"]
    ]  # fmt: skip
    columns = [Column(look.t("col.source"), "mid"), Column(look.t("col.value")), Column(look.t("trust.changed"), "num")]
    return tag("div", table(look.t("trust.values"), columns, rows), class_="scroll items")


def _marks(look: Look, one: dict[str, Any]) -> Html:
    marks: list[Html] = []
    if one["is_winner"]:
        marks.append(chip(look.t("trust.stands"), "green"))
    elif not one["agrees"]:
        marks.append(chip(look.t("trust.contradicts"), "amber"))
    if one["is_deleted"]:
        marks.append(chip(look.t("record.deleted"), "red"))
    return join([" ", *marks])


def _settle(context: state.Context, row: dict[str, Any]) -> None:
    """Choose the record whose value is right."""
    look = context.look
    living = {one["record_key"]: one for one in row["values"] if not one["is_deleted"]}
    if not living:
        return
    kept = f"{row['customer_key']}_{row['field']}"

    def said(key: str) -> str:
        value = living[key]["value"]
        shown = look.t(f"enum.customer_status.{value}") if row["field"] == "status" and _is_status(value) else value
        return f"{look.label('source', living[key]['source'])} · {shown}"

    record = st.pills(
        look.t("trust.which_right"), list(living), format_func=said, key=f"right_{kept}", default=row["record_key"]
        if row["record_key"] in living else None,
    )  # fmt: skip
    reason = st.text_input(look.t("trust.reason"), key=f"why_{kept}", max_chars=300)
    if st.button(look.t("trust.settle"), key="field_settle", type="primary", disabled=record is None) and record:
        try:
            serve.settle_field(context.viewer, context.db, str(record), row["field"], reason or None)
        except C360Error as error:
            show_error(look, error)
            return
        st.session_state["acted"] = look.t("trust.done_settled", field=field_word(look, row["field"]))
        st.query_params.pop("item", None)
        st.rerun()


def _is_status(value: Any) -> bool:
    return f"enum.customer_status.{value}" in catalogue()


def _retract(context: state.Context, row: dict[str, Any]) -> None:
    try:
        serve.retract_field(context.viewer, context.db, row["customer_key"], row["field"])
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = context.look.t("trust.done_retracted", field=field_word(context.look, row["field"]))


def _history(context: state.Context, row: dict[str, Any]) -> Html | str:
    look = context.look
    every = serve.field_decisions(context.viewer, context.db, row["customer_key"])
    mine = [one for one in every if one["field"] == row["field"]]
    if not mine:
        return ""
    lines = [
        tag("li", tag("b", look.t(f"trust.field_{one['decision']}")), " ", _said(look, row, one["value"])
            if one["value"] else "", " ", tag("span", look.dotted(
                look.who(one["by"]), look.when(one["at"]), h(one["reason"]) if one["reason"] else ""), class_="by"))
        for one in mine
    ]  # fmt: skip
    title = tag("h3", look.t("trust.decisions"), class_="sub")
    return tag("div", title, tag("ol", *lines, class_="line brief"), class_="history")
