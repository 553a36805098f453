"""What a message says: sections by rule, lines by alert, in the reader's language and with the reader's masks.

mail.py renders it as a mail, chat.py for robots and webhooks.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlencode

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from model.alerts.rule import Rule
from model.delivery.people import Target
from ops.instance import Instance
from ops.texts import text

Kind = Literal["digest", "urgent", "report"]
_SEVERITIES = ("critical", "warning", "info")
# Where the worklist answers an alert; all others lead to the customer.
_WORKLIST_SUBJECTS = frozenset({"item"})


@dataclass(frozen=True)
class Line:
    """One alert as shown: customer, what, amount, and where to look."""

    severity: str
    customer: str
    what: str
    amount: str
    link: str


@dataclass(frozen=True)
class Section:
    """The alerts of one rule; `more` counts those that are left to the app."""

    title: str
    is_news: bool
    count: int
    totals: str
    lines: list[Line]
    more: int
    link: str


@dataclass(frozen=True)
class Message:
    """A whole message. `identifier` is the same whenever the same thing is told to the same recipient."""

    kind: Kind
    identifier: str
    language: str
    subject: str
    intro: str
    sections: list[Section]
    notes: list[str]
    worklist: str
    button: str
    footer: str


def digest_id(target: Target, day: date) -> str:
    """One a day and recipient, always the same."""
    return f"c360.digest.{day:%Y%m%d}.{_safe(target.key)}"


def urgent_id(target: Target, rows: list[dict[str, Any]]) -> str:
    """Made of (rule, subject, episode), step and level of every alert in it."""
    parts = sorted(f"{row['alert_id']}|{row['step']}|{row.get('level') or 0}|{row['waiting_since']}" for row in rows)
    return f"c360.urgent.{hashlib.blake2b('/'.join(parts).encode(), digest_size=10).hexdigest()}.{_safe(target.key)}"


def _safe(key: str) -> str:
    return key.replace(":", "-")


def compose(
    instance: Instance,
    target: Target,
    found: list[dict[str, Any]],
    rules: dict[str, Rule],
    day: date,
    *,
    kind: Kind = "digest",
    covered: int = 0,
) -> Message:
    """The message of `found` (rows of model.alerts.listing). `covered`: items nobody is chased for, said in a note."""
    language = target.language
    groups = [(rules[name], [row for row in found if row["rule"] == name]) for name in rules]
    sections = [_section(instance, target, rule, rows) for rule, rows in groups if rows]
    sections.sort(key=lambda section: (section.is_news, _SEVERITIES.index(section.lines[0].severity)))
    asking = sum(section.count for section in sections if not section.is_news)
    when = format_date(day, format="long", locale=_locale(language))
    key = "news" if not asking else kind
    base = base_url(instance)
    count = asking or len(found)
    return Message(
        kind=kind,
        identifier=digest_id(target, day) if kind == "digest" else urgent_id(target, found),
        language=language,
        subject=text(language, f"alerts.mail.subject.{key}", count=count, date=when),
        intro=text(language, f"alerts.mail.intro.{key}", name=target.name, count=count, date=when),
        sections=sections,
        notes=[text(language, "alerts.mail.covered", count=covered)] if covered else [],
        worklist=f"{base}/receivables",
        button=text(language, "alerts.mail.open"),
        footer=text(language, f"alerts.mail.footer.{kind}"),
    )


def base_url(instance: Instance) -> str:
    """Where links of this instance begin."""
    web = instance.config.web
    return (web.public_url or f"http://{web.host}:{web.port}").rstrip("/")


def _locale(language: str) -> str:
    return "zh_Hans_CN" if language == "zh" else "en_GB"


def _section(instance: Instance, target: Target, rule: Rule, rows: list[dict[str, Any]]) -> Section:
    totals: dict[str, Decimal] = {}
    for row in rows:
        if row["currency"] and row["amount"]:
            totals[row["currency"]] = totals.get(row["currency"], Decimal(0)) + Decimal(row["amount"])
    limit = instance.config.alerts.lines
    return Section(
        title=getattr(rule.label, target.language),
        is_news=rule.kind == "news",
        count=len(rows),
        totals=" + ".join(_money(target.language, amount, code) for code, amount in sorted(totals.items())),
        lines=[_line(instance, target, rule, row) for row in rows[:limit]],
        more=max(0, len(rows) - limit),
        link=_app(instance, "receivables" if rule.subject in _WORKLIST_SUBJECTS else "", rule=rule.id),
    )


def _line(instance: Instance, target: Target, rule: Rule, row: dict[str, Any]) -> Line:
    language, due = target.language, row["due_on"]
    values = {
        "document": row["document"] or "",
        "days": format_decimal(row["days"] or 0, locale=_locale(language)),
        "due": format_date(date.fromisoformat(due), format="medium", locale=_locale(language)) if due else "",
    }
    own = getattr(rule.what, language) if rule.what else None
    what = own.format(**values) if own else text(language, f"alerts.what.{rule.id}", **values)
    if row["state"] == "escalated":
        what = f"{what} · {text(language, 'alerts.mail.escalated')}"
    amount = _money(language, Decimal(row["amount"]), row["currency"]) if row["amount"] and row["currency"] else ""
    customer = str(row["customer_key"] or "")
    if not customer:
        link = _app(instance, "sources")
    elif rule.subject in _WORKLIST_SUBJECTS:
        link = _app(instance, "receivables", customer=customer, currency=row["currency"])
    else:
        link = _app(instance, "customer", customer=customer)
    return Line(row["severity"], row["customer"] or customer or values["document"], what, amount, link)


def _app(instance: Instance, page: str, **parameters: str | None) -> str:
    given = {name: value for name, value in parameters.items() if value}
    return f"{base_url(instance)}/{page}" + (f"?{urlencode(given)}" if given else "")


def _money(language: str, amount: Decimal, code: str) -> str:
    return str(format_currency(amount, code, locale=_locale(language)))
