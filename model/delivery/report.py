"""The monthly integration health report as a message to the integration owner, once a month, through the outbox."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from babel.dates import format_skeleton
from babel.numbers import format_decimal, format_percent
from sqlalchemy import insert, select

from model import integration_health
from model.delivery import mail
from model.delivery.digest import Line, Message, Section, base_url
from model.delivery.people import Directory, Target
from ops.instance import Instance
from ops.store import stamp
from ops.tables import kv, outbox
from ops.texts import catalogue, text

_SENT = "integration_report.month"


def write_report(instance: Instance, directory: Directory, today: date) -> list[str]:
    """Put the report of the month before into the outbox when it has not been; the new message's id, if any.

    Nothing goes where no integration owner is named or nothing ran in that month.
    """
    month = f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"
    person = directory.integration
    target = directory.target(person) if person else None
    if target is None or target.channel != "mail" or _is_sent(instance, month):
        return []
    found = integration_health.report(instance, month)
    if not found["total"]["runs"]:
        with instance.store.begin() as connection:
            instance.store.upsert(connection, kv, {"key": _SENT, "value": month, "updated_at": stamp()}, ["key"])
        return []
    made = mail.render(instance, target, compose(instance, target, found))
    with instance.store.begin() as connection:
        instance.store.upsert(connection, kv, {"key": _SENT, "value": month, "updated_at": stamp()}, ["key"])
        now = stamp()
        connection.execute(
            insert(outbox).values(
                message_id=str(made["Message-ID"]), channel="mail", recipient=target.address, attempts=0,
                subject=str(made["Subject"]), body=made.as_bytes().decode("utf-8"), created_at=now, next_try_at=now,
                state="waiting",
            )
        )  # fmt: skip
    return [str(made["Message-ID"])]


def _is_sent(instance: Instance, month: str) -> bool:
    with instance.store.read() as connection:
        sent = connection.execute(select(kv.c.value).where(kv.c.key == _SENT)).scalar()
    return sent is not None and sent >= month


def compose(instance: Instance, target: Target, found: dict[str, Any]) -> Message:
    """The report as a message: one line per source, and one for all of them in each of the last months."""
    language, link = target.language, f"{base_url(instance)}/sources?month={found['month']}"
    months = [row for row in found["trend"] if row["runs"]]
    said = {"name": target.name, "month": _month(language, found["month"])}
    return Message(
        kind="report",
        identifier=f"c360.integration.{found['month']}.{target.key.replace(':', '-')}",
        language=language,
        subject=text(language, "health.mail.subject", **said),
        intro=text(language, "health.mail.intro", **said),
        sections=[
            _section(language, "health.sources", [(_name(language, row["source"]), row) for row in found["sources"]],
                     link),
            _section(language, "health.trend", [(_month(language, row["month"]), row) for row in months], link),
        ],
        notes=[],
        worklist=link,
        button=text(language, "health.mail.open"),
        footer=text(language, "health.mail.footer"),
    )  # fmt: skip


def _section(language: str, title: str, rows: list[tuple[str, dict[str, Any]]], link: str) -> Section:
    lines = [Line(_severity(row), name, _what(language, row), "", link) for name, row in rows]
    return Section(text(language, title), False, len(lines), "", lines, 0, link)


def _severity(row: dict[str, Any]) -> str:
    fresh, failed = row["fresh_share"], row["failed_share"]
    if (fresh is not None and fresh < 0.9) or (failed is not None and failed > 0.1):
        return "critical"
    return "warning" if (fresh is not None and fresh < 0.99) or row["failed"] else "info"


def _what(language: str, row: dict[str, Any]) -> str:
    locale = _locale(language)
    shares = {
        name: "—" if row[name] is None else format_percent(row[name], format="0.##%", locale=locale)
        for name in ("fresh_share", "failed_share", "error_rate")
    }
    counts = {
        name: format_decimal(row[name], locale=locale) for name in ("runs", "failed", "rejects", "drift",
                                                                    "interventions")
    }  # fmt: skip
    return text(language, "health.line", **shares, **counts)


def _name(language: str, source: str) -> str:
    msgid = f"enum.source.{source}"
    return text(language, msgid) if msgid in catalogue() else source


def _month(language: str, month: str) -> str:
    year, number = month.split("-")
    return str(format_skeleton("yMMMM", date(int(year), int(number), 1), locale=_locale(language)))


def _locale(language: str) -> str:
    return "zh_Hans_CN" if language == "zh" else "en_GB"
