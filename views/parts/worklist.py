"""The worklist: whom to call first, what stands in the way, and what was promised for yesterday and today."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import streamlit as st

from model import serve
from views import state
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, bar, chip, h, join, link, panel, table, tag
from views.parts.tiles import BUCKET_TONES, BUCKETS, aging_bar, bucket_line

SHOWN = 60
TONES = {
    "promise": "amber", "promise_broken": "red", "promise_kept": "green", "dispute": "red", "escalated": "red",
    "paid_check": "blue",
}  # fmt: skip
ZERO = Decimal(0)
TAGS = re.compile(r"<[^>]*>")


def key_of(line: dict[str, Any]) -> str:
    """What a picked line is called: customer and currency."""
    return f"{line['customer_key']}|{line['currency']}"


def totals(look: Look, found: list[dict[str, Any]]) -> Html:
    """One tile per currency, overdue of open with the buckets as a bar; a door to the aging."""
    cards = []
    for total in found:
        currency = total["currency"]
        late = number(total["overdue"]) > 0
        of = join([look.t("work.open"), " ", look.money(total["open"], currency), " · ", look.t("kpi.of_which")])
        apart = {name: look.short(total.get(name) or 0) for name in ("unallocated", "credits")}
        body = [
            tag("span", of, class_="ln"),
            tag("span", look.money(total["overdue"], currency), class_="fig t-red" if late else "fig"),
            tag("span", look.t("work.apart", **apart), class_="ln apart"),
            aging_bar(look, total["buckets"], currency),
        ]
        href = state.href("receivables", view="aging", ccy=currency, as_of=st.query_params.get("as_of"))
        said = unescape(bucket_line(look, total["buckets"]).replace("<", " <"))
        hint = " ".join(TAGS.sub(" ", said).split())
        cards.append(tag("a", *body, class_="tile", href=href, data_nav="1", target="_self", title=hint))
    return tag("div", *cards, class_="cards owed", role="group", aria_label=look.t("work.totals"))


def today_strip(look: Look, items: list[dict[str, Any]], day: date) -> Html | None:
    """Promises broken (yesterday's first), promises due today and steps planned for today; None without any."""
    broken = [item for item in items if item["promise"] and item["promise"]["state"] == "broken"]
    broken.sort(key=lambda item: (item["promise"]["on"], item["open_amount"]), reverse=True)
    due = [item for item in items if item["promise"] and item["promise"]["state"] == "open"
           and item["promise"]["on"] == day]  # fmt: skip
    steps = [item for item in items if item["call"] and item["call"]["next_on"] and item["call"]["next_on"] <= day]
    parts = []
    if broken:
        parts.append(tag("b", look.t("work.broken", n=look.count(len(broken))), class_="t-red"))
        parts += [_broken(look, item, day) for item in broken[:4]]
        if len(broken) > 4:
            parts.append(link(look.t("work.broken_all"), state.here("receivables", state="promise_broken")))
    if due:
        parts.append(tag("b", look.t("work.due_today", n=look.count(len(due)))))
        parts += [_door(look, item, look.money(item["promise"]["amount"], item["currency"])) for item in due[:3]]
    if steps:
        parts.append(tag("b", look.t("work.steps_today", n=look.count(len({item["customer_key"] for item in steps})))))
        parts += [_door(look, item) for item in {item["customer_key"]: item for item in steps}.values()][:3]
    if not parts:
        return None
    return tag("div", *parts, class_="since late" if broken else "since", role="status", id="p-promises")


def _broken(look: Look, item: dict[str, Any], day: date) -> Html:
    promise = item["promise"]
    when = look.t("ui.yesterday") if promise["on"] == day - timedelta(days=1) else look.month_day(promise["on"])
    return _door(look, item, look.money(promise["broken_amount"], item["currency"]), tag("span", when, class_="muted"))


def _door(look: Look, item: dict[str, Any], *more: object) -> Html:
    href = state.here(
        "receivables", customer=item["customer_key"], currency=item["currency"], item=item["record_key"], view=None
    )
    return tag("span", look.dotted(link(item["name"], href), *more), class_="one")


def listing(
    look: Look, lines: list[dict[str, Any]], aged: dict[tuple[str, str], dict[str, Decimal]], chosen: dict[str, Any],
    *, may_pick: bool,
) -> Html:  # fmt: skip
    """The list as a panel; `aged`: (customer, currency) → its buckets. Which boxes are ticked the browser knows."""
    rows = [
        Row(
            [*([_tick(look, line)] if may_pick else []), *_cells(look, line, aged)],
            href=state.here(
                "receivables", customer=line["customer_key"], currency=line["currency"], item=None, record=None
            ),
            selected=line is chosen,
            door=int(may_pick),
        )
        for line in lines[:SHOWN]
    ]
    columns = [
        *([Column(tag("span", look.t("bulk.pick"), class_="sr"), "tick")] if may_pick else []),
        Column(look.t("col.customer"), "wide"),
        Column(look.t("col.overdue"), "num"),
        Column(look.t("col.oldest"), "num"),
        Column(look.t("work.buckets"), phone=False),
        Column(look.t("col.status"), "mid"),
        Column(look.t("work.last_contact"), "mid", phone=False),
        Column(look.t("work.score"), "num", look.t("work.score_help"), phone=False),
    ]
    title = look.t("work.list")
    foot = look.keys("work.keys_pick" if may_pick else "work.keys")
    if len(lines) > SHOWN:
        foot = join([look.t("work.more", shown=SHOWN, total=look.count(len(lines))), " ", foot])
    badge = chip(look.t("work.count", n=look.count(len(lines))))
    return tag("div", panel("worklist", title, table(title, columns, rows), badge=badge, foot=foot), class_="worklist")


def _tick(look: Look, line: dict[str, Any]) -> Html:
    return tag(
        "input", type="checkbox", data_pick=key_of(line),
        aria_label=look.t("bulk.pick_one", name=line["name"]),
    )  # fmt: skip


def _cells(look: Look, line: dict[str, Any], aged: dict[tuple[str, str], dict[str, Decimal]]) -> list[Html]:
    currency = line["currency"]
    found = aged.get((line["customer_key"], currency), {})
    held = look.t("work.items_n", n=look.count(line["items"]))
    if line["chaseable_amount"] != line["overdue_amount"]:
        held = look.t("work.ask_for", amount=look.short(line["chaseable_amount"]))
    last = look.when(line["last_contact_at"]) if line.get("last_contact_at") else look.na()
    if call := line.get("call"):
        last = tag("span", look.month_day(call["on"]), title=look.t("work.call_here"))
    owner = look.text(line["owner"]) if line.get("owner") else tag("span", look.t("ui.unowned"), class_="unknown")
    return [
        _two(line["name"], _contact(look, line)),
        _two(look.money(line["overdue_amount"], currency), held),
        _two(look.days(line["oldest_days"]), _limitation(look, line)),
        buckets(look, found, currency),
        _two(status(look, line), _beside(look, line)),
        _two(last, owner),
        tag("span", look.count(line["score"]), title=_why(look, line["score_parts"])),
    ]


def _two(first: object, second: object) -> Html:
    return join(
        [first if isinstance(first, Html) else h(first), tag("span", second, class_="second") if second else ""]
    )


def _contact(look: Look, line: dict[str, Any]) -> Html:
    contact = line.get("finance_contact") or {}
    if not contact:
        return tag("span", look.t("work.no_contact"), class_="unknown")
    return join([look.text(contact.get("name")), " ", look.phone(contact.get("mobile"))])


def _limitation(look: Look, line: dict[str, Any]) -> Html | str:
    if not line.get("is_limitation_near"):
        return ""
    left = line["limitation_days"]
    words = look.t("work.limitation_over") if left < 0 else look.t("work.limitation_left", n=look.count(left))
    return tag(
        "span", "⚠ ", words, class_="t-red", title=look.t("work.limitation_help", on=line["limitation_on"].isoformat())
    )


def status(look: Look, line: dict[str, Any]) -> Html:
    """The state of a line or an item in words; with the day of a promise."""
    name = line.get("state") or line.get("status") or "not_contacted"
    if name == "paid_check":
        return chip(look.t("work.paid_check"), "blue", look.t("work.paid_check_help"))
    word = look.label("item_status", name)
    promise = line.get("promise")
    if promise and promise.get("on") and name.startswith("promise"):
        word = join([word, " ", look.month_day(promise["on"])])
    return chip(word, TONES.get(name, ""))


def _beside(look: Look, line: dict[str, Any]) -> Html | str:
    said = []
    if line.get("disputed_amount"):
        said.append(look.t("work.disputed", amount=look.short(line["disputed_amount"])))
    if (line.get("unallocated_amount") or 0) > 0 and not line.get("paid_check"):
        said.append(look.t("work.unallocated", amount=look.short(line["unallocated_amount"])))
    if line.get("is_over_limit"):
        said.append(look.t("work.over_limit"))
    if line.get("stage"):
        said.append(look.t("work.stage_on", stage=stage_name(look, line["stage"]["stage"])))
    return look.dotted(*said[:2]) if said else ""


def stage_name(look: Look, code: str) -> str:
    """The word for a collection stage."""
    context = state.context()
    known = {row["code"]: row["label"] for row in serve.work_codes(context.viewer, context.db)["stage"]}
    return str(known.get(code, code))


def buckets(look: Look, found: dict[str, Decimal], currency: str) -> Html:
    """What is overdue as a small bar, oldest at the right, each part with its amount on hover."""
    late = {name: number(found[name]) for name in BUCKETS if name in found and name != "not_due" and found[name] > 0}
    whole = sum(late.values(), ZERO)
    if not whole:
        return look.na()
    parts = [
        (float(value / whole), BUCKET_TONES[name],
         f"{look.t('bucket.' + name)} {look.amount(value)} {currency}") for name, value in late.items()
    ]  # fmt: skip
    label = " · ".join(title for _, _, title in parts)
    return tag("span", bar(parts, label), class_="mini")


def _why(look: Look, parts: dict[str, float]) -> str:
    said = [look.t(f"work.score_{name}", value=f"{value:,.2f}") for name, value in parts.items()
            if name in {"amount", "age"} or value != 1]  # fmt: skip
    return " × ".join(said)
