"""Adding a source: a connector, a name, its settings and its schedule; and the sources that are off."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from ops.instance import MANUAL
from views import state
from views.parts import setup_fields, setup_panel, syncing
from views.parts.html import join, link, tag
from views.parts.notice import notice, show_error

ROLES = ("crm", "erp", "tickets", "projects", "files")


def off(context: state.Context, chosen: str | None) -> None:
    """A line for the sources that are off, each a door to its setup; nothing where none is."""
    look = context.look
    names = [one.name for one in context.instance.config.sources if one.status == "off" and one.name != chosen]
    if not names or not serve.may_sync(context.viewer):
        return
    doors = [link(syncing.name_of(look, name), state.here("sources", source=name, stream=None)) for name in names]
    said = [part for door in doors for part in (look.t("setup.between"), door)][1:]
    st.html(tag("p", look.t("setup.are_off"), " ", join(said), class_="muted"))


def door(context: state.Context) -> None:
    """The link that opens the form; for those who look after sources."""
    if serve.may_sync(context.viewer):
        st.html(tag("p", link(context.look.t("setup.add"), state.here("sources", add="1", source=None)), class_="src"))


def show(context: state.Context) -> None:
    """The form. The source begins in shadow unless it is let in at once."""
    if not serve.may_sync(context.viewer):
        return
    look = context.look
    if error := st.session_state.pop("setup_error", None):
        show_error(look, error)
    known = {one["connector"]: one for one in serve.connectors(context.viewer, context.db)}
    with st.container(key="card_add"):
        closing = link(look.t("src.close"), state.here("sources", add=None))
        st.html(
            tag("div", tag("h2", look.t("setup.add")), tag("span", closing, class_="src"), class_="phead", id="p-add")
        )
        connector = st.selectbox(look.t("setup.connector"), list(known), key="add_connector",
                                 format_func=lambda one: f"{known[one]['label']} · {one}")  # fmt: skip
        of_it = known[connector]
        key = setup_fields.Keys(f"+{connector}", serve.setup_mark(context.viewer, context.db))
        left, right = st.columns(2)
        with left:
            st.text_input(look.t("setup.name"), key=key("name"), max_chars=40, help=look.t("setup.name_help"))
            st.selectbox(look.t("setup.role"), ROLES, index=ROLES.index(of_it["role"]), key=key("role"),
                         format_func=lambda one: look.t(f"setup.role_{one}"))  # fmt: skip
        with right:
            st.radio(look.t("setup.status"), ("shadow", "active"), key=key("status"), horizontal=True,
                     format_func=lambda one: look.t(f"setup.is_{one}"), help=look.t("setup.begin_help"))  # fmt: skip
            shown = _timing(context, key)
        settings = sorted(of_it["settings"], key=lambda one: not one["required"])
        half = (len(settings) + 1) // 2
        for column, part in zip(st.columns(2), (settings[:half], settings[half:]), strict=True):
            with column:
                setup_fields.draw(context, part, key)
        st.button(look.t("setup.add"), key=key("add"), type="primary", disabled=shown is None, on_click=_add,
                  args=(context, of_it, shown, key))  # fmt: skip
    if done := st.session_state.pop("setup_added", None):
        st.query_params.pop("add", None)
        st.query_params["source"] = done
        st.rerun()


def _timing(context: state.Context, key: setup_fields.Keys) -> str | None:
    """When it is collected, with the next three times; None where it is not understood."""
    look = context.look
    text = setup_fields.schedule(look, "every 15m", key)
    try:
        following = serve.upcoming(context.viewer, context.db, None if text == MANUAL else text)
    except C360Error as error:
        st.html(notice(look.t("setup.not_understood"), look.t("setup.schedule_help"), error.what, tone="red"))
        return None
    said = setup_panel.times(look, following) if following else look.t("setup.never")
    st.html(tag("p", said, class_="muted"))
    return text


def _add(context: state.Context, connector: dict[str, Any], shown: str, key: setup_fields.Keys) -> None:
    got = st.session_state
    if setup_fields.scheduled(key) != shown:  # its times have not been seen yet
        return
    name = str(got[key("name")]).strip()
    try:
        values = setup_fields.read(connector["settings"], key)
        wanted = {
            "name": name,
            "connector": connector["connector"],
            "role": got[key("role")],
            "status": got[key("status")],
            "schedule": shown,
            "settings": {setting: value for setting, value in values.items() if value is not None},
        }
        serve.add_source(context.viewer, context.db, wanted, key.mark)
    except C360Error as error:
        got["setup_error"] = error
        setup_fields.look_again(key)
        return
    got["acted"] = context.look.t("setup.added", source=name)
    got["setup_added"] = name
    setup_fields.afresh()
