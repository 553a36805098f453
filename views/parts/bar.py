"""The top bar: brand, search as you type, pages, data time, language, person."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts.freshness import worst

KEPT = 10
FOLDER = Path(__file__).parent
_bar = st.components.v2.component("c360_bar", js=(FOLDER / "bar.js").read_text(encoding="utf-8"), isolate_styles=False)


@st.fragment
def show(current: str, pages: list[str]) -> None:
    """Draw the bar. Typing reruns this fragment alone, so the page below stays as it is."""
    context = state.context()
    look = context.look
    typed = str((st.session_state.get("c360bar") or {}).get("q") or "").strip()
    status = worst(look, context)
    data = {
        **_frame(look, current),
        "home": state.href(pages[0]),
        "searchable": True,
        "nav": [
            {"label": look.t(f"nav.{page}"), "href": state.href(page), "current": page == current} for page in pages
        ],
        "asof": {"tone": status[0], "text": status[1]},
        "user": {
            "name": context.viewer.name,
            "initial": context.viewer.name[:1].upper(),
            "role": look.t(f"role.{context.viewer.role}"),
            "out": look.t("nav.sign_out"),
            "href": "/session/out",
        },
        "q": typed,
        "results": hits(context, typed) if typed else [],
        "recent": [] if typed else kept(context),
    }
    _bar(
        key="c360bar",
        data=data,
        default={"q": ""},
        on_q_change=lambda: None,
        on_pin_change=lambda: _pin(context),
        height="content",
    )
    if st.session_state.pop("pin_changed", False):
        st.rerun()


def _pin(context: state.Context) -> None:
    """Pin the customer whose button was pressed, or take it from the list if it is there."""
    key = str((st.session_state.get("c360bar") or {}).get("pin") or "")
    if not key:
        return
    is_kept = any(row["customer_key"] == key for row in serve.pinned(context.viewer, context.db))
    (serve.unpin if is_kept else serve.pin)(context.viewer, context.db, key)
    st.session_state["pin_changed"] = True


def kept(context: state.Context) -> list[dict[str, str]]:
    """Pinned customers, then those looked at lately: what the search box offers before anything is typed."""
    look = context.look
    pinned = serve.pinned(context.viewer, context.db)
    known = {row["customer_key"] for row in pinned}
    late = [row for row in serve.recent(context.viewer, context.db) if row["customer_key"] not in known]
    said = [(row, "★ " + look.t("customer.pinned")) for row in pinned]
    said += [(row, look.moment(row["last_at"])) for row in late]
    return [
        {"name": str(row["name"]), "why": why, "href": state.href("customer", customer=row["customer_key"])}
        for row, why in said[:KEPT]
    ]


def show_signed_out(look: Any) -> None:
    """The bar of the sign-in page: brand and language only."""
    data = {**_frame(look, "signin"), "home": "/", "searchable": False, "nav": [], "q": "", "results": []}
    _bar(key="c360bar", data=data, default={"q": ""}, on_q_change=lambda: None, height="content")


def hits(context: state.Context, typed: str) -> list[dict[str, str]]:
    """Search results as the bar wants them: name, why it matched, where it leads."""
    look = context.look
    return [
        {
            "name": str(hit["name"]),
            "why": why(look, hit),
            "href": state.href("customer", customer=hit["customer_key"]),
        }
        for hit in serve.search(context.viewer, context.db, typed, limit=8)
    ]


def why(look: Any, hit: dict[str, Any]) -> str:
    """What of the customer matched: `Phone 138 1234 2170`; nothing when it was the very name shown."""
    kind, value = hit["matched"]["kind"], str(hit["matched"]["value"])
    return "" if value == str(hit["name"]) else f"{unescape(look.label('match', kind))} {value}"


def _frame(look: Any, current: str) -> dict[str, Any]:
    other = "en" if look.language == "zh" else "zh"
    page = "" if current == "signin" else current
    return {
        "lang": "zh-CN" if look.language == "zh" else "en",
        "brand": [look.t("nav.brand_a"), look.t("nav.brand_b")],
        "navLabel": look.t("nav.pages"),
        "placeholder": look.t("nav.search"),
        "nothing": look.t("nav.nothing"),
        "language": {
            "label": look.t("nav.switch"),
            "hint": look.t("nav.switch_hint"),
            "lang": other,
            "href": state.here(page, lang=other),
        },
    }
