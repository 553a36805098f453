"""A deletion while numbered pages are read moves a row onto a page that was read already: that run missed it.

Lists of deleted records tell when it happened. If that was while this run or the one before it read, the next run
begins where that run began, once: what both readings would have to miss is left to the next full read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from ingest.bounds import latest
from ingest.documents import find
from ingest.spec import StreamSpec
from ops import clock

_MARGIN = timedelta(minutes=2)
_MOVING = frozenset({"number", "offset", "link"})


def can_shift(stream: StreamSpec) -> bool:
    """Whether a deletion moves what is on the pages of this stream, and no later window brings what was missed."""
    page = stream.page
    return stream.incremental.type == "window" and page.type in _MOVING and not page.restart


def note(
    stream: StreamSpec,
    state: dict[str, Any],
    committed: dict[str, Any],
    gone: Iterable[Any],
    zone: str,
    offset: timedelta,
) -> None:
    """Remember in `state` which reading a deletion of `gone` (records of a list of deleted ones) fell into.

    `offset`: how far the server's clock is ahead of ours. ContractError for a stamp that cannot be read.
    """
    if not stream.updated or not can_shift(stream):
        return
    spans = {"now": (state["started_at"], None)}
    if before := committed.get("read"):
        spans["before"] = (before["from"], before["to"])
    for record in gone:
        value = find(record, stream.updated)
        if value in (None, "", False):
            continue
        at = latest(value, zone, stream.name) - offset
        for name, (first, last) in spans.items():
            end = datetime.fromisoformat(last) if last else clock.now()
            if datetime.fromisoformat(first) - _MARGIN <= at <= end + _MARGIN:
                state.setdefault("shifted", {})[name] = True


def position(stream: StreamSpec, state: dict[str, Any], committed: dict[str, Any]) -> dict[str, Any]:
    """What the stream's position says of this reading, and where the next run begins if pages had moved.

    {read {from, to, since, full}, again, watermark or full}: since is the lower bound that was asked for.
    """
    if not stream.deletes.passes or not can_shift(stream):
        return {}
    read = {
        "from": state["started_at"],
        "to": clock.now().isoformat(),
        "since": state["window"][0],
        "full": state["full"],
    }
    shifted, before = state.get("shifted", {}), committed.get("read")
    if not shifted or committed.get("again"):
        return {"read": read}
    start = before if "before" in shifted and before else read
    where = {"full": True} if start["full"] else {"watermark": start["since"]}
    return {"read": {**read, "since": start["since"], "full": start["full"]}, "again": True, **where}
