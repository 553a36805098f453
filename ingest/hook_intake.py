"""Taking a webhook in: checked, counted, and turned into a waiting request to read what it names.

Many hooks of one stream within COALESCE_S become one request; the scheduler reads it (ingest/targets.py).
"""

from __future__ import annotations

import json
import threading
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import Connection, delete, select, update

from ingest.documents import find, text_of
from ingest.errors import SpecError
from ingest.hook_spec import ADDRESS, SECRET, WebhookSpec
from ingest.spec import SourceSpec
from ingest.webhooks import BodyError, Incoming, Named, named, payload_of, verify
from ops import clock, secrets
from ops.errors import FatalError
from ops.instance import Instance, SourceConfig
from ops.store import stamp
from ops.tables import hook_counts, hook_deliveries, target_requests

COALESCE_S = 5.0
IDS_AT_MOST = 200
"""More records than this in one request: the stream's own increment is cheaper."""
PER_MINUTE, REFUSED_PER_MINUTE = 600, 60
REMEMBERED_H = 48.0
"""Longer than any vendor goes on delivering the same hook."""
WEBHOOK = "webhook"


@dataclass(frozen=True)
class Reception:
    """What the vendor is answered, and how it was counted."""

    status: int
    outcome: str
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, str] = field(default_factory=dict)


NOWHERE = Reception(404, "unknown")


class Gate:
    """At most so many hooks of one source in any minute; a flood of refused ones keeps no good one out."""

    def __init__(self, per_minute: int) -> None:
        self._limit, self._lock = per_minute, threading.Lock()
        self._taken: dict[str, deque[float]] = {}

    def passes(self, source: str) -> bool:
        """Whether one more fits; it is counted when it does."""
        with self._lock:
            now, taken = clock.monotonic(), self._taken.setdefault(source, deque())
            while taken and taken[0] <= now - 60:
                taken.popleft()
            if len(taken) >= self._limit:
                return False
            taken.append(now)
            return True


class Intake:
    """The door for one instance; safe to share between threads."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.good, self.refused = Gate(PER_MINUTE), Gate(REFUSED_PER_MINUTE)
        self._specs: dict[str, WebhookSpec | None] = {}

    def receive(self, name: str, incoming: Incoming) -> Reception:
        """Check one hook for the source `name` and keep what it asks for.

        The same 404 for no such source, one that is off, and one without a hook or its secret.
        """
        found = self._door(name)
        if found is None:
            return NOWHERE
        source, spec = found
        if spec.handshake and incoming.headers.get(spec.handshake.lower()):
            return self._shake_hands(source, spec, incoming)
        secret = self._secret(source, spec)
        if secret is None:
            return NOWHERE
        address = str(source.settings.get(ADDRESS) or "")
        incoming = Incoming(incoming.body, incoming.headers, incoming.query, incoming.method, address or incoming.uri)
        verdict = verify(spec, secret, incoming, clock.now())
        if verdict != "good":
            return self._refuse(source.name, verdict)
        if not self.good.passes(source.name):
            return Reception(429, "flooded", {"retry-after": "60"})
        return self._take(source.name, spec, incoming)

    def _door(self, name: str) -> tuple[SourceConfig, WebhookSpec] | None:
        source = next((one for one in self.instance.config.sources if one.name == name), None)
        if source is None or source.status == "off":
            return None
        if source.connector not in self._specs:
            try:
                self._specs[source.connector] = SourceSpec.load(source.connector, self.instance.config_dir).webhook
            except SpecError:
                return None
        spec = self._specs[source.connector]
        return (source, spec) if spec else None

    def _secret(self, source: SourceConfig, spec: WebhookSpec) -> str | None:
        if spec.handshake:
            path = self.instance.secrets / _handshake_file(source.name)
            return path.read_text(encoding="utf-8").strip() if path.is_file() else None
        return self._configured(source)

    def _configured(self, source: SourceConfig) -> str | None:
        try:
            return secrets.resolve(str(source.settings.get(SECRET) or ""), self.instance.secrets) or None
        except FatalError:
            return None

    def _shake_hands(self, source: SourceConfig, spec: WebhookSpec, incoming: Incoming) -> Reception:
        """Keep the secret that the vendor's first call brings: only from who knows ours, given in the address."""
        expected = self._configured(source)
        known = WebhookSpec(scheme="bearer", header="authorization", prefix="Bearer ", in_query="token",
                            kind="-", setup="", streams={"-": "-"})  # fmt: skip
        if expected is None:
            return NOWHERE
        if verify(known, expected, incoming, clock.now()) != "good":
            return self._refuse(source.name, "unsigned")
        given = incoming.headers[spec.handshake.lower()]
        if len(given) > 500:
            return self._refuse(source.name, "malformed", 400)
        secrets.write(_handshake_file(source.name), given, self.instance.secrets)
        self._count(source.name, "handshake")
        return Reception(200, "handshake", {spec.handshake: given})

    def _refuse(self, source: str, outcome: str, status: int = 401) -> Reception:
        if not self.refused.passes(source):
            return Reception(429, "flooded", {"retry-after": "60"})
        self._count(source, outcome)
        return Reception(status, outcome)

    def _count(self, source: str, outcome: str) -> None:
        with self.instance.store.begin() as connection:
            _add_count(self.instance, connection, source, outcome)

    def _take(self, source: str, spec: WebhookSpec, incoming: Incoming) -> Reception:
        try:
            if spec.challenge and (text := text_of(find(payload_of(incoming), spec.challenge))):
                return Reception(200, "handshake", {}, {spec.challenge: text[:1000]})
            wanted = named(spec, incoming)
        except BodyError:
            return self._refuse(source, "malformed", 400)
        with self.instance.store.begin() as connection:
            outcome = self._keep(connection, source, wanted)
            _add_count(self.instance, connection, source, outcome)
        return Reception(200, outcome)

    def _keep(self, connection: Connection, source: str, wanted: Named) -> str:
        if wanted.deliveries and not _is_new(connection, source, wanted.deliveries):
            return "duplicate"
        for stream, ids in sorted(wanted.streams.items()):
            request(connection, source, stream, ids)
        return "accepted" if wanted.streams else "ignored"


