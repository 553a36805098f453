"""Which parts of the data trust page a role works with, and their links."""

from __future__ import annotations

import streamlit as st

from model import policy
from views import state
from views.parts.format import Look
from views.parts.html import Html, link, tag

ALL = ("matches", "customer", "fields", "notices", "leavers", "reconcile", "quality")
# parameters that mean something on one tab only
OWN = ("pair", "why", "source", "owner", "text", "order", "field", "state", "class", "rule", "item", "notice", "record")


def of_role(role: str) -> list[str]:
    """The tabs of a role, the first one first shown; every role may look at the records behind a customer."""
    known = policy.roles().get(role)
    if known is None:
        return ["customer"]
    if known.may_decide:
        return list(ALL)
    if known.may_sync:
        return ["notices", "fields", "reconcile", "quality", "customer"]
    if known.may_work:
        return ["reconcile", "notices", *(["leavers"] if known.scope == "all" else []), "quality", "customer"]
    return ["customer"]


def offered(role: str) -> bool:
    """Whether the page stands in the role's top bar: only where there is more than to look at one customer."""
    return len(of_role(role)) > 1


def asked(role: str) -> str:
    """The tab that the address names, else the role's first."""
    mine = of_role(role)
    view = st.query_params.get("view")
    return view if view in mine else mine[0]


def nav(look: Look, role: str, view: str) -> Html:
    """The tabs as links; the records of a customer only where one is being looked at or roles decide."""
    mine = of_role(role)
    shown = [name for name in mine if name != "customer" or view == name or mine == list(ALL)]
    ways = [
        tag("a", look.t(f"trust.tab_{name}"), href="#", aria_current="page")
        if name == view
        else link(look.t(f"trust.tab_{name}"), address(name))
        for name in shown
    ]
    return tag("nav", *ways, class_="kinds", aria_label=look.t("trust.tabs"))


def address(view: str, **params: str | None) -> str:
    """A tab of this page, without what other tabs had chosen."""
    return state.href("trust", view=view, **params)


def kept(**changes: str | None) -> str:
    """The present tab with some parameters changed."""
    return state.here("trust", **changes)
