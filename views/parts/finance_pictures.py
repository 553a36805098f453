"""Finance's pictures: how receivables moved, who owes most, promises kept by owner, disputes by reason."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts import charts, finance_panels
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, empty, grids, join, link, panel, table, tag
from views.parts.tiles import BUCKET_TONES, BUCKETS

ZERO = Decimal(0)
MONTHS, DEBTORS = 6, 8
# Days a dispute may stand until the rule dispute_aged speaks, and speaks louder.
AGES = (14, 30)
MOVES = ("new", "paid", "written_off", "other")
COLOURS = {"light": ["#2f6fd6", "#17834b", "#93292c", "#8a94a3"], "dark": ["#7fb0ff", "#3fae77", "#e2728a", "#8d97a6"]}


def show(context: state.Context, currency: str) -> None:
    """The movement of six months beside the largest debtors, in one currency."""
    look = context.look
    left, right = st.columns(2)
    with left, st.container(key="card_movement"):
        _movement(context, currency)
    with right, st.container(key="card_debtors"):
        st.html(join([_title(look, "debtors_top", currency), _debtors(context, currency)]))


def performance(context: state.Context) -> None:
    """How promises were kept, why invoices are disputed, and who has had disputes for how long; all currencies."""
    look, disputed = context.look, serve.disputes(context.viewer, context.db)
    kept = panel("kept", look.t("fin.promises_by_owner"), _promises(context))
    reasons = panel("reasons", look.t("fin.reasons"), _reasons(look, disputed))
    aged = panel("disputes_aged", look.t("fin.disputes_aged"), _aged(look, disputed))
    st.html(grids([kept, reasons, aged]))


def _title(look: Look, name: str, unit: str = "") -> Html:
    return tag("div", tag("h2", look.t(f"fin.{name}")), tag("span", unit, class_="src"), class_="phead")


def _movement(context: state.Context, currency: str) -> None:
    look = context.look
    months = [row for row in serve.aging_movement(context.viewer, context.db, MONTHS) if row["currency"] == currency]
    st.html(_title(look, "movement", currency))
    if not months:
        st.html(empty(look.t("kpi.nothing_open")))
        return
    names = {name: look.t(f"fin.move_{name}") for name in MOVES}
    drawn = [
        {"month": row["month"], "series": names[name], "value": row[name] if name == "new" else -row[name]}
        for row in months for name in MOVES
    ]  # fmt: skip
    charts.months(look, drawn, key="movement_chart", unit=currency, order=list(names.values()),
                  colours=COLOURS[state.theme()])  # fmt: skip
    last = months[-1]
    said = look.dotted(
        *(join([look.t(f"fin.move_{name}"), " ", tag("b", look.money(last[name], currency))])
          for name in ("opening", *MOVES, "closing", "slipped"))
    )  # fmt: skip
    st.html(join([tag("p", str(last["month"])[:7], " ", said, class_="muted"), _months(look, months, currency)]))


def _months(look: Look, months: list[dict[str, Any]], currency: str) -> Html:
    names = ("opening", *MOVES, "closing", "overdue", "slipped")
    rows = [Row([str(row["month"])[:7], *(look.exact(row[name]) for name in names)]) for row in reversed(months)]
    columns = [Column(look.t("col.month"), "mid"), *(Column(look.t(f"fin.move_{name}"), "num") for name in names)]
    body = tag("div", table(look.t("fin.movement") + " " + currency, columns, rows), class_="scroll sums")
    return tag("details", tag("summary", look.t("lead.as_table"), class_="linkish"), body, class_="behind")


def _debtors(context: state.Context, currency: str) -> Html:
    look = context.look
    rows = serve.aging(context.viewer, context.db, currency=currency)["rows"]
    rows = sorted(rows, key=lambda row: -row["open"])[:DEBTORS]
    peak = max((row["open"] for row in rows), default=ZERO)
    if peak <= 0:
        return empty(look.t("kpi.nothing_open"))
    drawn: list[finance_panels.Bar] = []
    for row in rows:
        parts = [
            (float(number(row["buckets"][name]) / peak), BUCKET_TONES[name],
             f"{look.t('bucket.' + name)} {look.amount(row['buckets'][name])}")
            for name in BUCKETS if row["buckets"].get(name)
        ]  # fmt: skip
        late = tag("span", look.money(row["overdue"], None), class_="second t-red") if row["overdue"] > 0 else ""
        figure = join([look.money(row["open"], currency), late])
        href = state.href("receivables", view="aging", bucket_of="all", group=row["customer_key"], gccy=currency)
        drawn.append((row["name"], href, parts, figure))
    everything = link(look.t("fin.all_debtors"), state.href("receivables", view="aging", ccy=currency), "linkish")
    return join([finance_panels.bars(look, look.t("fin.debtors_top"), drawn), everything])


def _promises(context: state.Context) -> Html:
    look, end = context.look, context.db.today()
    rows = serve.promise_performance(context.viewer, context.db, end - timedelta(days=365), end, by="owner")
    if not rows:
        return empty(look.t("fin.no_promises"))
    drawn: list[finance_panels.Bar] = []
    for row in sorted(rows, key=lambda row: -row["promised_amount"])[:DEBTORS]:
        percent, money = row["kept_by_amount_percent"], look.money(row["promised_amount"], row["currency"])
        name = join([row["owner"] or look.t("ui.unowned"), tag("span", " ", row["currency"], class_="muted")])
        if percent is None:
            drawn.append((name, None, [], look.t("fin.undecided", n=look.count(row["open"]))))
            continue
        kept, bill = float(percent) / 100, _share(row["by_bill_amount"], row["promised_amount"])
        parts = [(kept - bill, "green", look.t("fin.kept")), (bill, "soft", look.t("fin.kept_by_bill")),
                 (1 - kept, "red", look.t("fin.not_kept"))]  # fmt: skip
        counted = tag("span", look.t("fin.kept_of", kept=row["kept"], n=row["promises"]), " · ", money, class_="second")
        drawn.append((name, None, parts, join([look.percent(percent), counted])))
    return finance_panels.bars(look, look.t("fin.promises_by_owner"), drawn)


def _share(part: Any, whole: Any) -> float:
    return float(number(part) / number(whole)) if whole else 0.0


def _reasons(look: Look, found: list[dict[str, Any]]) -> Html:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(list)
    for row in found:
        sums[row["label"], row["currency"]].append(row["amount"])
    if not sums:
        return empty(look.t("panel.disputes_none"))
    peak = {code: max(sum(v, ZERO) for (_, c), v in sums.items() if c == code) for _, code in sums}
    drawn: list[finance_panels.Bar] = []
    for (label, code), amounts in sorted(sums.items(), key=lambda entry: -sum(entry[1], ZERO)):
        whole = sum(amounts, ZERO)
        share = float(whole / peak[code]) if peak[code] else 0.0
        n = tag("span", look.t("work.items_n", n=look.count(len(amounts))), class_="second")
        drawn.append((label, None, [(share, "mid", look.amount(whole))], join([look.money(whole, code), n])))
    return finance_panels.bars(look, look.t("fin.reasons"), drawn)


def _aged(look: Look, found: list[dict[str, Any]]) -> Html:
    """Standing disputes per who must resolve them and currency, by how long they have stood."""
    of: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        of[row["dispute_owner"] or look.t("ui.unowned"), row["currency"]].append(row)
    if not of:
        return empty(look.t("panel.disputes_none"))
    wholes = {key: sum((row["amount"] for row in rows), ZERO) for key, rows in of.items()}
    peak = {code: max(amount for (_, other), amount in wholes.items() if other == code) for _, code in wholes}
    names = [look.t("fin.age_to", n=AGES[0]), look.t("fin.age_from", n=AGES[0]), look.t("fin.age_from", n=AGES[1])]
    drawn: list[finance_panels.Bar] = []
    for (owner, code), rows in sorted(of.items(), key=lambda entry: (-entry[1][0]["days"], entry[0])):
        sums = [ZERO] * len(names)
        for row in rows:
            sums[sum(row["days"] > limit for limit in AGES)] += row["amount"]
        parts = [(_share(amount, peak[code]), tone, f"{name} {look.amount(amount)}")
                 for amount, tone, name in zip(sums, ("soft", "mid", "red"), names, strict=True) if amount]  # fmt: skip
        said = look.dotted(look.t("work.items_n", n=look.count(len(rows))),
                           look.t("fin.oldest", n=look.count(max(row["days"] for row in rows))))  # fmt: skip
        figure = join([look.money(wholes[owner, code], code), tag("span", said, class_="second")])
        drawn.append((join([owner, tag("span", " ", code, class_="muted")]), None, parts, figure))
    return finance_panels.bars(look, look.t("fin.disputes_aged"), drawn)
