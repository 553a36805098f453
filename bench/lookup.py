"""Lookup: one customer screen against `select 1` on the same connection.

`select 1` is sent to the same DuckDB connection in turn with the screens and its answer fetched: the least that any
query costs here. Every key is asked for once, so nothing of a customer is cached; exchange rates of the day and names
of employees, which all customers share, are read once per version, as in the app.
The cpu figures are the same in processor time, which a busy machine does not stretch.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from bench import synthetic
from bench.measure import percentile
from ingest import collect
from model import build, policy, serve

SAMPLES = 300


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: queries_per_screen, p50_ms, p95_ms, p50_to_select1_ratio (nothing cached: each key asked once)."""
    work = Path(tempfile.mkdtemp(prefix="bench-lookup-"))
    try:
        instance = synthetic.instance(work / "i", arguments.customers)
        collect.sync(instance, "books")
        build.build(instance, full=True)
        served = serve.open_published(instance)
        viewer = policy.Viewer.operator()
        step = max(1, arguments.customers // SAMPLES)
        serve.customer(viewer, served, "C0000001")
        queries = served.query_count
        samples, ones, work_ms, least_ms = [], [], [], []
        for number in range(2, arguments.customers, step):
            started, used = time.perf_counter(), time.process_time()
            served.cursor().execute("select 1").fetchall()
            ones.append((time.perf_counter() - started) * 1000)
            least_ms.append((time.process_time() - used) * 1000)
            started, used = time.perf_counter(), time.process_time()
            serve.customer(viewer, served, f"C{number:07d}")
            samples.append((time.perf_counter() - started) * 1000)
            work_ms.append((time.process_time() - used) * 1000)
        per_screen = (served.query_count - queries) / len(samples)
        one = statistics.median(ones)
        return {
            "customers": arguments.customers,
            "samples": len(samples),
            "queries_per_screen": round(per_screen, 2),
            "p50_ms": round(statistics.median(samples), 3),
            "p95_ms": round(percentile(samples, 0.95), 3),
            "select1_ms": round(one, 4),
            "p50_to_select1_ratio": round(statistics.median(samples) / one, 1),
            "cpu_p50_ms": round(statistics.median(work_ms), 3),
            "cpu_to_select1_ratio": round(statistics.median(work_ms) / statistics.median(least_ms), 1),
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)
