from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.instance import Instance
from tests.warehouse import helpers


@pytest.fixture
def inst(tmp_path: Path) -> Iterator[Instance]:
    instance = helpers.instance(tmp_path / "i")
    yield instance
    instance.store.close()
