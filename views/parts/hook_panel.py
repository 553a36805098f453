"""Webhooks on the sources page: what came, what was refused, what was read for it, which hosts are left alone."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import source_panel
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, tag
from views.parts.notice import notice
from views.parts.panels import rows_panel


def show(context: state.Context, chosen: str | None) -> None:
    """The panels that have something to show; nothing for a company without webhooks."""
    found = serve.hook_state(context.viewer, context.db)
    look = context.look
    hooks = [row for row in found["hooks"] if chosen in {None, row["source"]}]
    if hooks:
        st.html(received(look, hooks))
    reads = [row for row in found["reads"] if chosen in {None, row["source"]}]
    if reads:
        st.html(read(look, reads))


def hosts(context: state.Context) -> None:
    """A notice for each host that is left alone, for who looks after sources."""
    look = context.look
    for host in serve.hook_state(context.viewer, context.db)["hosts"]:
        st.html(alone(look, host))
        name = host["host"]
        if st.button(look.t("hook.try", host=name), key=f"try_{name}", disabled=host["state"] != "open"):
            source_panel.run(look, lambda n=name: serve.try_host(context.viewer, context.db, n), "hook.tried")  # type: ignore[misc]


def alone(look: Look, host: dict[str, Any]) -> Html:
    """A host that is left alone, until when and why."""
    title = look.t("hook.host", host=host["host"], n=look.count(host["failures"]))
    then = join([look.t("hook.host_until"), " ", look.when(host["until"])])
    return notice(title, then, h(host["reason"] or ""), tone="red")


def received(look: Look, hooks: list[dict[str, Any]]) -> Html:
    """Hooks by source: taken, delivered twice, refused, of no interest."""
    columns = [
        Column(look.t("col.source")),
        Column(look.t("hook.accepted"), "num"),
        Column(look.t("hook.duplicate"), "num", phone=False),
        Column(look.t("hook.refused"), "num"),
        Column(look.t("hook.ignored"), "num", phone=False),
        Column(look.t("hook.last"), "mid", phone=False),
    ]
    rows = [
        Row(
            [
                look.label("source", row["source"]),
                look.count(row["accepted"]),
                look.count(row["duplicate"]),
                tag("span", look.count(row["refused"]), class_="t-amber" if row["refused"] else ""),
                look.count(row["ignored"]),
                look.when(row["last_at"]),
            ]
        )
        for row in hooks
    ]
    return rows_panel(look, "hooks", columns, rows)


def read(look: Look, reads: list[dict[str, Any]]) -> Html:
    """The newest reads of single records."""
    columns = [
        Column(look.t("col.started"), "mid"),
        Column(look.t("col.source")),
        Column(look.t("col.stream"), phone=False),
        Column(look.t("hook.cause"), phone=False),
        Column(look.t("hook.asked"), "num", phone=False),
        Column(look.t("col.rows"), "num"),
        Column(look.t("col.result")),
    ]
    rows = [
        Row(
            [
                look.when(row["started_at"]),
                join(
                    [
                        tag("span", look.label("source", row["source"]), class_="n"),
                        tag("span", look.text(row["stream"]), class_="below"),
                    ]
                ),
                look.text(row["stream"]),
                look.t(f"hook.by_{row['caused_by']}"),
                look.count(row["asked"]) if row["asked"] else look.t("hook.increment"),
                look.count(row["rows_landed"]),
                _result(look, row),
            ]
        )
        for row in reads
    ]
    return rows_panel(look, "target_reads", columns, rows)


def _result(look: Look, row: dict[str, Any]) -> Html:
    tone = {"done": "green", "failed": "red"}.get(row["state"], "amber")
    said = chip(look.label("run_status", row["state"]), tone)
    return join([said, tag("span", row["error"], class_="note", title=row["error"])]) if row["error"] else said
