"""What decisions wait for: how far the next build is, and the button that asks for one."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts.format import Look
from views.parts.html import Html, chip, h, join, tag
from views.parts.notice import show_error

# Seconds between two looks at the store: while a build is under way, and otherwise.
LIVE_S, IDLE_S = 1.0, 20.0


def show(context: state.Context) -> None:
    """A strip above the page for those who decide; it redraws itself, and the page when a new build is served."""
    if not serve.may_decide(context.viewer):
        return
    lively = bool(st.session_state.get("build_live"))
    st.fragment(_strip, run_every=LIVE_S if lively else IDLE_S)(context)


def _strip(context: state.Context) -> None:
    look = context.look
    if error := st.session_state.pop("build_error", None):
        show_error(look, error)
    found = serve.build_state(context.viewer, context.db)
    served = serve.open_published(context.instance).version
    is_lively = found["state"] in {"waiting", "running"} and found["has_scheduler"]
    was_lively = bool(st.session_state.get("build_live"))
    if served != context.db.version or is_lively != was_lively:
        st.session_state["build_live"] = is_lively
        st.rerun()
    if not (found["pending"] or found["state"] in {"waiting", "running", "failed"}):
        return
    with st.container(horizontal=True, vertical_alignment="center", key="build_strip"):
        st.html(said(look, found))
        if found["state"] not in {"waiting", "running"}:
            st.button(look.t("trust.build_now"), key="build_now", on_click=_ask, args=(context,))


def said(look: Look, found: dict[str, Any]) -> Html:
    """How many decisions wait, and what the build is doing."""
    parts: list[object] = []
    if found["pending"]:
        parts.append(tag("b", look.t("trust.pending", n=look.count(found["pending"]))))
    state_of = found["state"]
    if state_of == "failed":
        parts.append(join([chip(look.t("trust.build_failed"), "red"), " ", h(found["message"] or "")]))
    elif state_of in {"waiting", "running"}:
        msgid = f"trust.build_{state_of}" if found["has_scheduler"] else "trust.build_stuck"
        parts.append(chip(look.t(msgid), "blue" if found["has_scheduler"] else "amber"))
    else:
        parts.append(h(look.t("trust.pending_help")))
    return tag("div", *parts, class_="since build", role="status")


def _ask(context: state.Context) -> None:
    try:
        serve.request_build(context.viewer, context.db)
    except C360Error as error:
        st.session_state["build_error"] = error
