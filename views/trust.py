"""Data trust: which records are one customer, which value is right, what systems say differently, and why."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from views import state
from views.parts import (
    build_strip,
    cluster_panel,
    drawer,
    field_panel,
    leaver_panel,
    match_queue,
    notice_panel,
    quality_panel,
    reconcile_panel,
    trust_tabs,
)
from views.parts.html import tag

PARTS = Path(__file__).parent / "parts"
PANELS = {
    "matches": match_queue.show,
    "customer": cluster_panel.show,
    "fields": field_panel.show,
    "notices": notice_panel.show,
    "leavers": leaver_panel.show,
    "reconcile": reconcile_panel.show,
    "quality": quality_panel.show,
}


def page() -> None:
    """The tab that the address names, and the source record it may have opened."""
    context = state.context()
    look, role = context.look, context.viewer.role
    st.html(PARTS / "money.css")
    st.html(PARTS / "trust.css")
    if done := st.session_state.pop("acted", None):
        st.toast(done)
    view = trust_tabs.asked(role)
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.trust")),
            trust_tabs.nav(look, role, view),
            tag("span", look.t(f"trust.basis_{view}"), class_="muted"),
            class_="head",
        )
    )
    if view in {"matches", "customer", "fields"}:
        build_strip.show(context)
    PANELS[view](context)
    if opened := drawer.drawer(context, "trust"):
        st.html(opened)


page()
