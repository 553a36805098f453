"""Charts with the app's own look: colour-blind safe, both themes, numbers written as on the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import streamlit as st

from views import state
from views.parts.format import Look, number
from views.parts.html import Html, tag

INK = {"light": ("#586273", "#e3e6ea"), "dark": ("#9fa9b7", "#2a3038")}
# The line of an interval must show on the bars and beside them.
SPAN = {"light": "#14181f", "dark": "#e8eaed"}
# Okabe-Ito hues, tuned for contrast on both surfaces; order is the order of the aging buckets.
SERIES = {
    "light": ["#2f6fd6", "#e0a100", "#d55e00", "#a8324a", "#6b4fa0", "#2a9d8f", "#8a94a3"],
    "dark": ["#7fb0ff", "#f0c04a", "#f08a3c", "#e2728a", "#b49ae0", "#5cc7b8", "#8d97a6"],
}

# Not due, then ever later; "over 365", then the two buckets without a due date. Lightness falls as lateness grows.
AGING = {
    "light": ["#9db4d8", "#f2cd6b", "#eba04a", "#dc6f2f", "#c04a2b", "#93292c", "#5d1a2a", "#a3abb7", "#cfd4db"],
    "dark": ["#5b7bb0", "#f5d67f", "#f0ab5b", "#e68045", "#d35f45", "#b2474d", "#8c3a52", "#7d8694", "#535c69"],
}


def months(
    look: Look,
    rows: Sequence[dict[str, Any]],
    *,
    key: str,
    unit: str,
    kind: str = "bar",
    order: Sequence[str] = (),
    colours: Sequence[str] = (),
) -> None:
    """Draw rows of {month, series, value} as stacked bars or lines; `unit` is said once, in the axis title."""
    theme = state.theme()
    data: list[dict[str, Any]] = [
        {
            "month": str(row["month"])[:7],
            "series": str(row["series"]),
            "value": float(number(row["value"])),
            "exact": look.amount(row["value"]) if row.get("money", True) else look.count(row["value"]),
        }
        for row in rows
    ]
    scale, title = _scale(look, max((abs(row["value"]) for row in data), default=0.0), unit)
    names = list(order) or sorted({row["series"] for row in data})
    palette = list(colours or SERIES[theme])[: len(names)]
    if len(names) > 1:
        st.html(_legend(names, palette))
    for row in data:
        row["value"] = row["value"] / scale
        row["place"] = names.index(row["series"])
    base = alt.Chart(alt.Data(values=data)).encode(
        x=alt.X("month:O", title=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy")),
        y=alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=4), stack="zero" if kind == "bar" else None),
        color=alt.Color(
            "series:N",
            title=None,
            scale=alt.Scale(domain=names, range=palette),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("month:O", title=look.t("col.month")),
            alt.Tooltip("series:N", title=look.t("col.what")),
            alt.Tooltip("exact:N", title=unit),
        ],
    )
    if kind == "bar":
        mark = base.mark_bar().encode(order=alt.Order("place:Q"))
    else:
        mark = base.mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=2)
    st.altair_chart(_styled(mark, theme), theme=None, key=key, use_container_width=True)


def weeks(look: Look, rows: Sequence[dict[str, Any]], *, key: str, unit: str, names: Sequence[str]) -> None:
    """Draw weeks of {from, low, high, parts: name → amount} as stacked bars, each with its interval as a line."""
    theme = state.theme()
    palette = SERIES[theme][: len(names)]
    scale, title = _scale(look, max((float(row["high"]) for row in rows), default=0.0), unit)
    bars: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    for row in rows:
        low, high = float(row["low"]) / scale, float(row["high"]) / scale
        spans.append({"week": row["from"], "low": low, "high": high,
                      "range": f"{look.amount(row['low'])} – {look.amount(row['high'])}"})  # fmt: skip
        bars += [
            {"week": row["from"], "series": name, "value": float(row["parts"][name]) / scale, "place": place,
             "exact": look.amount(row["parts"][name])} for place, name in enumerate(names)
        ]  # fmt: skip
    st.html(_legend([*names, look.t("cash.interval")], [*palette, SPAN[theme]]))
    week = alt.Tooltip("week:O", title=look.t("cash.week"))
    axis = alt.X("week:O", title=None, sort=None, axis=alt.Axis(labelAngle=0, labelOverlap="greedy"))
    drawn = (
        alt.Chart(alt.Data(values=bars))
        .mark_bar()
        .encode(
            x=axis,
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickCount=4), stack="zero"),
            color=alt.Color("series:N", scale=alt.Scale(domain=list(names), range=palette), legend=None),
            order=alt.Order("place:Q"),
            tooltip=[week, alt.Tooltip("series:N", title=look.t("col.what")), alt.Tooltip("exact:N", title=unit)],
        )
    )  # fmt: skip
    reach = (
        alt.Chart(alt.Data(values=spans))
        .mark_rule(strokeWidth=2, color=SPAN[theme])
        .encode(
            x=axis,
            y="low:Q",
            y2="high:Q",
            tooltip=[week, alt.Tooltip("range:N", title=look.t("cash.interval"))],
        )
    )  # fmt: skip
    st.altair_chart(_styled(alt.layer(drawn, reach), theme), theme=None, key=key, use_container_width=True)


def _legend(names: Sequence[str], colours: Sequence[str]) -> Html:
    """The series beside their colours, as text that wraps on a narrow screen."""
    pairs = zip(names, colours, strict=False)
    return tag("p", *[_key(name, colour) for name, colour in pairs], class_="legend")


def _key(name: str, colour: str) -> Html:
    return tag("span", tag("i", "", style=f"background:{colour}"), name)


def _scale(look: Look, peak: float, unit: str) -> tuple[float, str]:
    steps = [(1e8, "亿"), (1e4, "万")] if look.language == "zh" else [(1e9, "B"), (1e6, "M"), (1e3, "k")]
    for step, name in steps:
        if peak >= step:
            return step, f"{name} {unit}" if look.language == "zh" else f"{unit} {name}"
    return 1.0, unit


def _styled(chart: Any, theme: str) -> Any:
    soft, line = INK[theme]
    font = "-apple-system, 'Segoe UI', 'Noto Sans', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif"
    return (
        chart.properties(height=210, background="transparent", padding=0)
        .configure(font=font)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=soft,
            titleColor=soft,
            titleFontWeight="normal",
            gridColor=line,
            domainColor=line,
            ticks=False,
            labelFontSize=11,
            titleFontSize=11,
            labelPadding=6,
        )
        .configure_axisX(grid=False)
    )
