"""Sources: is every system fresh, what ran, what was rejected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts.format import Look
from views.parts.freshness import TONES
from views.parts.html import Column, Html, Row, chip, dot, h, join, tag
from views.parts.panels import rows_panel


def page() -> None:
    """Build, sources, runs, rejects."""
    context = state.context()
    look = context.look
    data = serve.sources(context.viewer, context.db)
    build = data.get("build") or {}
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.sources")),
            tag(
                "span",
                look.t("src.build"),
                " ",
                h(build.get("version") or "—"),
                " · ",
                look.when(build.get("published_at")),
                class_="muted",
            ),
            class_="head",
        )
    )
    st.html(tag("div", *[_tile(look, row) for row in data.get("sources") or []], class_="cards"))
    st.html(_runs(look, data.get("runs") or []))
    st.html(_rejects(look, data.get("rejects") or []))


def _tile(look: Look, row: dict[str, Any]) -> Html:
    known = row["state"] in TONES
    word = look.t(f"fresh.{row['state']}") if known else row["state"]
    figure = join([dot(f"{TONES.get(row['state'], '')} big"), h(word)])
    age = look.t("src.age", age=look.age(row["age_s"])) if row.get("age_s") is not None else look.t("fresh.never")
    counts = look.t(
        "src.counts",
        landed=look.count(row.get("rows_landed") or 0),
        staged=look.count(row.get("rows_staged") or 0),
    )
    rejected = row.get("rejected") or 0
    tail = tag("span", look.t("src.rejected", n=look.count(rejected)), class_="ln t-amber") if rejected else ""
    following = row.get("next_run_at")
    plan = join([look.t("src.next"), " ", look.when(following)]) if following else look.t("src.no_schedule")
    return tag(
        "div",
        tag("span", look.label("source", row["source"]), class_="ln"),
        tag("span", figure, class_="fig"),
        tag("span", age, class_="ln"),
        tag("span", counts, class_="ln"),
        tail,
        tag("span", plan, class_="ln"),
        class_="tile" + ("" if row["state"] in {"fresh", "stale"} else " bad"),
    )


def _runs(look: Look, runs: list[dict[str, Any]]) -> Html:
    rows = []
    for run in runs:
        failed = bool(run.get("error"))
        word = (
            look.t("src.failed" if failed else f"src.{run.get('status') or 'done'}") if failed else _status(look, run)
        )
        rows.append(
            Row(
                [
                    look.when(run.get("started_at")),
                    look.label("source", run.get("source")),
                    look.text(run["stream"]) if run.get("stream") else look.na(),
                    look.count(run["rows"] if run.get("rows") is not None else run.get("rows_landed") or 0),
                    look.count(run.get("rows_changed") or 0),
                    _seconds(look, run),
                    join([chip(word, "red" if failed else "green"), " ", h(run.get("error") or "")]),
                ]
            )
        )
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


def _status(look: Look, run: dict[str, Any]) -> Html:
    return look.label("run_status", run.get("status") or "done")


def _seconds(look: Look, run: dict[str, Any]) -> Html:
    value = run.get("seconds")
    return look.na() if value is None else h(f"{float(value):.1f}")


def _rejects(look: Look, rejects: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                look.label("source", row.get("source")),
                look.text(row.get("stream")),
                look.text(row.get("record_id")),
                look.text(row.get("field")),
                look.text(row.get("value")),
                look.label("reason", row.get("reason")),
            ]
        )
        for row in rejects
    ]
    columns = [
        Column(look.t("col.source")),
        Column(look.t("col.stream"), phone=False),
        Column(look.t("col.record")),
        Column(look.t("col.field")),
        Column(look.t("col.value")),
        Column(look.t("col.reason")),
    ]
    badge = chip(look.count(len(rows)), "amber") if rows else ""
    return rows_panel(look, "rejects", columns, rows, badge=badge)


page()
