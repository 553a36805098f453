"""A vendor whose network and users misbehave: each answer may fail, stall, repeat or come in disorder, by the dice."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import orjson

from data.sim.access import Call, Reply
from data.sim.engine import LOGIN_PAGE, Simulator
from ingest.spec import SourceSpec, StreamSpec

STALL_S = 0.6
"""Longer than the collector of the campaign waits for an answer."""
REMOVED = 2
"""Deletions of one stream at most at a time: more would rightly stop at the sweep's safety stop."""
_FAULTS = ("500", "503", "429", "429-after", "garbage", "page", "truncate", "reset", "stall", "expire")
_MUDDLED = ("next_url", "cursor", "link", "number")


class Muddle:
    """Takes the place of `vendor.handle`; `is_on` switches faults, `is_edited` what users change meanwhile."""

    def __init__(self, vendor: Simulator, spec: SourceSpec, streams: list[StreamSpec], dice: random.Random) -> None:
        self.vendor, self.streams = vendor, streams
        # each has dice of its own: how many calls there are depends on the moment of a kill
        self.dice, self._users = random.Random(dice.random()), random.Random(dice.random())
        self.is_on = self.is_edited = True
        self.rate = dice.choice([0.02, 0.08, 0.2])
        self.met: Counter[str] = Counter()
        # a keyset or a page that is checked against the one before needs the order it asks for
        self.may_muddle = all(one.page.type in _MUDDLED and not one.page.restart for one in spec.streams)
        self._path, self._last = "", list[Any]()
        # what holds others takes them along: so many at once rightly stop at the safety stop
        self._holders = {one.parent.stream for one in spec.streams if one.parent} | {"projects"}
        self._answer: Callable[[Call], Reply] = vendor.handle
        vendor.handle = self.handle  # type: ignore[method-assign]

    def handle(self, call: Call) -> Reply:
        """The vendor's answer, or what became of it on the way; its clock stands in the header."""
        if self.is_edited and self._users.random() < 0.1:
            self.vendor.clock.advance(seconds=1)
            self.edit()
        reply = self._broken() if self.is_on and self.dice.random() < self.rate else None
        if reply is None:
            reply = self._answer(call)
            if self.is_on and self.may_muddle and reply.status == 200:
                reply = self._muddled(call.path, reply, is_whole=self.dice.random() >= 2 * self.rate)
        reply.headers = {"Date": format_datetime(self.vendor.clock.now, usegmt=True), **reply.headers}
        return reply

    def _broken(self) -> Reply | None:
        kind = self.dice.choice(_FAULTS)
        self.met[kind] += 1
        if kind == "stall":
            time.sleep(STALL_S)
        elif kind == "expire":
            self.vendor.auth.expire()
        elif kind in {"truncate", "reset"}:
            return Reply(200, b'{"results": []}', cut=kind)
        elif kind == "garbage":
            return Reply(200, b'{"results": [{"id": "00')
        elif kind == "page":
            return Reply(200, LOGIN_PAGE, {"content-type": "text/html"})
        else:
            headers = {"Retry_After": str(self.dice.randint(0, 90))} if kind.endswith("after") else {}
            return self.vendor.refuse(int(kind[:3]), "injected fault", **headers)
        return None

    def _muddled(self, path: str, reply: Reply, *, is_whole: bool) -> Reply:
        """The records in another order, or with some of the page before once more; `is_whole`: as they were."""
        value = orjson.loads(reply.content()) if reply.body else None
        records = _longest(value)
        if records is None:
            return reply
        before = self._last if self._path == path else []
        self._path, self._last = path, list(records)
        if is_whole:
            return reply
        if self.dice.random() < 0.5:
            self.met["reorder"] += 1
            self.dice.shuffle(records)
        elif before and before[0].keys() == records[0].keys():
            self.met["duplicate"] += 1
            records[:0] = before[: self.dice.randint(1, len(before))]
        return Reply(reply.status, value, reply.headers)

    def edit(self) -> None:
        """One thing that a user does: change, add, delete or take a deletion back."""
        stream = self._users.choice(self.streams)
        table = self.vendor.tables[stream.name]
        kind = self._users.choice(["edit", "edit", "edit", "add", "remove", "restore"])
        may_end = stream.deletes.type != "none" or bool(stream.deletes.passes)
        may_end = may_end and stream.name not in self._holders
        if kind == "edit" and table.rows:
            table.edit(self._users.choice(sorted(table.rows)))
        elif kind == "add" and table.rows and len(table.rows) < 200:
            self.vendor.add(stream.name)
        elif kind == "remove" and may_end and len(table.rows) > 5 and len(table.gone) < REMOVED:
            self.vendor.remove(stream.name, self._users.choice(sorted(table.rows)))
        elif kind == "restore" and may_end and table.gone:
            self.vendor.restore(stream.name, self._users.choice(sorted(table.gone)))
        else:
            return
        self.met[f"user {kind}"] += 1


def _longest(value: Any) -> list[Any] | None:
    """The list of records in an answer: the longest one of objects, not deeper than two levels."""
    found: list[Any] = []
    levels = [value]
    for _ in range(3):
        for one in levels:
            if isinstance(one, list) and len(one) > max(1, len(found)) and all(isinstance(row, dict) for row in one):
                found = one
        levels = [inner for one in levels if isinstance(one, dict) for inner in one.values()]
    return found or None
