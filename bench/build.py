"""Build: an incremental build after 0.1 % of the customers changed against a full one, publish and sidecar included.

Documents are landed directly; collecting them is the business of the ingest benchmark. 200 increments follow the full
build, each with another 0.1 % of the customers, spread over the whole company: new phones, new ticket subjects, and in
every fifth new phones and new amounts on all invoices. A small company, whose increments cost the same whatever changed
little, gets new ticket subjects, and the phones and amounts in every fiftieth, and only that one is published: the
figures of a default run are for comparing it with the last one. A large company's are all published, because a search
sidecar that missed a build is made anew. The increments measured afterwards (all phones and amounts, all published;
five, or three of a small company) meet a published folder as a running instance has it. Two versions are kept, and a
copy of the first, with which the last is compared: a company of a million customers takes some 30 GB. `--increments`
takes fewer than 200 (the lookup's figure is named after them), `--home` keeps the company, so that a second run
measures increments alone.

The cpu figures are processor time, which a busy machine does not stretch as much as the seconds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import synthetic
from bench.measure import child
from model import build, policy, serve
from ops.instance import Instance

CUSTOMERS = 2_000
INCREMENTS = 200
PUBLISHED = 50
MEASURED = 5
LOOKUPS = 40
_HOME, _FIRST = "i", "first"
_LEDGER = ("customer", "invoice")
_CYCLE = (("customer",), ("ticket",), ("customer",), ("ticket",), _LEDGER)
SMALL = 10_000
_SMALL_CYCLE = (*((("ticket",),) * (PUBLISHED - 1)), _LEDGER)
_SMALL_MEASURED = 3


def full(home: str) -> None:
    """Print the CPU seconds and, last, the seconds of a full build of the instance at `home`, all included."""
    instance = Instance.load(Path(home))
    started, cpu = time.perf_counter(), time.process_time()
    build.build(instance, full=True)
    print(time.process_time() - cpu)
    print(time.perf_counter() - started)


@dataclass
class _Company:
    """A company and what its full build took; `steps`: the increments that it has had since."""

    customers: int
    seconds: float
    cpu: float
    peak_mb: float
    steps: int = 0


def _increment(
    instance: Instance, company: _Company, entities: Collection[str], *, release: bool
) -> tuple[float, float]:
    """Change 0.1 % of the customers and build; returns (seconds, CPU seconds) of the build alone."""
    customers, step = company.customers, company.steps
    every = min(1000, customers)
    numbers = f"select range as i from range({customers}) where range % {every} = {step * 37 % every}"
    synthetic.land(instance, numbers, bump=step + 1, only=entities)
    started, cpu = time.perf_counter(), time.process_time()
    result = build.build(instance, release=release)
    if result.mode != "incremental" or result.affected < customers // every:
        raise RuntimeError(f"step {step}: {result}")
    company.steps += 1
    return time.perf_counter() - started, time.process_time() - cpu


def lookups(work: str, customers: str) -> None:
    """Print as JSON [ms, CPU ms] of the customer screen's data in the first and in the last build, then the seconds.

    Medians over customers of the whole range, none asked for before. Both builds are asked in turns, by a process of
    its own: what the machine does beside, and what a process has done before, is the same for both.
    """
    opened = [serve.open_published(Instance.load(Path(work) / name)) for name in (_FIRST, _HOME)]
    viewer = policy.Viewer.operator()
    samples: list[list[tuple[float, float]]] = [[], []]
    for step in range(LOOKUPS):
        code = f"C{step * (int(customers) // LOOKUPS):07d}"
        for served, taken in list(zip(opened, samples, strict=True))[:: 1 if step % 2 else -1]:
            started, cpu = time.perf_counter(), time.process_time()
            serve.customer(viewer, served, code)
            taken.append(((time.perf_counter() - started) * 1000, (time.process_time() - cpu) * 1000))
    print(json.dumps([[statistics.median(column) for column in zip(*taken, strict=True)] for taken in samples]))
    print(sum(wall for taken in samples for wall, _ in taken) / 1000)


def _keep_first(work: Path) -> None:
    """Copy what serves the build just made, because later builds take its files over."""
    left_out = shutil.ignore_patterns("landing", "warehouse")
    shutil.copytree(work / _HOME, work / _FIRST, ignore=left_out)
    for name in ("landing", "warehouse"):
        (work / _FIRST / name).mkdir()


def _company(work: Path, customers: int) -> _Company:
    """The company that an earlier run kept in `work`, or a new one with its full build."""
    note, home = work / "company.json", work / _HOME
    if note.is_file():
        kept = _Company(**json.loads(note.read_text(encoding="utf-8")))
        if kept.customers != customers:
            raise RuntimeError(f"{work} holds a company of {kept.customers:,} customers")
        return kept
    synthetic.landed(home, customers)
    _say("landed")
    seconds, peak, output = child(["-c", f"from bench import build; build.full({str(home)!r})"])
    made = _Company(customers, seconds, float(output.split()[-2]), peak)
    _keep_first(work)
    _say(f"full build {seconds:.1f} s, {peak:.0f} MB")
    _note(work, made)
    return made


def _note(work: Path, company: _Company) -> None:
    (work / "company.json").write_text(json.dumps(asdict(company)), encoding="utf-8")


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: full_seconds, incremental_to_full_ratio, peak_rss_mb, lookup_after_N_increments_ratio and parts."""
    work = Path(arguments.home) if arguments.home else Path(tempfile.mkdtemp(prefix="bench-build-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        return _measured(work, arguments.customers, arguments.increments or INCREMENTS)
    finally:
        if not arguments.home:
            shutil.rmtree(work, ignore_errors=True)


def _measured(work: Path, customers: int, increments: int) -> dict[str, object]:
    company = _company(work, customers)
    instance = Instance.load(work / _HOME)
    small, cycle = [], _SMALL_CYCLE if customers < SMALL else _CYCLE
    while company.steps < increments:
        step = company.steps
        is_last = step + 1 == increments
        release = customers >= SMALL or is_last or (step + 1) % PUBLISHED == 0
        small.append(_increment(instance, company, cycle[step % len(cycle)], release=release))
        _note(work, company)
        if is_last or (step + 1) % PUBLISHED == 0:
            _say(f"{step + 1} increments, {small[-1][0]:.2f} s")
    _, _, told = child(["-c", f"from bench import build; build.lookups({str(work)!r}, {str(customers)!r})"])
    (first, first_cpu), (after, after_cpu) = json.loads(told.splitlines()[-2])
    steps = company.steps
    samples = []
    for _ in range(_SMALL_MEASURED if customers < SMALL else MEASURED):
        samples.append(_increment(instance, company, _LEDGER, release=True))
        _note(work, company)
    incremental = statistics.median(wall for wall, _ in samples)
    cpu = statistics.median(used for _, used in samples)
    return {
        "customers": customers,
        "full_seconds": round(company.seconds, 3),
        "incremental_seconds": round(incremental, 3),
        "incremental_to_full_ratio": round(incremental / company.seconds, 4),
        "full_cpu_seconds": round(company.cpu, 3),
        "incremental_cpu_seconds": round(cpu, 3),
        "small_increment_cpu_seconds": round(statistics.median(used for _, used in small), 3) if small else None,
        "incremental_to_full_cpu_ratio": round(cpu / company.cpu, 4),
        "peak_rss_mb": round(company.peak_mb),
        "lookup_p50_ms": round(first, 3),
        f"lookup_after_{steps}_increments_ratio": round(after / first, 3),
        f"lookup_after_{steps}_increments_cpu_ratio": round(after_cpu / first_cpu, 3),
    }


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
