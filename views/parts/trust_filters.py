"""Filters of the data trust page, kept in the address: a link, a reload and the back button show the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from views.parts import trust_tabs
from views.parts.format import Look
from views.parts.html import link, tag

# What was chosen in another list need not be in this one.
CHOSEN = ("pair", "item", "notice", "record", "customer")


def choice(look: Look, name: str, options: Mapping[str, str], width: int = 150, *, every: bool = True) -> str | None:
    """A select box over the query parameter `name`; None where everything is asked for (`every`: offer that).

    A choice among fewer than two is left out.
    """
    if len(options) < 2:
        return None
    asked = st.query_params.get(name, "")
    known = {**({"": look.t("filter.any")} if every else {}), **options}
    key = f"trust_{name}"
    st.session_state[key] = asked if asked in known else next(iter(known), "")
    st.selectbox(
        look.t(f"trust.filter_{name}"), list(known), key=key, width=width, on_change=_write, args=(name,),
        format_func=lambda one: known[one][:1].upper() + known[one][1:],
    )  # fmt: skip
    return str(st.session_state[key]) or None


def search(look: Look, width: int = 190) -> str | None:
    """A text box over the query parameter `text`."""
    st.session_state["trust_text"] = st.query_params.get("text", "")
    st.text_input(
        look.t("filter.text"), key="trust_text", placeholder=look.t("trust.text_hint"), width=width,
        on_change=_write, args=("text",),
    )  # fmt: skip
    return str(st.session_state["trust_text"]).strip() or None


def rest(look: Look, names: Sequence[str]) -> None:
    """The way back to everything, where something is asked for."""
    if any(st.query_params.get(name) for name in names):
        clear = link(look.t("filter.clear"), trust_tabs.kept(**dict.fromkeys(names)), "linkish")
        st.html(tag("span", clear, class_="rest"))


def _write(name: str) -> None:
    value = str(st.session_state.get(f"trust_{name}") or "").strip()
    for gone in CHOSEN:
        st.query_params.pop(gone, None)
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)
