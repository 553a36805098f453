"""Sync now: the sources as cards, each with its state, its button and, while a collection runs, how far it is."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.care import FULL
from ops.errors import C360Error
from ops.tables import REPLAY
from ops.texts import catalogue
from views import state
from views.parts.format import Look, as_instant
from views.parts.freshness import TONES
from views.parts.html import Html, bar, chip, dot, h, join, tag
from views.parts.notice import notice, show_error

PER_ROW = 4
# Seconds between two looks at the store: while something is under way, and otherwise.
LIVE_S, IDLE_S = 1.0, 15.0


def grid(context: state.Context, chosen: str | None) -> None:
    """All sources. Redraws itself alone, often while a collection runs; the whole page follows when it has ended."""
    lively = bool(st.session_state.get("sync_live"))
    st.fragment(_grid, run_every=LIVE_S if lively else IDLE_S)(context, chosen)


def _grid(context: state.Context, chosen: str | None) -> None:
    look = context.look
    if error := st.session_state.pop("sync_error", None):
        show_error(look, error)
    rows = serve.status(context.viewer, context.db)["sources"]
    states = {row["source"]: serve.sync_state(context.viewer, context.db, row["source"]) for row in rows}
    for start in range(0, len(rows), PER_ROW):
        columns = st.columns(min(PER_ROW, len(rows)))
        for column, row in zip(columns, rows[start : start + PER_ROW], strict=False):
            with column, st.container(key=f"card_src_{row['source']}"):
                _card(context, row, states[row["source"]], chosen)
    if any(_stuck(one) for one in states.values()):
        st.html(notice(look.t("sync.no_scheduler"), look.t("sync.no_scheduler_help"), tone="amber"))
    lively = any(_lively(one) for one in states.values())
    if lively != bool(st.session_state.get("sync_live")):
        st.session_state["sync_live"] = lively
        st.rerun()


def _lively(request: dict[str, Any] | None) -> bool:
    return request is not None and request["state"] in {"waiting", "running"} and request["has_scheduler"]


def _stuck(request: dict[str, Any] | None) -> bool:
    return request is not None and request["state"] in {"waiting", "running"} and not request["has_scheduler"]


def _card(context: state.Context, row: dict[str, Any], request: dict[str, Any] | None, chosen: str | None) -> None:
    look, source = context.look, row["source"]
    st.html(join([source_tile(look, row, is_chosen=source == chosen), progress(look, request)]))
    if not serve.may_sync(context.viewer):
        return
    if request is not None and _lively(request):
        _stop(context, source, request)
    else:
        button(context, source, None)


def _stop(context: state.Context, source: str, request: dict[str, Any]) -> None:
    """In place of the button that asks: one that ends what is under way, once."""
    look, key = context.look, f"stopping_{source}"
    st.button(
        look.t("sync.stop", what=_spaced(look, name_of(look, source))),
        key=f"stop_{source}",
        disabled=st.session_state.get(key) == request["request_id"],
        on_click=_halt,
        args=(context, source, key, request["request_id"]),
    )


def _halt(context: state.Context, source: str, key: str, request_id: int) -> None:
    st.session_state[key] = request_id
    try:
        serve.stop_sync(context.viewer, context.db, source)
    except C360Error as error:
        st.session_state["sync_error"] = error


def _spaced(look: Look, name: str) -> str:
    """Latin letters after Chinese ones stand apart."""
    return f" {name}" if look.language == "zh" and name.isascii() else name


def button(context: state.Context, source: str, stream: str | None) -> None:
    """The button that writes the request; what goes wrong is shown above the cards."""
    look = context.look
    st.button(
        look.t("sync.now", what=_spaced(look, stream or name_of(look, source))),
        key=f"sync_{source}_{stream or ''}",
        on_click=_ask,
        args=(context, source, stream),
    )


def name_of(look: Look, source: str) -> str:
    """A source's name in words, where it has one; plain text."""
    msgid = f"enum.source.{source}"
    return look.t(msgid) if msgid in catalogue() else source


