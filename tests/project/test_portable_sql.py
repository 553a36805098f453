"""Every model stays inside the portable SQL subset; the lint itself can fail."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("portable_sql", Path(__file__).parent / "portable_sql.py")
assert _spec is not None
assert _spec.loader is not None
portable_sql = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(portable_sql)


def test_there_are_models() -> None:
    assert len(portable_sql.models()) >= 20


@pytest.mark.parametrize("path", portable_sql.models(), ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_model_is_portable(path: Path) -> None:
    assert portable_sql.problems(path) == []


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("select a / b as c from core.x", "division"),
        ("select * exclude (a) from core.x", "EXCLUDE"),
        ("select a from x", "schema-qualified"),
        ("select a from elsewhere.x", "unknown"),
        ("select current_date as d from core.x", "today"),
        ("select row_number() over (partition by a) as n from core.x", "tie-break"),
        ("select regexp_replace(a, 'x', 'y') as b from core.x", "'g'"),
        ("select a from core.x asof join core.y using (a)", "ASOF"),
        ("select list_transform(a, v -> v + 1) as b from core.x", "lambda"),
    ],
)
def test_the_lint_can_fail(tmp_path: Path, sql: str, word: str) -> None:
    path = tmp_path / "m.sql"
    path.write_text(sql, encoding="utf-8")
    assert any(word in problem for problem in portable_sql.problems(path))
