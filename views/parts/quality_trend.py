"""How the data quality score went over the published builds: a line, and the last builds as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from views.parts.format import MINUS, Look
from views.parts.html import Column, Html, Row, empty, join, panel, table, tag

KEPT = 5
WIDTH, HEIGHT, EDGE = 320, 56, 5


def drawn(look: Look, found: Mapping[str, Any]) -> Html:
    """The panel of one answer of `serve.quality_trend`; says so where the viewer sees too little for it."""
    title = look.t("quality.trend")
    if found["is_hidden"]:
        return panel("quality-trend", title, empty(look.t("quality.trend_hidden")))
    points = found["points"]
    if not points:
        return panel("quality-trend", title, empty(look.t("quality.trend_none")))
    before = [None, *points[:-1]]
    rows = [
        Row([
            look.stamp(point["taken_at"]), str(point["score"]), _change(look, point, last), look.count(point["failed"]),
        ])
        for point, last in reversed(list(zip(points, before, strict=True)))
    ]  # fmt: skip
    columns = [
        Column(look.t("quality.build")), Column(look.t("quality.score"), "num"),
        Column(look.t("quality.change"), "num"), Column(look.t("quality.broken"), "num"),
    ]  # fmt: skip
    body = join([_line(look, [point["score"] for point in points]), table(title, columns, rows[:KEPT])])
    return panel("quality-trend", title, body, source=look.t("quality.builds", n=look.count(len(points))))


def _change(look: Look, point: Mapping[str, Any], last: Mapping[str, Any] | None) -> Html | str:
    if last is None:
        return look.na()
    by = point["score"] - last["score"]
    if not by:
        return "0.0"
    return tag("span", f"{'+' if by > 0 else MINUS}{abs(by)}", class_="t-green" if by > 0 else "t-red")


def _line(look: Look, scores: Sequence[Decimal]) -> Html | str:
    """A line over at least three builds; fewer say nothing that the rows do not."""
    if len(scores) < 3:
        return ""
    low, high = min(scores), max(scores)
    span = float(high - low) or 1.0
    step = (WIDTH - 2 * EDGE) / (len(scores) - 1)
    places = [
        f"{EDGE + at * step:.1f},{HEIGHT - EDGE - float(one - low) / span * (HEIGHT - 2 * EDGE):.1f}"
        for at, one in enumerate(scores)
    ]
    shape = tag("polyline", points=" ".join(places), fill="none")
    said = look.t("quality.trend_said", first=str(scores[0]), last=str(scores[-1]), low=str(low), high=str(high))
    picture = tag("svg", shape, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)
    return tag("div", picture, tag("span", said, class_="muted"), class_="went")
