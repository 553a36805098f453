"""Renewals: contracts due in the next half year, how likely each is, why, and how good the model has been."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from html import unescape
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts.format import Look, as_date, number
from views.parts.html import Column, Html, Row, bar, chip, empty, h, join, panel, table, tag
from views.parts.notice import notice

WINDOWS = (30, 90, 180)
APART = 20
GRADE_NOTES = {
    "too little data": "renewal.grade_note.too_little",
    "no usable signal": "renewal.grade_note.none",
}
GRADE_TONES = {"strong": "green", "usable": "green", "weak": "amber"}


def page() -> None:
    """The list at the left, the model card at the right."""
    context = state.context()
    look = context.look
    rows = serve.renewals(context.viewer, context.db)
    card = serve.renewal_card(context.viewer, context.db)
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.renewals")),
            tag("span", look.t("renew.window"), class_="muted"),
            class_="head",
        )
    )
    if rows:
        st.html(_windows(look, rows, context.db.today()))
    left, right = st.columns([2.6, 1])
    with left:
        st.html(_list(look, rows))
    with right:
        st.html(_card(look, card))


def _windows(look: Look, rows: list[dict[str, Any]], today: date) -> Html:
    """How many contracts end within each window and what they are worth, and where owner and model disagree."""
    tiles, start = [], -1
    for end in WINDOWS:
        due = [row for row in rows if start < (as_date(row["end_on"]) - today).days <= end]
        tiles.append(
            _tile(look.t("renew.window_days", start=start + 1, end=end), look.count(len(due)), _worth(look, due))
        )
        start = end
    apart = [row for row in rows if _disagrees(row)]
    tiles.append(_tile(look.t("renew.apart"), look.count(len(apart)), look.t("renew.apart_help", points=APART)))
    return tag("div", *tiles, class_="tiles even", role="group", aria_label=look.t("renew.windows"))


def _tile(label: str, figure: str, line: object) -> Html:
    body = [tag("span", label, class_="ln"), tag("span", figure, class_="fig"), tag("span", line, class_="ln")]
    return tag("div", *body, class_="tile")


def _worth(look: Look, rows: list[dict[str, Any]]) -> Html:
    amounts: dict[str, Decimal] = {}
    for row in rows:
        if row.get("amount") is not None:
            amounts[row["currency"]] = amounts.get(row["currency"], Decimal(0)) + number(row["amount"])
    return look.dotted(*(look.money(amount, currency) for currency, amount in sorted(amounts.items()))) or look.na()


def _disagrees(row: dict[str, Any]) -> bool:
    """Whether the owner's forecast and the model's (or base) likelihood lie far apart, in percent points."""
    if row.get("likelihood") is None or row.get("owner_forecast") is None:
        return False
    return abs(number(row["likelihood"]) * 100 - number(row["owner_forecast"])) >= APART


def _list(look: Look, rows: list[dict[str, Any]]) -> Html:
    title = look.t("renew.list")
    if not rows:
        return panel("renewals", title, empty(look.t("renew.none")))
    drawn = [
        Row(
            [
                row["name"],
                look.text(row.get("contract_number")),
                look.day(row["end_on"]),
                look.money(row.get("amount"), row.get("currency")),
                meter(look, row),
                _why(look, row),
                _forecast(look, row),
            ],
            href=state.href("customer", customer=row["customer_key"]),
        )
        for row in rows
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.contract"), phone=False),
        Column(look.t("col.ends"), "mid"),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.likelihood")),
        Column(look.t("col.drivers"), phone=False),
        Column(look.t("col.owner_forecast"), "num", phone=False),
    ]
    total = chip(look.t("work.count", n=look.count(len(rows))))
    return tag("div", panel("renewals", title, table(title, columns, drawn), badge=total), class_="worklist")


def _forecast(look: Look, row: dict[str, Any]) -> Html:
    if row.get("owner_forecast") is None:
        return look.na()
    said = look.percent(row["owner_forecast"])
    return join([chip(look.t("renew.differs"), "amber"), " ", said]) if _disagrees(row) else said


def meter(look: Look, row: dict[str, Any]) -> Html:
    """A likelihood as a bar and a figure; without a score the base rate in words."""
    value = row.get("likelihood")
    if value is None:
        base = row.get("base_rate")
        rest = look.t("kpi.base_rate", rate=look.share(base)) if base is not None else look.t("kpi.too_little")
        return tag("span", rest, class_="unknown")
    share = float(number(value))
    if row.get("grade") in GRADE_NOTES:
        # Without a proven model the figure is a base rate, and looks like one.
        return tag(
            "span",
            bar([(share, "grey", ""), (1 - share, "none", "")], look.t("renew.base")),
            look.share(value),
            " ",
            look.t("renew.base"),
            class_="meter muted",
        )
    tone = "red" if share < 0.4 else "mid" if share < 0.7 else "green"
    label = look.t("renew.chance", share=look.share(value))
    return tag("span", bar([(share, tone, ""), (1 - share, "none", "")], label), look.share(value), class_="meter")


def _why(look: Look, row: dict[str, Any]) -> Html:
    down = [tag("span", "↓ ", look.say(driver), class_="t-red") for driver in (row.get("drivers_down") or [])[:2]]
    up = [tag("span", "↑ ", look.say(driver), class_="t-green") for driver in (row.get("drivers_up") or [])[:1]]
    return look.dotted(*down, *up) if down or up else look.na()


def _card(look: Look, card: dict[str, Any] | None) -> Html:
    grade = str((card or {}).get("grade") or "too little data")
    if not card or card.get("auc") is None:
        lines = [look.t(GRADE_NOTES.get(grade, GRADE_NOTES["too little data"]))]
        if card and card.get("base_rate") is not None:
            lines.append(unescape(look.t("kpi.base_rate", rate=look.share(card["base_rate"]))))
        if card and card.get("n") is not None:
            lines.append(look.t("renew.n", n=look.count(card["n"])))
        return notice(look.t("renew.too_little"), *lines, tone="amber")
    baseline = card.get("baseline") or {}
    pairs: list[tuple[str, Any]] = [
        ("version", h(card.get("model_version") or "—")),
        ("n", look.count(card.get("n") or 0)),
        ("base_rate", look.share(card.get("base_rate"), 1)),
        ("auc", _figure(look, card.get("auc"), baseline.get("auc"))),
        ("pr_auc", _figure(look, card.get("pr_auc"), baseline.get("pr_auc"))),
        ("brier", _figure(look, card.get("brier"), baseline.get("brier"))),
        ("brier_skill", _figure(look, card.get("brier_skill"))),
        ("ece", _figure(look, card.get("ece"))),
    ]
    body = tag(
        "dl",
        *[
            join([tag("dt", look.t(f"card.{name}"), title=look.t(f"card.{name}_help")), tag("dd", value)])
            for name, value in pairs
        ],
        class_="pairs",
    )
    badge = chip(look.label("grade", grade), GRADE_TONES.get(grade, "")) if grade else ""
    curve = _calibration(look, card.get("calibration") or [])
    return panel(
        "card",
        look.t("renew.card"),
        join([body, curve]),
        badge=badge,
        foot=look.t(GRADE_NOTES.get(grade, "renew.card_foot")),
    )


def _figure(look: Look, value: Any, baseline: Any = None) -> Html:
    if value is None:
        return look.text(None)
    own = h(f"{number(value):.3f}".replace("-", "−"))
    if baseline is None:
        return own
    return join([own, tag("span", " ", look.t("card.against", value=f"{number(baseline):.3f}"), class_="muted")])


def _calibration(look: Look, points: list[dict[str, Any]]) -> Html:
    if not points:
        return h("")
    rows = [
        Row(
            [
                look.share(point.get("forecast")),
                look.share(point.get("observed")),
                look.count(point.get("rows") or 0),
            ]
        )
        for point in points
    ]
    columns = [
        Column(look.t("card.predicted")),
        Column(look.t("card.observed"), "num"),
        Column("n", "num"),
    ]
    drawn = table(look.t("card.calibration"), columns, rows)
    return tag("details", tag("summary", look.t("card.calibration"), class_="linkish"), drawn)


page()
