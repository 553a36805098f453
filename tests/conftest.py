"""Settings that every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from ops.instance import Instance

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
    "identity/test_decisions.py",
    "serve/test_scope_everywhere.py",
    "warehouse/test_survivorship.py",
    "identity/test_match_guards.py",
    "warehouse/test_identity.py",
    "identity/test_match_build.py",
    "warehouse/test_incremental.py",
    "alerts/test_trial.py",
    "reconcile/test_incremental.py",
    "quality/test_incremental.py",
    "serve/test_console.py",
    "warehouse/test_publish.py",
    "views/test_money.py",
    "alerts/test_people.py",
    "serve/test_fields.py",
    "run/test_backup.py",
    "views/test_morning.py",
    "views/test_figures.py",
    "receivables/test_trust_cases.py",
    "receivables/test_work.py",
    "serve/test_demo.py",
    "ingest/test_kill.py",
    "receivables/test_chain.py",
    "receivables/test_oracle.py",
    "warehouse/test_kill.py",
    "views/test_trust.py",
    "views/test_steward.py",
)


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
