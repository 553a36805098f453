"""Build: an incremental build after 0.1 % of the customers changed against a full one, publish and sidecar included."""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench import synthetic
from bench.measure import child
from ingest import collect
from model import build, policy, serve
from ops.instance import Instance

INCREMENTS = 200
SAMPLES = 40


def full(home: str) -> float:
    """Seconds of a full build of the instance at `home`, stage, publish and sidecar included."""
    instance = Instance.load(Path(home))
    started = time.perf_counter()
    build.build(instance, full=True)
    return time.perf_counter() - started


def _increment(instance: Instance, folder: Path, customers: int, changed: int) -> float:
    synthetic.write(folder, customers, changed)
    collect.sync(instance, "books")
    started = time.perf_counter()
    build.build(instance)
    return time.perf_counter() - started


def _small_increment(instance: Instance, folder: Path, customers: int, changed: int, *, release: bool) -> None:
    """One more customer has another phone: only that file is collected, all rows of that customer move."""
    synthetic.write(folder, customers, changed, only=("customer",))
    collect.sync(instance, "books", "customer")
    build.build(instance, release=release)


def _lookup_ms(instance: Instance, customers: int) -> float:
    served = serve.open_published(instance)
    viewer = policy.Viewer.operator()
    samples = []
    for step in range(SAMPLES):
        code = f"C{step * (customers // SAMPLES):07d}"
        started = time.perf_counter()
        serve.customer(viewer, served, code)
        samples.append((time.perf_counter() - started) * 1000)
    served.close()
    return statistics.median(samples)


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: full_seconds, incremental_to_full_ratio, peak_rss_mb, lookup_after_200_increments_ratio."""
    customers = arguments.customers
    work = Path(tempfile.mkdtemp(prefix="bench-build-"))
    try:
        home = work / "i"
        instance = synthetic.instance(home, customers)
        results = collect.sync(instance, "books")
        if any(result.error for result in results):
            raise RuntimeError(str(results))
        seconds, peak, _ = child(["-c", f"from bench import build; print(build.full({str(home)!r}))"])
        before = _lookup_ms(instance, customers)
        changed = max(1, customers // 1000)
        folder = work / "i-files"
        samples = [_increment(instance, folder, customers, changed * (step + 1)) for step in range(3)]
        for step in range(INCREMENTS):
            last = step + 1 == INCREMENTS
            _small_increment(instance, folder, customers, changed * 3 + step + 1, release=last)
        after = _lookup_ms(instance, customers)
        return {
            "customers": customers,
            "full_seconds": round(seconds, 3),
            "incremental_seconds": round(statistics.median(samples), 3),
            "incremental_to_full_ratio": round(statistics.median(samples) / seconds, 4),
            "peak_rss_mb": round(peak),
            "lookup_p50_ms": round(before, 3),
            "lookup_after_200_increments_ratio": round(after / before, 3),
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)
