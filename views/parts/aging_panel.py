"""The aging: on which basis, for whom, as a picture and as a table, and the items behind every cell."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import streamlit as st

from model import serve
from model.serve.aging import BASES, GROUPS, NETS
from views import state
from views.parts.debtor import due
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import notice

SHOWN, ITEMS = 40, 200
ZERO = Decimal(0)
APART = ("unallocated", "credits", "retention", "provisional", "estimated", "header_filled", "due_derived")
KEYS = {"customer": "customer_key", "group": "group_key", "owner": "owner_key"}
LABELS = {"owner": "owner"}
DRILL = ("bucket_of", "group", "gccy", "record")


def show(context: state.Context, as_of: date) -> None:
    """The aging as the address asks for it: basis, by, net, ccy; below it the items of the chosen cell."""
    look = context.look
    basis = _asked("basis", BASES, "due")
    by = _asked("by", tuple(GROUPS), "customer")
    net = tuple(name for name in NETS if name in st.query_params.get("net", "").split(","))
    currency = st.query_params.get("ccy") or None
    known = as_of if st.query_params.get("show") == "then" and as_of < context.db.today() else None
    found = serve.aging(
        context.viewer, context.db, as_of=as_of, known_at=known, by=by, basis=basis, currency=currency, net=net
    )
    every = serve.aging(context.viewer, context.db, as_of=as_of, basis=basis)["totals"]
    switches = [_switches(look, basis, by, net, [total["currency"] for total in every])]
    if as_of < context.db.today():
        switches.append(_known(look, as_of, is_then=known is not None))
    st.html(join([*switches, _printed(look, found)]))
    if not found["rows"]:
        st.html(panel("aging", look.t("aging.title"), empty(look.t("kpi.nothing_open"))))
        return
    st.html(_pictures(look, found))
    if drilled := _drilled(context, as_of, known, by, basis):
        st.html(drilled)
    st.html(_table(look, found, by))


def _asked(name: str, valid: tuple[str, ...], usual: str) -> str:
    given = st.query_params.get(name, usual)
    return given if given in valid else usual


def _here(**changes: Any) -> str:
    return state.here("receivables", **{**dict.fromkeys(DRILL), **changes})


def _switches(look: Look, basis: str, by: str, net: tuple[str, ...], currencies: list[str]) -> Html:
    """Everything that changes the figures, as links: what holds is marked, nothing is hidden in a menu."""
    groups = [
        _group(look, "aging.basis", [(look.t(f"aging.basis_{one}"), _here(basis=one), one == basis) for one in BASES]),
        _group(look, "aging.by", [(look.t(f"aging.by_{one}"), _here(by=one), one == by) for one in GROUPS]),
    ]
    if len(currencies) > 1:
        asked = st.query_params.get("ccy")
        offered = [(look.t("filter.any"), _here(ccy=None), not asked)]
        offered += [(one, _here(ccy=one), one == asked) for one in currencies]
        groups.append(_group(look, "filter.ccy", offered))
    netted = [(look.t(f"aging.net_{one}"), _here(net=",".join(_toggled(net, one)) or None), one in net) for one in NETS]
    groups.append(_group(look, "aging.net", netted))
    return tag("div", *groups, class_="switches")


def _known(look: Look, as_of: date, *, is_then: bool) -> Html:
    """A past day as known now, or as it was known on that day, and the way to what was entered since."""
    offered = [(look.t("aging.known_now"), _here(show=None), not is_then),
               (look.t("aging.known_then"), _here(show="then"), is_then)]  # fmt: skip
    late = link(look.t("aging.known_late"), state.href("finance", view="books", as_of=as_of.isoformat()), "linkish")
    return tag("div", _group(look, "aging.known", offered), late, class_="switches known")


def _toggled(net: tuple[str, ...], one: str) -> list[str]:
    return [name for name in NETS if (name in net) != (name == one)]


def _group(look: Look, label: str, offered: list[tuple[str, str, bool]]) -> Html:
    links = [
        tag("a", text, href=href, data_nav="1", target="_self", aria_current="true" if on else None)
        for text, href, on in offered
    ]
    return tag("div", tag("span", look.t(label)), *links, class_="kinds", role="group", aria_label=look.t(label))


def _printed(look: Look, found: dict[str, Any]) -> Html:
    """The basis in words: what is counted, from when, and what is netted or apart."""
    netted = [look.t(f"aging.is_netted_{name}") if name in found["net"] else look.t(f"aging.is_apart_{name}")
              for name in NETS]  # fmt: skip
    said = [
        look.t("aging.printed", basis=look.t(f"aging.basis_{found['basis']}"), on=found["as_of"].isoformat()),
        *([look.t("aging.known_printed")] if found["known_at"] != "now" else []),
        *netted,
        look.t("aging.printed_provisional"),
        *_members(look, found),
    ]
    company = found["company"]
    whole: object = join([look.t("aging.company"), " ", look.money(company["open"], company["currency"])])
    if company["missing_rates"]:
        whole = join([whole, " ", chip(look.t("kpi.missing_rates", currencies=", ".join(company["missing_rates"])),
                                       "amber")])  # fmt: skip
    return tag("p", look.dotted(*said, whole), class_="muted printed")


def _members(look: Look, found: dict[str, Any]) -> list[object]:
    """Whose owners, groups and regions a past day stands under, and what is under an owner that is only assumed."""
    if found["by"] == "owner" and found["members_on"] == found["as_of"]:
        said: list[object] = [look.t("aging.owners_then", on=found["as_of"].isoformat())]
        assumed = [
            look.money(total["owner_assumed"], total["currency"])
            for total in found["totals"] if total["owner_assumed"]
        ]  # fmt: skip
        if assumed:
            said += [chip(look.t("aging.owners_assumed"), "amber"), *assumed]
        return said
    is_past = found["by"] in {"owner", "group", "region"} and found["as_of"] < found["members_on"]
    return [look.t("aging.members_today")] if is_past else []


def _name(look: Look, bucket: str) -> str:
    return look.t(f"bucket.{bucket}")


def tone(bucket: str, place: int) -> str:
    """The class that colours a bucket; a company's own buckets and years darken with their place."""
    if bucket in {"not_due", "within_1y"}:
        return "age0"
    if bucket in {"no_due_date", "term_not_started"}:
        return "agex"
    return f"age{min(max(place, 1), 6)}"


