"""One timeline over all systems, filtered by kind and paged through the URL."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from model.serve.timeline import end_of
from views import state
from views.parts import html
from views.parts.format import Look
from views.parts.html import Html, empty, h, join, link, tag
from views.parts.panels import door

KINDS = ["comm", "money", "service", "project", "sale"]
PAGE = 12


def panel(context: state.Context, found: dict[str, Any]) -> Html:
    """The timeline panel; `?kind=` filters it and `?events=` says how many are shown."""
    look, key = context.look, found["customer_key"]
    asked = st.query_params.get("kind")
    kind = asked if asked in KINDS else None
    shown = _shown()
    # One more than is shown tells whether there is an earlier page.
    before = end_of(context.db, found["as_of"]) if found.get("is_past") else None
    events = serve.timeline(context.viewer, context.db, key, kind=kind, before=before, limit=shown + 1)
    chips = [
        link(
            look.t("kind.all" if one is None else f"kind.{one}"),
            state.here("customer", kind=one, events=None),
        )
        if one != kind
        else tag("a", look.t("kind.all" if one is None else f"kind.{one}"), href="#", aria_current="true")
        for one in [None, *KINDS]
    ]
    body: list[object] = [tag("div", *chips, class_="kinds", role="group", aria_label=look.t("kind.filter"))]
    if events:
        body.append(tag("ol", *[_event(look, row, found) for row in events[:shown]], class_="line"))
    else:
        body.append(empty(look.t("panel.timeline_none")))
    foot: object = ""
    if len(events) > shown:
        foot = link(look.t("panel.earlier"), state.here("customer", events=shown + PAGE * 2))
    return html.panel("timeline", look.t("panel.timeline"), join(body), source=look.t("panel.all_systems"), foot=foot)


def _shown() -> int:
    asked = st.query_params.get("events", "")
    return min(max(int(asked), PAGE), 500) if asked.isdigit() and len(asked) < 5 else PAGE


def _event(look: Look, row: dict[str, Any], found: dict[str, Any]) -> Html:
    # The message id follows the page's language even where the answer came from a cache.
    title: list[object] = [look.say(row.get("msgid") or row["title"])]
    if row.get("amount") is not None:
        title.append(join([" ", look.money(row["amount"], row.get("currency"))]))
    detail = look.say(row["detail"]) if row.get("detail") else None
    by = look.dotted(
        look.when(row["happened_at"]),
        look.label("source", row["source"]) if row.get("source") else None,
        h(row["person"]) if row.get("person") else None,
    )
    opened = door(found, row["entity"], row) if row.get("entity") else None
    heading = link(join(title), opened, is_record=True) if opened else join(title)
    return tag(
        "li",
        tag("b", heading),
        tag("span", detail, class_="by", style="display:block") if detail else "",
        tag("span", by, class_="by"),
        class_=row.get("kind"),
    )
