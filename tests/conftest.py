"""Settings that every test shares."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from ops.instance import Instance

GIB = 2**30
MEMORY = Path("/dev/shm")


def _spare_memory() -> int:
    """Bytes that this machine, and the container around this process, can still give."""
    found = [line.split() for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")]
    spare = int(found[0][1]) * 1024 if found else 0
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and used.exists() and (text := limit.read_text().strip()) != "max":
        spare = min(spare, int(text) - int(used.read_text()))
    return spare


def _write_to_memory() -> None:
    """Temporary files go to memory where there is plenty: tests make thousands of small databases, each one flushed.

    Only when C360_TEST_MEMORY asks for it, as `make test` does; TMPDIR says otherwise. What a test that passed has
    written is removed at once (tmp_path_retention_policy).
    """
    if "C360_TEST_MEMORY" not in os.environ or "TMPDIR" in os.environ or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free > 6 * GIB and _spare_memory() > 10 * GIB:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None  # pytest has asked before: let it look again


_write_to_memory()
# a process that has all tests and libraries loaded looks through them for garbage again and again, in vain
gc.set_threshold(20_000, 20, 20)
os.environ.setdefault("C360_STRICT_TEXTS", "1")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")
# how fast an example runs says more about the machine than about the product
settings.register_profile("roam", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# the same examples every time, so that a change is judged by what it changed; HYPOTHESIS_PROFILE=roam looks further
settings.register_profile("steady", settings.get_profile("roam"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
# modules that take longest, longest first: they start first, so that no worker is left with a long one at the end
LONG = (
    "views/test_browser.py",
    "serve/test_scope_everywhere.py",
    "identity/test_decisions.py",
    "views/test_money.py",
    "warehouse/test_survivorship.py",
    "identity/test_match_build.py",
    "identity/test_match_guards.py",
    "warehouse/test_incremental.py",
    "warehouse/test_identity.py",
    "alerts/test_trial.py",
    "conform/test_early.py",
    "views/test_morning.py",
    "warehouse/test_publish.py",
    "serve/test_console.py",
    "alerts/test_people.py",
    "reconcile/test_incremental.py",
    "quality/test_incremental.py",
    "serve/test_fields.py",
    "receivables/test_trust_cases.py",
    "reconcile/test_classes.py",
    "views/test_figures.py",
    "receivables/test_work.py",
    "run/test_backup.py",
    "views/test_steward.py",
    "ingest/test_kill.py",
    "warehouse/test_kill.py",
    "demo/test_small.py",
    "receivables/test_chain.py",
    "receivables/test_oracle.py",
    "receivables/test_exposure.py",
    "alerts/test_engine.py",
    "alerts/test_delivery.py",
    "receivables/test_work_statement.py",
    "run/test_query_command.py",
    "connectors/test_odoo.py",
    "connectors/test_erpnext.py",
    "serve/test_demo.py",
    "views/test_trust.py",
    "views/test_pages.py",
)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the collector wanted to wait, in order; none of them is spent, and all of them have passed."""
    asked: list[float] = []
    monkeypatch.setattr("ops.clock.sleep", asked.append)
    monkeypatch.setattr("ops.clock.monotonic", lambda: time.monotonic() + sum(asked))
    return asked


@pytest.fixture(scope="session", autouse=True)
def _laid_out_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Stores and warehouses that a test makes begin as copies of those that this process made first.

    What makes them is the product itself, once for every process instead of once for every test: a new store is
    migrated from nothing and a new warehouse laid out from nothing, and their files are kept as they are then.
    """
    # imported late: what sets the environment above must come first
    from tests import laid_out

    with laid_out.once(tmp_path_factory.mktemp("laid_out")):
        yield


@pytest.fixture(scope="module")
def demo_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The demo company that all tests of a run share; the clock stands on its day while it is used."""
    # imported late: what sets the environment above must come first, and few tests need it
    from tests import demo_instance

    with demo_instance.shared(tmp_path_factory) as made:
        yield made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """LONG modules first; with --no-loadscope-reorder workers take modules in this order."""
    here = Path(__file__).parent
    rank = {here / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path, len(LONG)))
