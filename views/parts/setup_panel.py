"""How the chosen source is set up: what is in effect, its schedule, limits, settings, off and on, reading all anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from model import serve
from ops.errors import C360Error
from ops.instance import MANUAL
from views import state
from views.parts import setup_fields, syncing
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, table, tag
from views.parts.landing_panel import size
from views.parts.notice import notice, show_error

TONES = {"active": "green", "shadow": "blue", "off": ""}


def show(context: state.Context, source: str) -> None:
    """What is in effect, and the buttons that change it; for those who look after sources."""
    if not serve.may_sync(context.viewer):
        return
    look = context.look
    found = serve.source_setup(context.viewer, context.db, source)
    if error := st.session_state.pop("setup_error", None):
        show_error(look, error)
    with st.container(key="card_setup"):
        title = look.t("setup.title", source=syncing.name_of(look, source))
        st.html(tag("div", tag("h2", title), tag("span", found["label"], class_="src"), class_="phead", id="p-setup"))
        with st.container(horizontal=True, key="setup_buttons"):
            _buttons(context, source, found)
        st.html(in_effect(look, found))


def in_effect(look: Look, found: dict[str, Any]) -> Html:
    """One row per thing that can be set, then the connector's settings that are not at their default."""
    limits = [f"{name} {_age(look, minutes)}" for name, minutes in found["limits"].items() if name]
    kept = found["keep_versions_days"]
    rows = [
        Row([look.t("setup.status"), chip(look.t(f"setup.is_{found['status']}"), TONES[found["status"]])]),
        Row([look.t("setup.schedule"), _schedule(look, found)]),
        Row([look.t("setup.max_age"), look.dotted(_age(look, found["max_age_minutes"]), *limits)]),
        Row([look.t("setup.retention"),
             h(look.t("land.all_kept") if kept is None else look.t("land.kept_days", n=look.count(kept)))]),
        Row([look.t("setup.legal_hold"), h(look.t("setup.yes" if found["legal_hold"] else "setup.no"))]),
        *(Row([one["name"], _value(look, one)]) for one in found["settings"] if not one["is_default"]),
    ]  # fmt: skip
    columns = [Column(look.t("setup.what")), Column(look.t("setup.in_effect"))]
    return tag("div", table(look.t("setup.in_effect"), columns, rows), class_="scroll")


def times(look: Look, instants: list[Any]) -> str:
    """Instants in the company's zone, one after the other."""
    zone = ZoneInfo(look.zone)
    return look.t(
        "setup.next", times=look.t("setup.between").join(f"{at.astimezone(zone):%m-%d %H:%M}" for at in instants)
    )


def _schedule(look: Look, found: dict[str, Any]) -> Html:
    said = h(found["schedule"] or look.t("setup.manual"))
    if found["problem"]:
        return look.dotted(said, tag("span", found["problem"], class_="t-red"))
    return look.dotted(said, times(look, found["next"])) if found["next"] else said


def _value(look: Look, one: dict[str, Any]) -> Html:
    value = one["value"]
    written = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    if isinstance(value, bool):
        written = look.t("setup.yes" if value else "setup.no")
    if one["resolves"] is None:
        return h(written)
    return join([h(written), " ", reference(look, is_there=one["resolves"])])


def reference(look: Look, *, is_there: bool) -> Html:
    """Whether a secret stands behind a reference."""
    return chip(look.t("setup.resolves" if is_there else "setup.unresolved"), "green" if is_there else "red")


def _age(look: Look, minutes: int) -> str:
    return str(look.age(minutes * 60))


def _buttons(context: state.Context, source: str, found: dict[str, Any]) -> None:
    look, name = context.look, syncing.name_of(context.look, source)
    key = setup_fields.Keys(source, found["mark"])
    with st.popover(look.t("setup.schedule"), key=key("door_schedule")):
        _timing(context, source, found, key)
    with st.popover(look.t("setup.limits"), key=key("door_limits")):
        _limits(context, source, found, key)
    with st.popover(look.t("setup.settings"), key=key("door_settings")):
        st.html(tag("p", look.t("setup.settings_help"), class_="muted"))
        setup_fields.draw(context, found["settings"], key)
        st.button(look.t("setup.save"), key=key("save_settings"), type="primary", on_click=_save_settings,
                  args=(context, source, found["settings"], key))  # fmt: skip
    is_off = found["status"] == "off"
    with st.popover(look.t("setup.on" if is_off else "setup.off"), key=key("door_switch")):
        st.html(tag("p", look.t(f"setup.{'on' if is_off else 'off'}_help", source=name), class_="muted"))
        st.text_input(look.t("setup.why"), max_chars=300, key=key("why"))
        st.button(look.t("setup.on" if is_off else "setup.off"), key=key("switch"), type="primary", on_click=_switch,
                  args=(context, source, key), kwargs={"is_on": is_off})  # fmt: skip
    if not is_off:
        with st.popover(look.t("setup.full"), key=key("door_full")):
            _full(context, source, key)


