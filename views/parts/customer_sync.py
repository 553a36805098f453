"""Sync now on the customer screen, for those who look after sources: a button, then how far it is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts.format import Look
from views.parts.html import Html, dot, join, tag
from views.parts.notice import show_error

# Seconds between two looks at the store while the reading is under way.
LIVE_S = 1.0


def show(context: state.Context, customer_key: str) -> None:
    """The strip; it redraws itself while something is under way, and the page when a new build is served."""
    if not serve.may_sync(context.viewer):
        return
    lively = st.session_state.get("customer_live") == customer_key
    st.fragment(_strip, run_every=LIVE_S if lively else None)(context, customer_key)


def _strip(context: state.Context, key: str) -> None:
    look = context.look
    if error := st.session_state.pop("customer_sync_error", None):
        show_error(look, error)
    found = serve.customer_sync_state(context.viewer, context.db, key)
    is_live = found is not None and found["state"] in {"waiting", "running"} and found["has_scheduler"]
    was_live = st.session_state.get("customer_live") == key
    if is_live != was_live:
        st.session_state["customer_live"] = key if is_live else None
        st.rerun()
    with st.container(horizontal=True, vertical_alignment="center", key="customer_sync"):
        st.button(look.t("sync.customer"), key="sync_customer", disabled=is_live, on_click=_ask, args=(context, key))
        if found is not None:
            st.html(said(look, found))


def said(look: Look, found: dict[str, Any]) -> Html:
    """How far the newest request for this customer is."""
    rows = look.count(found["rows_landed"])
    tone, text = "amber", look.t("sync.customer_waiting", who=look.name(found["requested_by"]))
    if found["state"] in {"waiting", "running"} and not found["has_scheduler"]:
        text = look.t("sync.no_scheduler")
    elif found["state"] == "running":
        done, total = found["sources_done"], found["sources_total"]
        text = look.t("sync.customer_running", done=done, total=total, rows=rows)
    elif found["state"] == "failed":
        tone, text = "red", look.t("sync.failed")
    elif found["state"] == "done":
        tone, text = "green", look.t("sync.done", rows=rows)
    left = join([look.label("source", one) for one in found["left_out"]], look.t("sync.customer_comma"))
    rest = join([look.t("sync.customer_left"), " ", left]) if found["left_out"] else None
    line = look.dotted(text, look.when(found["requested_at"]), rest)
    detail = "; ".join(found["messages"]) or None
    return tag("div", tag("span", dot(tone), line, class_="ln", title=detail), class_="syncing", role="status")


def _ask(context: state.Context, key: str) -> None:
    try:
        serve.request_customer(context.viewer, context.db, key)
        st.session_state["customer_live"] = key
    except C360Error as error:
        st.session_state["customer_sync_error"] = error
