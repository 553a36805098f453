"""Settings that every test shares."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ops.instance import Instance

os.environ.setdefault("C360_STRICT_TEXTS", "1")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")


@pytest.fixture(scope="module")
def demo_company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """The demo company that all tests of a run share; the clock stands on its day while it is used."""
    # imported late: what sets the environment above must come first, and few tests need it
    from tests import demo_instance

    with demo_instance.shared(tmp_path_factory) as made:
        yield made
