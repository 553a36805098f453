"""Receivables worklist: whom to call first, their open items, and what was agreed."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import policy, serve
from ops import clock
from views import state
from views.parts import panels
from views.parts.actions import action_form
from views.parts.format import Look, as_date, number
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.tiles import aging_bar, bucket_line

SHOWN = 60
SEVERITY_TONES = {"critical": "red", "warning": "amber"}
STATE_TONES = {
    "promise": "amber",
    "promised": "amber",
    "promise_broken": "red",
    "dispute": "red",
    "escalated": "red",
}


def page() -> None:
    """Totals per currency, the list at the left, the chosen customer at the right."""
    context = state.context()
    look = context.look
    today = clock.today(context.instance.config.zone)
    title, picker = st.columns([4, 1], vertical_alignment="center")
    title.html(
        tag(
            "div",
            tag("h1", look.t("nav.receivables")),
            tag("span", look.t("work.basis"), class_="muted"),
            class_="head",
        )
    )
    as_of = picker.date_input(
        look.t("work.as_of"),
        value=today,
        max_value=today,
        key="as_of",
        format="YYYY-MM-DD",
        label_visibility="collapsed",
    )
    as_of = as_date(as_of)
    aging = serve.aging(context.viewer, context.db, as_of=as_of)
    st.html(_totals(look, aging))
    worklist = serve.worklist(context.viewer, context.db, as_of=as_of)
    if not worklist:
        st.html(panel("worklist", look.t("work.list"), empty(look.t("work.none"))))
        return
    asked = (st.query_params.get("customer"), st.query_params.get("currency"))
    chosen = next(
        (row for row in worklist if asked in {(row["customer_key"], row["currency"]), (row["customer_key"], None)}),
        worklist[0],
    )
    left, right = st.columns([1.35, 1])
    with left:
        st.html(_list(look, worklist, chosen))
        st.html(_alerts(look, serve.alerts(context.viewer, context.db)))
    with right:
        _detail(context, chosen, as_of)


def _totals(look: Look, aging: dict[str, Any]) -> Html:
    cards = []
    for total in aging["totals"]:
        currency = total["currency"]
        cards.append(
            tag(
                "div",
                tag(
                    "span",
                    look.t("work.open"),
                    " ",
                    look.money(total["open"], currency),
                    " · ",
                    look.t("kpi.of_which"),
                    class_="ln",
                ),
                tag(
                    "span",
                    look.money(total["overdue"], currency),
                    class_="fig t-red" if number(total["overdue"]) > 0 else "fig",
                ),
                aging_bar(look, total["buckets"], currency),
                tag("span", bucket_line(look, total["buckets"]), class_="ln"),
                tag(
                    "span",
                    look.t(
                        "work.apart",
                        unallocated=look.short(total.get("unallocated") or 0),
                        credits=look.short(total.get("credits") or 0),
                    ),
                    class_="ln",
                ),
                class_="tile",
            )
        )
    if not cards:
        return empty(look.t("kpi.nothing_open"))
    return tag("div", *cards, class_="cards", aria_label=look.t("work.totals"))


def _list(look: Look, worklist: list[dict[str, Any]], chosen: dict[str, Any]) -> Html:
    nobody = tag("span", look.t("ui.unowned"), class_="unknown")
    rows = [
        Row(
            [
                item["name"],
                look.money(item["overdue_amount"], item["currency"]),
                look.days(item["oldest_days"]),
                _state(look, item),
                look.text(item["owner"]) if item.get("owner") else nobody,
            ],
            href=state.here("receivables", customer=item["customer_key"], currency=item["currency"]),
            selected=item is chosen,
        )
        for item in worklist[:SHOWN]
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.overdue"), "num"),
        Column(look.t("col.oldest"), "num"),
        Column(look.t("col.status"), "mid"),
        Column(look.t("col.owner"), phone=False),
    ]
    foot = look.t("work.keys")
    if len(worklist) > SHOWN:
        foot = look.t("work.more", shown=SHOWN, total=look.count(len(worklist))) + " " + foot
    badge = chip(look.t("work.count", n=look.count(len(worklist))))
    body = panel("worklist", look.t("work.list"), table(look.t("work.list"), columns, rows), badge=badge, foot=h(foot))
    return tag("div", body, class_="worklist")


def _alerts(look: Look, alerts: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                row["customer"],
                _alert(look, row),
                look.money(row["amount"], row.get("currency")) if row.get("amount") is not None else look.na(),
                chip(look.t(f"alerts.state.{row['state']}"), SEVERITY_TONES.get(row["severity"], "")),
                look.when(row["fired_at"]),
            ],
            href=state.href("customer", customer=row["customer_key"]),
        )
        for row in alerts
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.alert"), phone=False),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.status"), "mid"),
        Column(look.t("col.since"), "num", phone=False),
    ]
    badge = chip(look.count(len(rows)), "amber") if rows else ""
    return panels.rows_panel(look, "alerts", columns, rows, badge=badge)


def _alert(look: Look, row: dict[str, Any]) -> str:
    due = as_date(row["due_on"]).isoformat() if row.get("due_on") else "—"
    values = {"document": row.get("document") or "—", "due": due, "days": row.get("days") or 0}
    return look.t(f"alerts.what.{row['rule']}", **values)


def _state(look: Look, item: dict[str, Any]) -> Html:
    if item.get("paid_check"):
        return chip(look.t("work.paid_check"), "blue", look.t("work.paid_check_help"))
    name = item.get("state") or "not_contacted"
    word = look.label("item_status", name)
    promise = item.get("promise")
    if promise and promise.get("on"):
        word = join([word, " ", look.month_day(promise["on"])])
    return chip(word, STATE_TONES.get(name, ""))


def _detail(context: state.Context, chosen: dict[str, Any], as_of: Any) -> None:
    look, key = context.look, chosen["customer_key"]
    found = serve.customer(context.viewer, context.db, key, as_of=as_of)
    items = sorted(
        (found.get("receivables") or {}).get("items") or [],
        key=lambda item: -(item.get("days_past_due") if item.get("days_past_due") is not None else -(10**6)),
    )
    with st.container(key="card_detail"):
        st.html(join([_who(look, chosen), _items(look, items)]))
        if items and policy.roles()[context.viewer.role].may_work:
            action_form(context, key, items)


def _who(look: Look, chosen: dict[str, Any]) -> Html:
    contact = chosen.get("finance_contact")
    if isinstance(contact, dict):
        number = contact.get("mobile") or contact.get("phone")
        person = join([h(contact.get("name") or ""), " ", look.phone(number)])
    else:
        person = look.text(contact) if contact else look.na()
    last = chosen.get("last_contact_at")
    facts = [
        join([look.t("customer.finance"), " ", person]),
        join([look.t("work.last_contact"), " ", look.when(last) if last else look.na()]),
    ]
    title = tag(
        "div",
        tag("h2", link(chosen["name"], state.href("customer", customer=chosen["customer_key"]))),
        _state(look, chosen),
        class_="phead",
    )
    return join([title, tag("p", look.dotted(*facts), class_="muted")])


def _items(look: Look, items: list[dict[str, Any]]) -> Html:
    currencies = {item["currency"] for item in items}
    single = next(iter(currencies)) if len(currencies) == 1 else None
    rows = [panels.item_row(look, item, single) for item in panels.marked(items)]
    open_head = f"{look.t('col.open')} ({single})" if single else look.t("col.open")
    columns = [
        Column(look.t("col.invoice")),
        Column(look.t("col.due"), "mid", phone=False),
        Column(look.t("col.late"), "num"),
        Column(open_head, "num"),
        Column(look.t("col.status")),
    ]
    if not rows:
        return empty(look.t("panel.receivables_none"))
    return tag("div", table(look.t("work.items"), columns, rows), class_="scroll")


page()
