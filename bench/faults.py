"""Fault campaign: random vendors, networks, users, clocks and kills; nothing is lost and nothing lands twice.

`python -m bench faults --schedules 500 --json`; a schedule that went wrong is named by its seed and replayed with
`python -m bench faults --seed N --json`.

A schedule: one of the simulated vendors on a real socket, its data changing while it is read, answers that fail,
stall, repeat or come in disorder, a clock that differs from ours, and collectors that are killed (SIGKILL) at random
moments, each in a process of its own. At the end the network is sound and nobody changes anything: after some daily
collections everything that the vendor holds must be here in its newest form, nothing else, and no row twice.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from bench.fault_source import STALL_S, Muddle
from data import sim
from data.sim.engine import Simulator, serving
from data.sim.table import get
from ingest import landing
from ingest.spec import SourceSpec, StreamSpec
from ingest.template import render
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig

SCHEDULES = 60
QUIET_DAYS = 4
_FORK = multiprocessing.get_context("forkserver")
_FORK.set_forkserver_preload(["ingest.collect", "ops.instance"])


@dataclass
class Outcome:
    """What became of one schedule. `lost` rows missing or not in their newest form, `doubled` rows landed again
    unchanged, `ghosts` rows that the vendor no longer has, `stuck` streams that fail although all is well."""

    seed: int
    connector: str
    kills: int = 0
    collections: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.lost or self.doubled or self.ghosts or self.stuck)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: schedules, lost, doubled, ghosts, stuck, kills, collections, faults by kind, seeds that failed."""
    first = arguments.first if arguments.first is not None else random.SystemRandom().randrange(10**6)
    first = arguments.seed if arguments.seed is not None else first
    seeds = [first] if arguments.seed is not None else range(first, first + (arguments.schedules or SCHEDULES))
    started = time.perf_counter()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        outcomes = list(pool.map(schedule, seeds))
    met = sum((one.met for one in outcomes), Counter[str]())
    bad = [one for one in outcomes if not one.is_good]
    return {
        "schedules": len(outcomes),
        "lost": sum(len(one.lost) for one in outcomes),
        "doubled": sum(len(one.doubled) for one in outcomes),
        "ghosts": sum(len(one.ghosts) for one in outcomes),
        "stuck": sum(len(one.stuck) for one in outcomes),
        "first_seed": first,
        "failing": [
            {"seed": one.seed, "connector": one.connector, "lost": one.lost[:5], "doubled": one.doubled[:5],
             "ghosts": one.ghosts[:5], "stuck": one.stuck[:5]}
            for one in bad
        ],
        "connectors": dict(sorted(Counter(one.connector for one in outcomes).items())),
        "collections": sum(one.collections for one in outcomes),
        "kills": sum(one.kills for one in outcomes),
        "faults": dict(sorted(met.items())),
        "seconds": round(time.perf_counter() - started, 1),
    }  # fmt: skip


def schedule(seed: int) -> Outcome:
    """One schedule, decided by its seed but for the moments at which processes run."""
    dice = random.Random(seed)
    connector = dice.choice(sim.discover())
    outcome = Outcome(seed, connector)
    home = Path(tempfile.mkdtemp(prefix=f"faults-{seed}-"))
    try:
        with serving(sim.load(connector)()) as vendor:
            _Schedule(outcome, dice, home, vendor).play()
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return outcome


