"""A digest: what asks for attention today, for one person, in that person's language."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from html import escape
from typing import Any
from urllib.parse import quote

from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from model.alerts.rule import Rule
from model.delivery.people import Person
from model.policy import HIDDEN
from ops import clock
from ops.instance import Instance
from ops.texts import text

SHOWN = 12
_COLOURS = {"critical": "#b42318", "warning": "#b54708", "info": "#475467"}


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
    count: int
    totals: str
    lines: list[Line]
    more: int


def message_id(person: Person, day: date, sender: str) -> str:
    """Deterministic: the same person and day always make the same id, so that a repeat is recognised as one."""
    domain = sender.rpartition("@")[2].strip("> ") or "localhost"
    return f"<c360.digest.{day:%Y%m%d}.{person.employee_key}@{domain}>"


def compose(
    instance: Instance, person: Person, found: list[dict[str, Any]], rules: dict[str, Rule], day: date
) -> EmailMessage:
    """The digest of `found` (rows of model.alerts.listing) as it would be sent."""
    language = person.language
    sections = [
        _section(instance, person, rules[name], rows)
        for name in rules
        if (rows := [row for row in found if row["rule"] == name])
    ]
    when = format_date(day, format="long", locale=_locale(language))
    sender = instance.config.mail.sender if instance.config.mail else "customer360@localhost"
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((f"{instance.config.company} {text(language, 'alerts.mail.sender')}", sender))
    message["To"] = formataddr((person.name, person.email or ""))
    message["Subject"] = text(language, "alerts.mail.subject", count=len(found), date=when)
    message["Date"] = format_datetime(clock.now())
    message["Message-ID"] = message_id(person, day, sender)
    message["Auto-Submitted"] = "auto-generated"
    message["X-C360-Kind"] = "digest"
    intro = text(language, "alerts.mail.intro", name=person.name, count=len(found), date=when)
    worklist = f"{base_url(instance)}/receivables"
    message.set_content(_plain(language, intro, sections, worklist))
    message.add_alternative(_html(language, intro, sections, worklist), subtype="html")
    return message


def base_url(instance: Instance) -> str:
    """Where links of this instance begin."""
    web = instance.config.web
    return (web.public_url or f"http://{web.host}:{web.port}").rstrip("/")


def _locale(language: str) -> str:
    return "zh_Hans_CN" if language == "zh" else "en_GB"


def _section(instance: Instance, person: Person, rule: Rule, rows: list[dict[str, Any]]) -> Section:
    language = person.language
    totals: dict[str, Decimal] = {}
    for row in rows:
        if row["currency"] and row["amount"]:
            totals[row["currency"]] = totals.get(row["currency"], Decimal(0)) + Decimal(row["amount"])
    hidden = rule.id.startswith("credit") and "credit" in person.masks
    shown = HIDDEN if hidden else " + ".join(_money(language, amount, code) for code, amount in sorted(totals.items()))
    lines = [_line(instance, person, rule, row, hidden=hidden) for row in rows[:SHOWN]]
    return Section(getattr(rule.label, language), len(rows), shown, lines, max(0, len(rows) - SHOWN))


def _line(instance: Instance, person: Person, rule: Rule, row: dict[str, Any], *, hidden: bool) -> Line:
    language = person.language
    due = row["due_on"]
    what = text(
        language,
        f"alerts.what.{rule.id}",
        document=row["document"] or "",
        days=format_decimal(row["days"] or 0, locale=_locale(language)),
        due=format_date(date.fromisoformat(due), format="medium", locale=_locale(language)) if due else "",
    )
    if row["state"] == "escalated":
        what = f"{what} · {text(language, 'alerts.mail.escalated')}"
    amount = _money(language, Decimal(row["amount"]), row["currency"]) if row["amount"] and row["currency"] else ""
    return Line(
        severity=row["severity"],
        customer=row["customer"] or row["customer_key"] or "",
        what=what,
        amount=HIDDEN if hidden else amount,
        link=f"{base_url(instance)}/customer?customer={quote(str(row['customer_key'] or ''))}",
    )


def _money(language: str, amount: Decimal, code: str) -> str:
    return str(format_currency(amount, code, locale=_locale(language)))


def _plain(language: str, intro: str, sections: list[Section], worklist: str) -> str:
    out = [intro, ""]
    for section in sections:
        heading = f"{section.title} ({section.count})"
        out.append(f"{heading}  {section.totals}".rstrip())
        for line in section.lines:
            out.append(f"- {line.customer} · {line.what}" + (f" · {line.amount}" if line.amount else ""))
            out.append(f"  {line.link}")
        if section.more:
            out.append(text(language, "alerts.mail.more", count=section.more))
        out.append("")
    out += [f"{text(language, 'alerts.mail.open')}: {worklist}", "", text(language, "alerts.mail.footer"), ""]
    return "\n".join(out)


def _html(language: str, intro: str, sections: list[Section], worklist: str) -> str:
    head = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"></head>'
        '<body style="margin:0;background:#f5f6f8;color:#101828;'
        "font:15px/1.55 -apple-system,'PingFang SC','Microsoft YaHei','Segoe UI',sans-serif\">"
        '<div style="max-width:680px;margin:0 auto;padding:24px 16px">'
        f'<p style="margin:0 0 20px">{escape(intro)}</p>'
    )
    button = escape(text(language, "alerts.mail.open"))
    footer = escape(text(language, "alerts.mail.footer"))
    tail = (
        f'<p style="margin:24px 0"><a href="{escape(worklist)}" style="background:#175cd3;color:#fff;'
        f'text-decoration:none;padding:10px 18px;border-radius:6px">{button}</a></p>'
        f'<p style="color:#667085;font-size:13px">{footer}</p></div></body></html>'
    )
    parts = [head, *(_html_section(language, section) for section in sections), tail]
    return "\n".join(parts)


def _html_section(language: str, section: Section) -> str:
    rows = "".join(
        '<tr><td style="padding:8px 12px;border-top:1px solid #eaecf0">'
        f'<span style="color:{_COLOURS.get(line.severity, "#475467")}">●</span> '
        f'<a href="{escape(line.link)}" style="color:#175cd3;text-decoration:none">{escape(line.customer)}</a><br>'
        f'<span style="color:#475467;font-size:13px">{escape(line.what)}</span></td>'
        '<td style="padding:8px 12px;border-top:1px solid #eaecf0;text-align:right;white-space:nowrap;'
        f'font-variant-numeric:tabular-nums">{escape(line.amount)}</td></tr>'
        for line in section.lines
    )
    more = escape(text(language, "alerts.mail.more", count=section.more)) if section.more else ""
    return (
        '<table role="presentation" style="width:100%;border-collapse:collapse;background:#fff;'
        'border:1px solid #eaecf0;border-radius:8px;margin:0 0 16px">'
        f'<tr><th style="padding:10px 12px;text-align:left">{escape(section.title)} ({section.count})</th>'
        f'<th style="padding:10px 12px;text-align:right;font-weight:600">{escape(section.totals)}</th></tr>'
        f'{rows}</table><p style="margin:-8px 0 16px;color:#667085;font-size:13px">{more}</p>'
    )
