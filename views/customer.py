"""The customer screen: who this is, money and risk, what changed, then the work, with one timeline beside it."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import asset_panel, bar, chain_panel, customer_sync, drawer, head, panels, tiles, timeline
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, grids, join, link, table, tag
from views.parts.notice import notice

MATCHES = 20
# What each role reads first; every role can reach every panel.
ROLE_ORDER = {
    "service": "tickets assets orders contacts contracts projects receivables opportunities records",
    "account_manager": "receivables tickets opportunities projects contracts orders contacts assets records",
    "finance": "receivables contracts orders contacts tickets projects opportunities assets records",
    "leader": "receivables opportunities contracts projects tickets orders contacts assets records",
    "steward": "records contacts contracts orders assets receivables opportunities tickets projects",
    "integration": "records receivables orders contracts tickets assets projects opportunities contacts",
}


def page() -> None:
    """Show the customer the URL names, a list of matches for `?q=`, or what to search for."""
    context = state.context()
    asked = st.query_params.get("customer") or st.query_params.get("q")
    if not asked:
        st.html(_welcome(context))
        return
    day = as_of(context)
    try:
        found = serve.customer(context.viewer, context.db, asked, as_of=day)
    except serve.NotFound:
        st.html(_matches(context, asked))
        return
    pinned = any(row["customer_key"] == found["customer_key"] for row in serve.pinned(context.viewer, context.db))
    _screen(
        context,
        {
            **found,
            "is_past": day is not None,
            "door": drawer.address,
            "is_pinned": pinned,
            "chain_door": chain_panel.door(context.look),
            "records_door": state.href("trust", view="customer", customer=found["customer_key"]),
        },
    )
    if opened := drawer.drawer(context):
        st.html(opened)


def as_of(context: state.Context) -> date | None:
    """The past business date that `?as_of=` asks for; None for today, for a later day and for what is no date."""
    try:
        asked = date.fromisoformat(st.query_params.get("as_of", ""))
    except ValueError:
        return None
    return asked if asked < context.db.today() else None


def _screen(context: state.Context, found: dict[str, Any]) -> None:
    look, freshness = context.look, found.get("freshness") or {}
    # Read before anything is drawn, so that nothing above the fold arrives late.
    changes = None
    if not found["is_past"]:
        changes = serve.changes_since(context.viewer, context.db, found["customer_key"])
        serve.seen(context.viewer, context.db, found["customer_key"])
    st.html(head.identity(look, found, context.db.today()))
    if found["is_past"]:
        st.html(_past(look, found["as_of"]))
    else:
        customer_sync.show(context, found["customer_key"])
    st.html(tiles.strip(look, found, context.viewer.role))
    if since := head.since(look, found, changes):
        st.html(since)
    order = ROLE_ORDER.get(context.viewer.role, ROLE_ORDER["account_manager"]).split()
    left, right = st.columns([2.82, 1])
    with left:
        drawn = [panels.PANELS[name](look, found, freshness) for name in order]
        if chain_panel.is_open():
            st.html(chain_panel.show(context, found["customer_key"], found["as_of"] if found["is_past"] else None))
        if asset_panel.is_open():
            asset_panel.show(context, found["customer_key"], found["as_of"] if found["is_past"] else None)
        st.html(grids(drawn))
    with right:
        st.html(timeline.panel(context, found))


def _past(look: Look, day: date) -> Html:
    """The banner of a past day: which day, what is of that day and what is not."""
    back = link(look.t("customer.back_to_today"), state.here("customer", as_of=None))
    title = join([look.t("customer.as_of", day=day.isoformat()), " ", back])
    return notice(title, look.t("customer.as_of_past"), look.t("customer.as_of_now"), tone="amber")


def _welcome(context: state.Context) -> Html:
    look = context.look
    overdue = [
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
    title = look.t("customer.start_list")
    listed = panels.panel("start", title, table(title, columns, overdue)) if overdue else ""
    return join(
        [
            notice(look.t("customer.start"), look.t("customer.start_help")),
            tag("div", _kept(context), listed, class_="panels gap"),
        ]
    )


def _kept(context: state.Context) -> Html:
    """The viewer's pinned customers, then those looked at lately."""
    look = context.look
    rows = [Row([hit["name"], hit["why"]], href=hit["href"]) for hit in bar.kept(context)]
    title = look.t("panel.kept")
    if not rows:
        return panels.panel("kept", title, empty(look.t("panel.kept_none")))
    return panels.panel(
        "kept", title, table(title, [Column(look.t("col.customer")), Column(look.t("col.looked_at"), "num")], rows)
    )


def _matches(context: state.Context, asked: str) -> Html:
    look = context.look
    hits = serve.search(context.viewer, context.db, asked, limit=MATCHES)
    if not hits:
        said = notice(look.t("customer.not_found", query=asked), look.t("customer.not_found_help"), tone="amber")
        return join([said, tag("div", _kept(context), class_="panels gap")])
    rows = [
        Row(
            [
                hit["name"],
                bar.why(look, hit) or tag("span", look.label("match", hit["matched"]["kind"]), class_="muted"),
                tag("span", hit["customer_key"], class_="muted"),
            ],
            href=state.href("customer", customer=hit["customer_key"]),
        )
        for hit in hits
    ]
    columns = [Column(look.t("col.customer")), Column(look.t("col.why")), Column(look.t("col.customer_number"), "num")]
    title = look.t("customer.matches", query=asked)
    badge = chip(look.t("customer.matches_first", n=MATCHES) if len(hits) == MATCHES else look.count(len(hits)))
    return tag("div", panels.panel("matches", title, table(title, columns, rows), badge=badge), class_="worklist")


page()