class _Schedule:
    """A vendor, an instance that collects from it, and what happens to them."""

    def __init__(self, outcome: Outcome, dice: random.Random, home: Path, vendor: Simulator) -> None:
        self.outcome, self.dice, self.home, self.vendor = outcome, dice, home, vendor
        self.spec = SourceSpec.load(vendor.connector)
        self.instance = _instance(home, vendor, self.spec)
        self.streams = _streams(vendor, self.spec, self.instance)
        self.tables = [one for one in self.streams if vendor.tables.get(one.name) and vendor.tables[one.name].rows]
        self.muddle = Muddle(vendor, self.spec, self.tables, dice)
        self.skew = timedelta(seconds=dice.choice([0, 0, -240, 90, 3600]))

    def play(self) -> None:
        for _ in range(self.dice.randint(2, 5)):
            self._collect(kill_after=self.dice.uniform(0.0, 0.5) if self.dice.random() < 0.5 else None)
            self.vendor.clock.advance(minutes=self.dice.choice([1, 20, 300, 1500]))
            for _ in range(self.dice.randint(0, 3)):
                self.muddle.edit()
        self.muddle.is_on = self.muddle.is_edited = False
        errors: list[str] = []
        for _ in range(QUIET_DAYS):
            self.vendor.clock.advance(hours=26)
            errors = self._collect(None)
        self.outcome.stuck = errors
        self.outcome.met = self.muddle.met
        for stream in self.streams:
            self._compare(stream)

    def _collect(self, kill_after: float | None) -> list[str]:
        """Collect in a process of its own, killed some seconds after it has begun; the errors it tells."""
        ours, theirs = _FORK.Pipe()
        now = self.vendor.clock.now + self.skew
        flush = self.dice.choice([0.0, 5.0])
        child = _FORK.Process(target=_child, args=(str(self.home), now.isoformat(), flush, theirs))
        child.start()
        theirs.close()
        self.outcome.collections += 1
        errors: list[str] = []
        try:
            ours.recv()
            if kill_after is not None and not ours.poll(kill_after):
                os.kill(child.pid or 0, signal.SIGKILL)
                self.outcome.kills += 1
            else:
                errors = ours.recv()
        except EOFError:
            errors = ["the collector ended without a word"]
        child.join()
        return errors

    def _compare(self, stream: StreamSpec) -> None:
        """What landed of a stream against what the vendor holds."""
        found, doubled = _landed(self.instance, stream.name)
        wanted = self.vendor.expected(stream.name)
        table = self.vendor.tables.get(stream.name)
        self.outcome.doubled += [f"{stream.name} {row_id}" for row_id in doubled]
        self.outcome.ghosts += [f"{stream.name} {row_id}" for row_id in sorted(found.keys() - wanted.keys())]
        self.outcome.lost += [f"{stream.name} {row_id}" for row_id in sorted(wanted.keys() - found.keys())]
        if table is not None and stream.name not in self.vendor.children:
            stale = [
                row_id
                for row_id in sorted(found.keys() & wanted.keys())
                if get(found[row_id], table.label) not in {None, get(wanted[row_id], table.label)}
            ]
            self.outcome.lost += [f"{stream.name} {row_id} (old)" for row_id in stale]


def _child(home: str, now: str, flush_s: float, told: Connection) -> None:
    """Collect once; waits cost nothing, an answer is waited for a moment only."""
    import ingest.stream_run
    from ingest.collect import sync
    from ops import clock

    at, waited = datetime.fromisoformat(now), [0.0]
    clock.now = clock.wall = lambda: at
    clock.sleep = lambda seconds: waited.__setitem__(0, waited[0] + seconds)
    clock.monotonic = lambda: time.monotonic() + waited[0]
    ingest.stream_run.FLUSH_EVERY_S = flush_s
    load = SourceSpec.load

    def impatient(*arguments: Any, **named: Any) -> SourceSpec:
        spec = load(*arguments, **named)
        return spec.model_copy(update={"http": spec.http.model_copy(update={"timeout_s": STALL_S / 2})})

    SourceSpec.load = impatient  # type: ignore[method-assign]
    instance = Instance.load(Path(home))
    told.send("up")
    results = sync(instance, "src")
    told.send([f"{result.stream}: {result.error}" for result in results if result.error])


def _instance(home: Path, vendor: Simulator, spec: SourceSpec) -> Instance:
    given = vendor.settings()
    for name in [name for name in given if spec.settings[name].secret]:
        secrets.write(name, str(given[name]), home / "secrets")
        given[name] = f"file:{name}"
    source = SourceConfig(name="src", connector=vendor.connector, role=spec.connector.role, settings=given)
    return Instance.create(home, InstanceConfig(source=[source]))


def _streams(vendor: Simulator, spec: SourceSpec, instance: Instance) -> list[StreamSpec]:
    """The streams that are read with these settings and whose truth the vendor knows."""
    known = vendor.tables.keys() | vendor.children.keys()
    defaults = {name: setting.default for name, setting in spec.settings.items()}
    context = {"settings": defaults | instance.config.source("src").settings}
    return [one for one in spec.streams if one.name in known and (not one.when or render(one.when, context))]


def _landed(instance: Instance, stream: str) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """(the newest living document of every record, ids that landed again although nothing had changed)."""
    newest: dict[str, tuple[str, str, bool]] = {}
    doubled = []
    for frame in landing.read(instance.landing, "src", stream):
        for row_id, text, mark, gone in frame.select("id", "document", "hash", "deleted").iter_rows():
            if newest.get(row_id, ("", "", False))[1:] == (mark, gone):
                doubled.append(row_id)
            newest[row_id] = (text, mark, gone)
    return {row_id: orjson.loads(text) for row_id, (text, _, gone) in newest.items() if not gone}, doubled
