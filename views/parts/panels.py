"""The customer screen's panels: five rows and the rest, each with its source and time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from views.parts import asset_panel, persons
from views.parts.format import Look
from views.parts.freshness import source_note
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag

KEEP = 5
ITEM_TONES = {"promise": "amber", "dispute": "red", "promise_broken": "red", "escalated": "red"}
PRIORITY_TONES = {"urgent": "red", "high": "amber"}
HEALTH_TONES = {"red": "red", "amber": "amber", "green": "green"}


def rows_panel(
    look: Look,
    name: str,
    columns: list[Column],
    rows: list[Row],
    *,
    badge: object = "",
    source: object = "",
    foot: object = "",
    totals: Sequence[Row] = (),
) -> Html:
    """A panel around a table of `rows`: the first five, and a button that shows all of them in place.

    `totals` stand below them.
    """
    title = look.t(f"panel.{name}")
    if not rows:
        return panel(name, title, empty(look.t(f"panel.{name}_none")), badge=badge, source=source, foot=foot)
    more = ""
    if len(rows) > KEEP:
        more = tag(
            "button",
            tag("span", look.t("panel.all", n=look.count(len(rows))), class_="more"),
            tag("span", look.t("panel.fewer"), class_="less"),
            type="button",
            data_toggle="all",
            aria_expanded="false",
        )
    body = tag("div", table(title, columns, rows, KEEP, totals), class_="scroll")
    return panel(name, title, body, badge=badge, source=source, foot=join([more, foot]))


def door(found: dict[str, Any], entity: str, row: dict[str, Any]) -> str | None:
    """Where a row's source record opens, on a page that can open one."""
    make: Callable[[str, str, str], str] | None = found.get("door")
    return make(entity, str(row["source"]), str(row["source_id"])) if make and row.get("source_id") else None


def _as_now(look: Look, found: dict[str, Any], note: Html) -> Html:
    """The source note of a panel that has no history, marked when the card shows a past day."""
    return join([chip(look.t("panel.as_now"), "amber"), " ", note]) if found.get("is_past") else note


