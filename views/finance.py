"""Finance's screen: what is over the limit, waiting, broken, maturing or does not add up; each tile opens its rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import streamlit as st

from model import policy, serve
from model.policy import HIDDEN
from views import state
from views.parts import charts, drawer, finance_cash, finance_panels
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, empty, join, link, table, tag
from views.parts.notice import notice
from views.parts.tiles import BUCKET_TONES, BUCKETS, tile

STYLE = Path(__file__).parent / "parts" / "money.css"
ZERO = Decimal(0)
MONTHS, DEBTORS, SOON = 6, 8, 30
MOVES = ("new", "paid", "written_off", "other")
COLOURS = {"light": ["#2f6fd6", "#17834b", "#93292c", "#8a94a3"], "dark": ["#7fb0ff", "#3fae77", "#e2728a", "#8d97a6"]}


def page() -> None:
    """Tiles, pictures in the chosen currency, then the lists behind the tiles."""
    context = state.context()
    look, role = context.look, policy.roles()[context.viewer.role]
    st.html(STYLE)
    if not (role.may_work and role.scope == "all"):
        st.html(notice(look.t("fin.not_yours"), look.t("fin.not_yours_help"), tone="amber"))
        return
    found = _read(context)
    st.html(_head(look, found))
    st.html(tag("nav", *_tiles(look, found), class_="tiles even", aria_label=look.t("fin.tiles")))
    _pictures(context, found)
    left, right = st.columns(2)
    left.html(finance_panels.unapplied(look, found["unapplied"]))
    with right:
        finance_cash.show(context, found["unapplied"])
    st.html(tag("div", *_lists(look, found), class_="panels"))
    if opened := drawer.drawer(context, "finance"):
        st.html(opened)


def _read(context: state.Context) -> dict[str, Any]:
    viewer, db = context.viewer, context.db
    day = db.today()
    totals = serve.aging(viewer, db)["totals"]
    currencies = [row["currency"] for row in totals]
    base = context.instance.config.base_currency
    asked = st.query_params.get("ccy")
    chosen = asked if asked in currencies else base if base in currencies else next(iter(currencies), base)
    items = serve.work_items(viewer, db)
    credit = serve.exposure(viewer, db)
    bills = [row for name in currencies for row in serve.ratio_rows(viewer, db, "bills", name, day, day)]
    return {
        "day": day,
        "currencies": currencies,
        "currency": chosen,
        "over": [row for row in credit["rows"] if row["is_over"] is True],
        "held": [row for row in credit["rows"] if row["is_on_hold"]],
        "proposals": [] if credit["proposals"] == HIDDEN else credit["proposals"],
        "unapplied": serve.unapplied(viewer, db),
        "broken": [row for row in items if row["promise"] and row["promise"]["state"] == "broken"],
        "bills": sorted(bills, key=lambda row: (row["due_on"] is None, row["due_on"] or date.max, row["record_key"])),
        "statements": [row for row in serve.statements(viewer, db) if row["state"] in {"sent", "difference"}],
        "disputes": serve.disputes(viewer, db),
        "faults": serve.ledger_faults(viewer, db),
        "control": serve.ledger_control(viewer, db),
        "rates": serve.currency_report(viewer, db),
        "terms": serve.terms_report(viewer, db),
    }


def _head(look: Look, found: dict[str, Any]) -> Html:
    ways = [
        tag("a", name, href=state.here("finance", ccy=name, record=None), data_nav="1", target="_self",
            aria_current="true" if name == found["currency"] else None)
        for name in found["currencies"]
    ]  # fmt: skip
    return tag(
        "div",
        tag("h1", look.t("nav.finance")),
        tag("span", look.t("fin.basis", on=found["day"].isoformat()), class_="muted"),
        tag("div", *ways, class_="kinds push", role="group", aria_label=look.t("fin.pictures_in")),
        class_="head",
    )


def _tiles(look: Look, found: dict[str, Any]) -> list[Html]:
    soon = [row for row in found["bills"] if row["due_on"] and (row["due_on"] - found["day"]).days <= SOON]
    covers = sum(1 for row in found["unapplied"] if row["covers_overdue_amount"] > 0)
    late = sum(1 for row in found["statements"] if row["is_late"])
    stale = sum(1 for row in found["disputes"] if row["is_late"])
    return [
        _counted(look, "over_limit", found["over"], tone="bad" if found["over"] else ""),
        _counted(look, "holds", found["held"], look.t("fin.proposals", n=look.count(len(found["proposals"])))),
        _summed(look, "unapplied", found["unapplied"], "left_amount", look.t("fin.covers", n=look.count(covers))),
        _summed(look, "broken", found["broken"], lambda row: row["promise"]["broken_amount"],
                tone="bad" if found["broken"] else ""),
        _summed(look, "bills", soon, "amount", look.t("fin.bills_all", n=look.count(len(found["bills"])))),
        _counted(look, "statements", found["statements"], look.t("fin.late", n=look.count(late)) if late else ""),
        _summed(look, "disputes", found["disputes"], "amount",
                look.t("fin.late_disputes", n=look.count(stale)) if stale else ""),
        _counted(look, "faults", found["faults"], look.t("fin.control_tile")),
    ]  # fmt: skip


def _counted(look: Look, name: str, rows: list[Any], line: object = "", tone: str = "") -> Html:
    return tile(name, look.t(f"fin.tile_{name}"), look.count(len(rows)), line, tone=tone)


def _summed(look: Look, name: str, rows: list[Any], amount: Any, line: object = "", tone: str = "") -> Html:
    """A tile of amounts: one figure per currency, the largest count as the figure, the rest as lines."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sums[row["currency"]] += row[amount] if isinstance(amount, str) else amount(row)
    ordered = [look.money(value, code) for code, value in sorted(sums.items(), key=lambda entry: -entry[1])]
    count = look.t("work.items_n", n=look.count(len(rows)))
    figure: object = ordered[0] if ordered else "0"
    return tile(name, look.t(f"fin.tile_{name}"), figure, look.dotted(*ordered[1:3], count), line, tone=tone)


