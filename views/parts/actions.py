"""What a person can do on an open item: acknowledge, promise, dispute, escalate, snooze, note."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from model import serve
from ops import clock
from ops.errors import C360Error
from views import state
from views.parts.format import Look, as_date
from views.parts.notice import show_error

# Taking back what stands comes first where it stands.
UNDO = {"withdraw_promise": "promise", "close_dispute": "dispute"}
ACTIONS = ["promise", "dispute", "acknowledge", "escalate", "snooze", "note"]


def action_form(context: state.Context, customer_key: str, items: list[dict[str, Any]]) -> None:
    """Item, action and its own fields; saving writes work state through serve and says so."""
    look = context.look
    if done := st.session_state.pop("acted", None):
        st.toast(done)
    labels = {item_key(item): _item_label(look, item) for item in items}
    chosen = st.selectbox(
        look.t("act.item"), list(labels), format_func=lambda key: labels[key], key=f"item_{customer_key}"
    )
    item = next(one for one in items if item_key(one) == chosen)
    offered = [name for name, state in UNDO.items() if item.get(state)] + ACTIONS
    action = st.pills(
        look.t("act.action"),
        offered,
        default=offered[0],
        format_func=lambda name: look.t(f"act.{name}"),
        key=f"action_{chosen}_{len(offered)}",
    )
    if not action:
        return
    with st.form(f"form_{customer_key}_{action}", border=False):
        values = _fields(context, look, str(action), item)
        if not st.form_submit_button(look.t("act.save"), type="primary"):
            return
    if values is None:
        return
    try:
        serve.act(context.viewer, context.db, chosen, str(action), **values)
    except C360Error as error:
        show_error(look, error)
        return
    st.session_state["acted"] = look.t("act.saved", action=look.t(f"act.{action}"))
    st.rerun()


def item_key(item: dict[str, Any]) -> str:
    """The key that work state is written on: the open item's record key."""
    return str(item["record_key"])


def _item_label(look: Look, item: dict[str, Any]) -> str:
    row = f"/{item['plan_row']}" if item.get("plan_row") else ""
    return f"{item['invoice_number']}{row} · {look.amount(item['open_amount'])} {item['currency']}"


def _fields(context: state.Context, look: Look, action: str, item: dict[str, Any]) -> dict[str, Any] | None:
    today = clock.today(context.instance.config.zone)
    values: dict[str, Any] = {}
    if action in {"promise", "snooze"}:
        day, amount = st.columns(2)
        label = look.t("act.promised_on" if action == "promise" else "act.until")
        on = day.date_input(label, value=today + timedelta(days=7), min_value=today, format="YYYY-MM-DD")
        values["on" if action == "promise" else "until"] = as_date(on)
        if action == "promise":
            written = amount.text_input(look.t("act.amount"), value=str(item["open_amount"]))
            try:
                values["amount"] = Decimal(written.replace(",", ""))
            except InvalidOperation:
                st.caption(look.t("act.bad_amount", value=written))
                return None
    if action == "dispute":
        values["amount"] = item["open_amount"]
        reasons = ["quantity", "quality", "price", "missing_paper", "other"]
        values["reason"] = st.selectbox(
            look.t("act.reason"), reasons, format_func=lambda name: look.t(f"enum.dispute.{name}")
        )
    note = st.text_input(look.t("act.note"), max_chars=500)
    if note:
        values["note"] = note
    return values