def _pictures(look: Look, found: dict[str, Any]) -> Html:
    """One stacked bar per currency; each part opens its items."""
    cards = [_picture(look, total, found["buckets"]) for total in found["totals"]]
    return tag("div", *cards, class_="agings")


def _picture(look: Look, total: dict[str, Any], names: list[str]) -> Html:
    currency, whole = total["currency"], sum((max(amount, ZERO) for amount in total["buckets"].values()), ZERO)
    parts, keys = [], []
    for place, name in enumerate(names):
        amount = number(total["buckets"][name])
        if amount <= 0 or not whole:
            continue
        share, said = amount / whole, f"{_name(look, name)} {look.amount(amount)} {currency}"
        href = _here(bucket_of=name, gccy=currency)
        parts.append(
            tag("a", "", class_=f"seg {tone(name, place)}", style=f"width:{float(share) * 100:.3f}%", title=said,
                href=href, data_nav="1", target="_self", aria_label=said)
        )  # fmt: skip
        mark = tag("i", "", class_=f"seg {tone(name, place)}")
        figure = [tag("b", look.money(amount, None)), tag("span", look.share(share), class_="muted")]
        keys.append(tag("span", mark, link(_name(look, name), href), " ", *figure, class_="key"))
    late = number(total["overdue"]) > 0
    head = [
        tag("b", look.money(total["open"], currency), class_="fig"),
        tag("span", look.t("col.overdue"), " ", look.money(total["overdue"], currency),
            class_="t-red" if late else "muted"),
    ]  # fmt: skip
    apart = look.dotted(
        *(join([look.t(f"aging.{name}"), " ", look.money(total[name], None)]) for name in APART if total.get(name)),
        *([join([look.t("aging.netted"), " ", look.money(total["netted"], None)])] if total.get("netted") else []),
    )
    return tag(
        "section",
        tag("div", tag("h2", currency), *head, class_="phead"),
        tag("div", *parts, class_="stack tall"),
        tag("p", *keys, class_="keys"),
        tag("p", apart, class_="muted"),
        class_="panel",
    )


def _table(look: Look, found: dict[str, Any], by: str) -> Html:
    key, label = KEYS.get(by, by), LABELS.get(by, "name")
    used = [name for name in found["buckets"] if any(number(total["buckets"][name]) for total in found["totals"])]
    single = found["totals"][0]["currency"] if len(found["totals"]) == 1 else None
    rows = [_row(look, row, used, key, label, single) for row in found["rows"][:SHOWN]]
    rows += [_total(look, total, used, single) for total in found["totals"]]
    columns = [
        Column(look.t(f"aging.by_{by}"), "wide"),
        *([] if single else [Column(look.t("col.currency"), "mid", phone=False)]),
        Column(look.t("col.open"), "num"),
        *(Column(_name(look, name), "num", phone=False) for name in used),
        Column(look.t("col.overdue"), "num"),
        Column(look.t("aging.apart"), "num", look.t("aging.apart_help"), phone=False),
    ]
    title = look.t("aging.title")
    foot = look.t("work.more", shown=SHOWN, total=look.count(len(found["rows"]))) if len(found["rows"]) > SHOWN else ""
    unit = chip(single) if single else ""
    body = tag("div", table(title, columns, rows), class_="scroll sums")
    return panel("aging", title, body, badge=unit, foot=foot)


