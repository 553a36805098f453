"""Why two records may be one customer: each comparison's weight as a bar that starts where the one before ended."""

from __future__ import annotations

from typing import Any

from ops.texts import catalogue
from views.parts.format import MINUS, Look
from views.parts.html import Html, h, join, tag


def slug(name: str) -> str:
    """A rule or level of the matcher as part of a text id."""
    return name.replace(",", "").replace(" ", "_")


def rule_word(look: Look, rule: str) -> Html:
    """The word for a rule that links: of the matcher, of identifiers, or of references (`ref:erp`)."""
    plain = f"{rule.removeprefix('ref:')}_code" if rule.startswith("ref:") else slug(rule)
    return look.label("match_rule", plain)


def drawn(look: Look, found: dict[str, Any] | None) -> Html:
    """The waterfall of `serve.pair`, most telling comparison first, and what a rule or a guard adds to it."""
    if found is None:
        return tag("p", look.t("trust.fall_none"), class_="none")
    first, rest = found["steps"][:1], found["steps"][1:]
    steps = [*first, *sorted(rest, key=lambda step: -abs(step["bits"]))]
    ends, at = [], 0.0
    for step in steps:
        ends.append((at, at + step["bits"]))
        at += step["bits"]
    total = float(found["bits"])
    low = min(0.0, total, *(min(pair) for pair in ends))
    high = max(0.0, total, *(max(pair) for pair in ends))
    rows = [
        _row(look, _label(look, step), start, end, (low, high), step["bits"], "grey" if place == 0 else None)
        for place, (step, (start, end)) in enumerate(zip(steps, ends, strict=True))
    ]
    words = join([tag("b", look.t("trust.fall_total")), " ", chance(look, found["probability"])])
    rows.append(_row(look, words, 0.0, total, (low, high), total, "accent"))
    body = tag("table", tag("caption", look.t("trust.fall")), tag("tbody", *rows), class_="grid fall")
    return join([body, _verdict(look, found)])


def chance(look: Look, probability: float | None) -> Html:
    """A probability in per cent; never a plain 100 % or 0 % that the figure is not."""
    if probability is None:
        return look.na()
    percent = probability * 100
    shown = "> 99.9 %" if percent > 99.9 else "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"
    return tag("span", shown, title=f"{probability:.9f}", class_="n")


def _label(look: Look, step: dict[str, Any]) -> Html:
    name = h(look.t(f"trust.compare.{step['comparison']}"))
    if not step["level"]:
        return name
    msgid = f"trust.level.{slug(step['level'])}"
    level = look.t(msgid) if msgid in catalogue() else step["level"]
    return join([name, " ", tag("span", level, class_="muted")])


def _row(
    look: Look, label: object, start: float, end: float, span: tuple[float, float], bits: float, tone: str | None
) -> Html:
    low, high = span
    whole = (high - low) or 1.0
    left, width = (min(start, end) - low) / whole * 100, max(abs(end - start) / whole * 100, 0.6)
    tone = tone or ("green" if bits >= 0 else "red")
    zero = tag("i", "", class_="zero", style=f"left:{-low / whole * 100:.2f}%")
    shape = tag("i", "", class_=f"seg {tone}", style=f"left:{left:.2f}%;width:{width:.2f}%")
    figure = f"{'+' if bits >= 0 else MINUS}{abs(bits):.1f}"
    return tag(
        "tr",
        tag("th", label, scope="row"),
        tag("td", tag("span", zero, shape, class_="track", aria_hidden="true"), class_="bar"),
        tag("td", figure, class_="num", title=look.t("trust.bits", bits=figure)),
    )


def _verdict(look: Look, found: dict[str, Any]) -> Html | str:
    """What decides beside the weights: a certain rule, a veto, a guard; and whose weights these are."""
    said: list[object] = []
    if found.get("rule"):
        said.append(join([look.t("trust.by_rule"), " ", tag("b", rule_word(look, found["rule"]))]))
    if found.get("veto"):
        said.append(
            join([look.t("trust.by_veto"), " ", tag("b", look.label("veto", slug(found["veto"])), class_="t-red")])
        )
    if found.get("refused"):
        said.append(
            join(
                [look.t("trust.by_guard"), " ", tag("b", look.label("guard", slug(found["refused"])), class_="t-amber")]
            )
        )
    if found["basis"] == "shipped":
        said.append(look.t("trust.basis_shipped"))
    return tag("p", look.dotted(*said), class_="verdict") if said else ""
