"""The chosen customer of the worklist: who to call, what is open, what was done, and what to do next."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from model import policy, serve
from ops.texts import catalogue
from views import state
from views.parts import papers, worklist
from views.parts.actions import action_form, codes
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, table, tag
from views.parts.panels import marked

FLAGS = ("is_due_derived", "is_estimated", "is_header_filled", "is_awaiting_release")
GROUPS = ("dispute_reason", "dispute_outcome", "stage", "call_result")
HISTORY = 6
# What these keep as their text is where the file is.
FILED = {
    "letter", "letter_confirmed", "letter_sent", "letter_dead", "letter_dropped", "statement_mailed", "statement_sent",
    "statement_failed",
}  # fmt: skip


def detail(context: state.Context, chosen: dict[str, Any], as_of: date) -> None:
    """The card of one customer and currency; people who work receivables can act on its items."""
    look, key = context.look, chosen["customer_key"]
    found = serve.customer(context.viewer, context.db, key, as_of=as_of)
    everything = (found.get("receivables") or {}).get("items") or []
    items = sorted((one for one in everything if one["currency"] == chosen["currency"]), key=_lateness)
    clocks = {one["record_key"]: one for one in
              serve.work_items(context.viewer, context.db, as_of, customer_key=key)}  # fmt: skip
    items = [{**one, **_clock(clocks.get(one["record_key"]))} for one in items]
    with st.container(key="card_detail"):
        likely = expected(context, chosen) if as_of >= context.db.today() else ""
        st.html(join([who(look, chosen), likely, table_of(look, items, chosen["currency"])]))
        if items and as_of >= context.db.today() and policy.roles()[context.viewer.role].may_work:
            contact = (chosen.get("finance_contact") or {}).get("name")
            action_form(context, key, items, contact)
            papers.show(context, chosen)
        st.html(history(context, key))


def _lateness(item: dict[str, Any]) -> tuple[float, str]:
    days = item.get("days_past_due")
    return (-float(days) if days is not None else 1e9, str(item.get("due_on") or "9999"))


def _clock(line: dict[str, Any] | None) -> dict[str, Any]:
    names = ("limitation_on", "limitation_days", "is_limitation_near")
    return {name: line[name] for name in names} if line else {}


def who(look: Look, chosen: dict[str, Any]) -> Html:
    """Name, state, the person to call with the number, the last contact and what stands in the way."""
    contact = chosen.get("finance_contact") or {}
    number_of = contact.get("mobile")
    person: object = look.na()
    if contact:
        person = join([h(contact.get("name") or ""), " ", _dial(look, number_of)])
    last = chosen.get("last_contact_at")
    facts = [
        join([look.t("customer.finance"), " ", person]),
        join([look.t("work.last_contact"), " ", look.when(last) if last else look.na()]),
        join([look.t("work.open"), " ", look.money(chosen["open_amount"], chosen["currency"])]),
    ]
    if number(chosen["unallocated_amount"]) > 0:
        facts.append(h(look.t("work.unallocated", amount=look.short(chosen["unallocated_amount"]))))
    if chosen.get("next_step_on"):
        facts.append(join([look.t("work.next_step"), " ", look.month_day(chosen["next_step_on"])]))
    title = tag(
        "div",
        tag("h2", link(chosen["name"], state.href("customer", customer=chosen["customer_key"]))),
        worklist.status(look, chosen),
        chip(look.t("work.over_limit"), "red") if chosen.get("is_over_limit") else "",
        class_="phead",
    )
    return join([title, tag("p", look.dotted(*facts), class_="muted"), _warning(look, chosen)])


def expected(context: state.Context, chosen: dict[str, Any]) -> Html | str:
    """When this customer's money is expected, by its own habit of paying or what it promised."""
    look = context.look
    listed = serve.expected_days(context.viewer, context.db, chosen["customer_key"])
    days = [row for row in listed if row["currency"] == chosen["currency"] and row["expected_on"]]
    if not days:
        return ""
    first = min(days, key=lambda row: (row["expected_on"], row["record_key"]))
    parts: list[object] = [look.t("cash.first_expected", on=look.month_day(first["expected_on"]),
                                  amount=look.short(first["amount"]))]  # fmt: skip
    if first["level"] != "promise" and first["low_on"] != first["high_on"]:
        low, high = look.month_day(first["low_on"]), look.month_day(first["high_on"])
        parts.append(look.t("cash.between", low=low, high=high))
    usual = first["usually_days"]
    if usual is not None:
        early = "cash.usually_late" if usual > 0 else "cash.usually_early" if usual < 0 else "cash.usually_on_time"
        parts.append(look.t(early, n=abs(usual)))
    return tag("p", look.dotted(*parts), class_="muted", title=look.t("cash.basis"))


def _dial(look: Look, given: Any) -> Html:
    shown = look.phone(given)
    if not given or look.state(given):
        return shown
    return tag("a", shown, href=f"tel:{given}", class_="n")


def _warning(look: Look, chosen: dict[str, Any]) -> Html | str:
    if not chosen.get("is_limitation_near"):
        return ""
    words = look.t("work.limitation_help", on=chosen["limitation_on"].isoformat())
    return tag("p", "⚠ ", words, class_="t-red")


