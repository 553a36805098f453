"""Messages that say what happened, what it means and what to do."""

from __future__ import annotations

import streamlit as st

from ops.errors import C360Error
from views.parts import saying
from views.parts.format import Look
from views.parts.html import Html, tag


def notice(title: object, *lines: object, tone: str = "blue") -> Html:
    """A framed message."""
    body = [tag("p", line, class_="muted") for line in lines if line]
    return tag("div", tag("b", title), *body, class_=f"notice {tone}", role="status")


def show_error(look: Look, error: C360Error) -> None:
    """An error with its remedy, as a framed message."""
    what, lines = saying.told(look, error)
    st.html(notice(what, *lines, tone="red"))
