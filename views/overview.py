"""Leadership overview: sales, money owed, pipeline, service and delivery, each figure a door to its rows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.texts import catalogue
from views import state
from views.parts import charts
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, grids, h, join, table, tag
from views.parts.panels import rows_panel
from views.parts.tiles import BUCKETS, tile

DOORS = {
    "open": "debtors",
    "overdue": "debtors",
    "sales_12m": "chart_sales",
    "collected_12m": "chart_collections",
    "pipeline": "pipeline",
    "tickets_open": "service",
    "projects_late": "delivery",
}


def page() -> None:
    """Tiles, charts in two columns, then the rows behind them."""
    context = state.context()
    look = context.look
    data = serve.overview(context.viewer, context.db, months=12)
    st.html(
        tag(
            "div",
            tag("h1", look.t("nav.overview")),
            tag("span", look.t("lead.basis"), class_="muted"),
            class_="head",
        )
    )
    st.html(
        tag(
            "nav",
            *_tiles(look, data.get("kpis") or {}),
            class_="tiles even",
            aria_label=look.t("lead.figures"),
        )
    )
    left, right = st.columns(2)
    with left, st.container(key="card_sales"):
        _sales(look, data)
    with right, st.container(key="card_aging"):
        _aging(look, data)
    st.html(
        grids([
            _debtors(look, data.get("top_debtors") or []),
            _pipeline(look, data.get("pipeline_by_stage") or []),
            _service(look, data.get("service_by_month") or []),
            _delivery(look, data.get("delivery")),
            _retention(look, (data.get("retention") or {}).get("by_currency") or []),
        ])
    )  # fmt: skip


def _tiles(look: Look, kpis: dict[str, Any]) -> list[Html]:
    drawn = []
    for name, value in kpis.items():
        label = look.t(f"lead.{name}")
        door = DOORS.get(name, "debtors")
        if isinstance(value, dict) and "amount" in value:
            figure: object = look.money(value["amount"], value.get("currency"))
            note: object = _counted(look, name, value["count"]) if value.get("count") is not None else ""
        elif isinstance(value, dict) and "share" in value:
            figure, note = look.share(value["share"]), ""
        else:
            figure, note = (look.state(value) or look.count(value)), ""
        target = state.href("renewals") if name == "renewals_due" else None
        if isinstance(value, dict) and value.get("missing_rates"):
            note = look.t("kpi.missing_rates", currencies=", ".join(value["missing_rates"]))
        is_late = name == "overdue" and isinstance(value, dict) and number(value.get("amount") or 0) > 0
        drawn.append(tile(door, label, tag("span", figure, class_="t-red") if is_late else figure, note, href=target))
    return drawn


def _counted(look: Look, name: str, count: Any) -> str:
    return look.t(f"lead.count_{name}" if f"lead.count_{name}" in catalogue() else "lead.count", n=look.count(count))


def _title(look: Look, name: str) -> Html:
    return tag("div", tag("h2", look.t(f"lead.{name}")), class_="phead", id=f"p-chart_{name}")


def _sales(look: Look, data: dict[str, Any]) -> None:
    st.html(_title(look, "sales"))
    sources = {
        "lead.invoiced": data.get("sales_by_month"),
        "lead.collected": data.get("collections_by_month"),
    }
    rows = [
        {"month": row["month"], "series": look.t(name), "value": row["amount"]}
        for name, listed in sources.items()
        for row in listed or []
    ]
    if not rows:
        st.html(tag("p", look.t("lead.no_rows"), class_="none"))
        return
    currency = str(next((row["currency"] for row in data.get("sales_by_month") or []), ""))
    order = [look.t("lead.invoiced"), look.t("lead.collected")]
    charts.months(look, rows, key="sales_chart", unit=currency, kind="line", order=order)
    st.html(_behind(look, rows, order, currency))


def _aging(look: Look, data: dict[str, Any]) -> None:
    st.html(_title(look, "aging"))
    rows, currency, present = [], "", []
    for month in data.get("receivables_aging") or []:
        currency = month.get("currency") or currency
        for name in BUCKETS:
            value = (month.get("buckets") or {}).get(name)
            if value:
                present.append(name)
                rows.append({"month": month["month"], "series": look.t(f"bucket.{name}"), "value": value})
    if not rows:
        st.html(tag("p", look.t("lead.no_rows"), class_="none"))
        return
    kept = [at for at, name in enumerate(BUCKETS) if name in present]
    order = [look.t(f"bucket.{BUCKETS[at]}") for at in kept]
    colours = [charts.AGING[state.theme()][at] for at in kept]
    charts.months(look, rows, key="aging_chart", unit=currency, order=order, colours=colours)
    st.html(_behind(look, rows, order, currency))


def _behind(look: Look, rows: list[dict[str, Any]], order: list[str], currency: str) -> Html:
    """The exact figures of a chart as a table, opened in place."""
    cells: dict[str, dict[str, Any]] = {}
    for row in rows:
        cells.setdefault(str(row["month"])[:7], {})[row["series"]] = row["value"]
    drawn = [
        Row([month, *(look.exact(found[name]) if name in found else look.na() for name in order)])
        for month, found in sorted(cells.items(), reverse=True)
    ]
    columns = [Column(look.t("col.month")), *(Column(f"{name} ({currency})", "num") for name in order)]
    body = tag("div", table(look.t("lead.figures"), columns, drawn), class_="scroll")
    return tag("details", tag("summary", look.t("lead.as_table"), class_="linkish"), body, class_="behind")


def _debtors(look: Look, listed: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                row["name"],
                look.money(row["overdue_amount"], row.get("currency")),
                look.money(row["open_amount"], row.get("currency")),
                look.text(row["owner"]) if row.get("owner") else tag("span", look.t("ui.unowned"), class_="unknown"),
            ],
            href=state.href("customer", customer=row["customer_key"]),
        )
        for row in listed
    ]
    columns = [
        Column(look.t("col.customer")),
        Column(look.t("col.overdue"), "num"),
        Column(look.t("col.open"), "num"),
        Column(look.t("col.owner"), phone=False),
    ]
    return rows_panel(look, "debtors", columns, rows)


def _pipeline(look: Look, listed: list[dict[str, Any]]) -> Html:
    """A row per stage, its amounts one below the other where there are several currencies."""
    stages: dict[str, list[dict[str, Any]]] = {}
    for row in listed:
        stages.setdefault(row["stage"], []).append(row)
    rows = [
        Row(
            [
                look.label("stage", stage),
                look.count(sum(one["count"] for one in found)),
                _stacked(look, found, "amount"),
                _stacked(look, found, "weighted_amount"),
            ]
        )
        for stage, found in stages.items()
    ]
    columns = [
        Column(look.t("col.stage")),
        Column(look.t("col.count"), "num"),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.weighted"), "num"),
    ]
    return rows_panel(look, "pipeline", columns, rows, totals=_pipeline_totals(look, listed))


def _pipeline_totals(look: Look, listed: list[dict[str, Any]]) -> list[Row]:
    """A row per currency, so that nothing of two currencies is added."""
    names = ("count", "amount", "weighted_amount")
    sums: dict[str, dict[str, Any]] = {}
    for row in listed:
        found = sums.setdefault(row["currency"], dict.fromkeys(names, 0))
        for name in names:
            found[name] += row.get(name) or 0
    return [
        Row(
            [
                join([look.t("aging.total"), " ", currency]),
                look.count(found["count"]),
                look.money(found["amount"], currency),
                look.money(found["weighted_amount"], currency),
            ]
        )
        for currency, found in sums.items()
    ]


def _stacked(look: Look, found: list[dict[str, Any]], name: str) -> Html:
    first, *rest = [look.money(one.get(name), one.get("currency")) for one in found]
    return join([first, *(tag("span", one, class_="second") for one in rest)])


def _service(look: Look, listed: list[dict[str, Any]]) -> Html:
    rows = [
        Row(
            [
                h(str(row["month"])[:7]),
                look.count(row["created"]),
                look.count(row["solved"]),
                look.share(row["response_sla"]) if row.get("response_sla") is not None else look.na(),
                look.share(row["resolution_sla"]) if row.get("resolution_sla") is not None else look.na(),
            ]
        )
        for row in sorted(listed, key=lambda row: str(row["month"]), reverse=True)
    ]
    columns = [
        Column(look.t("col.month")),
        Column(look.t("col.created"), "num"),
        Column(look.t("col.solved"), "num"),
        Column(look.t("col.response_sla"), "num"),
        Column(look.t("col.resolution_sla"), "num"),
    ]
    return rows_panel(look, "service", columns, rows)


def _delivery(look: Look, delivery: Any) -> Html:
    figures = delivery if isinstance(delivery, dict) else {}
    rows = [
        Row([look.t(f"lead.{name}"), _figure(look, name, value)])
        for name, value in figures.items()
        if not isinstance(value, (list, dict)) and any(figures.values())
    ]
    return rows_panel(look, "delivery", [Column(look.t("col.what")), Column(look.t("col.value"), "num")], rows)


def _retention(look: Look, listed: list[dict[str, Any]]) -> Html:
    rows = [
        Row([row["currency"], look.percent(row["nrr"], 1), look.percent(row["grr"], 1), look.count(row["customers"])])
        for row in listed
    ]
    columns = [
        Column(look.t("col.currency")),
        Column("NRR", "num", look.t("lead.nrr_help")),
        Column("GRR", "num", look.t("lead.grr_help")),
        Column(look.t("col.customers"), "num"),
    ]
    return rows_panel(look, "retention", columns, rows)


def _figure(look: Look, name: str, value: Any) -> Html:
    if value is None:
        return look.na()
    return look.share(value) if name.endswith(("_share", "_rate")) else join([look.count(value)])


page()
