"""The card of the renewal model: how good it was on held-out contracts, and whether customers are still like them."""

from __future__ import annotations

from html import unescape
from typing import Any

from ops.texts import catalogue
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, h, join, panel, table, tag
from views.parts.notice import notice

NOTES = {
    "too little data": "renewal.grade_note.too_little",
    "no usable signal": "renewal.grade_note.none",
}
GRADE_TONES = {"strong": "green", "usable": "green", "weak": "amber"}
DRIFT_TONES = {"stable": "green", "watch": "amber", "shifted": "red"}


def panel_of(look: Look, card: dict[str, Any] | None) -> Html:
    """The figures of the backtest with their baseline, the calibration and the drift; or why there are none."""
    grade = str((card or {}).get("grade") or "too little data")
    if not card or card.get("auc") is None:
        lines = [look.t(NOTES.get(grade, NOTES["too little data"]))]
        if card and card.get("base_rate") is not None:
            lines.append(f"{look.t('card.base_rate')} {unescape(look.share(card['base_rate']))}")
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
        join([body, curve, drift(look, card.get("drift"))]),
        badge=badge,
        foot=look.t(NOTES.get(grade, "renew.card_foot")),
    )


def drift(look: Look, found: dict[str, Any] | None) -> Html | str:
    """Whether the contracts due now are still like those the model learned from, what moved, and what to do."""
    if not found:
        return ""
    verdict = str(found["verdict"])
    word = look.t(f"renew.drift_{verdict.replace('too little data', 'too_little')}")
    head = tag("div", tag("h3", look.t("renew.drift"), title=look.t("renew.drift_help")),
               chip(word, DRIFT_TONES.get(verdict, "")), class_="phead sub")  # fmt: skip
    counts = look.t("renew.drift_counts", trained=look.count(found["trained"]), present=look.count(found["present"]))
    parts: list[object] = [head, tag("p", counts, class_="muted")]
    moved = [Row([_feature(look, one["feature"]), f"{one['psi']:.2f}"]) for one in found["features"]]
    if moved:
        columns = [Column(look.t("card.feature")), Column("PSI", "num", look.t("renew.drift_help"))]
        parts.append(table(look.t("renew.drift"), columns, moved))
    rate = found["base_rate"]
    if rate["recent"] is not None:
        said = look.t("renew.drift_rate", before=unescape(look.share(rate["before"])),
                      recent=unescape(look.share(rate["recent"])), n=look.count(rate["recent_contracts"]))  # fmt: skip
        usual = look.t("renew.drift_rate_moved" if rate["is_significant"] else "renew.drift_rate_usual")
        parts.append(tag("p", look.dotted(said, usual), class_="t-red" if rate["is_significant"] else "muted"))
    if verdict == "shifted":
        parts.append(tag("p", look.t("renew.drift_do")))
    return tag("div", *parts, class_="drift", id="p-drift")


def _feature(look: Look, name: str) -> str:
    msgid = f"renewal.feature.{name}"
    return look.t(msgid) if msgid in catalogue() else name


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
