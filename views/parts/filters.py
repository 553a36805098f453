"""Filters of the worklist, kept in the address: a link, a reload and the back button show the same list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import streamlit as st

from model import serve
from model.receivables.items import BUCKETS, OVERDUE
from views import state
from views.parts.format import Look
from views.parts.html import Html, link, tag

STATES = (
    "not_contacted", "promise", "promise_broken", "dispute", "acknowledged", "snoozed", "escalated", "paid_check",
)  # fmt: skip
NAMES = ("owner", "state", "bucket", "ccy", "min", "text", "rule")


@dataclass(frozen=True)
class Filters:
    """What the address asks for; None where it asks for nothing. `rule`: only customers with an open alert of it."""

    owner: str | None = None
    state: str | None = None
    bucket: str | None = None
    currency: str | None = None
    min_amount: Decimal | None = None
    text: str | None = None
    rule: str | None = None

    def options(self) -> dict[str, Any]:
        """The arguments of `serve.worklist` and `serve.work_items`."""
        names = ("owner", "state", "bucket", "currency", "min_amount", "text")
        return {name: getattr(self, name) for name in names}


def asked() -> Filters:
    """The filters of the present address; what is not valid is not applied."""
    given = {name: st.query_params.get(name) or None for name in NAMES}
    return Filters(
        owner=given["owner"],
        state=given["state"] if given["state"] in STATES else None,
        bucket=given["bucket"] if given["bucket"] in OVERDUE else None,
        currency=given["ccy"],
        min_amount=amount(given["min"]),
        text=given["text"],
        rule=given["rule"],
    )


def amount(written: str | None) -> Decimal | None:
    """A positive amount as people write it (1,200.50), or None."""
    try:
        value = Decimal((written or "").replace(",", "").replace("，", ""))
    except InvalidOperation:
        return None
    return value if value.is_finite() and value > 0 else None


def show(context: state.Context, currencies: Sequence[str], owners: dict[str, str]) -> None:
    """The row of filters. `owners`: employee key → name of whom can be chosen; one or none leaves the choice out."""
    look = context.look
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        _field("text", st.text_input, look.t("filter.text"), placeholder=look.t("filter.text_hint"), width=190)
        if len(owners) > 1:
            names = {**owners, "unowned": look.t("ui.unowned")}
            _choice(look, "owner", names, 140)
        _choice(look, "state", {name: look.t(f"enum.item_status.{name}") for name in STATES}, 140)
        _choice(look, "bucket", {name: look.t(f"bucket.{name}") for name in BUCKETS if name in OVERDUE}, 130)
        if len(currencies) > 1:
            _choice(look, "ccy", {name: name for name in currencies}, 96)
        _field("min", st.text_input, look.t("filter.min"), placeholder="10,000", width=110)
        if rest := _rest(look):
            st.html(rest)


def _rest(look: Look) -> Html | None:
    """What is asked for beside the fields, and the way back to everything."""
    parts: list[object] = []
    if rule := st.query_params.get("rule"):
        parts.append(tag("span", look.t("filter.rule", rule=_rule_name(look, rule)), class_="chip blue"))
    if any(st.query_params.get(name) for name in NAMES):
        parts.append(link(look.t("filter.clear"), state.here("receivables", **dict.fromkeys(NAMES)), "linkish"))
    return tag("span", *parts, class_="rest") if parts else None


def _rule_name(look: Look, rule: str) -> str:
    context = state.context()
    found = {row["rule"]: row["label"] for row in serve.alert_rules(context.viewer, context.db)}
    return str(found.get(rule, rule))


def _choice(look: Look, name: str, options: dict[str, str], width: int) -> None:
    asked_for = st.query_params.get(name, "")
    known = {"": look.t("filter.any"), **options}
    if asked_for not in known:
        known[asked_for] = asked_for
    _field(
        name, st.selectbox, look.t(f"filter.{name}"), options=list(known), width=width,
        format_func=lambda one: known[one][:1].upper() + known[one][1:],
    )  # fmt: skip


def _field(name: str, widget: Any, label: str, **given: Any) -> None:
    """A widget whose value is the query parameter `name`: the address decides, a change writes it."""
    key = f"filter_{name}"
    st.session_state[key] = st.query_params.get(name, "")
    widget(label, key=key, on_change=_write, args=(name,), **given)


def _write(name: str) -> None:
    value = str(st.session_state.get(f"filter_{name}") or "").strip()
    # Another list: the customer chosen in the old one need not be in it.
    for gone in ("customer", "currency", "item", "record"):
        st.query_params.pop(gone, None)
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)