def _ask(context: state.Context, source: str, stream: str | None) -> None:
    try:
        serve.request_sync(context.viewer, context.db, source, stream)
    except C360Error as error:
        st.session_state["sync_error"] = error


def source_tile(look: Look, row: dict[str, Any], *, is_chosen: bool) -> Html:
    """One source: how fresh, how old, how many rows, what was rejected, when next; a door to its streams."""
    known = row["state"] in TONES
    word = look.t(f"fresh.{row['state']}") if known else row["state"]
    age = look.t("src.age", age=look.age(row["age_s"])) if row.get("age_s") is not None else look.t("fresh.never")
    rejected = row.get("rejected") or 0
    counts = look.t(
        "src.counts",
        landed=look.count(row.get("rows_landed") or 0),
        staged=look.count(row.get("rows_staged") or 0),
    )
    late = row.get("stale_streams") or []
    lines: list[object] = [
        *([tag("span", look.t("src.stale_streams", streams=", ".join(late)), class_="t-amber")] if late else []),
        look.dotted(
            h(age),
            tag("span", look.t("src.rejected", n=look.count(rejected)), class_="t-amber") if rejected else None,
        ),
        h(counts),
        _next(look, row.get("next_run_at")),
    ]
    tone = "" if row["state"] in {"fresh", "stale"} else " bad"
    shadow = join([" ", chip(look.t("whole.shadow"), "blue")]) if row.get("status") == "shadow" else ""
    return tag(
        "a",
        tag("span", look.label("source", row["source"]), shadow, class_="ln"),
        tag("span", dot(f"{TONES.get(row['state'], '')} big"), h(word), class_="fig"),
        *[tag("span", line, class_="ln") for line in lines],
        href=state.here("sources", source=None if is_chosen else row["source"], stream=None),
        data_nav="1",
        target="_self",
        aria_current="true" if is_chosen else None,
        class_=f"source{tone}",
    )


def _next(look: Look, on: Any) -> Html:
    if not on:
        return h(look.t("src.no_schedule"))
    return join([look.t("src.next" if as_instant(on) > look.now else "src.overdue"), " ", look.when(on)])


def progress(look: Look, request: dict[str, Any] | None) -> Html:
    """How far the newest request is: a bar while it runs, a sentence when it waits or has failed."""
    if request is None:
        return h("")
    words = {REPLAY: "sync.replay", FULL: "sync.full"}
    stream = look.t(words[request["stream"]]) if request["stream"] in words else request["stream"]
    by = {"who": look.name(request["requested_by"]), "what": stream or look.t("sync.everything")}
    if request["state"] == "waiting":
        return _line(look.t("sync.waiting" if request["has_scheduler"] else "sync.stuck", **by), "amber")
    if request["state"] == "failed":
        return _line(look.t("sync.failed"), "red", request["message"])
    if request["state"] == "stopped":
        return _line(
            look.dotted(look.t("sync.halted"), look.when(request["requested_at"])), "amber", request["message"]
        )
    if request["state"] == "done":
        said = look.t("sync.done", rows=look.count(request["rows_landed"]))
        return _line(look.dotted(said, look.when(request["requested_at"])), "green")
    if not request["has_scheduler"]:
        return _line(look.t("sync.stopped"), "amber")
    done, total = request["streams_done"], max(request["streams_total"], 1)
    said = look.t("sync.building")
    if done < total:
        said = look.t("sync.collecting", done=done, total=total, rows=look.count(request["rows_landed"]))
    # Publishing is the last tenth: the bar is full only when the rows can be seen.
    share = min(done / total, 1.0) * 0.9
    drawn = bar([(max(share, 0.02), "accent", ""), (1 - share, "none", "")], said)
    now = tag("span", request["stream_now"], class_="ln") if request["stream_now"] and done < total else ""
    return tag("div", drawn, tag("span", said, class_="ln"), now, class_="syncing", role="status")


def _line(said: object, tone: str, detail: str | None = None) -> Html:
    return tag("div", tag("span", dot(tone), said, class_="ln", title=detail), class_="syncing", role="status")
