"""A message as a mail: a plain text part, and an HTML part with one dense table a rule, amounts to the right."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from html import escape

from model.delivery.digest import Line, Message, Section
from model.delivery.people import Target
from ops import clock
from ops.instance import Instance
from ops.texts import text

_DOT = {"critical": "#c4320a", "warning": "#b54708", "info": "#98a2b3"}
_NEWS = "#067647"
_FONT = "-apple-system,'Segoe UI','PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif"
_CELL = "padding:7px 0 7px 14px;border-top:1px solid #eef0f3;vertical-align:top"
_AMOUNT = f"{_CELL};padding-right:14px;text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums"


def message_id(instance: Instance, identifier: str) -> str:
    """The Message-ID: the same message always has the same one, so that a repeat is recognised."""
    domain = _sender(instance).rpartition("@")[2].strip("> ") or "localhost"
    return f"<{identifier}@{domain}>"


def render(instance: Instance, target: Target, message: Message) -> EmailMessage:
    """The mail as it is sent."""
    mail = EmailMessage(policy=SMTP)
    name = f"{instance.config.company} {text(message.language, 'alerts.mail.sender')}"
    mail["From"] = formataddr((name, _sender(instance)))
    mail["To"] = formataddr((target.name, target.address))
    mail["Subject"] = message.subject
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = message_id(instance, message.identifier)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-C360-Kind"] = message.kind
    mail.set_content(_plain(message))
    mail.add_alternative(_html(message), subtype="html")
    return mail


def _sender(instance: Instance) -> str:
    return instance.config.mail.sender if instance.config.mail else "customer360@localhost"


def _plain(message: Message) -> str:
    out = [message.intro, ""]
    for section in message.sections:
        out.append(f"{section.title} ({section.count})  {section.totals}".rstrip())
        for line in section.lines:
            out.append(f"- {line.customer} · {line.what}" + (f" · {line.amount}" if line.amount else ""))
            out.append(f"  {line.link}")
        if section.more:
            out.append(f"{text(message.language, 'alerts.mail.more', count=section.more)} {section.link}")
        out.append("")
    out += [*message.notes, *([""] if message.notes else [])]
    out += [f"{message.button}: {message.worklist}", "", message.footer, ""]
    return "\n".join(out)


def _html(message: Message) -> str:
    notes = "".join(f'<p style="margin:0 0 14px;color:#475467">{escape(note)}</p>' for note in message.notes)
    sections = "\n".join(_section(message.language, section) for section in message.sections)
    return (
        f'<!doctype html><html lang="{message.language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(message.subject)}</title></head>"
        f'<body style="margin:0;background:#f6f7f9;color:#1d2939;font:14px/1.5 {_FONT}">'
        '<div style="max-width:800px;margin:0 auto;padding:28px 16px">'
        f'<p style="margin:0 0 18px;font-size:15px">{escape(message.intro)}</p>\n{sections}\n{notes}'
        f'<p style="margin:20px 0 24px"><a href="{escape(message.worklist)}" style="display:inline-block;'
        'background:#1f4e79;color:#fff;text-decoration:none;padding:9px 18px;border-radius:4px">'
        f"{escape(message.button)}</a></p>"
        f'<p style="margin:0;color:#98a2b3;font-size:12px">{escape(message.footer)}</p></div></body></html>'
    )


def _section(language: str, section: Section) -> str:
    rows = "".join(_row(line, is_news=section.is_news) for line in section.lines)
    more = ""
    if section.more:
        label = escape(text(language, "alerts.mail.more", count=section.more))
        more = (
            f'<tr><td colspan="3" style="{_CELL};color:#667085"><a href="{escape(section.link)}" '
            f'style="color:#667085">{label}</a></td></tr>'
        )
    return (
        '<table role="presentation" cellspacing="0" style="width:100%;border-collapse:collapse;background:#fff;'
        'border:1px solid #e4e7ec;border-radius:4px;margin:0 0 16px">'
        '<tr><th colspan="2" style="padding:9px 0 9px 14px;text-align:left;font-weight:600">'
        f'{escape(section.title)} <span style="color:#98a2b3;font-weight:400">{section.count}</span></th>'
        '<th style="padding:9px 14px;text-align:right;font-weight:600;white-space:nowrap;'
        f'font-variant-numeric:tabular-nums">{escape(section.totals)}</th></tr>{rows}{more}</table>'
    )


def _row(line: Line, *, is_news: bool) -> str:
    colour = _NEWS if is_news else _DOT.get(line.severity, _DOT["info"])
    return (
        f'<tr><td style="{_CELL};width:34%"><span style="color:{colour}">●</span> '
        f'<a href="{escape(line.link)}" style="color:#1f4e79;text-decoration:none">{escape(line.customer)}</a></td>'
        f'<td style="{_CELL};color:#475467">{escape(line.what)}</td>'
        f'<td style="{_AMOUNT}">{escape(line.amount)}</td></tr>'
    )
