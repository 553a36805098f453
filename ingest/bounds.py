"""Noticing a filter that the source ignores: what comes back may not lie before the window that was asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingest.cursor import Window
from ingest.documents import find, text_of
from ingest.errors import ContractError
from ingest.spec import StreamSpec
from ingest.writing import Batch

_EPOCH = re.compile(r"^(?:/Date\()?(-?\d{9,})(?:[+-]\d{4})?(?:\)/)?$")
_DAY = re.compile(r"^(\d{4})-?(\d{2})-?(\d{2})$")
_SLACK = timedelta(hours=3)
"""In the hour that a zone lives through twice a lower bound is written as an earlier one."""


def guarded(batches: Iterator[Batch], stream: StreamSpec, window: Window, zone: str, where: str) -> Iterator[Batch]:
    """`batches` unchanged; ContractError at the first record whose change stamp lies before the window.

    A record without a stamp passes: it has never been changed.
    """
    bound = window.start - timedelta(seconds=stream.incremental.granularity_s) - _SLACK
    for batch in batches:
        for record in batch.records:
            value = find(record, stream.updated)
            if value not in (None, "", False) and latest(value, zone, where) < bound:
                since = f"{window.start:%Y-%m-%d %H:%M:%S} UTC"
                raise ContractError(
                    f"{where}: asked for changes since {since}, got one of {text_of(value)}",
                    remedy="the source ignores the filter: correct the stream's params, path or body",
                )
        yield batch


def latest(value: Any, zone: str, where: str) -> datetime:
    """The latest instant that a change stamp can mean: ISO, epoch in s or ms, /Date(ms)/, or a whole day."""
    text = text_of(value).strip()
    if day := _DAY.match(text):
        return datetime(*map(int, day.groups()), tzinfo=ZoneInfo(zone)) + timedelta(days=1)  # type: ignore[misc,arg-type]
    if epoch := _EPOCH.match(text.partition(".")[0] if isinstance(value, Decimal | float) else text):
        number = int(epoch.group(1))
        return datetime.fromtimestamp(number / 1000 if abs(number) > 10**11 else number, UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{where}: the change stamp {text!r} cannot be read", remedy="correct `updated`") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
