"""What a decision would do to customers and their money: before and after, one line per customer."""

from __future__ import annotations

from typing import Any

from views.parts.format import Look
from views.parts.html import Column, Html, Row, chip, h, join, table, tag
from views.parts.notice import notice

SHOWN = 12
FIGURES = ("open", "overdue", "ordered", "contract")


def effect(look: Look, answer: dict[str, Any]) -> Html:
    """The answer of serve.preview (or take_apart's preview): a line that says it, a table, and what stands against."""
    parts: list[object] = [tag("p", _sentence(look, answer), class_="effect")]
    if problems := answer["problems"]:
        lines = [h(one["what"]) for one in problems[:3]]
        parts.append(notice(look.t("trust.not_possible", n=look.count(len(problems))), *lines, tone="amber"))
    parts.append(tag("div", _table(look, answer), class_="scroll effects"))
    parts.append(_notes(look, answer))
    return join(parts)


def _sentence(look: Look, answer: dict[str, Any]) -> str:
    before, after = len(answer["before"]), len(answer["after"])
    if not answer["moves"]:
        return look.t("trust.effect_none")
    msgid = "trust.effect_join" if after < before else "trust.effect_split" if after > before else "trust.effect_move"
    return look.t(msgid, before=look.count(before), after=look.count(after))


def _table(look: Look, answer: dict[str, Any]) -> Html:
    rows = []
    for when in ("before", "after") if answer["moves"] else ("before",):
        for place, one in enumerate(answer[when][:SHOWN]):
            rows.append(Row(_cells(look, when if place == 0 else "", one)))
    currency = answer["before"][0]["company"]["currency"] if answer["before"] else ""
    columns = [
        Column(tag("span", look.t("trust.when"), class_="sr")),
        Column(look.t("col.customer"), "wide"),
        Column(look.t("trust.records"), "num"),
        *(Column(f"{look.t(f'trust.money_{name}')} ({currency})" if name == "open" else look.t(f"trust.money_{name}"),
                 "num", phone=name in {"open", "overdue"}) for name in FIGURES),
    ]  # fmt: skip
    return table(look.t("trust.effect"), columns, rows)


def _cells(look: Look, when: str, one: dict[str, Any]) -> list[object]:
    name = join([one["name"] or look.text(None), tag("span", _under(look, one), class_="second")])
    mark = chip(look.t(f"trust.{when}"), "blue" if when == "after" else "") if when else ""
    return [mark, name, look.count(len(one["records"])), *(look.money(one["company"][name]) for name in FIGURES)]


def _under(look: Look, one: dict[str, Any]) -> Html:
    key = h(one["customer_key"]) if one["customer_key"] else tag("span", look.t("trust.new_key"), class_="t-amber")
    others = [name for name in one["owners"] if name != one["owner"]]
    owner = h(one["owner"] or look.t("ui.unowned"))
    if others:
        owner = join([owner, " ", tag("span", look.t("trust.owners_too", names=", ".join(others)), class_="t-amber")])
    return look.dotted(key, owner)


def _notes(look: Look, answer: dict[str, Any]) -> Html | str:
    said: list[object] = []
    for one in answer["after"]:
        if len(one["limits"]) > 1:
            # Limits that read the same (hidden ones do) are said once.
            limits = list(dict.fromkeys(look.money(row["amount"], row["currency"]) for row in one["limits"]))
            said.append(join([look.t("trust.limits"), " ", join(limits, " / ")]))
    missing = sorted({code for one in answer["before"] for code in one["company"]["missing_rates"]})
    if missing:
        said.append(look.t("trust.no_rate", currencies=", ".join(missing)))
    if answer["moves"]:
        said.append(look.t("trust.sums_kept"))
    return tag("p", look.dotted(*said), class_="muted printed") if said else ""