def table_of(look: Look, items: list[dict[str, Any]], currency: str) -> Html:
    """Every open item, latest first; a row opens its source record and becomes the item to act on."""
    if not items:
        return empty(look.t("panel.receivables_none"))
    rows = [_row(look, item) for item in marked(items)]
    columns = [
        Column(look.t("col.invoice")),
        Column(look.t("col.due"), "mid", phone=False),
        Column(look.t("col.late"), "num"),
        Column(f"{look.t('col.open')} ({currency})", "num"),
        Column(look.t("col.status")),
    ]
    return tag("div", table(look.t("work.items"), columns, rows), class_="scroll items")


def _row(look: Look, item: dict[str, Any]) -> Row:
    number_of: list[object] = [item["invoice_number"]]
    if item.get("plan_row") and item.get("is_instalment", True):
        number_of.append(tag("span", f" /{item['plan_row']}", class_="muted"))
    if item.get("is_retention"):
        number_of.append(tag("span", " ", look.t("panel.retention_money"), class_="muted"))
    days = item.get("days_past_due")
    late = look.days(days) if days is not None and int(days) > 0 else look.na()
    if item.get("is_limitation_near"):
        hint = look.t("work.limitation_help", on=item["limitation_on"].isoformat())
        late = tag("span", "⚠ ", late, class_="t-red", title=hint)
    record = f"invoice:{item['source']}:{item['source_id']}" if item.get("source_id") else None
    return Row(
        [join(number_of), due(look, item), late, look.exact(item["open_amount"]), _state(look, item)],
        href=state.here("receivables", record=record, item=item["record_key"]),
        is_record=True,
        selected=st.query_params.get("item") == item["record_key"],
    )


def due(look: Look, item: dict[str, Any]) -> Html:
    """The due date with a mark for what is derived, filled, estimated or waits for a release."""
    marks = [
        tag("abbr", look.t(f"mark.{name}"), title=look.t(f"mark.{name}_help"), class_="mark")
        for name in FLAGS if item.get(name)
    ]  # fmt: skip
    if not item.get("due_on"):
        name = "term_not_started" if item.get("bucket") == "term_not_started" else "no_due_date"
        shown = tag("span", look.t(f"bucket.{name}"), class_="unknown")
    else:
        original = item.get("original_due_on")
        moved = look.t("mark.original", on=original) if original and original != item["due_on"] else None
        shown = tag("span", look.day(item["due_on"]), title=moved)
    return join([shown, *marks], " ")


def _state(look: Look, item: dict[str, Any]) -> Html:
    shown = worklist.status(look, item)
    said: list[object] = []
    if item.get("dispute") and item.get("status") != "dispute":
        said.append(look.label("item_status", "dispute"))
    if item.get("promise") and item["promise"]["amount"] != item["open_amount"]:
        said.append(look.short(item["promise"]["amount"]))
    if item.get("stage"):
        said.append(worklist.stage_name(look, item["stage"]["stage"]))
    if item.get("assigned"):
        said.append(look.t("work.assigned"))
    below = tag("span", look.dotted(*said), class_="second") if said else ""
    note = tag("span", item["note"], class_="note", title=item["note"]) if item.get("note") else ""
    return join([shown, below, note])


def history(context: state.Context, customer_key: str) -> Html:
    """What was done, newest first; the first few and the rest folded away."""
    look = context.look
    events = serve.work_history(context.viewer, context.db, customer=customer_key, limit=60)
    if not events:
        return tag("p", look.t("work.history_none"), class_="none")
    words = codes(context, GROUPS)
    drawn = [event(look, row, words) for row in events]
    head = tag("h3", look.t("work.history"), class_="sub")
    parts: list[object] = [head, tag("ol", *drawn[:HISTORY], class_="line brief")]
    if len(drawn) > HISTORY:
        rest = tag("ol", *drawn[HISTORY:], class_="line brief")
        more = tag("summary", look.t("work.history_more", n=look.count(len(drawn) - HISTORY)), class_="linkish")
        parts.append(tag("details", more, rest))
    return tag("section", *parts, class_="history", id="p-history")


def event(look: Look, row: dict[str, Any], words: dict[str, str]) -> Html:
    """One line of history: what, on which item, how much, until when, by whom."""
    said: list[object] = []
    if row.get("invoice_number"):
        said.append(row["invoice_number"])
    if row.get("amount"):
        said.append(look.money(row["amount"], row.get("currency")))
    if row.get("code") in words:
        said.append(words[row["code"]])
    if row.get("until_on"):
        said.append(join(["→ ", look.month_day(row["until_on"])]))
    if row.get("person"):
        said.append(row["person"])
    name = tag("b", _action(look, row["action"]))
    told = row.get("body") if row["action"] not in FILED else None
    body = tag("span", told, class_="by block") if told else ""
    by = tag("span", look.dotted(look.when(row["at"]), look.who(row["actor"])), class_="by")
    return tag("li", name, " ", look.dotted(*said), " ", by, body)


def _action(look: Look, action: str) -> str:
    return look.t(f"act.{action}") if f"act.{action}" in catalogue() else action
