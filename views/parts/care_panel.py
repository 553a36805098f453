"""Caring for the chosen source: trying its streams, packing its landing, retention after a look; with progress."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import streamlit as st

from model import serve
from ops import care
from ops.errors import C360Error
from views import state
from views.parts.format import Look
from views.parts.html import Column, Html, Row, bar, chip, dot, h, join, tag
from views.parts.landing_panel import size
from views.parts.notice import notice, show_error
from views.parts.panels import rows_panel

# Seconds between two looks at the store while something is under way.
LIVE_S = 1.0
# A result stands on the page for so long.
SHOWN = timedelta(hours=24)
TONES = {"ok": "green", "refused": "red", "failed": "red", "off": "", "unknown": "amber"}


def show(context: state.Context, source: str) -> None:
    """The buttons, how far what was asked for is, and what came of it; for those who look after sources."""
    if not serve.may_sync(context.viewer):
        return
    lively = st.session_state.get("care_live") == source
    st.fragment(_care, run_every=LIVE_S if lively else None)(context, source)


def _care(context: state.Context, source: str) -> None:
    look, viewer, db = context.look, context.viewer, context.db
    found = serve.care_state(viewer, db, source)
    is_live = found is not None and found["state"] in {"waiting", "running"} and found["has_scheduler"]
    if is_live != (st.session_state.get("care_live") == source):
        st.session_state["care_live"] = source if is_live else None
        st.rerun()
    if error := st.session_state.pop("care_error", None):
        show_error(look, error)
    with st.container(horizontal=True, key="care_buttons"):
        for kind in (care.TRY, care.PACK):
            st.button(look.t(f"care.{kind}"), key=f"care_{kind}", disabled=is_live, on_click=_ask,
                      args=(context, source, kind))  # fmt: skip
        with st.popover(look.t("care.retention")):
            _retention(context, source, is_live=is_live)
    if found is None or (not is_live and look.now - found["requested_at"] > SHOWN):
        return
    st.html(told(look, found))
    if found["kind"] == care.LOOK and found["state"] == "done" and leaving(found):
        st.button(look.t("care.let_leave", n=look.count(leaving(found))), key="care_prune", type="primary",
                  on_click=_ask, args=(context, source, care.PRUNE, found["days"]))  # fmt: skip


def _retention(context: state.Context, source: str, *, is_live: bool) -> None:
    look = context.look
    kept = context.db.instance.config.source(source).keep_versions_days
    st.html(tag("p", look.t("care.retention_help"), class_="muted"))
    days = st.number_input(look.t("care.days"), min_value=1, value=kept or 365, step=30, key=f"care_days_{source}")
    st.button(look.t("care.look"), key="care_look", disabled=is_live, on_click=_ask,
              args=(context, source, care.LOOK, int(days)))  # fmt: skip


def _ask(context: state.Context, source: str, kind: str, days: int | None = None) -> None:
    try:
        serve.request_care(context.viewer, context.db, source, kind, days)
    except C360Error as error:
        st.session_state["care_error"] = error


def leaving(found: dict[str, Any]) -> int:
    """Versions that would leave, or have left."""
    return sum(int(row["leaving"]) for row in found["rows"])


def told(look: Look, found: dict[str, Any]) -> Html:
    """How far a request is, or what came of it."""
    if found["state"] == "failed":
        return notice(look.t("care.failed", what=look.t(f"care.{found['kind']}")), found["message"], tone="red")
    if found["state"] in {"waiting", "running"}:
        return _progress(look, found)
    results: dict[str, Callable[[Look, dict[str, Any]], Html]] = {
        care.TRY: _tried, care.PACK: _packed, care.LOOK: _looked, care.PRUNE: _pruned, care.BUCKET: _bucket
    }  # fmt: skip
    return results[found["kind"]](look, found)


def _progress(look: Look, found: dict[str, Any]) -> Html:
    what = look.t(f"care.{found['kind']}")
    if not found["has_scheduler"]:
        return _line(look, found, look.t("sync.no_scheduler"), "amber")
    if found["state"] == "waiting":
        return _line(look, found, look.t("care.waiting", what=what, who=look.name(found["requested_by"])), "amber")
    done, total = found["done"], max(found["total"], 1)
    said = look.t("care.running", what=what, done=done, total=total)
    share = min(done / total, 1.0)
    drawn = bar([(max(share, 0.02), "accent", ""), (1 - share, "none", "")], said)
    return tag("div", drawn, tag("span", said, class_="ln"), class_="syncing", role="status")


def _line(look: Look, found: dict[str, Any], said: object, tone: str = "green") -> Html:
    when = look.dotted(said, look.when(found["requested_at"]))
    return tag("div", tag("span", dot(tone), when, class_="ln"), class_="syncing", role="status")


def _packed(look: Look, found: dict[str, Any]) -> Html:
    total = {name: sum(int(row[name]) for row in found["rows"])
             for name in ("runs", "files_before", "files_after", "bytes_before", "bytes_after")}  # fmt: skip
    if not total["runs"]:
        return _line(look, found, look.t("care.nothing_to_pack"))
    said = look.t(
        "care.packed", before=look.count(total["files_before"]), size_before=size(total["bytes_before"]),
        after=look.count(total["files_after"]), size_after=size(total["bytes_after"]),
    )  # fmt: skip
    return _line(look, found, _untidy(look, found, said))


def _untidy(look: Look, found: dict[str, Any], said: str) -> Html:
    is_tidy = all(row["is_tidy"] for row in found["rows"])
    return look.dotted(said, None if is_tidy else look.t("care.later"))


def _pruned(look: Look, found: dict[str, Any]) -> Html:
    said = look.t("care.left", n=look.count(leaving(found)), days=look.count(found["days"] or 0))
    return _line(look, found, _untidy(look, found, said))


def _bucket(look: Look, found: dict[str, Any]) -> Html:
    row = found["rows"][0]
    return _line(
        look, found, look.t("care.bucket_done", learned=look.count(row["learned"]), put=look.count(row["put"]))
    )


def _looked(look: Look, found: dict[str, Any]) -> Html:
    """What would leave, by stream."""
    if not leaving(found):
        return _line(look, found, look.t("care.none_leaves", days=look.count(found["days"] or 0)))
    rows = [
        Row([row["stream"], look.count(row["rows"]), look.count(row["leaving"]), size(row["document_bytes"])])
        for row in found["rows"]
        if row["leaving"]
    ]
    columns = [
        Column(look.t("col.stream")), Column(look.t("care.older"), "num", phone=False),
        Column(look.t("care.would_leave"), "num"), Column(look.t("land.size"), "num"),
    ]  # fmt: skip
    days = look.t("care.older_than", n=look.count(found["days"] or 0))
    return rows_panel(look, "prune", columns, rows, source=join([h(days), " · ", look.when(found["requested_at"])]))


def _tried(look: Look, found: dict[str, Any]) -> Html:
    """One row per stream that was asked: what it answered and what to do."""
    rows = [
        Row(
            [
                row["stream"],
                look.count(row["rows"]),
                h(f"{float(row['seconds']):.1f}"),
                join([chip(look.t(f"care.answer_{row['state']}"), TONES.get(row["state"], "")),
                      _said(row)]),
            ]
        )
        for row in found["rows"]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.stream")), Column(look.t("care.first_page"), "num"),
        Column(look.t("col.seconds"), "num", phone=False), Column(look.t("col.result")),
    ]  # fmt: skip
    bad = sum(row["state"] in {"refused", "failed"} for row in found["rows"])
    badge = chip(look.count(bad), "red") if bad else ""
    return rows_panel(look, "tried", columns, rows, badge=badge, source=look.when(found["requested_at"]))


def _said(row: dict[str, Any]) -> Html:
    if not row["message"]:
        return h("")
    whole = ". ".join(filter(None, (row["message"], row["remedy"])))
    return tag("span", row["message"], class_="note", title=whole)
