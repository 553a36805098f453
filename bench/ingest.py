"""Ingest: our collector (landing, conform and staging included) against a raw download and against dlt.

Same local server process, same pre-serialised pages of at least 1 KB a record, same records, page size and
concurrency (one call at a time) for all three, in one run. Ours goes the way of `c360 sync`: parts are mapped while
the collection goes on, and staged after its manifest is written.

A page holds 100 records unless `--page` says otherwise: that is what vendors give. HubSpot lists, Redmine, PingCode,
Fxiaoke and Neocrm queries end at 100, Zendesk and Jira answer 100 by default. With `--no-dlt` the peer is left out and
its figures are missing.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from bench.measure import ROOT, child

REPEATS = 3
RECORD_BYTES = 1024
DLT = ROOT / ".cache/dlt"


def _dlt_python() -> str:
    """The interpreter of dlt's own environment, made on first use."""
    python = DLT / "bin/python"
    if not (DLT / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(DLT)], check=True)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--require-hashes",
            "-r",
            "bench/dlt-requirements.txt",
        ]
        subprocess.run(install, cwd=ROOT, check=True, stdout=sys.stderr)
        (DLT / ".ready").touch()
    return str(python)


def _serve(records: int, page: int) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "bench.pages", str(records), str(page)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError("the page server has no output")
    return process, process.stdout.readline().strip()


def raw_download(url: str) -> tuple[float, float, int]:
    """Seconds, CPU seconds and bytes to read every page one after the other, throwing the bodies away."""
    total, number = 0, 1
    started, cpu = time.perf_counter(), time.process_time()
    with httpx.Client(timeout=60) as client:
        while True:
            answer = client.get(f"{url}/records", params={"page": number})
            total += len(answer.content)
            if answer.headers["x-last"] == "1":
                return time.perf_counter() - started, time.process_time() - cpu, total
            number += 1


def noop(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: CPU seconds of the first collection, of one with nothing changed and of one that reads everything again
    with nothing changed, and the ratios of both to the first (medians of three)."""
    server, url = _serve(arguments.records, arguments.page)
    told: list[list[float]] = []
    try:
        for _ in range(REPEATS):
            folder = Path(tempfile.mkdtemp(prefix="bench-noop-"))
            try:
                sizes = [str(arguments.records), str(arguments.page), "noop"]
                _, _, output = child(["-m", "bench.ingest_ours", url, str(folder / "i"), *sizes])
                told.append([float(word) for word in output.split()[-4:-1]])
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        server.terminate()
        server.wait()
    first, again, whole = (statistics.median(column) for column in zip(*told, strict=True))
    return {
        "rows": arguments.records,
        "page": arguments.page,
        "first_cpu_seconds": round(first, 3),
        "noop_cpu_seconds": round(again, 3),
        "reread_cpu_seconds": round(whole, 3),
        "noop_to_first_ratio": round(again / first, 4),
        "reread_to_first_ratio": round(whole / first, 3),
    }


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: ratio_to_raw_download, ratio_to_dlt (peer seconds ÷ ours, medians), rows, peak_rss_mb and the parts.

    The cpu figures are processor time, which a busy machine does not stretch as much as the seconds.
    """
    if arguments.noop:
        return noop(arguments)
    dlt_python = None if arguments.no_dlt else _dlt_python()
    sizes = [str(arguments.records), str(arguments.page)]
    server, url = _serve(arguments.records, arguments.page)
    try:
        raw, ours, raw_cpu, our_cpu, peaks, size = [], [], [], [], [], 0
        theirs: list[float] = []
        for _ in range(REPEATS):
            seconds, cpu, size = raw_download(url)
            raw.append(seconds)
            raw_cpu.append(cpu)
            folder = Path(tempfile.mkdtemp(prefix="bench-ingest-"))
            try:
                seconds, peak, output = child(["-m", "bench.ingest_ours", url, str(folder / "i"), *sizes])
                ours.append(seconds)
                our_cpu.append(float(output.split()[-2]))
                peaks.append(peak)
                if dlt_python and not theirs:
                    theirs.append(child(["bench/ingest_dlt.py", url, str(folder / "d")], dlt_python)[0])
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        server.terminate()
        server.wait()
    if size < RECORD_BYTES * arguments.records:
        raise RuntimeError(f"the records are smaller than {RECORD_BYTES} bytes: {size} bytes in all")
    mine = statistics.median(ours)
    return {
        "rows": arguments.records,
        "page": arguments.page,
        "bytes": size,
        "raw_seconds": round(statistics.median(raw), 3),
        "seconds": round(mine, 3),
        "raw_cpu_seconds": round(statistics.median(raw_cpu), 3),
        "cpu_seconds": round(statistics.median(our_cpu), 3),
        "cpu_ratio_to_raw_download": round(statistics.median(raw_cpu) / statistics.median(our_cpu), 3),
        "server_mb_per_s": round(size / 1e6 / statistics.median(raw), 1),
        "ratio_to_raw_download": round(statistics.median(raw) / mine, 3),
        "peak_rss_mb": round(max(peaks)),
        **({"dlt_seconds": round(theirs[0], 3), "ratio_to_dlt": round(theirs[0] / mine, 1)} if theirs else {}),
    }
