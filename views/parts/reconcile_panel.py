"""Reconciliation: what the systems say differently, per rule and class, down to both sides' documents."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import policy, serve
from model.reconcile.differences import CLASSES
from ops.errors import C360Error
from views import state
from views.parts import actions, trust_filters, trust_tabs
from views.parts.format import Look
from views.parts.html import Column, Html, Row, bar, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import show_error

SHOWN = 80
STATES = ("open", "accepted", "waiting")
TONES = {"missing": "red", "amount": "mid", "currency": "soft", "duplicate": "accent", "timing": "grey"}
CHIPS = {"missing": "red", "amount": "amber", "currency": "amber", "duplicate": "blue", "timing": ""}
STATE_CHIPS = {"open": "amber", "accepted": "green", "waiting": ""}
KEPT = ("rule", "class", "state", "owner", "text")


def show(context: state.Context) -> None:
    """The rules with their counts as bars, then the differences that are asked for, the chosen one beside them."""
    look = context.look
    rule = st.query_params.get("rule")
    every = serve.reconciliation(context.viewer, context.db)
    known = {one["rule"]: one["label"] for one in every["rules"]}
    rule = rule if rule in known else None
    st.html(_summary(look, every["rules"], rule))
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        text = trust_filters.search(look)
        trust_filters.choice(look, "rule", known, 170)
        wanted = trust_filters.choice(look, "class", {one: look.t(f"trust.class_{one}") for one in CLASSES}, 120)
        states = {one: look.t(f"trust.state_{one}") for one in STATES}
        stands = (
            trust_filters.choice(look, "state", {**states, "all": look.t("filter.any")}, 130, every=False) or "open"
        )
        owner = trust_filters.choice(look, "owner", actions.owners(context), 140)
        trust_filters.rest(look, KEPT)
    items = [
        one for one in every["items"]
        if (rule is None or one["rule"] == rule)
        and (wanted is None or one["class"] == wanted)
        and (stands == "all" or one["state"] == stands)
        and (owner is None or one["owner_key"] == owner)
        and (not text or text.lower() in f"{one['name']} {one['number'] or ''}".lower())
    ]  # fmt: skip
    asked = st.query_params.get("item")
    chosen = next((one for one in items if one["item_id"] == asked), items[0] if items else None)
    left, right = st.columns([1.35, 1])
    with left:
        st.html(_listing(look, items, chosen))
    if chosen is not None:
        with right, st.container(key="card_detail"):
            _detail(context, chosen, next(one for one in every["rules"] if one["rule"] == chosen["rule"]))


def _summary(look: Look, rules: list[dict[str, Any]], chosen: str | None) -> Html:
    """One line per rule: the classes as a bar over the largest rule, then how many are open, accepted and waiting."""
    counts = {one["rule"]: sum(row["count"] for row in one["classes"].values()) for one in rules}
    largest = max(counts.values(), default=0) or 1
    rows = [
        Row(
            [
                join([one["label"], tag("span", f"{one['left_label']} ↔ {one['right_label']}", class_="sides-of")]),
                _bar(look, one, largest) if one["is_answerable"] else _silent(look, one),
                _count(look, one["open"], "t-amber"),
                look.count(one["accepted"]),
                look.count(one["waiting"]),
                _amounts(look, one),
            ],
            href=trust_tabs.kept(rule=None if one["rule"] == chosen else one["rule"], item=None, record=None),
            selected=one["rule"] == chosen,
        )
        for one in rules
    ]
    columns = [
        Column(look.t("trust.rule"), "wide"), Column(look.t("trust.differences"), "fill"),
        Column(look.t("trust.state_open"), "num"), Column(look.t("trust.state_accepted"), "num", phone=False),
        Column(look.t("trust.state_waiting"), "num", look.t("trust.waiting_help"), phone=False),
        Column(look.t("trust.explained"), "num", look.t("trust.explained_help"), phone=False),
    ]  # fmt: skip
    keys = [tag("span", tag("i", "", class_=f"seg {TONES[name]}"), look.t(f"trust.class_{name}"), class_="key",
                title=look.t(f"trust.class_{name}_help")) for name in TONES]  # fmt: skip
    body = join(
        [tag("p", *keys, class_="keys"), tag("div", table(look.t("trust.rules"), columns, rows), class_="scroll")]
    )
    total = sum(one["open"] for one in rules)
    badge = chip(look.t("trust.open_n", n=look.count(total)), "amber" if total else "green")
    return tag("div", panel("rules", look.t("trust.rules"), body, badge=badge), class_="rules")


def _bar(look: Look, one: dict[str, Any], largest: int) -> Html:
    found = {name: one["classes"][name]["count"] for name in TONES}
    said = ", ".join(f"{look.t(f'trust.class_{name}')} {n}" for name, n in found.items() if n)
    if not said:
        return tag("span", look.t("trust.agrees"), class_="t-green")
    parts = [(n / largest, TONES[name], f"{look.t(f'trust.class_{name}')} {n}") for name, n in found.items()]
    return bar(parts, said)


def _silent(look: Look, one: dict[str, Any]) -> Html:
    return tag("span", look.t("trust.silent"), class_="unknown", title=", ".join(one["lacks"]))


def _count(look: Look, n: int, tone: str) -> Html:
    return tag("span", look.count(n), class_=tone if n else None)


def _amounts(look: Look, one: dict[str, Any]) -> Html:
    """What is not a matter of time, per currency."""
    sums: dict[str, Any] = {}
    for name, row in one["classes"].items():
        if name != "timing":
            for currency, amount in row["by_currency"].items():
                sums[currency] = sums.get(currency, 0) + amount
    return look.dotted(*(look.money(amount, currency) for currency, amount in sorted(sums.items()))) or look.na()


def _listing(look: Look, items: list[dict[str, Any]], chosen: dict[str, Any] | None) -> Html:
    title = look.t("trust.items")
    if not items:
        return panel("items", title, empty(look.t("trust.items_none")))
    rows = [
        Row(
            [
                join([one["name"], tag("span", look.text(one["owner"]), class_="second")]),
                join([h(one["number"] or one["anchor"]), tag("span", one["rule_label"], class_="second")]),
                _difference(look, one),
                join([chip(look.t(f"trust.class_{one['class']}"), CHIPS[one["class"]]),
                      tag("span", _since(look, one), class_="second")]),
            ],
            href=trust_tabs.kept(item=one["item_id"], record=None),
            selected=one is chosen,
        )
        for one in items[:SHOWN]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer"), "wide"),
        Column(look.t("trust.document"), phone=False),
        Column(look.t("trust.difference"), "num", look.t("trust.difference_help")),
        Column(look.t("trust.class"), "mid"),
    ]
    foot = look.keys("work.keys")
    if len(items) > SHOWN:
        foot = join([look.t("work.more", shown=SHOWN, total=look.count(len(items))), " ", foot])
    body = table(title, columns, rows)
    badge = chip(look.count(len(items)))
    return tag("div", panel("items", title, body, badge=badge, foot=foot), class_="worklist")


def _difference(look: Look, one: dict[str, Any]) -> Html:
    if one["difference"] is None:
        return tag("span", f"{one['left_count']} / {one['right_count']}", title=look.t("trust.counts_help"))
    return look.money(one["difference"], one["currency"])


def _since(look: Look, one: dict[str, Any]) -> str:
    if one["class"] == "timing":
        return look.t("trust.until", on=one["due_on"].isoformat())
    return look.t("trust.for_days", n=look.count(one["days"])) if one["days"] else look.t("ui.today")


def _detail(context: state.Context, item: dict[str, Any], rule: dict[str, Any]) -> None:
    look = context.look
    found = serve.reconciliation_rows(context.viewer, context.db, item["item_id"])
    one = found["item"]
    name = link(one["name"], state.href("customer", customer=one["customer_key"]))
    help_ = look.t(f"trust.class_{one['class']}_help")
    marks = [
        chip(look.t(f"trust.class_{one['class']}"), CHIPS[one["class"]], help_),
        chip(look.t(f"trust.state_{one['state']}"), STATE_CHIPS[one["state"]]),
    ]
    st.html(tag("div", tag("h2", name), *marks, class_="phead"))
    facts = [one["rule_label"], h(one["number"] or one["anchor"]), look.t("trust.tolerance",
             amount=look.plain(rule["tolerance_amount"]), percent=look.plain(rule["tolerance_percent"]))]  # fmt: skip
    st.html(tag("p", look.dotted(*facts), class_="muted"))
    st.html(_sums(look, one, rule))
    for side in ("left", "right"):
        st.html(_side(look, rule[f"{side}_label"], found[side]))
    if told := _accepted(look, one):
        st.html(told)
    if policy.roles()[context.viewer.role].may_work:
        _accept(context, one)


def _sums(look: Look, one: dict[str, Any], rule: dict[str, Any]) -> Html:
    """Both sides' sums and what is between them."""

    def figure(label: str, value: Any, currency: str | None, tone: str = "") -> Html:
        shown = look.na() if value is None else look.money(value, currency)
        return tag(
            "span", tag("span", label, class_="ln"), tag("b", shown, class_=f"fig {tone}".strip()), class_="part"
        )

    right = one["right_currency"] or one["currency"]
    return tag(
        "div",
        figure(rule["left_label"], one["left_amount"], one["currency"]),
        figure(rule["right_label"], one["right_amount"], right),
        figure(look.t("trust.difference"), one["difference"], one["currency"], "t-red"),
        class_="versus",
    )