def _timing(context: state.Context, source: str, found: dict[str, Any], key: setup_fields.Keys) -> None:
    """Every so often, by cron, or by hand; it can be saved when its next three times stand below it."""
    look, now = context.look, found["schedule"] or MANUAL
    text = setup_fields.schedule(look, now, key)
    try:
        following = serve.upcoming(context.viewer, context.db, None if text == MANUAL else text, source)
    except C360Error as error:
        st.html(notice(look.t("setup.not_understood"), look.t("setup.schedule_help"), error.what, tone="red"))
        following = None
    else:
        st.html(tag("p", times(look, following) if following else look.t("setup.never"), class_="muted"))
    st.button(look.t("setup.save"), key=key("save_schedule"), type="primary", disabled=following is None or text == now,
              on_click=_save_schedule, args=(context, source, text, key))  # fmt: skip


def _limits(context: state.Context, source: str, found: dict[str, Any], key: setup_fields.Keys) -> None:
    look = context.look
    st.number_input(look.t("setup.max_age_minutes"), min_value=1, value=found["max_age_minutes"], step=15,
                    key=key("max_age"))  # fmt: skip
    own = "\n".join(f"{name} = {minutes}" for name, minutes in found["stream_max_age_minutes"].items())
    st.text_area(look.t("setup.stream_limits"), own, height=80, key=key("streams"), help=look.t("setup.stream_help"))
    st.number_input(look.t("setup.keep_days"), min_value=0, value=found["keep_versions_days"] or 0, step=30,
                    key=key("keep"), help=look.t("setup.keep_help"))  # fmt: skip
    st.checkbox(look.t("setup.hold"), value=found["legal_hold"], key=key("hold"))
    st.button(look.t("setup.save"), key=key("save_limits"), type="primary", on_click=_save_limits,
              args=(context, source, key))  # fmt: skip


def _full(context: state.Context, source: str, key: setup_fields.Keys) -> None:
    """What it costs, a box that says it was read, and the button."""
    look = context.look
    st.html(cost(look, serve.full_cost(context.viewer, context.db, source)))
    is_read = st.checkbox(look.t("setup.full_sure"), key=key("full_sure"))
    st.button(look.t("setup.full"), key=key("full"), type="primary", disabled=not is_read, on_click=_read_all,
              args=(context, source))  # fmt: skip


def cost(look: Look, found: dict[str, Any]) -> Html:
    """What reading everything again costs, by the largest run of each stream."""
    said = look.t("setup.full_cost", streams=look.count(found["streams"]), rows=look.count(found["rows_landed"]),
                  requests=look.count(found["requests"]), size=size(found["bytes"]),
                  seconds=look.count(round(found["seconds"])))  # fmt: skip
    return tag("div", tag("p", look.t("setup.full_help"), class_="muted"), tag("p", said))


def _save_schedule(context: state.Context, source: str, shown: str, key: setup_fields.Keys) -> None:
    text = setup_fields.scheduled(key)
    if text != shown:  # its times have not been seen yet
        return
    _change(context, source, {"schedule": None if text == MANUAL else text}, key)


def _save_limits(context: state.Context, source: str, key: setup_fields.Keys) -> None:
    got = st.session_state
    lines = [line.partition("=") for line in str(got[key("streams")]).splitlines() if line.strip()]
    wanted = {
        "max_age_minutes": int(got[key("max_age")]),
        "stream_max_age_minutes": {name.strip(): minutes.strip() for name, _, minutes in lines},
        "keep_versions_days": int(got[key("keep")]) or None,
        "legal_hold": bool(got[key("hold")]),
    }
    _change(context, source, wanted, key)


def _save_settings(context: state.Context, source: str, settings: list[dict[str, Any]], key: setup_fields.Keys) -> None:
    _do(context, lambda: _changed(context, source, {"settings": setup_fields.read(settings, key)}, key), "setup.saved")


def _change(context: state.Context, source: str, wanted: Mapping[str, Any], key: setup_fields.Keys) -> None:
    _do(context, lambda: _changed(context, source, wanted, key), "setup.saved")


def _changed(context: state.Context, source: str, wanted: Mapping[str, Any], key: setup_fields.Keys) -> None:
    serve.configure_source(context.viewer, context.db, source, wanted, key.mark)


def _switch(context: state.Context, source: str, key: setup_fields.Keys, *, is_on: bool) -> None:
    note = str(st.session_state[key("why")])
    _do(context, lambda: serve.switch_source(context.viewer, context.db, source, is_on=is_on, note=note), "setup.saved")


def _read_all(context: state.Context, source: str) -> None:
    _do(context, lambda: serve.request_full(context.viewer, context.db, source), "setup.full_asked")


def _do(context: state.Context, action: Callable[[], object], said: str) -> None:
    """In a callback, before the page is drawn again: do it, and keep what to say."""
    try:
        action()
    except C360Error as error:
        st.session_state["setup_error"] = error
    else:
        st.session_state["acted"] = context.look.t(said)
    setup_fields.afresh()
