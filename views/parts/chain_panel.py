"""The chain of a customer's money, 合同 → 订单 → 发货 → 开票 → 回款: a line per contract or order, on request."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import drawer
from views.parts.format import Look
from views.parts.html import Column, Html, Row, bar, chip, empty, join, link, panel, table, tag

KEEP = 8
STEPS = ("ordered", "shipped", "invoiced", "collected", "credited")
# Beside what is invoiced: what became of it, in the order a reader adds it up.
TONES = (("collected", "green"), ("by_bill", "soft"), ("offset", "grey"), ("written_off", "red"))


def is_open() -> bool:
    """Whether the address asks for the chain."""
    return st.query_params.get("show") == "chain"


def door(look: Look) -> Html:
    """The link that opens the chain above the panels."""
    return tag("a", look.t("chain.open"), href=state.here("customer", show="chain", record=None), data_nav="1",
               data_then="chain", target="_self", class_="linkish")  # fmt: skip


def show(context: state.Context, customer_key: str, day: date | None) -> Html:
    """The panel: what is unfinished first; each line holds its documents, each document its record."""
    look = context.look
    found = serve.chain(context.viewer, context.db, customer_key, as_of=day)
    closing = link(look.t("record.close"), state.here("customer", show=None), "linkish")
    title = look.t("panel.chain")
    if not found["chains"]:
        return panel("chain", title, empty(look.t("chain.none")), source=closing)
    lines = sorted(found["chains"], key=_unfinished)
    currencies = {line["currency"] for line in lines}
    single = currencies.pop() if len(currencies) == 1 else None
    rows = [_row(look, line, single) for line in lines]
    columns = [
        Column(look.t("chain.contract"), "wide"),
        Column(look.t("chain.amount"), "num"),
        Column(look.t("chain.ordered"), "num", phone=False),
        Column(look.t("chain.shipped"), "num", phone=False),
        Column(look.t("chain.invoiced"), "num", phone=False),
        Column(look.t("chain.collected"), "num", phone=False),
        Column(look.t("chain.not_yet_invoiced"), "num"),
        Column(look.t("chain.not_yet_paid"), "num"),
    ]
    body = tag("div", table(title, columns, rows, KEEP), class_="scroll chains")
    more = _more(look, len(rows)) if len(rows) > KEEP else ""
    foot = join([more, tag("span", look.t("chain.adds_up"))])
    return panel("chain", title, body, badge=chip(single) if single else "", source=closing, foot=foot)


def _unfinished(line: dict[str, Any]) -> tuple[bool, bool, int]:
    """Lines with something left come first, contracts before orders, the newest first."""
    is_done = not (line["not_yet_paid"] or line["not_yet_invoiced"])
    return (is_done, line["contract"] is None, -line["on"].toordinal())


def _more(look: Look, n: int) -> Html:
    return tag(
        "button", tag("span", look.t("panel.all", n=look.count(n)), class_="more"),
        tag("span", look.t("panel.fewer"), class_="less"), type="button", data_toggle="all", aria_expanded="false",
    )  # fmt: skip


def _row(look: Look, line: dict[str, Any], single: str | None) -> Row:
    def cell(amount: Any, below: object = "") -> Html:
        shown = tag("span", "0", class_="muted") if amount == 0 else look.money(amount, None)
        return join([shown, tag("span", below, class_="second") if below else ""])

    whole, currency = line["contract_amount"], None if single else line["currency"]
    kept = look.t("chain.retention", amount=look.short(line["retention"])) if line["retention"] else ""
    bill = look.t("chain.by_bill", amount=look.short(line["by_bill"])) if line["by_bill"] else ""
    return Row([
        join([_name(look, line), _documents(look, line)]),
        join([look.na() if whole is None else look.money(whole, currency), _share(look, line)]),
        cell(line["ordered"]), cell(line["shipped"]), cell(line["invoiced"]), cell(line["collected"], bill),
        cell(line["not_yet_invoiced"]), cell(line["not_yet_paid"], kept),
    ])  # fmt: skip


def _name(look: Look, line: dict[str, Any]) -> Html:
    contract = line["contract"]
    if contract:
        said = join([contract["name"] or "", look.label("contract_status", contract["status"])], " · ")
        number = link(contract["number"], drawer.address("contract", contract["source"], contract["source_id"]),
                      is_record=True)  # fmt: skip
        return join([number, tag("span", said, class_="second")])
    if line["contract_number"]:
        return join([line["contract_number"], tag("span", look.t("chain.contract_unknown"), class_="second")])
    if line["order_number"]:
        return join([line["order_number"], tag("span", look.t("chain.no_contract"), class_="second")])
    return tag("span", look.t("chain.rest"), class_="muted")


def _share(look: Look, line: dict[str, Any]) -> Html | str:
    """How far the money is along what was invoiced, as a bar; each part with its amount."""
    whole = line["invoiced"]
    if whole <= 0:
        return ""
    parts = [
        (float(amount / whole), tone, f"{look.t('chain.' + name)} {look.amount(amount)}")
        for name, tone in TONES
        if (amount := line[name] - (line["by_bill"] if name == "collected" else 0)) > 0
    ]
    label = " · ".join(title for _, _, title in parts) or look.t("chain.nothing_collected")
    return tag("span", bar(parts, label), class_="mini right")


def _documents(look: Look, line: dict[str, Any]) -> Html | str:
    """The documents of a line, folded: step by step, each a door to its record."""
    listed = line["documents"]
    count = sum(len(rows) for rows in listed.values())
    if not count:
        return ""
    steps = [
        tag("p", tag("span", look.t(f"chain.{step}"), class_="muted"), " ",
            look.dotted(*(_document(look, row) for row in listed[step])))
        for step in STEPS if listed[step]
    ]  # fmt: skip
    summary = tag("summary", look.t("chain.documents", n=look.count(count)), class_="linkish")
    return tag("details", summary, *steps, class_="docs")


def _document(look: Look, row: dict[str, Any]) -> Html:
    source, _, source_id = row["record_key"].partition(":")
    shown = link(row["number"] or source_id, drawer.address(row["entity"], source, source_id), is_record=True)
    return join([shown, " ", look.money(row["amount"], None)])