def _side(look: Look, label: str, rows: list[dict[str, Any]]) -> Html:
    title = tag("h3", label, " ", tag("span", look.count(len(rows)), class_="muted"), class_="sub")
    if not rows:
        return join([title, empty(look.t("trust.side_none"))])
    drawn = [
        Row(
            [
                look.text(row["number"] or row["source_id"]),
                look.label("source", row["source"]),
                look.day(row["dated_on"]),
                join([look.exact(row["amount"]), f" {row['currency'] or ''}"])
                if row["amount"] is not None
                else look.na(),
            ],
            href=state.here("trust", record=f"{row['entity']}:{row['source']}:{row['source_id']}"),
            is_record=True,
        )
        for row in rows
    ]
    columns = [
        Column(look.t("trust.document")), Column(look.t("col.source"), "mid"),
        Column(look.t("trust.dated"), "mid"), Column(look.t("col.amount"), "num"),
    ]  # fmt: skip
    return join([title, tag("div", table(label, columns, drawn), class_="scroll items drill")])


def _accepted(look: Look, one: dict[str, Any]) -> Html | str:
    """The acceptance that stands, or the one that lapsed because a figure changed."""
    given = one["accepted"] or one["lapsed"]
    if not given:
        return ""
    msgid = "trust.accepted" if one["accepted"] else "trust.lapsed"
    by = look.dotted(
        h(given["label"] or given["reason"]), look.who(given["by"]), look.when(given["at"]), h(given["note"] or "")
    )
    return tag("p", tag("b", look.t(msgid)), " ", by)


