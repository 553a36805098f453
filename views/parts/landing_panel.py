"""Landing on the sources page: what it holds of each source, how long, when it was last packed and thinned out."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import source_panel, syncing
from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, tag
from views.parts.panels import rows_panel


def show(context: state.Context, source: str | None) -> None:
    """The table (of `source`, else of all), for those who look after sources; with a bucket its actions."""
    viewer, db = context.viewer, context.db
    if not serve.may_sync(viewer):
        return
    bucket = serve.landing_bucket(viewer, db)
    st.html(held(context.look, serve.landing_state(viewer, db, source), bucket))
    if bucket:
        _bucket(context, source)


def size(n: int) -> str:
    """Bytes in the unit that leaves one to three digits before the point: kB, MB or GB."""
    unit, factor = ("GB", 1e9) if n >= 1e9 else ("MB", 1e6) if n >= 1e6 else ("kB", 1e3)
    return f"{n / factor:,.1f} {unit}"


def held(look: Look, states: list[dict[str, Any]], bucket: str | None) -> Html:
    """One row per source."""
    rows = [
        Row(
            [
                join([h(syncing.name_of(look, row["source"])), tag("span", _kept(look, row), class_="below")]),
                look.count(row["files"]),
                size(row["bytes"]),
                look.t("land.runs", packed=look.count(row["packed"]), loose=look.count(row["loose"])),
                _kept(look, row),
                look.when(row["packed_at"]) if row["packed_at"] else look.na(),
                _pruned(look, row),
            ]
        )
        for row in states
    ]
    columns = [
        Column(look.t("col.source")), Column(look.t("land.files"), "num"), Column(look.t("land.size"), "num"),
        Column(look.t("land.held"), phone=False), Column(look.t("land.kept"), phone=False),
        Column(look.t("land.packed_at"), "mid", phone=False), Column(look.t("land.pruned_at"), "mid", phone=False),
    ]  # fmt: skip
    place = look.t("land.bucket", address=bucket) if bucket else look.t("land.folder")
    return rows_panel(look, "landing", columns, rows, source=place)


def _kept(look: Look, row: dict[str, Any]) -> Html:
    if row["legal_hold"]:
        return chip(look.t("land.legal_hold"), "amber")
    days = row["keep_versions_days"]
    return h(look.t("land.all_kept") if days is None else look.t("land.kept_days", n=look.count(days)))


def _pruned(look: Look, row: dict[str, Any]) -> Html:
    if not row["pruned_at"]:
        return look.na()
    return join([look.when(row["pruned_at"]), tag("span", look.t("land.left", n=look.count(row["pruned_rows"])),
                                                  class_="below")])  # fmt: skip


def _bucket(context: state.Context, source: str | None) -> None:
    """Bringing the bucket and the working copy together, and taking a bucket over from an instance that is gone."""
    look, viewer, db = context.look, context.viewer, context.db
    name = source or next((one.name for one in db.instance.config.sources), None)
    with st.container(horizontal=True, key="bucket_buttons"):
        if name and st.button(look.t("land.bucket_sync"), key="bucket_sync"):
            source_panel.run(look, lambda: serve.request_care(viewer, db, name, "bucket"), "land.asked")
        with st.popover(look.t("land.adopt")), st.form("adopt", border=False):
            st.html(tag("p", look.t("land.adopt_help"), class_="muted"))
            is_gone = st.checkbox(look.t("land.adopt_sure"))
            if st.form_submit_button(look.t("land.adopt"), type="primary") and is_gone:
                source_panel.run(look, lambda: serve.adopt_landing(viewer, db), "land.adopted")