def _pictures(context: state.Context, found: dict[str, Any]) -> None:
    look = context.look
    left, right = st.columns(2)
    with left, st.container(key="card_movement"):
        _movement(context, found["currency"])
    with right, st.container(key="card_debtors"):
        st.html(join([_title(look, "debtors_top", found["currency"]), _debtors(context, found["currency"])]))
    left, right = st.columns(2)
    with left, st.container(key="card_promises"):
        st.html(join([_title(look, "promises_by_owner"), _promises(context, found)]))
    with right, st.container(key="card_reasons"):
        st.html(join([_title(look, "reasons"), _reasons(look, found["disputes"])]))


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


def _promises(context: state.Context, found: dict[str, Any]) -> Html:
    look, end = context.look, found["day"]
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


def _lists(look: Look, found: dict[str, Any]) -> list[Html]:
    """The lists behind the tiles; those without a row come last, so that they do not push the others down."""
    drawn = [
        (found["over"], finance_panels.over_limit(look, found["over"])),
        (found["held"] or found["proposals"], finance_panels.holds(look, found["proposals"], found["held"])),
        (found["broken"], finance_panels.broken(look, found["broken"])),
        (found["disputes"], finance_panels.disputes(look, found["disputes"])),
        (found["bills"], finance_panels.bills(look, found["bills"], found["day"])),
        (found["statements"], finance_panels.statements(look, found["statements"])),
        (found["faults"], finance_panels.faults(look, found["faults"])),
        (found["control"], finance_panels.control(look, found["control"])),
        (found["rates"]["rows"], finance_panels.currency(look, found["rates"])),
        (found["terms"]["differs"] or found["terms"]["not_started"], finance_panels.terms(look, found["terms"])),
    ]
    return [panel for rows, panel in drawn if rows] + [panel for rows, panel in drawn if not rows]


page()
