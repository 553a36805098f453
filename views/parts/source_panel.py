"""A whole source: let it in or put it back, roll it back and let it go on; the builds that are kept; what was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import syncing
from views.parts.format import Look, as_instant
from views.parts.html import Column, Html, Row, h, join, tag
from views.parts.notice import notice, show_error
from views.parts.panels import rows_panel


def held(context: state.Context) -> None:
    """A notice for each source that is held at an earlier state, with the button that lets it go on."""
    look = context.look
    for row in serve.held_sources(context.viewer, context.db):
        name = syncing.name_of(look, row["source"])
        st.html(notice(look.t("whole.held", source=name, at=_plain(look, row["until"])), _why(look, row), tone="amber"))
        if serve.may_sync(context.viewer) and st.button(look.t("whole.resume", source=name), key=f"go_{row['source']}"):
            run(look, lambda r=row: serve.resume_source(context.viewer, context.db, r["source"]), "whole.resumed")  # type: ignore[misc]


def _why(look: Look, row: dict[str, Any]) -> Html:
    said = look.t(
        "whole.held_why", who=look.name(row["by"]), when=_plain(look, row["at"]), n=look.count(row["waiting"])
    )
    return join([h(row["note"] or ""), " · " if row["note"] else "", h(said)])


def actions(context: state.Context, source: str) -> None:
    """For the chosen source: its state can be gone back to, and its status changed; each with a reason."""
    if not serve.may_sync(context.viewer):
        return
    look, viewer, db = context.look, context.viewer, context.db
    is_shadow = db.instance.config.source(source).status == "shadow"
    with st.container(horizontal=True, key="whole_buttons"):
        with st.popover(look.t("whole.replay")):
            st.html(tag("p", look.t("whole.replay_help"), class_="muted"))
            if st.button(look.t("whole.replay"), key=f"replay_{source}", type="primary"):
                run(look, lambda: serve.request_replay(viewer, db, source), "reject.replay_asked")
        with st.popover(look.t("whole.back")):
            _roll_back(context, source)
        name, target = ("promote", "active") if is_shadow else ("demote", "shadow")
        with st.popover(look.t(f"whole.{name}")), st.form(f"status_{source}", border=False):
            st.html(tag("p", look.t(f"whole.{name}_help", source=syncing.name_of(look, source)), class_="muted"))
            note = st.text_input(look.t("act.note"), max_chars=300)
            if st.form_submit_button(look.t(f"whole.{name}"), type="primary"):
                run(look, lambda: serve.set_source_status(viewer, db, source, target, note), "whole.status_set")


def _roll_back(context: state.Context, source: str) -> None:
    look, viewer, db = context.look, context.viewer, context.db
    points = serve.source_points(viewer, db, source)
    if not points:
        st.html(tag("p", look.t("whole.no_points"), class_="muted"))
        return
    said = {
        row["to"]: look.t("whole.point", at=_plain(look, row["at"]), rows=look.count(row["rows"])) for row in points
    }
    with st.form(f"back_{source}", border=False):
        st.html(tag("p", look.t("whole.back_help"), class_="muted"))
        to = st.selectbox(look.t("whole.to"), list(said), format_func=lambda one: said[one])
        note = st.text_input(look.t("whole.why"), max_chars=300)
        if st.form_submit_button(look.t("whole.back"), type="primary"):
            run(look, lambda: serve.roll_back_source(viewer, db, source, str(to), note), "whole.rolled_back")


def builds(context: state.Context) -> None:
    """The builds that are kept; an earlier one can be served again until something changes."""
    if not serve.may_sync(context.viewer):
        return
    look, viewer, db = context.look, context.viewer, context.db
    kept = serve.kept_builds(viewer, db)
    earlier = {row["version"]: row for row in kept if not row["current"]}
    if not earlier:
        return
    with st.container(key="build_buttons"), st.popover(look.t("whole.builds")), st.form("builds", border=False):
        st.html(tag("p", look.t("whole.builds_help", version=db.version), class_="muted"))
        said = {
            version: look.t("whole.build", version=version, at=_plain(look, row["published_at"]))
            for version, row in earlier.items()
        }
        version = st.selectbox(look.t("src.build"), list(said), format_func=lambda one: said[one])
        if st.form_submit_button(look.t("whole.serve"), type="primary"):
            run(look, lambda: serve.roll_back_build(viewer, db, str(version)), "whole.served")


def history(context: state.Context, source: str | None) -> None:
    """What was done with sources as a whole; nothing where nothing was."""
    look = context.look
    rows = serve.source_history(context.viewer, context.db, source)
    if not rows:
        return
    listed = [
        Row(
            [
                look.when(row["at"]),
                join([h(look.t(f"whole.did.{row['action'].replace('.', '_')}")),
                      tag("span", _subject(look, row), class_="below")]),
                h(_subject(look, row)),
                look.who(row["actor"]),
                _said(look, row),
            ]
        )
        for row in rows
    ]  # fmt: skip
    columns = [
        Column(look.t("whole.when"), "mid"), Column(look.t("whole.what")),
        Column(look.t("whole.subject"), phone=False), Column(look.t("whole.who")),
        Column(look.t("whole.why"), phone=False),
    ]  # fmt: skip
    st.html(rows_panel(look, "whole", columns, listed))


def _said(look: Look, row: dict[str, Any]) -> Html:
    """The reason that was given; of a change of its setup what was before and after."""
    before, after = row["before"] or {}, row["after"] or {}
    if row["action"] == "source.configure":
        return look.dotted(*(f"{key}: {_short(before.get(key))} → {_short(after.get(key))}" for key in after | before))
    return h(row["note"]) if row["note"] else look.na()


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {one}" for key, one in value.items()) or "—"
    return "—" if value is None else str(value)


def _subject(look: Look, row: dict[str, Any]) -> str:
    return str(row["subject"]) if row["action"] == "build.rollback" else syncing.name_of(look, str(row["subject"]))


def run(look: Look, action: Callable[[], object], said: str) -> None:
    """Do what was asked and say so above the page; what goes wrong is said in place."""
    try:
        action()
    except C360Error as error:
        show_error(look, error)
        return
    st.session_state["acted"] = look.t(said)
    st.rerun()


def _plain(look: Look, at: Any) -> str:
    return f"{as_instant(at).astimezone(ZoneInfo(look.zone)):%Y-%m-%d %H:%M}"
