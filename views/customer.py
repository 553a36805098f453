"""The customer screen: who this is, money and risk, what changed, then the work, with one timeline beside it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import bar, head, panels, tiles, timeline
from views.parts.html import Column, Html, Row, join, table, tag
from views.parts.notice import notice

ROLE_ORDER = {
    "service": ["tickets", "orders", "contracts", "contacts", "projects", "receivables", "opportunities"],
    "account_manager": [
        "receivables",
        "tickets",
        "opportunities",
        "projects",
        "contracts",
        "orders",
        "contacts",
    ],
    "finance": ["receivables", "contracts", "orders", "contacts", "tickets", "projects", "opportunities"],
    "leader": ["receivables", "opportunities", "contracts", "projects", "tickets", "orders", "contacts"],
}


def page() -> None:
    """Show the customer the URL names, a list of matches for `?q=`, or what to search for."""
    context = state.context()
    asked = st.query_params.get("customer") or st.query_params.get("q")
    if not asked:
        st.html(_welcome(context))
        return
    try:
        found = serve.customer(context.viewer, context.db, asked)
    except serve.NotFound:
        st.html(_matches(context, asked))
        return
    _screen(context, found)


def _screen(context: state.Context, found: dict[str, Any]) -> None:
    look, freshness = context.look, found.get("freshness") or {}
    st.html(head.identity(look, found))
    st.html(tiles.strip(look, found))
    if since := head.since(look, found):
        st.html(since)
    order = ROLE_ORDER.get(context.viewer.role, ROLE_ORDER["account_manager"])
    left, right = st.columns([2.82, 1])
    with left:
        drawn = [panels.PANELS[name](look, found, freshness) for name in order]
        st.html(tag("div", *drawn, class_="panels"))
    with right:
        st.html(timeline.panel(context, found))


def _welcome(context: state.Context) -> Html:
    look = context.look
    rows = [
        Row(
            [
                item["name"],
                look.money(item["overdue_amount"], item["currency"]),
                look.days(item["oldest_days"]),
            ],
            href=state.href("customer", customer=item["customer_key"]),
        )
        for item in serve.worklist(context.viewer, context.db)[:8]
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.overdue"), "num"),
        Column(look.t("col.oldest"), "num"),
    ]
    listed = (
        panels.panel("start", look.t("customer.start_list"), table(look.t("customer.start_list"), columns, rows))
        if rows
        else ""
    )
    return join([notice(look.t("customer.start"), look.t("customer.start_help")), tag("p", ""), listed])


def _matches(context: state.Context, asked: str) -> Html:
    look = context.look
    hits = serve.search(context.viewer, context.db, asked, limit=20)
    if not hits:
        return notice(look.t("customer.not_found", query=asked), look.t("customer.not_found_help"), tone="amber")
    rows = [
        Row(
            [hit["name"], bar.why(look, hit)],
            href=state.href("customer", customer=hit["customer_key"]),
        )
        for hit in hits
    ]
    columns = [Column(look.t("col.customer")), Column(look.t("col.why"))]
    title = look.t("customer.matches", query=asked)
    return panels.panel("matches", title, table(title, columns, rows))


page()
