"""Several lines of the worklist at once: ticked in the list, shown before anything is written, written together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts import actions
from views.parts.format import Look
from views.parts.html import Column, Html, Row, h, join, table, tag
from views.parts.notice import notice, show_error
from views.parts.worklist import key_of

SHOWN = 12
KEY = "picks"
_picks = st.components.v2.component(
    "c360_picks",
    js=(Path(__file__).parent / "picks.js").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def picked(lines: list[dict[str, Any]]) -> list[str]:
    """Keys of the lines that are ticked and still in the list."""
    ticked = (st.session_state.get(f"{KEY}{_turn()}") or {}).get("picked") or []
    known = {key_of(line) for line in lines}
    return [str(key) for key in ticked if key in known]


def _turn() -> int:
    """Counts up whenever the ticks are taken away: a new component starts without any."""
    return int(st.session_state.get("picks_turn", 0))


def listen(keys: list[str]) -> None:
    """The invisible part that hears the ticks; drawn after the list."""
    _picks(
        key=f"{KEY}{_turn()}",
        data={"picked": keys, "turn": _turn()},
        default={"picked": []},
        on_picked_change=lambda: None,
        height=1,
    )


def panel(context: state.Context, lines: list[dict[str, Any]], keys: list[str]) -> None:
    """What to do with the ticked lines: action, fields, what it would write, and the button that writes it."""
    look = context.look
    chosen = [line for line in lines if key_of(line) in keys]
    items = [key for line in chosen for key in line["item_keys"]]
    with st.container(key="card_bulk"):
        st.html(_title(look, chosen, items))
        action = st.pills(
            look.t("act.action"), actions.BULK, default="promise", required=True, key="bulk_action",
            format_func=lambda name: look.t(f"act.{name}"),
        )  # fmt: skip
        if not action:
            return
        whole = {"record_key": actions.ALL, "open_amount": 0, "currency": ""}
        values = actions.fields(context, str(action), whole, bulk=True)
        buttons = st.container(horizontal=True, key="bulk_buttons")
        preview = _preview(context, items, str(action), values or {})
        if preview is None:
            return
        st.html(_shown(look, preview))
        ready = not preview["problems"]
        if buttons.button(look.t("bulk.write", n=look.count(len(items))), type="primary", disabled=not ready):
            _write(context, items, str(action), values or {})
        buttons.button(look.t("bulk.clear"), on_click=_clear)


def _title(look: Look, chosen: list[dict[str, Any]], items: list[str]) -> Html:
    said = look.t("bulk.title", customers=look.count(len(chosen)), items=look.count(len(items)))
    return tag("div", tag("h2", said), class_="phead")


def _preview(context: state.Context, items: list[str], action: str, values: dict[str, Any]) -> dict[str, Any] | None:
    try:
        return serve.act_many(context.viewer, context.db, items, action, preview=True, **values)
    except C360Error as error:
        show_error(context.look, error)
        return None


def _shown(look: Look, preview: dict[str, Any]) -> Html:
    rows = [
        Row([row["name"], row["invoice_number"], look.exact(row["open_amount"]),
             look.exact(row["amount"]) if row.get("amount") is not None else look.na(),
             look.day(row["until_on"]) if row.get("until_on") else look.na()])
        for row in preview["rows"][:SHOWN]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("col.invoice")), Column(look.t("col.open"), "num", phone=False),
        Column(look.t("act.amount"), "num"), Column(look.t("bulk.until"), "num"),
    ]  # fmt: skip
    totals = look.dotted(*(look.money(amount, name) for name, amount in preview["totals"].items() if amount))
    parts: list[object] = [tag("p", look.t("bulk.preview", n=look.count(len(preview["rows"]))), " ", totals)]
    if preview["problems"]:
        said = [h(f"{one['item_key']}: {one['what']}") for one in preview["problems"][:5]]
        parts.append(notice(look.t("bulk.problems", n=look.count(len(preview["problems"]))), *said, tone="amber"))
    if rows:
        parts.append(tag("div", table(look.t("bulk.preview", n=len(rows)), columns, rows), class_="scroll"))
    if len(preview["rows"]) > SHOWN:
        parts.append(tag("p", look.t("bulk.more", n=look.count(len(preview["rows"]) - SHOWN)), class_="muted"))
    return join(parts)


def _write(context: state.Context, items: list[str], action: str, values: dict[str, Any]) -> None:
    look = context.look
    try:
        serve.act_many(context.viewer, context.db, items, action, **values)
    except C360Error as error:
        show_error(look, error)
        return
    st.session_state["acted"] = look.t("bulk.done", action=look.t(f"act.{action}"), n=look.count(len(items)))
    _clear()
    st.rerun()


def _clear() -> None:
    st.session_state["picks_turn"] = _turn() + 1
