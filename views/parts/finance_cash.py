"""Unallocated money, one receipt at a time: what it was probably for, and telling finance to allocate it so."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from views import state
from views.parts.format import Look
from views.parts.html import tag
from views.parts.notice import show_error


def show(context: state.Context, found: list[dict[str, Any]]) -> None:
    """Choose a receipt, choose a suggestion, record it; or take back what was recorded."""
    look = context.look
    if done := st.session_state.pop("acted", None):
        st.toast(done)
    offered = {row["receipt_key"]: row for row in found if row["suggestions"] or row["told"]}
    if not offered:
        return
    with st.container(key="card_cash"):
        st.html(tag("div", tag("h2", look.t("fin.match")), tag("span", look.t("fin.match_help"), class_="src"),
                    class_="phead"))  # fmt: skip
        key = str(st.selectbox(look.t("fin.receipt"), list(offered), key="cash_receipt",
                               format_func=lambda one: _label(look, offered[one])))  # fmt: skip
        row = offered[key]
        if row["told"]:
            _told(context, row)
            return
        at = st.radio(look.t("fin.suggested"), range(len(row["suggestions"])), key=f"cash_offer_{key}",
                      format_func=lambda one: _offer(look, row, row["suggestions"][one]))  # fmt: skip
        chosen = row["suggestions"][int(at or 0)]
        items = {one["item_key"]: one["amount"] for one in chosen["items"]}
        if st.button(look.t("fin.tell"), type="primary", key=f"cash_tell_{key}"):
            _do(context, lambda: serve.tell_finance(context.viewer, context.db, key, items, reason=chosen["reason"]))


def _label(look: Look, row: dict[str, Any]) -> str:
    told = " ✓" if row["told"] else ""
    name = row["name"] if row["is_identified"] else row["payer_name"] or look.t("fin.nobody")
    return f"{row['number']} · {name} · {look.amount(row['left_amount'])} {row['currency']}{told}"


def _offer(look: Look, row: dict[str, Any], offer: dict[str, Any]) -> str:
    separator = "、" if look.language == "zh" else ", "
    parts = separator.join(f"{one['invoice_number']} {look.amount(one['amount'])}" for one in offer["items"])
    whose = "" if row["is_identified"] else f"{offer['name']} · "
    rest = look.t("fin.rest", amount=look.amount(offer["rest_amount"])) if offer["rest_amount"] else ""
    return f"{whose}{look.t('fin.reason_' + offer['reason'])} {offer['score']} % · {parts}{rest}"


def _told(context: state.Context, row: dict[str, Any]) -> None:
    look, told = context.look, row["told"]
    st.html(tag("p", look.t(f"fin.told_{told['state']}"), " · ", look.who(told["by"]), " · ", look.when(told["at"])))
    if told["state"] == "told" and st.button(look.t("fin.take_back"), key=f"cash_back_{row['receipt_key']}"):
        _do(context, lambda: serve.withdraw_suggestion(context.viewer, context.db, told["suggestion_id"]))


def _do(context: state.Context, act: Any) -> None:
    try:
        act()
    except C360Error as error:
        show_error(context.look, error)
        return
    st.session_state["acted"] = context.look.t("fin.saved")
    st.rerun()
