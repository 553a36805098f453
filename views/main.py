"""The page shell: theme, sign-in, top bar, pages. `app.py` serves it; tests run it through AppTest."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from model import policy, serve
from ops.errors import C360Error
from views import state
from views.parts import bar, notice, trust_tabs
from views.parts.format import Look
from views.session import PAGES

FOLDER = Path(__file__).parent


def _page(file: str, look: Look, name: str, *, default: bool = False) -> st.Page:
    return st.Page(FOLDER / file, title=look.t(f"nav.{name}"), url_path=name, default=default)


def home_page(role: str) -> str:
    """The role's first screen."""
    known = policy.roles().get(role)
    return known.home if known and known.home in PAGES else "customer"


def offered(role: str) -> list[str]:
    """The pages in the role's top bar: finance's own only for those who work everybody's receivables, data trust only
    for those with work there.
    """
    known = policy.roles().get(role)
    everybody = known is not None and known.may_work and known.scope == "all"
    hidden = {"finance": not everybody, "trust": not trust_tabs.offered(role)}
    return [name for name in PAGES if not hidden.get(name)]


def shell() -> None:
    """Run one page for the signed-in viewer, or the sign-in page."""
    st.set_page_config(page_title="Customer 360", layout="wide", initial_sidebar_state="collapsed")
    st.html(FOLDER / "parts" / "theme.css")
    viewer = state.viewer()
    look = state.look(viewer)
    if viewer is None:
        # Every address leads to the door, so that a deep link survives signing in.
        doors = [_page("signin.py", look, name, default=name == "signin") for name in ["signin", *PAGES]]
        st.navigation(doors, position="hidden").run()
        return
    pages = {name: _page(f"{name}.py", look, name) for name in PAGES}
    home = st.Page(lambda: None, title="Customer 360", url_path="home", default=True)
    chosen = st.navigation([home, *pages.values()], position="hidden")
    if chosen.url_path not in PAGES:
        linked = {"customer", "q"} & set(st.query_params)
        target = "customer" if linked else home_page(viewer.role)
        st.switch_page(pages[target], query_params=st.query_params.to_dict())
    try:
        db = serve.open_published(state.instance())
    except C360Error as error:
        bar.show_signed_out(look)
        notice.show_error(look, error)
        return
    st.session_state["_context"] = state.Context(viewer.with_language(look.language), db, look, state.instance())
    bar.show(chosen.url_path, offered(viewer.role))
    try:
        chosen.run()
    except C360Error as error:
        notice.show_error(look, error)


shell()