def _row(look: Look, row: dict[str, Any], used: list[str], key: str, label: str, single: str | None) -> Row:
    currency, group = row["currency"], row[key]

    def cell(amount: Any, bucket: str | None) -> Html:
        if not number(amount):
            return tag("span", "0", class_="muted")
        return link(look.exact(amount), _here(bucket_of=bucket or "all", group=group or "-", gccy=currency))

    name = look.text(row[label]) if row[label] else tag("span", look.t("ui.unknown"), class_="unknown")
    if not single:
        name = join([name, tag("span", currency, class_="below")])
    return Row([
        name, *([] if single else [currency]), cell(row["open"], None),
        *(cell(row["buckets"][bucket], bucket) for bucket in used),
        _overdue(look, row["overdue"]), _beside(look, row),
    ])  # fmt: skip


def _overdue(look: Look, amount: Any) -> Html:
    if not number(amount):
        return tag("span", "0", class_="muted")
    return tag("span", look.exact(amount), class_="t-red" if amount > 0 else "muted")


def _sum(look: Look, amount: Any) -> Html:
    """A total; nothing is 0 as in the rows above it."""
    return tag("b", look.exact(amount) if number(amount) else "0")


def _beside(look: Look, row: dict[str, Any]) -> Html:
    said = [
        tag("span", look.short(row[name]), tag("abbr", look.t(f"aging.short_{name}"), title=look.t(f"aging.{name}"),
                                               class_="mark"), class_="n")
        for name in APART if number(row.get(name) or 0)
    ]  # fmt: skip
    return join(said, " ") if said else look.na()


def _total(look: Look, total: dict[str, Any], used: list[str], single: str | None) -> Row:
    below = "" if single else tag("span", total["currency"], class_="below")
    cells = [
        join([tag("b", look.t("aging.total")), below]), *([] if single else [tag("b", total["currency"])]),
        _sum(look, total["open"]), *(_sum(look, total["buckets"][name]) for name in used),
        _sum(look, total["overdue"]), h(""),
    ]  # fmt: skip
    return Row(cells)


def _drilled(context: state.Context, as_of: date, known: date | None, by: str, basis: str) -> Html | None:
    """The items of the cell that the address names."""
    bucket, currency = st.query_params.get("bucket_of"), st.query_params.get("gccy") or None
    if not bucket:
        return None
    look, group = context.look, st.query_params.get("group")
    found = serve.aging_rows(
        context.viewer, context.db, None if bucket == "all" else bucket, as_of, known, by=by, basis=basis,
        currency=currency, group=None if group is None else "" if group == "-" else group,
    )  # fmt: skip
    whole = sum((row["open_amount"] for row in found), ZERO)
    title = look.t("aging.items") if bucket == "all" else look.t("aging.items_of", bucket=_name(look, bucket))
    counted = [look.t("work.items_n", n=look.count(len(found))), look.money(whole, currency)]
    closing = link(look.t("record.close"), _here(), "linkish")
    if not found:
        return notice(title, look.t("aging.items_none"))
    rows = [_item(look, row, basis) for row in found[:ITEMS]]
    columns = [
        Column(look.t("col.customer"), "wide"), Column(look.t("col.invoice"), "mid", phone=False),
        Column(look.t(f"aging.basis_{basis}"), "mid"), Column(look.t("aging.days"), "num", phone=False),
        Column(f"{look.t('col.open')} ({currency or ''})", "num"), Column(look.t("col.owner"), phone=False),
    ]  # fmt: skip
    body = tag("div", table(title, columns, rows), class_="scroll drill")
    more = look.t("work.more", shown=ITEMS, total=look.count(len(found))) if len(found) > ITEMS else ""
    badge = chip(look.dotted(*counted))
    return panel("aging_items", title, body, badge=badge, source=closing, foot=more)


def _item(look: Look, row: dict[str, Any], basis: str) -> Row:
    plan = f" /{row['plan_row']}" if row.get("plan_row") else ""
    kept = tag("span", " ", look.t("panel.retention_money"), class_="muted") if row["is_retention"] else ""
    counted: Html = due(look, row)
    if basis != "due":
        counted = look.day(row["counted_from"]) if row["counted_from"] else look.na()
    days = row["days_past_due"]
    record = f"invoice:{row['source']}:{row['source_id']}" if row.get("source_id") else None
    document = join([row["invoice_number"], plan, kept])
    return Row(
        [
            join([row["name"], tag("span", document, class_="below")]),
            document,
            counted if days is None else join([counted, tag("span", look.days(days), class_="below")]),
            look.na() if days is None else h(look.count(days)),
            look.exact(row["open_amount"]),
            look.text(row["owner"]) if row.get("owner") else tag("span", look.t("ui.unowned"), class_="unknown"),
        ],
        href=state.here("receivables", record=record),
        is_record=True,
    )
