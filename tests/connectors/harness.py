"""A connector and its simulator on a real socket, an instance that collects, one clock for both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from data import sim
from data.sim.engine import Simulator, serving
from ingest import landing
from ingest.collect import RunResult, sync
from ingest.spec import SourceSpec, StreamSpec
from ingest.template import render
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig


class Harness:
    """`vendor` is the simulator; `sync` collects from it as `src` at the vendor's own time."""

    def __init__(self, home: Path, vendor: Simulator, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> None:
        self.vendor, self.monkeypatch = vendor, monkeypatch
        self.spec = SourceSpec.load(vendor.connector)
        self.instance = Instance.create(home, InstanceConfig())
        given = {**vendor.settings(), **settings}
        self.secret_names = [name for name in given if self.spec.settings[name].secret]
        self.clear = {name: str(given[name]) for name in self.secret_names}
        for name in self.secret_names:
            secrets.write(name, self.clear[name], self.instance.secrets)
            given[name] = f"file:{name}"
        source = SourceConfig(name="src", connector=vendor.connector, role=self.spec.connector.role, settings=given)
        self.instance.config.sources.append(source)

    def streams(self) -> list[StreamSpec]:
        """The streams that are read with these settings and whose truth the simulator knows."""
        known = self.vendor.tables.keys() | self.vendor.children.keys()
        defaults = {name: setting.default for name, setting in self.spec.settings.items()}
        context = {"settings": defaults | self.instance.config.source("src").settings}
        streams = [stream for stream in self.spec.streams if stream.name in known]
        return [stream for stream in streams if not stream.when or render(stream.when, context)]

    def results(self, stream: str | None = None, *, full: bool = False, **later: float) -> list[RunResult]:
        """Collect after some time (keywords of timedelta; one second at least)."""
        now = (
            self.vendor.clock.advance(seconds=1, **later)
            if "seconds" not in later
            else self.vendor.clock.advance(**later)
        )
        self.monkeypatch.setenv("C360_NOW", now.isoformat())
        return sync(self.instance, "src", stream, full=full)

    def sync(self, stream: str | None = None, *, full: bool = False, **later: float) -> dict[str, RunResult]:
        """Collect without any error, by stream."""
        results = self.results(stream, full=full, **later)
        assert [f"{result.stream}: {result.error}" for result in results if result.error] == []
        return {result.stream: result for result in results}

    def documents(self, stream: str) -> dict[str, dict[str, Any]]:
        """The newest living document of every record."""
        newest: dict[str, tuple[str, bool]] = {}
        for frame in landing.read(self.instance.landing, "src", stream):
            newest.update(
                {row_id: (text, gone) for row_id, text, gone in frame.select("id", "document", "deleted").rows()}
            )
        return {row_id: orjson.loads(text) for row_id, (text, gone) in newest.items() if not gone}

    def merges(self, stream: str) -> list[list[str]]:
        """[loser, survivor] of every merge that a run told."""
        place = (self.instance.landing, "src", stream)
        return [pair for run in landing.runs(*place) for pair in landing.manifest(*place, run)["merges"]]

    def missing(self, stream: str) -> tuple[set[str], set[str]]:
        """(ids that should be there and are not, ids that are there and should not)."""
        found, wanted = set(self.documents(stream)), set(self.vendor.expected(stream))
        return wanted - found, found - wanted


@contextmanager
def connected(
    connector: str, home: Path, monkeypatch: pytest.MonkeyPatch, vendor: Simulator | None = None, **settings: Any
) -> Iterator[Harness]:
    """The simulator of `connector` (or the one given) served, and a harness that collects from it."""
    with serving(vendor or sim.load(connector)()) as served:
        yield Harness(home, served, monkeypatch, **settings)
