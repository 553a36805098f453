"""Slack, Teams and generic webhooks through apprise, whose plugins know these services' forms.

The address is an apprise URL or the service's own webhook URL, kept as a secret. apprise says only whether it
succeeded; its log carries the HTTP status, from which permanent and passing failures are told apart.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

from model.delivery.faults import Refused, Throttled, Uncertain

TEXT_LIMIT = 12_000
_SCHEMES = {
    "slack": ("slack://", "https://hooks.slack.com/"),
    "teams": ("msteams://", "workflows://", "workflow://", "https://"),
    "webhook": ("json://", "jsons://", "form://", "forms://", "xml://", "xmls://", "http://", "https://"),
}
_STATUS = re.compile(r"error=(\d{3})")
_CHATTY = ("urllib3.connectionpool", "requests")


def fits(text: str) -> bool:
    """Whether a text is short enough for one message, in UTF-8 bytes."""
    return len(text.encode()) <= TEXT_LIMIT


def payload(title: str, text: str) -> dict[str, str]:
    """What the outbox keeps."""
    return {"title": title, "body": text}


def send(kind: str, name: str, address: str, body: str) -> str:
    """Hand one message to apprise. Raises Refused, Throttled or Uncertain, never naming the address."""
    import apprise  # here, because it is slow to load and most commands never send

    carrier = apprise.Apprise()
    with _silence() as said:
        if not address.startswith(_SCHEMES[kind]) or not carrier.add(_native(kind, address)):
            raise Refused(f"{kind} channel {name}: its address is not one of {kind}", permanent=True)
        made = json.loads(body)
        done = carrier.notify(title=made["title"], body=made["body"], body_format=apprise.NotifyFormat.MARKDOWN)
    if done:
        return "ok"
    statuses = [int(found[1]) for line in said if (found := _STATUS.search(line))]
    if not statuses:
        raise Uncertain(f"{kind} channel {name}: the connection failed, and apprise cannot say at which point")
    if statuses[-1] == 429:
        raise Throttled(f"{kind} channel {name} answered HTTP 429", 60.0)
    is_permanent = 400 <= statuses[-1] < 500 and statuses[-1] != 408
    raise Refused(f"{kind} channel {name} answered HTTP {statuses[-1]}", permanent=is_permanent)


def _native(kind: str, address: str) -> str:
    """apprise knows the own URLs of Slack and Teams; a plain address is a JSON webhook, whose query it wants marked."""
    if kind != "webhook" or not address.startswith("http"):
        return address
    parts = urlsplit(address)
    query = "&".join(f"-{pair}" for pair in parts.query.split("&") if pair)
    return "json" + urlunsplit(parts._replace(query=query)).removeprefix("http")


@contextmanager
def _silence() -> Iterator[list[str]]:
    """Keep addresses out of the logs (apprise and requests write them at debug level); gather apprise's warnings."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    loud = logging.getLogger("apprise")
    before = loud.level, loud.propagate
    others = [(logger := logging.getLogger(name), logger.disabled) for name in _CHATTY]
    loud.addHandler(handler)
    loud.setLevel(logging.WARNING)
    loud.propagate = False
    for logger, _ in others:
        logger.disabled = True
    try:
        yield said
    finally:
        loud.removeHandler(handler)
        loud.setLevel(before[0])
        loud.propagate = before[1]
        for logger, was in others:
            logger.disabled = was
