"""The top bar: brand, search as you type, pages, data time, language, person."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts.freshness import worst

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
    }
    _bar(key="c360bar", data=data, default={"q": ""}, on_q_change=lambda: None, height="content")


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