def receivables(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Open items, the most overdue first."""
    data = found.get("receivables") or {}
    items = sorted(data.get("items") or [], key=_lateness)
    currencies = {item["currency"] for item in items}
    single = currencies.pop() if len(currencies) == 1 else None
    open_head = f"{look.t('col.open')} ({single})" if single else look.t("col.open")
    rows = [item_row(look, item, single, door(found, "invoice", item)) for item in marked(items)]
    late = sum(1 for item in items if (item.get("days_past_due") or 0) > 0)
    badge = chip(look.t("panel.overdue_items", n=late), "red") if late else ""
    totals = data.get("by_currency") or []
    foot = [
        tag("span", one["currency"], " ", look.money(one.get("open"), one["currency"]))
        for one in (totals if len(totals) > 1 else [])
    ]
    columns = [
        Column(look.t("col.invoice")),
        Column(look.t("col.due"), "mid", phone=False),
        Column(look.t("col.late"), "num"),
        Column(open_head, "num"),
        Column(look.t("col.status")),
    ]
    return rows_panel(
        look,
        "receivables",
        columns,
        rows,
        badge=badge,
        source=source_note(look, fresh, "erp"),
        foot=join([*foot, found.get("chain_door", "") if rows else ""], " "),
    )


def marked(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The items with `is_instalment`: whether their invoice has more than one open plan row."""
    counts = Counter(item["invoice_number"] for item in items)
    return [{**item, "is_instalment": counts[item["invoice_number"]] > 1} for item in items]


def _lateness(item: dict[str, Any]) -> tuple[int, str]:
    days = item.get("days_past_due")
    return (-int(days) if days is not None else 10**6, str(item.get("due_on") or ""))


def _undated(item: dict[str, Any]) -> str:
    return "term_not_started" if item.get("bucket") == "term_not_started" else "no_due_date"


def item_row(look: Look, item: dict[str, Any], single: str | None, href: str | None = None) -> Row:
    """One open item as a table row; `href` leads to its invoice."""
    days = item.get("days_past_due")
    name: list[object] = [item["invoice_number"]]
    if item.get("is_retention"):
        name.insert(0, look.t("panel.retention_money") + " ")
    elif item.get("plan_row") and item.get("is_instalment", True):
        name.append(tag("span", f" /{item['plan_row']}", class_="muted"))
    due = (
        look.day(item["due_on"])
        if item.get("due_on")
        else tag("span", look.t(f"bucket.{_undated(item)}"), class_="unknown")
    )
    late = look.days(days) if days is not None and int(days) > 0 else look.na()
    amount = look.exact(item["open_amount"])
    if single is None:
        amount = join([amount, " ", item["currency"]])
    return Row([join(name), due, late, amount, item_state(look, item)], href=href, is_record=True)


def item_state(look: Look, item: dict[str, Any]) -> Html:
    """What was agreed on an item, with the date or reason, and the last note beneath."""
    status = str(item.get("status") or "not_contacted")
    words = [look.label("item_status", status)]
    if status in {"promise", "promise_broken"} and item.get("promise"):
        words.append(h(look.month_day(item["promise"]["on"])))
    if status == "dispute" and item.get("dispute"):
        words.append(look.label("dispute", item["dispute"].get("reason")))
    note = tag("span", item["note"], class_="note", title=item["note"]) if item.get("note") else ""
    return join([chip(join(words, " "), ITEM_TONES.get(status, "")), note])


def tickets(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Open tickets, the most pressing first."""
    listed = [row for row in found.get("tickets") or [] if row.get("is_open", True)]
    breached = sum(1 for row in listed if (row.get("remaining_minutes") or 0) < 0)
    rows = []
    for row in listed:
        left = row.get("remaining_minutes")
        span = look.na() if left is None else look.duration(left)
        number = str(row["number"])
        rows.append(
            Row(
                [
                    number if number.startswith("#") else f"#{number}",
                    join([look.text(row.get("subject")), asset_panel.of_ticket(look, row.get("device"))]),
                    chip(
                        look.label("priority", row.get("priority")),
                        PRIORITY_TONES.get(str(row.get("priority")), ""),
                    ),
                    tag("span", span, class_="t-red") if left is not None and left < 0 else span,
                ],
                href=door(found, "ticket", row),
                is_record=True,
            )
        )
    columns = [
        Column(look.t("col.ticket"), "mid"),
        Column(look.t("col.subject")),
        Column(look.t("col.priority")),
        Column(look.t("col.sla_left"), "num"),
    ]
    badge = chip(look.t("panel.breached", n=breached), "red") if breached else ""
    return rows_panel(
        look, "tickets", columns, rows, badge=badge, source=_as_now(look, found, source_note(look, fresh, "tickets"))
    )


def opportunities(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Open opportunities by expected closing, then the closed ones."""
    listed = sorted(
        found.get("opportunities") or [],
        key=lambda row: (bool(row.get("is_closed")), str(row.get("close_on") or "9999")),
    )
    rows = []
    for row in listed:
        stage = look.label("stage", row.get("stage"))
        if row.get("is_closed"):
            stage = chip(
                look.t("panel.won" if row.get("is_won") else "panel.lost"),
                "green" if row.get("is_won") else "",
            )
        rows.append(
            Row(
                [
                    look.text(row.get("name") or row.get("number")),
                    stage,
                    look.money(row.get("amount"), row.get("currency")),
                    look.day(row.get("close_on")),
                ],
                href=door(found, "opportunity", row),
                is_record=True,
            )
        )
    columns = [
        Column(look.t("col.opportunity")),
        Column(look.t("col.stage")),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.expected"), "num"),
    ]
    return rows_panel(
        look, "opportunities", columns, rows, source=_as_now(look, found, source_note(look, fresh, "crm"))
    )


def projects(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Projects with their next milestone and how far it slipped."""
    rows = []
    late = 0
    for row in found.get("projects") or []:
        step = row.get("next_milestone") or {}
        slip = int(step.get("slip_days") or 0)
        planned: Html = look.day(step["planned_on"]) if step.get("planned_on") else look.na()
        late += bool(row.get("is_late"))
        if slip > 0:
            planned = tag("span", planned, f" (+{slip})", class_="t-amber", title=look.t("panel.slipped", n=slip))
        rows.append(
            Row(
                [
                    join([_lamp(look, row.get("health")), look.text(row.get("name"))]),
                    look.text(step["name"]) if step.get("name") else look.na(),
                    planned,
                    look.percent(row.get("progress_percent")) if row.get("progress_percent") is not None else look.na(),
                ],
                href=door(found, "project", row),
                is_record=True,
            )
        )
    columns = [
        Column(look.t("col.project")),
        Column(look.t("col.milestone")),
        Column(look.t("col.planned"), "num"),
        Column(look.t("col.done"), "num"),
    ]
    badge = chip(look.t("panel.late", n=late), "amber") if late else ""
    return rows_panel(
        look, "projects", columns, rows, badge=badge, source=_as_now(look, found, source_note(look, fresh, "projects"))
    )


def _lamp(look: Look, health: Any) -> Html:
    if health not in HEALTH_TONES:
        return h("")
    word = look.t(f"enum.health.{health}")
    return join([tag("i", "", class_=f"dot {health}", title=word), tag("span", word, class_="sr")])


def contracts(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Contracts, the next to end first, with their renewal likelihood."""
    listed = found.get("contracts") or []
    rows = []
    for row in listed:
        chance = look.share(row["likelihood"]) if row.get("likelihood") is not None else look.na()
        rows.append(
            Row(
                [
                    tag("span", look.text(row.get("number")), title=row.get("name")),
                    look.dotted(
                        look.label("contract_kind", row.get("kind")),
                        look.label("contract_status", row.get("status")),
                    ),
                    look.money(row.get("amount"), row.get("currency")),
                    look.day(row["end_on"]) if row.get("end_on") else look.na(),
                    chance,
                ],
                href=door(found, "contract", row),
                is_record=True,
            )
        )
    columns = [
        Column(look.t("col.contract")),
        Column(look.t("col.kind")),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.ends"), "num"),
        Column(look.t("col.renewal"), "num"),
    ]
    note = _as_now(look, found, source_note(look, fresh, "crm"))
    return rows_panel(look, "contracts", columns, rows, source=note, foot=found.get("chain_door", "") if rows else "")


def orders(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """Orders, newest first, with how much of each was delivered and invoiced."""
    listed = sorted(found.get("orders") or [], key=lambda row: str(row.get("order_on") or ""), reverse=True)
    rows = [
        Row(
            [
                look.text(row.get("number")),
                look.day(row.get("order_on")),
                look.money(row.get("gross_amount"), row.get("currency")),
                look.percent(row.get("delivered_percent")),
                look.percent(row.get("invoiced_percent")),
            ],
            href=door(found, "sales_order", row),
            is_record=True,
        )
        for row in listed
    ]
    columns = [
        Column(look.t("col.order")),
        Column(look.t("col.ordered"), "mid"),
        Column(look.t("col.amount"), "num"),
        Column(look.t("col.delivered"), "num"),
        Column(look.t("col.invoiced"), "num"),
    ]
    note = _as_now(look, found, source_note(look, fresh, "erp"))
    return rows_panel(look, "orders", columns, rows, source=note, foot=found.get("chain_door", "") if rows else "")


def contacts(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """People, finance and primary ones marked."""
    rows = []
    listed = sorted(
        persons.once(found.get("contacts") or []),
        key=lambda row: (not row.get("is_primary"), not row.get("is_finance"), str(row.get("name"))),
    )
    for row in listed:
        marks = [chip(look.t("panel.primary"), "blue")] if row.get("is_primary") else []
        if row.get("is_finance"):
            marks.append(chip(look.t("panel.finance")))
        role = row.get("title") or row.get("role")
        rows.append(
            Row(
                [
                    tag("span", join([h(row["name"]), *marks], " "), class_="n"),
                    look.text(role) if role else look.na(),
                    look.phone(row.get("mobile") or row.get("phone")),
                    tag("span", look.text(row.get("email")), class_="clip fill", title=row.get("email") or None),
                ],
                href=door(found, "contact", row),
                is_record=True,
            )
        )
    columns = [
        Column(look.t("col.name")),
        Column(look.t("col.title"), "mid"),
        Column(look.t("col.phone"), "num"),
        Column(look.t("col.email"), phone=False),
    ]
    return rows_panel(look, "contacts", columns, rows, source=_as_now(look, found, source_note(look, fresh, "crm")))


def records(look: Look, found: dict[str, Any], _fresh: dict[str, Any]) -> Html:
    """The source records that are this customer, and what says so."""
    listed = (found.get("provenance") or {}).get("records") or []
    rows = [
        Row(
            [
                look.label("source", row.get("source")),
                tag("span", look.text(row.get("code") or row.get("source_id")), title=row.get("source_id")),
                look.text(row.get("name")),
                tag("span", look.label("match_rule", row.get("rule")), title=row.get("evidence")),
            ],
            href=door(found, "customer", row),
            is_record=True,
        )
        for row in listed
    ]
    columns = [
        Column(look.t("col.source")),
        Column(look.t("col.code"), "mid"),
        Column(look.t("col.customer")),
        Column(look.t("col.match_rule"), phone=False),
    ]
    badge = chip(look.count(len(rows))) if rows else ""
    door_to = found.get("records_door")
    return rows_panel(
        look, "records", columns, rows, badge=badge, source=_as_now(look, found, h(look.t("panel.identity"))),
        foot=link(look.t("trust.records_behind"), door_to) if door_to else "",
    )  # fmt: skip


PANELS: dict[str, Callable[[Look, dict[str, Any], dict[str, Any]], Html]] = {
    "receivables": receivables,
    "tickets": tickets,
    "assets": asset_panel.assets,
    "opportunities": opportunities,
    "projects": projects,
    "contracts": contracts,
    "orders": orders,
    "contacts": contacts,
    "records": records,
}

__all__ = ["PANELS", "item_row", "panel", "rows_panel"]
