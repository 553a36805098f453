"""Finance's lists: who is over the limit, what waits to be allocated, what was promised, what does not add up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from views import state
from views.parts import papers, words
from views.parts.format import Look, number
from views.parts.html import Column, Html, Row, bar, chip, h, join, link, table, tag
from views.parts.panels import rows_panel

ZERO = Decimal(0)
# label, its address, parts of the bar as shares of the largest, figure at the right
Bar = tuple[Any, str | None, list[tuple[float, str, str]], Any]
PARTS = ("invoiced_open", "delivered_not_invoiced", "undelivered_orders", "unmatured_bills")
PART_TONES = {"invoiced_open": "accent", "delivered_not_invoiced": "mid", "undelivered_orders": "soft",
              "unmatured_bills": "grey"}  # fmt: skip
CLASSES = ("shown", "later", "void", "not_approved", "deleted", "quarantined")


def record_at(entity: str, row: dict[str, Any]) -> str | None:
    """Where the record of a row opens on this page; the key is source:id, perhaps with a plan row."""
    source, _, source_id = str(row.get("record_key") or row.get("receipt_key") or "").partition("#")[0].partition(":")
    return state.here("finance", record=f"{entity}:{source}:{source_id}") if source_id else None


def _work(row: dict[str, Any], **more: Any) -> str:
    return state.href("receivables", customer=row["customer_key"], currency=row.get("currency"), **more)


def _owner(look: Look, name: Any) -> Html:
    return look.text(name) if name else tag("span", look.t("ui.unowned"), class_="unknown")


def over_limit(look: Look, found: list[dict[str, Any]]) -> Html:
    """Customers whose exposure is above their limit, the furthest first."""
    rows = [
        Row([
            join([row["name"], _shared(look, row)]), look.percent(row["percent"], 0),
            _components(look, (row.get("group") or row)["components"], row["currency"]),
            look.money((row.get("group") or row)["exposure"], row["currency"]),
            look.money(row["limit"]["amount"], row["currency"]), _owner(look, row["owner_name"]),
        ], href=state.href("customer", customer=row["customer_key"]))
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("fin.used"), "num"), Column(look.t("fin.parts"), phone=False),
        Column(look.t("fin.exposure"), "num"), Column(look.t("fin.limit"), "num", phone=False),
        Column(look.t("col.owner"), phone=False),
    ]  # fmt: skip
    legend = tag("span", *[tag("span", tag("i", "", class_=f"seg {PART_TONES[one]}"), look.t(f"fin.part_{one}"),
                               class_="key") for one in PARTS], class_="keys")  # fmt: skip
    return rows_panel(look, "over_limit", columns, rows, badge=_badge(look, rows, "red"), foot=legend if rows else "")


def _shared(look: Look, row: dict[str, Any]) -> Html | str:
    group = row.get("group")
    if not group:
        return ""
    return tag("span", look.t("fin.shared", name=group["name"], n=group["members"]), class_="second")


def _components(look: Look, parts: dict[str, Any], currency: str) -> Html:
    whole = sum((number(parts[name]) for name in PARTS), ZERO)
    if whole <= 0:
        return look.na()
    drawn = [
        (float(number(parts[name]) / whole), PART_TONES[name],
         f"{look.t('fin.part_' + name)} {look.amount(parts[name])} {currency}") for name in PARTS
    ]  # fmt: skip
    return tag("span", bar(drawn, " · ".join(title for share, _, title in drawn if share)), class_="mini")


def holds(look: Look, proposals: list[dict[str, Any]], held: list[dict[str, Any]]) -> Html:
    """Proposals to hold or release, then who is on hold now."""
    proposed = {row["customer_key"] for row in proposals}
    rows = [_hold(look, row, look.t(f"fin.propose_{row['action']}"), "red" if row["action"] == "hold" else "green")
            for row in proposals]  # fmt: skip
    rows += [_hold(look, row, look.t("fin.on_hold"), "") for row in held if row["customer_key"] not in proposed]
    columns = [
        Column(look.t("col.customer")), Column(look.t("col.status"), "mid"), Column(look.t("fin.used"), "num"),
        Column(look.t("col.owner"), phone=False),
    ]  # fmt: skip
    return rows_panel(look, "holds", columns, rows, badge=_badge(look, rows, "amber"))


def _hold(look: Look, row: dict[str, Any], mark: str, tone: str) -> Row:
    used = look.percent(row["percent"], 0) if row["limit"] else look.na()
    cells = [row["name"], chip(mark, tone), used, _owner(look, row["owner_name"])]
    return Row(cells, href=state.href("customer", customer=row["customer_key"]))


def unapplied(look: Look, found: list[dict[str, Any]]) -> Html:
    """Money that waits: whose, how long, and what it was probably for."""
    rows = [
        Row([
            join([h(row["number"]), tag("span", row["payer_name"] or "", class_="second clip")]),
            row["name"] if row["is_identified"] else tag("span", look.t("fin.nobody"), class_="unknown"),
            look.days(row["days"]), join([look.exact(row["left_amount"]), " ", row["currency"]]),
            _suggestion(look, row),
        ], href=record_at("receipt", row), is_record=True)
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("fin.receipt")), Column(look.t("col.customer"), phone=False), Column(look.t("fin.waits"), "num"),
        Column(look.t("fin.left"), "num"), Column(look.t("fin.suggested"), phone=False),
    ]  # fmt: skip
    return rows_panel(look, "unapplied", columns, rows, badge=_badge(look, rows, "amber"))


def _suggestion(look: Look, row: dict[str, Any]) -> Html:
    if row["told"]:
        return chip(look.t(f"fin.told_{row['told']['state']}"), "green")
    if not row["suggestions"]:
        return tag("span", look.t("fin.no_match"), class_="unknown")
    best = row["suggestions"][0]
    return join([said(look, best), tag("span", look.t(f"fin.reason_{best['reason']}"), " ",
                                       look.percent(best["score"]), class_="second")])  # fmt: skip


def said(look: Look, offer: dict[str, Any]) -> Html:
    """The items of a suggestion in words: the first two numbers, and how many more."""
    names = [one["invoice_number"] for one in offer["items"]]
    more = look.t("fin.more", n=len(names) - 2) if len(names) > 2 else ""
    return h("、".join(names[:2]) + more if look.language == "zh" else ", ".join(names[:2]) + " " + more)


def broken(look: Look, items: list[dict[str, Any]]) -> Html:
    """Promises whose day passed without the money, the newest first."""
    listed = sorted(items, key=lambda row: row["promise"]["on"], reverse=True)
    rows = [
        Row([row["name"], row["invoice_number"], look.month_day(row["promise"]["on"]),
             look.money(row["promise"]["broken_amount"], row["currency"]), _owner(look, row["owner"])],
            href=_work(row, item=row["record_key"]))
        for row in listed
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("col.invoice"), "mid"), Column(look.t("fin.promised"), "num"),
        Column(look.t("fin.missing"), "num"), Column(look.t("col.owner"), phone=False),
    ]  # fmt: skip
    return rows_panel(look, "broken", columns, rows, badge=_badge(look, rows, "red"))


def bills(look: Look, found: list[dict[str, Any]], day: date) -> Html:
    """Acceptance bills by the day they mature."""
    rows = [
        Row([row["number"], row["name"], look.day(row["due_on"]) if row["due_on"] else look.text(None),
             look.days((row["due_on"] - day).days) if row["due_on"] else look.na(),
             look.money(row["amount"], row["currency"])], href=record_at("receipt", row), is_record=True)
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("fin.bill"), "mid"), Column(look.t("col.customer")), Column(look.t("fin.matures"), "num"),
        Column(look.t("fin.in_days"), "num", phone=False), Column(look.t("col.amount"), "num"),
    ]  # fmt: skip
    return rows_panel(look, "bills", columns, rows, badge=_badge(look, rows, ""))


def statements(look: Look, found: list[dict[str, Any]]) -> Html:
    """Statements and confirmation requests that wait for an answer or differ."""
    rows = [
        Row([
            join([row["name"], tag("span", look.t(f"fin.kind_{row['kind']}"), class_="second")]),
            look.day(row["to_on"]), look.money(row["closing_amount"], row["currency"]), papers.state_chip(look, row),
            _owner(look, row["owner"]),
        ], href=_work(row))
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("paper.to"), "num"), Column(look.t("paper.closing"), "num"),
        Column(look.t("col.status"), "mid"), Column(look.t("col.owner"), phone=False),
    ]  # fmt: skip
    return rows_panel(look, "statements", columns, rows, badge=_badge(look, rows, "amber"))


def disputes(look: Look, found: list[dict[str, Any]]) -> Html:
    """Standing disputes, the oldest first, with who must resolve them."""
    rows = [
        Row([row["name"], row["invoice_number"], row["label"],
             tag("span", look.days(row["days"]), class_="t-red" if row["is_late"] else None),
             look.money(row["amount"], row["currency"]), _owner(look, row["dispute_owner"])],
            href=_work(row, item=row["item_key"]))
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("col.customer")), Column(look.t("col.invoice"), "mid"), Column(look.t("col.reason")),
        Column(look.t("fin.open_for"), "num"), Column(look.t("col.amount"), "num"),
        Column(look.t("act.dispute_owner"), phone=False),
    ]  # fmt: skip
    return rows_panel(look, "disputes", columns, rows, badge=_badge(look, rows, "amber"))


def faults(look: Look, found: list[dict[str, Any]]) -> Html:
    """What does not fit in the ledger: kind, where, and whether it was set aside or only labelled."""
    rows = [
        Row([
            join([look.label("fault", row["fault"]), tag("span", row["name"], class_="second")]),
            join([words.column(look, _entity(row), row["field"] or "—"),
                  tag("span", row["value"] or "", class_="second")]),
            look.t(f"fin.{row['treatment']}"),
            look.money(row["amount"], row["currency"]) if row["amount"] is not None else look.na(),
        ], href=record_at(_entity(row), row), is_record=True)
        for row in found
    ]  # fmt: skip
    columns = [
        Column(look.t("fin.fault")), Column(look.t("col.field"), phone=False), Column(look.t("fin.treated"), "mid"),
        Column(look.t("col.amount"), "num"),
    ]  # fmt: skip
    counts: dict[str, int] = defaultdict(int)
    for row in found:
        counts[row["fault"]] += 1
    foot = look.dotted(*(join([look.label("fault", name), " ", look.count(n)]) for name, n in sorted(counts.items())))
    return rows_panel(look, "faults", columns, rows, badge=_badge(look, rows, "amber"), foot=foot)


def _entity(row: dict[str, Any]) -> str:
    return "receipt" if str(row["fault"]).startswith("bill") else "invoice"


def control(look: Look, found: list[dict[str, Any]]) -> Html:
    """The source's documents by what became of them; the columns of a row add up to the source's own total."""
    lines: dict[tuple[str, str, str | None], dict[str, Any]] = defaultdict(dict)
    for row in found:
        lines[row["source"], row["document"], row["currency"]][row["class"]] = row
    used = [name for name in CLASSES if any(name in one for one in lines.values())]
    rows = [_control(look, key, one, used) for key, one in sorted(lines.items(), key=lambda entry: str(entry[0]))]
    columns = [
        Column(look.t("fin.document")), Column(look.t("col.currency"), "mid", phone=False),
        *(Column(look.t(f"fin.class_{name}"), "num", phone=name == "shown") for name in used),
        Column(look.t("fin.source_total"), "num"),
    ]  # fmt: skip
    return rows_panel(look, "control", columns, rows, foot=h(look.t("fin.control_help")))


def _control(look: Look, key: tuple[str, str, str | None], one: dict[str, Any], used: list[str]) -> Row:
    def cell(found: dict[str, Any] | None) -> Html:
        if found is None:
            return tag("span", "0", class_="muted")
        n = tag("span", look.t("fin.documents", n=look.count(found["documents"])), class_="second")
        return join([look.exact(found["amount"]) if found["amount"] is not None else look.text(None), n])

    known = [row["amount"] for row in one.values() if row["amount"] is not None]
    whole = {"documents": sum(row["documents"] for row in one.values()), "amount": sum(known, ZERO) if known else None}
    source, document, currency = key
    name = join([look.t(f"fin.doc_{document}"), tag("span", look.label("source", source), class_="second"),
                 tag("span", look.text(currency), class_="below")])  # fmt: skip
    return Row([name, look.text(currency), *(cell(one.get(kind)) for kind in used), cell(whole)])


def _badge(look: Look, rows: list[Row], tone: str) -> Html | str:
    return chip(look.count(len(rows)), tone) if rows else ""


def currency(look: Look, found: dict[str, Any]) -> Html:
    """Open receivables in their own, the company's and the group's currency, with rates and what is unrealised."""
    company, group = found["company"], found["group"]
    has_group = bool(group and group != company)
    rows = [
        Row([
            join([row["currency"], tag("span", look.exact(row["open"]), class_="below")]), look.exact(row["open"]),
            look.text(None) if row["rate"] is None else tag("span", look.plain(row["rate"]), title=str(row["rate_on"])),
            look.exact(row["company_amount"]), look.exact(row["carried_amount"]), _gain(look, row["unrealised"]),
            *([look.exact(row["group_amount"])] if has_group else []),
        ])
        for row in found["rows"]
    ]  # fmt: skip
    totals = found["totals"]
    rows.append(
        Row([
            tag("b", look.t("aging.total")), "", "", tag("b", look.exact(totals["company_amount"])),
            tag("b", look.exact(totals["carried_amount"])), _gain(look, totals["unrealised"]),
            *([look.exact(totals["group_amount"])] if has_group else []),
        ])
    )  # fmt: skip
    columns = [
        Column(look.t("col.currency")), Column(look.t("col.open"), "num", phone=False),
        Column(look.t("fin.rate"), "num", phone=False),
        Column(look.t("fin.in", currency=company), "num"), Column(look.t("fin.carried"), "num", phone=False),
        Column(look.t("fin.unrealised"), "num"),
        *([Column(look.t("fin.in", currency=group), "num", phone=False)] if has_group else []),
    ]  # fmt: skip
    missing = sorted({*found["missing_rates"]["company"], *found["missing_rates"]["group"]})
    badge = chip(look.t("kpi.missing_rates", currencies=", ".join(missing)), "amber") if missing else ""
    dated = look.dotted(
        *(join([f"{one['from']} → {one['to']} {one['valid_on']} ", look.label("source", one["source"])])
          for one in found["rates"])
    )  # fmt: skip
    return rows_panel(look, "currency", columns, rows if found["rows"] else [], badge=badge, foot=dated)


def _gain(look: Look, value: Any) -> Html:
    if value is None:
        return look.text(None)
    tone = "t-red" if number(value) < 0 else "t-green" if number(value) > 0 else "muted"
    return tag("span", look.exact(value), class_=tone)


def terms(look: Look, found: dict[str, Any]) -> Html:
    """Due dates of the source that its terms do not give, and terms that wait for a day nobody recorded."""
    rows = [
        Row([join([row["invoice_number"], tag("span", row["name"], class_="second")]), look.text(row["payment_terms"]),
             look.day(row["source_due_on"]), look.day(row["derived_due_on"]), h(f"{row['days']:+d}".replace("-", "−")),
             look.money(row["open_amount"], row["currency"])], href=record_at("invoice", row), is_record=True)
        for row in found["differs"]
    ]  # fmt: skip
    columns = [
        Column(look.t("col.invoice")), Column(look.t("fin.terms"), "mid", phone=False),
        Column(look.t("fin.source_due"), "num"), Column(look.t("fin.derived_due"), "num"),
        Column(look.t("aging.days"), "num", phone=False), Column(look.t("col.open"), "num"),
    ]  # fmt: skip
    waiting = sum((row["open_amount"] for row in found["not_started"]), ZERO)
    foot = join([
        link(look.t("fin.not_started", n=look.count(len(found["not_started"]))),
             state.href("receivables", view="aging", bucket_of="term_not_started")), " ",
        look.short(waiting) if waiting else "",
    ])  # fmt: skip
    return rows_panel(look, "terms", columns, rows, badge=_badge(look, rows, "amber"),
                      foot=foot if found["not_started"] else "")  # fmt: skip


def bars(look: Look, caption: str, rows: Sequence[Bar]) -> Html:
    """A picture of rows, one bar each."""
    drawn = []
    for label, href, parts, figure in rows:
        name = link(label, href) if href else label
        drawn.append(Row([name, tag("span", bar(parts, " · ".join(part[2] for part in parts)), class_="wide"), figure]))
    columns = [Column(tag("span", caption, class_="sr")), Column(tag("span", "", class_="sr"), "fill"),
               Column(tag("span", look.t("col.amount"), class_="sr"), "num")]  # fmt: skip
    return tag("div", table(caption, columns, drawn), class_="bars")