def request(connection: Connection, source: str, stream: str, ids: set[str] | None) -> None:
    """Ask for these records of a stream (None: for its increment); joins the request that still waits, if any."""
    waits = (
        target_requests.c.source == source,
        target_requests.c.stream == stream,
        target_requests.c.caused_by == WEBHOOK,
        target_requests.c.state == "waiting",
    )
    known = connection.execute(select(target_requests).where(*waits)).first()
    before = None if known is None or known.kind == "stream" else set(json.loads(known.wanted))
    both = None if ids is None or (known is not None and before is None) else ids | (before or set())
    if both is not None and len(both) > IDS_AT_MOST:
        both = None
    values = {"kind": "stream" if both is None else "records", "wanted": json.dumps(sorted(both or ()))}
    if known is not None:
        again = update(target_requests).where(target_requests.c.request_id == known.request_id)
        connection.execute(again.values(**values, hooks=known.hooks + 1))
        return
    due = clock.now() + timedelta(seconds=COALESCE_S)
    row = {**values, "source": source, "stream": stream, "caused_by": WEBHOOK, "requested_by": WEBHOOK,
           "requested_at": stamp(), "due_at": stamp(due), "state": "waiting"}  # fmt: skip
    connection.execute(target_requests.insert().values(**row))


def _is_new(connection: Connection, source: str, deliveries: list[str]) -> bool:
    """Whether one of these deliveries was never seen; all of them have been, after that."""
    edge = stamp(clock.now() - timedelta(hours=REMEMBERED_H))
    connection.execute(delete(hook_deliveries).where(hook_deliveries.c.at < edge))
    wanted = set(deliveries)
    mine = (hook_deliveries.c.source == source, hook_deliveries.c.delivery_id.in_(wanted))
    fresh = wanted - set(connection.execute(select(hook_deliveries.c.delivery_id).where(*mine)).scalars())
    for one in sorted(fresh):
        connection.execute(hook_deliveries.insert().values(source=source, delivery_id=one, at=stamp()))
    return bool(fresh)


def _add_count(instance: Instance, connection: Connection, source: str, outcome: str) -> None:
    same = (hook_counts.c.source == source, hook_counts.c.outcome == outcome)
    before = connection.execute(select(hook_counts.c.count).where(*same)).scalar() or 0
    row = {"source": source, "outcome": outcome, "count": before + 1, "last_at": stamp()}
    instance.store.upsert(connection, hook_counts, row, ["source", "outcome"])


def _handshake_file(source: str) -> str:
    return f"{source}-webhook_handshake"
