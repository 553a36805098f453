"""Sources: is every system fresh, collect it now, what ran, what was rejected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import (
    add_panel,
    care_panel,
    drawer,
    drift_panel,
    health_panel,
    hook_panel,
    landing_panel,
    mapping_panel,
    reject_panel,
    setup_panel,
    shadow_panel,
    source_panel,
    syncing,
    totals_panel,
    words,
)
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, link, table, tag
from views.parts.panels import rows_panel


def page() -> None:
    """Build, sources, the chosen source's streams, runs, rejects; `?source=` and `?stream=` choose."""
    context = state.context()
    look = context.look
    data = serve.sources(context.viewer, context.db)
    build = data["build"]
    if done := st.session_state.pop("acted", None):
        st.toast(done)
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.sources")),
            tag(
                "span",
                look.dotted(join([look.t("src.build"), " ", h(build["version"])]), look.when(build["published_at"])),
                class_="muted",
            ),
            class_="head",
        )
    )
    names = [one.name for one in context.instance.config.sources]
    asked = st.query_params.get("source")
    chosen = asked if asked in names else None
    source_panel.held(context)
    hook_panel.hosts(context)
    syncing.grid(context, chosen)
    add_panel.off(context, chosen)
    if st.query_params.get("add") and not chosen:
        add_panel.show(context)
    elif not chosen:
        add_panel.door(context)
    if chosen:
        _streams(context, chosen)
        setup_panel.show(context, chosen)
        source_panel.actions(context, chosen)
        care_panel.show(context, chosen)
        shadow_panel.show(context, chosen)
    totals_panel.show(context, chosen)
    drift_panel.show(context, chosen)
    st.html(_runs(look, [run for run in data["runs"] if chosen in {None, run["source"]}]))
    hook_panel.show(context, chosen)
    ignored = serve.quarantine(context.viewer, context.db, limit=200, status="ignored")
    of_it = [[row for row in rows if chosen in {None, row["source"]}] for rows in (data["rejects"], ignored)]
    reject_panel.show(context, *of_it)
    landing_panel.show(context, chosen)
    source_panel.history(context, chosen)
    if opened := drawer.drawer(context, "sources"):
        st.html(opened)
    if not chosen:
        mapping_panel.show(context)
        source_panel.builds(context)
        health_panel.show(context)


def _streams(context: state.Context, source: str) -> None:
    """The chosen source's streams with their newest run; a chosen stream can be collected alone."""
    look = context.look
    listed = serve.streams(context.viewer, context.db, source)
    asked = st.query_params.get("stream")
    rows = [
        Row(
            [
                row["stream"],
                look.dotted(*(h(words.entity(look, one)) for one in row["entities"]), _limit(look, row)) or look.na(),
                look.when(row["started_at"]) if row["started_at"] else h(look.t("src.never_ran")),
                look.count(row["rows_landed"]) if row["started_at"] else look.na(),
                look.count(row["rows_changed"] or 0) if row["started_at"] else look.na(),
                _seconds(look, row),
                _result(look, row) if row["started_at"] else look.na(),
            ],
            href=state.here("sources", source=source, stream=row["stream"]),
            selected=row["stream"] == asked,
        )
        for row in listed
    ]
    columns = [
        Column(look.t("col.stream")),
        Column(look.t("col.entity"), phone=False),
        Column(look.t("col.started"), "mid", phone=False),
        Column(look.t("col.rows"), "num"),
        Column(look.t("col.changed"), "num", phone=False),
        Column(look.t("col.seconds"), "num", phone=False),
        Column(look.t("col.result")),
    ]
    title = look.t("src.streams", source=syncing.name_of(look, source))
    closing = link(look.t("src.close"), state.here("sources", source=None, stream=None))
    with st.container(key="card_streams"):
        st.html(tag("div", tag("h2", title), tag("span", closing, class_="src"), class_="phead", id="p-streams"))
        if serve.may_sync(context.viewer) and asked in {row["stream"] for row in listed}:
            syncing.button(context, source, asked)
        st.html(tag("div", table(title, columns, rows), class_="worklist scroll"))


def _limit(look: Look, row: dict[str, Any]) -> Html | None:
    """How old the stream may become, where it has a limit of its own."""
    minutes = row["max_age_minutes"]
    return tag("span", look.t("src.limit", age=look.age(minutes * 60)), class_="muted") if minutes else None


def _runs(look: Look, runs: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                look.when(run["started_at"]),
                join(
                    [
                        tag("span", look.label("source", run["source"]), class_="n"),
                        tag("span", look.text(run["stream"]), class_="below"),
                    ]
                ),
                look.text(run["stream"]),
                look.count(run["rows_landed"]),
                look.count(run["rows_changed"]),
                _seconds(look, run),
                _result(look, run),
            ]
        )
        for run in runs
    ]
    columns = [
        Column(look.t("col.started"), "mid"),
        Column(look.t("col.source")),
        Column(look.t("col.stream"), phone=False),
        Column(look.t("col.rows"), "num"),
        Column(look.t("col.changed"), "num", phone=False),
        Column(look.t("col.seconds"), "num", phone=False),
        Column(look.t("col.result")),
    ]
    return rows_panel(look, "runs", columns, rows)


def _result(look: Look, run: dict[str, Any]) -> Html:
    """How a run ended, and what went wrong and what to do when it failed."""
    if not run.get("error"):
        tone = "green" if run["state"] == "done" else "amber"
        return chip(look.label("run_status", run["state"]), tone)
    remedy = look.t("ui.remedy", remedy=run["remedy"]) if run.get("remedy") else None
    said = tag("span", run["error"], class_="note", title=run["error"])
    return join([chip(look.t("src.failed"), "red", remedy), said])


def _seconds(look: Look, run: dict[str, Any]) -> Html:
    value = run.get("seconds")
    return look.na() if value is None else h(f"{float(value):.1f}")


page()
