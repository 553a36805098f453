"""How sources change: drift to be acknowledged, with the fields it touches, and changes announced ahead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from ops.texts import catalogue
from views import state
from views.parts import syncing, words
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, empty, grids, h, join, link, panel, says_nothing, table, tag
from views.parts.notice import show_error

TONES = {"vanished": "red", "emptied": "red", "retyped": "red", "contract": "amber", "new_value": "amber"}
PLAN_TONES = {"announced": "blue", "done": "green", "rolled_back": "amber"}
WHOLE = "*"


def show(context: state.Context, source: str | None) -> None:
    """Open drift (of `source`, else of all), the chosen one's card, and the calendar of announced changes."""
    look = context.look
    rows = serve.drifts(context.viewer, context.db, source=source)
    asked = st.query_params.get("drift")
    chosen = next((row for row in rows if str(row["drift_id"]) == asked), None)
    plans = serve.announced_changes(context.viewer, context.db)
    drifted = _drifts(look, rows, chosen, {plan["planned_id"]: plan["title"] for plan in plans})
    announced = _plans(look, [plan for plan in plans if source in {None, plan["source"]}])
    quiet = [one for one in (drifted, announced) if says_nothing(one)]
    if drifted not in quiet:
        st.html(drifted)
    if chosen is not None:
        with st.container(key="card_drift"):
            _detail(context, chosen)
    if announced not in quiet:
        st.html(announced)
    if quiet:
        st.html(grids(quiet))
    if serve.may_sync(context.viewer):
        _announce(context, source)


def _drifts(look: Look, rows: list[dict[str, Any]], chosen: dict[str, Any] | None, plans: dict[int, str]) -> Html:
    title = look.t("panel.drift")
    if not rows:
        return panel("drift", title, empty(look.t("panel.drift_none")))
    listed = [
        Row(
            [
                join([look.label("source", row["source"]), tag("span", _stream(look, row), class_="second")]),
                join([_field(look, row), tag("span", _changed(look, row), class_="below")]),
                _kind(look, row),
                _changed(look, row),
                _touches(look, row) if row["touches"] else look.na(),
                chip(look.t("drift.planned"), "blue", plans.get(row["planned_id"])) if row["planned_id"] else look.na(),
                look.when(row["found_at"]),
            ],
            href=state.here("sources", drift=row["drift_id"]),
            selected=row is chosen,
        )
        for row in rows
    ]
    columns = [
        Column(look.t("col.source"), "mid"), Column(look.t("col.field")), Column(look.t("drift.what")),
        Column(look.t("drift.change"), phone=False), Column(look.t("drift.touches"), phone=False),
        Column(look.t("drift.announced"), phone=False), Column(look.t("drift.found"), "mid", phone=False),
    ]  # fmt: skip
    body = tag("div", table(title, columns, listed), class_="scroll")
    return panel("drift", title, body, badge=chip(look.count(len(rows)), "amber"))


def _stream(look: Look, row: dict[str, Any]) -> Html:
    return h(look.t("drift.whole")) if row["stream"] == WHOLE else h(row["stream"])


def _field(look: Look, row: dict[str, Any]) -> Html:
    return tag("code", row["field"], class_="whole") if row["field"] else h(look.t("drift.stream"))


def _kind(look: Look, row: dict[str, Any]) -> Html:
    return chip(look.t(f"drift.kind.{row['kind']}"), TONES.get(row["kind"], ""))


def _changed(look: Look, row: dict[str, Any]) -> Html:
    """Before → after, with a dash for nothing."""
    return join([_value(look, row, "before"), " → ", _value(look, row, "after")])


def _value(look: Look, row: dict[str, Any], side: str) -> Html:
    value = row[side]
    if value is None:
        return look.na()
    if row["kind"] in {"new_value", "contract"}:
        return look.text(value)
    kinds = [look.t(f"drift.type.{one.replace('/', '_')}") for one in str(value).split(", ")]
    return h(look.t("drift.and").join(kinds))


def _touches(look: Look, row: dict[str, Any]) -> Html:
    named = [
        tag("span", words.entity(look, one["entity"]), " · ", _part(look, one["entity"], one["field"]),
            title=f"{one['entity']}.{one['field']}")
        for one in row["touches"]
    ]  # fmt: skip
    return join(named, look.t("drift.and"))


def _part(look: Look, entity: str, name: str) -> str:
    """A column's word; what a mapping reads beside columns has words of its own."""
    msgid = f"drift.part.{name}"
    return look.t(msgid) if msgid in catalogue() else words.column(look, entity, name)


