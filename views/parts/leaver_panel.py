"""Leavers' customers: whose account manager is gone, what is at stake, and who could take over."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from model.serve.leavers import WHY
from views import state
from views.parts import trust_filters
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, empty, join, panel, table, tag

TONES = {"left": "amber", "unknown": "red", "none": "red"}
SHOWN = 200


def show(context: state.Context) -> None:
    """The queue, most money first; and people of one name that only a person can tell apart."""
    look = context.look
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        why = trust_filters.choice(look, "why", {name: look.t(f"leaver.why.{name}") for name in WHY}, 210)
        trust_filters.rest(look, ("why",))
    st.html(_listing(look, serve.leavers(context.viewer, context.db, why=why, limit=SHOWN)))
    if namesakes := _namesakes(look, serve.employee_proposals(context.viewer, context.db)):
        st.html(namesakes)


def _listing(look: Look, found: dict[str, Any]) -> Html:
    title = look.t("trust.leavers")
    if not found["rows"]:
        return panel("leavers", title, empty(look.t("trust.leavers_none")))
    rows = [
        Row(
            [
                join([row["name"], tag("span", row["customer_key"], class_="second")]),
                join([chip(look.t(f"leaver.why.{row['why']}"), TONES[row["why"]]),
                      tag("span", row["owner"]["name"] or row["owner"]["id"] or "", class_="second")]),
                look.money(row["open_amount"]),
                _overdue(look, row["overdue_amount"]),
                _contracts(look, row),
                _successor(look, row),
            ],
            href=state.href("customer", customer=row["customer_key"]),
        )
        for row in found["rows"]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("trust.filter_why"), "mid"),
        Column(f"{look.t('trust.money_open')} ({found['currency']})", "num"),
        Column(look.t("trust.money_overdue"), "num", phone=False),
        Column(look.t("trust.contracts_due"), "num", look.t("trust.contracts_due_help"), phone=False),
        Column(look.t("trust.successor"), hint=look.t("trust.successor_help")),
    ]  # fmt: skip
    by = look.dotted(*(f"{name or look.t('ui.unowned')} {look.count(n)}" for name, n in found["by_owner"].items()))
    badge = chip(look.count(found["total"]), "amber")
    whole = found["totals"]
    total = Row([look.t("aging.total"), "", look.money(whole["open_amount"]), _overdue(look, whole["overdue_amount"]),
                 look.count(whole["contracts_due"]), ""])  # fmt: skip
    body = tag("div", table(title, columns, rows, totals=[total]), class_="scroll")
    return tag("div", panel("leavers", title, body, badge=badge, source=by), class_="worklist")


def _overdue(look: Look, amount: Any) -> Html:
    said = look.money(amount)
    return tag("span", said, class_="t-red") if not look.state(amount) and number(amount) > 0 else said


def _contracts(look: Look, row: dict[str, Any]) -> Html:
    if not row["contracts_due"]:
        return tag("span", "0", class_="n")
    return join([look.count(row["contracts_due"]), tag("span", look.day(row["next_contract_on"]), class_="second")])


def _successor(look: Look, row: dict[str, Any]) -> Html:
    if row["successor"] is None:
        return tag("span", look.t("trust.no_successor"), class_="unknown")
    basis = tag("span", look.t(f"leaver.basis.{row['successor']['basis']}"), class_="second n")
    return join([tag("span", row["successor"]["name"], class_="n"), basis])


def _namesakes(look: Look, found: list[dict[str, Any]]) -> Html | str:
    if not found:
        return ""
    title = look.t("trust.namesakes")
    rows = [
        Row([row["name"], look.text(row["department"]), _person(look, row, "left"), _person(look, row, "right")])
        for row in found
    ]
    columns = [
        Column(look.t("col.name")), Column(look.t("trust.department")),
        Column(look.t("trust.one")), Column(look.t("trust.other")),
    ]  # fmt: skip
    help_ = tag("p", look.t("trust.namesakes_help"), class_="muted")
    body = tag("div", help_, table(title, columns, rows), class_="scroll")
    return panel("namesakes", title, body, badge=chip(look.count(len(rows))))


def _person(look: Look, row: dict[str, Any], side: str) -> Html:
    return look.dotted(row[f"{side}_key"], look.text(row[f"{side}_code"]), look.text(row[f"{side}_email"]))
