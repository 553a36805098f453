"""What a page stands on: the instance, the published build, the viewer, the language and links that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from model import serve
from model.policy import Viewer
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from views import session
from views.parts.format import Look


@dataclass(frozen=True)
class Context:
    """Everything a page needs to ask and to show."""

    viewer: Viewer
    db: Any
    look: Look
    instance: Instance


def instance() -> Instance:
    """The opened instance folder, one per process and path, with its sources as c360.toml has them now."""
    found = _instance(str(session.home().resolve()))
    found.reread_sources()
    return found


@st.cache_resource(show_spinner=False)
def _instance(_home: str) -> Instance:
    return Instance.load(session.home())


def user() -> str | None:
    """The signed-in user id of this browser session, or None."""
    known = st.session_state.get("user")
    if known:
        return str(known)
    found = session.user_of(instance(), st.context.cookies.get(session.COOKIE))
    if found:
        st.session_state["user"] = found
    return found


def viewer() -> Viewer | None:
    """The viewer behind the signed-in user; None when nobody is, or when the user is no longer allowed."""
    name = user()
    if name is None:
        return None
    try:
        return serve.sign_in(instance(), name)
    except C360Error:
        st.session_state.pop("user", None)
        return None


def language(who: Viewer | None) -> str:
    """zh or en: the URL's `lang`, else the viewer's own, else the instance's."""
    asked = st.query_params.get("lang")
    if asked in {"zh", "en"}:
        return str(asked)
    return (who.language if who else None) or instance().config.language


def look(who: Viewer | None) -> Look:
    """How to write texts and figures for this viewer."""
    zone = who.zone if who else instance().config.zone
    return Look(language(who), zone, clock.now(), serve.names(instance()))


def href(page: str, **params: Any) -> str:
    """A link to a page that keeps the chosen language; None values are left out."""
    kept = {key: value for key, value in params.items() if value not in {None, ""}}
    asked = st.query_params.get("lang")
    if asked in {"zh", "en"}:
        kept.setdefault("lang", asked)
    return f"/{page}" + (f"?{urlencode(kept)}" if kept else "")


def here(page: str, **changes: Any) -> str:
    """A link to the present page with some query parameters changed."""
    return href(page, **{**st.query_params.to_dict(), **changes})


def context() -> Context:
    """The present page's context; main.py put it there after sign-in."""
    found: Context = st.session_state["_context"]
    return found


def theme() -> str:
    """light or dark, as the browser shows it."""
    return "dark" if st.context.theme.type == "dark" else "light"