def _detail(context: state.Context, row: dict[str, Any]) -> None:
    """The chosen drift: what it does to the mapping, and saying that it has been seen to."""
    look = context.look
    closing = link(look.t("src.close"), state.here("sources", drift=None))
    head = join([syncing.name_of(look, row["source"]), " ", _stream(look, row), " ", _field(look, row)])
    st.html(tag("div", tag("h2", head), _kind(look, row), tag("span", closing, class_="src"), class_="phead"))
    st.html(
        join(
            [
                tag("p", _changed(look, row)),
                tag("p", look.t(f"drift.advice.{row['kind']}"), class_="muted"),
                tag("p", look.t("drift.touched"), " ", _touches(look, row)) if row["touches"] else "",
            ]
        )
    )
    if not serve.may_sync(context.viewer):
        return
    note = st.text_input(look.t("act.note"), key=f"drift_note_{row['drift_id']}", max_chars=300)
    if st.button(look.t("drift.acknowledge"), key="drift_acknowledge", type="primary"):
        try:
            serve.acknowledge_drift(context.viewer, context.db, row["drift_id"], note or None)
        except C360Error as error:
            show_error(look, error)
            return
        st.query_params.pop("drift", None)
        st.rerun()


def _plans(look: Look, plans: list[dict[str, Any]]) -> Html:
    title = look.t("panel.planned")
    if not plans:
        return panel("planned", title, empty(look.t("panel.planned_none")))
    rows = [
        Row(
            [
                look.day(plan["expected_on"]),
                join([look.label("source", plan["source"]), tag("span", plan["stream"] or "", class_="below")]),
                join([h(plan["title"]), tag("span", plan["owner"], class_="below")]),
                h(plan["check"]),
                h(plan["rollback"]),
                _outcome(look, plan),
            ]
        )
        for plan in plans
    ]
    columns = [
        Column(look.t("drift.day"), "mid"), Column(look.t("col.source"), phone=False), Column(look.t("drift.title")),
        Column(look.t("drift.check"), phone=False), Column(look.t("drift.rollback"), phone=False),
        Column(look.t("drift.outcome")),
    ]  # fmt: skip
    return panel("planned", title, tag("div", table(title, columns, rows), class_="scroll"))


def _outcome(look: Look, plan: dict[str, Any]) -> Html:
    """Its state, and what was seen of it in the documents."""
    if plan["is_late"]:
        return chip(look.t("drift.not_seen"), "amber")
    mark = chip(look.t(f"drift.state.{plan['state']}"), PLAN_TONES.get(plan["state"], ""))
    seen = look.t("drift.seen", n=plan["happened"]) if plan["happened"] else ""
    return join([mark, " ", h(seen)])


def _announce(context: state.Context, source: str | None) -> None:
    """The form that enters a change ahead, and how a waiting one ended."""
    look, viewer, db = context.look, context.viewer, context.db
    names = [row["source"] for row in serve.status(viewer, db)["sources"]]
    waiting = [row for row in serve.announced_changes(viewer, db) if row["state"] == "announced"]
    with st.container(horizontal=True, key="plan_actions"):
        with st.popover(look.t("drift.announce")), st.form("announce", border=False):
            place = names.index(source) if source in names else 0
            asked = st.selectbox(
                look.t("col.source"), names, index=place, format_func=lambda name: syncing.name_of(look, name)
            )
            title = st.text_input(look.t("drift.title"), max_chars=300)
            on = st.date_input(look.t("drift.day"), value=db.today() + timedelta(days=7))
            owner = st.text_input(look.t("drift.owner"), max_chars=200, value=viewer.name)
            check = st.text_area(look.t("drift.check"), height=68)
            rollback = st.text_area(look.t("drift.rollback"), height=68)
            if st.form_submit_button(look.t("drift.enter"), type="primary"):
                _run(
                    look,
                    lambda: serve.announce_change(
                        viewer, db, str(asked), title, expected_on=on, owner=owner, check=check, rollback=rollback
                    ),
                )
        if waiting:
            with st.popover(look.t("drift.settle")), st.form("settle", border=False):
                titles = {row["planned_id"]: row["title"] for row in waiting}
                which = st.selectbox(look.t("drift.title"), list(titles), format_func=lambda one: titles[one])
                states = ["done", "cancelled", "rolled_back"]
                how = st.selectbox(
                    look.t("drift.outcome"), states, format_func=lambda one: look.t(f"drift.state.{one}")
                )
                note = st.text_input(look.t("act.note"), max_chars=300)
                if st.form_submit_button(look.t("drift.enter"), type="primary"):
                    _run(look, lambda: serve.settle_change(viewer, db, int(which), str(how), note or None))


def _run(look: Look, action: Any) -> None:
    try:
        action()
    except C360Error as error:
        show_error(look, error)
        return
    st.rerun()
