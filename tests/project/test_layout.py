"""The layout and size habits the project promises itself."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ROOMS = ("ops", "ingest", "model", "views", "run", "data", "bench")
TOP_LEVEL = {
    *ROOMS,
    *(
        "tests",
        "docs",
        "app.py",
        "pyproject.toml",
        "requirements.txt",
        "README.md",
        "CHANGELOG.md",
        "DECISIONS.md",
    ),
    *("Makefile", ".ci", ".gitignore", ".streamlit"),
}
MODULE_CAP, FUNCTION_CAP, MODEL_CAP, APP_CAP = 400, 60, 150, 100


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


PYTHON = [path for path in tracked() if path.suffix == ".py" and path.relative_to(ROOT).parts[0] != "tests"]


def test_top_level_holds_what_is_agreed() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= (APP_CAP if path.name == "app.py" else MODULE_CAP)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= FUNCTION_CAP, f"{node.name} has {length} lines"


def test_sql_models_are_small() -> None:
    too_long = [
        path.name for path in tracked() if path.suffix == ".sql" and len(path.read_text().splitlines()) > MODEL_CAP
    ]
    assert too_long == []


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_reads_the_clock(path: Path) -> None:
    relative = str(path.relative_to(ROOT))
    if relative == "ops/clock.py" or relative.startswith(("data/", "bench/")):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            assert called not in {
                "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "datetime.datetime.now",
                "datetime.date.today", "dt.datetime.now", "dt.date.today", "time.monotonic", "time.sleep",
            }, f"{relative}:{node.lineno} calls {called}; ask ops.clock"  # fmt: skip


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert not source.strip() or ast.get_docstring(ast.parse(source)), "no module docstring"


def test_requirements_are_pinned_hashed_and_name_no_address() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pins = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert pins
    assert all("==" in line and line.endswith("\\") for line in pins)


def test_no_stray_large_files() -> None:
    assert [str(path) for path in tracked() if path.stat().st_size > 2_000_000] == []
