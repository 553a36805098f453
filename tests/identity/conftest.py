"""The company of steward_books built once, and copies of it that tests may change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.instance import Instance
from tests.identity import steward_books
from tests.warehouse import helpers

NOW = "2026-11-21T02:00:00+00:00"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the published company; tests copy it and never change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        made = helpers.instance(tmp_path_factory.mktemp("steward") / "i", mode="demo")
        steward_books.stage(made)
        helpers.make(made)
        made.store.close()
    return made.home


@pytest.fixture
def inst(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """A copy of the company for one test; the clock stands still."""
    monkeypatch.setenv("C360_NOW", NOW)
    made = helpers.copied(template, tmp_path / "i")
    yield made
    made.store.close()
