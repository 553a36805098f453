"""A few schedules of the fault campaign against simulated vendors, with dice of the day: `python -m bench faults`."""

from __future__ import annotations

import argparse
import os
import random
import sys

import pytest

from bench import faults

SCHEDULES = 8


@pytest.mark.system
def test_random_schedules_lose_nothing_and_double_nothing() -> None:
    first = int(os.environ.get("C360_FAULT_SEED", random.SystemRandom().randrange(10**6)))
    sys.stderr.write(f"\nC360_FAULT_SEED={first}\n")
    figures = faults.run(argparse.Namespace(seed=None, schedules=SCHEDULES, first=first))
    assert figures["failing"] == []
    assert figures["schedules"] == SCHEDULES
    assert sum(figures["faults"].values()) > SCHEDULES  # type: ignore[attr-defined]
