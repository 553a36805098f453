"""Seconds and peak memory of a child process, from the operating system's own accounting."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


class Stopwatch:
    """Seconds by the clock, and of processor time of this process with all its threads, since it was made."""

    def __init__(self) -> None:
        self._clock, self._processor = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        """(seconds by the clock, seconds of processor time)."""
        return time.perf_counter() - self._clock, time.process_time() - self._processor


def child(arguments: list[str], python: str = sys.executable) -> tuple[float, float, str]:
    """Run `python arguments…`; returns (the seconds it printed last, its peak RSS in MB, its output).

    The child prints its own measured seconds on the last line, so that interpreter start and imports do not count.
    """
    process = subprocess.Popen([python, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if process.stdout is None:
        raise RuntimeError("no output of the child")
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}: {output[-2000:]}")
    return float(output.strip().splitlines()[-1]), usage.ru_maxrss / 1024, output


def percentile(samples: list[float], share: float) -> float:
    """The sample at `share` (0..1) of the sorted list."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