def _accept(context: state.Context, one: dict[str, Any]) -> None:
    look, key = context.look, one["item_id"]
    if one["state"] == "waiting":
        st.html(tag("p", look.t("trust.wait_until", on=one["due_on"].isoformat()), class_="muted"))
        return
    if one["state"] == "accepted":
        st.button(look.t("trust.withdraw"), key="withdraw", on_click=_withdraw, args=(context, key))
        return
    codes = {row["code"]: row["label"] for row in serve.work_codes(context.viewer, context.db)["reconcile_reason"]}
    with st.form(f"accept_{key}", border=False):
        left, right = st.columns(2)
        reason = left.selectbox(look.t("trust.accept_reason"), list(codes), format_func=lambda one: codes[one])
        note = right.text_input(look.t("act.note"), max_chars=500)
        pressed = st.form_submit_button(look.t("trust.accept"), type="primary")
    if pressed:
        try:
            serve.accept_difference(context.viewer, context.db, key, reason=str(reason), note=note or None)
        except C360Error as error:
            show_error(look, error)
            return
        st.session_state["acted"] = look.t("trust.done_accepted")
        st.query_params.pop("item", None)
        st.rerun()


def _withdraw(context: state.Context, key: str) -> None:
    try:
        serve.withdraw_acceptance(context.viewer, context.db, key)
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = context.look.t("trust.done_withdrawn")
