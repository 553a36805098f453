"""The KPI strip: seven tiles, each a door to the rows behind it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from views.parts import words
from views.parts.format import Look, number
from views.parts.html import Html, bar, dot, h, join, tag

BUCKETS = [
    "not_due",
    "1-30",
    "31-60",
    "61-90",
    "91-180",
    "181-365",
    "over_365",
    "term_not_started",
    "no_due_date",
]
BUCKET_TONES = {
    "not_due": "",
    "1-30": "soft",
    "31-60": "mid",
    "61-90": "red",
    "91-180": "red",
    "181-365": "red",
    "over_365": "red",
    "term_not_started": "grey",
    "no_due_date": "grey",
}


ROLE_TILES = {
    "service": ["health", "tickets", "projects", "receivables", "credit", "contracts", "renewal"],
    "finance": ["health", "receivables", "credit", "contracts", "renewal", "tickets", "projects"],
}


def tile(
    panel: str,
    label: object,
    figure: object,
    *lines: object,
    tone: str = "",
    size: str = "",
    href: str | None = None,
) -> Html:
    """One tile (size: wide, slim or empty); it opens the panel, or with `href` the page that holds its rows."""
    names = ["tile", size, "bad" if tone == "bad" else ""]
    body = [tag("span", line, class_="ln") if not _block(line) else line for line in lines if line]
    return tag(
        "a",
        tag("span", label, class_="ln"),
        tag("span", figure, class_="fig"),
        *body,
        href=href or f"#p-{panel}",
        data_open=None if href else panel,
        data_nav="1" if href else None,
        target="_self" if href else None,
        class_=" ".join(name for name in names if name),
    )


def _block(line: object) -> bool:
    return isinstance(line, Html) and line.startswith("<div")


def strip(look: Look, found: dict[str, Any], role: str = "account_manager") -> Html:
    """The seven tiles of a customer, in the order the role reads them."""
    kpis = found.get("kpis") or {}
    drawn = {
        "health": _health(look, kpis),
        "contracts": _contracts(look, kpis),
        "renewal": _renewal(look, kpis),
        "receivables": _receivables(look, found, kpis),
        "credit": _credit(look, kpis),
        "tickets": _tickets(look, kpis),
        "projects": _projects(look, kpis),
    }
    ordered = [drawn[name] for name in ROLE_TILES.get(role, list(drawn))]
    return tag("nav", *ordered, class_="tiles", aria_label=look.t("customer.figures"))


def _health(look: Look, kpis: dict[str, Any]) -> Html:
    health = kpis.get("health") or {}
    level = health.get("level")
    if level is None:
        return tile("receivables", look.t("kpi.health"), look.state(None), look.t("kpi.no_rows"))
    reasons = look.dotted(*(h(look.say(reason)) for reason in health.get("reasons") or []))
    coverage = health.get("coverage")
    partial = ""
    if coverage is not None and number(coverage) < 1:
        partial = look.t("kpi.coverage", share=look.share(coverage))
    figure = join([dot(f"{level} big"), look.t(f"kpi.health_{level}")])
    return tile("receivables", look.t("kpi.health"), figure, reasons or look.t("kpi.no_reason"), partial)


def _contracts(look: Look, kpis: dict[str, Any]) -> Html:
    value, revenue = kpis.get("contract_value") or {}, kpis.get("revenue_12m") or {}
    year = join([look.t("kpi.revenue_12m"), " ", look.money(revenue.get("amount"), revenue.get("currency"))])
    return tile(
        "contracts",
        look.t("kpi.contract_value"),
        look.money(value.get("amount"), value.get("currency")),
        look.t("kpi.contracts", n=look.count(value.get("count") or 0)),
        year,
    )


def _renewal(look: Look, kpis: dict[str, Any]) -> Html:
    renewal = kpis.get("renewal") or {}
    if not renewal.get("on"):
        return tile("contracts", look.t("kpi.renewal"), look.na(), look.t("kpi.no_renewal"))
    days = tag("small", look.t("kpi.in_days", n=look.count(renewal.get("days") or 0)), class_="muted")
    label = join([look.t("kpi.renewal"), " ", look.day(renewal["on"])])
    if renewal.get("likelihood") is None:
        base = renewal.get("base_rate")
        rest = look.t("kpi.base_rate", rate=look.share(base)) if base is not None else look.t("kpi.too_little")
        return tile("contracts", label, join([look.state(None), " ", days]), h(rest))
    drivers = [
        join([mark, " ", words.driver(look, driver)])
        for mark, name in (("↓", "drivers_down"), ("↑", "drivers_up"))
        for driver in (renewal.get(name) or [])[:1]
    ]
    if not drivers:
        drivers = [h(look.t("kpi.base_only"))]
    figure = join([look.share(renewal["likelihood"]), " ", days])
    return tile("contracts", label, figure, *drivers)


def _receivables(look: Look, found: dict[str, Any], kpis: dict[str, Any]) -> Html:
    opened, late = kpis.get("open") or {}, kpis.get("overdue") or {}
    currency = opened.get("currency") or late.get("currency")
    due = number(late.get("amount") or 0)
    title = join([look.t("kpi.open"), " ", look.money(opened.get("amount"), currency), " · ", look.t("kpi.of_which")])
    figure = tag("span", look.money(late.get("amount"), currency), class_="t-red" if due > 0 else None)
    buckets = (found.get("receivables") or {}).get("buckets") or {}
    lines: list[object] = [aging_bar(look, buckets, currency), bucket_line(look, buckets)]
    rest = [h(look.t("kpi.disputed", amount=look.short(late["disputed"])))] if _some(late.get("disputed")) else []
    unallocated = (found.get("receivables") or {}).get("unallocated")
    if _some(unallocated):
        rest.append(h(look.t("kpi.unallocated", amount=look.short(unallocated))))
    missing = opened.get("missing_rates") or kpis.get("missing_rates") or []
    if missing:
        rest.append(h(look.t("kpi.missing_rates", currencies=", ".join(missing))))
    lines.append(look.dotted(*rest))
    return tile(
        "receivables",
        title,
        figure,
        *lines,
        tone="bad" if due > 0 else "",
        size="wide",
    )


def _some(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and not value[:1].isdigit()) and number(value) > 0


def aging_bar(look: Look, buckets: dict[str, Any], currency: str | None) -> Html:
    """Shares of the open amount by bucket."""
    amounts = {name: number(buckets.get(name) or 0) for name in BUCKETS}
    total = sum(amounts.values(), Decimal(0))
    if total <= 0:
        return bar([(1.0, "none", "")], look.t("kpi.nothing_open"))
    parts = [
        (
            float(amount / total),
            BUCKET_TONES[name],
            f"{look.t('bucket.' + name)} {look.amount(amount)} {currency or ''}",
        )
        for name, amount in amounts.items()
    ]
    return bar(parts, _plain_buckets(look, amounts))


def _plain_buckets(look: Look, amounts: dict[str, Decimal]) -> str:
    said = [f"{look.t('bucket.' + name)} {look.amount(amount)}" for name, amount in amounts.items() if amount > 0]
    return ", ".join(said)


def bucket_line(look: Look, buckets: dict[str, Any]) -> Html:
    """`not due 56.8 · 1–30 12.3 万`: only what is there, the unit said once."""
    names = [name for name in BUCKETS if _some(buckets.get(name))]
    if not names:
        return h(look.t("kpi.nothing_open"))
    figures, unit = look.common([buckets[name] for name in names])
    parts = [
        tag(
            "span",
            f"{look.t('bucket.' + name)} {figure}{unit if name == names[-1] else ''}",
            title=look.amount(buckets[name]),
            class_="n",
        )
        for name, figure in zip(names, figures, strict=True)
    ]
    return look.dotted(*parts)


def _credit(look: Look, kpis: dict[str, Any]) -> Html:
    credit = kpis.get("credit") or {}
    limit, exposure, percent = credit.get("limit"), credit.get("exposure"), credit.get("percent")
    currency = credit.get("currency")
    if (state := look.state(percent)) is not None:
        figure = join([look.t("kpi.exposure"), " ", look.money(exposure, currency)])
        unset = limit is None
        return tile(
            "receivables",
            look.t("kpi.credit"),
            look.na() if unset else state,
            figure if not look.state(exposure) else "",
            look.t("kpi.no_limit") if unset else join([look.t("kpi.limit"), " ", look.money(limit, currency)]),
        )
    value = number(percent)
    tone = "red" if value > 100 else "mid" if value > 80 else "green"
    fill = min(float(value) / 100, 1.0)
    label = look.t("kpi.used", percent=look.percent(percent))
    gauge = bar([(fill, tone, ""), (1 - fill, "none", "")], label)
    line = join([look.money(exposure, currency), " / ", look.short(limit)])
    over = h(look.t("kpi.over", amount=look.short(number(exposure) - number(limit)))) if value > 100 else h("")
    figure = tag("span", look.percent(percent), class_="t-red" if value > 100 else None)
    return tile("receivables", look.t("kpi.credit"), figure, gauge, line, over)


def _tickets(look: Look, kpis: dict[str, Any]) -> Html:
    tickets = kpis.get("tickets") or {}
    if tickets.get("open") is None:
        return tile("tickets", look.t("kpi.tickets"), look.state(None), size="slim")
    figure: list[object] = [look.count(tickets["open"])]
    if tickets.get("breached"):
        figure.append(tag("small", " ", look.t("kpi.breached", n=tickets["breached"]), class_="t-red"))
    urgent = look.t("kpi.urgent", n=tickets["urgent"]) if tickets.get("urgent") else ""
    return tile("tickets", look.t("kpi.tickets"), join(figure), urgent, size="slim")


def _projects(look: Look, kpis: dict[str, Any]) -> Html:
    projects = kpis.get("projects") or {}
    if projects.get("active") is None:
        return tile("projects", look.t("kpi.projects"), look.state(None), size="slim")
    figure: list[object] = [look.count(projects["active"])]
    if projects.get("late"):
        figure.append(tag("small", " ", look.t("kpi.late", n=projects["late"]), class_="t-amber"))
    following = projects.get("next_milestone_on")
    line = look.t("kpi.next_milestone", on=look.month_day(following)) if following else ""
    return tile("projects", look.t("kpi.projects"), join(figure), line, size="slim")
