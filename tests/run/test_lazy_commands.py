"""What a command imports before it starts to work."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer
from typer.main import get_command

from run import lazy
from run.cli import app

WAREHOUSE = {"duckdb", "polars", "pyarrow", "numpy", "scipy", "sqlglot", "pypinyin", "opencc", "fpdf", "babel"}
NEVER = {"streamlit", "sklearn", "altair"}
NAMES = sorted(lazy.files())
PROBE = """
import sys
from run.cli import main
sys.argv = ["c360", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print("imported:", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def imported(*arguments: str) -> set[str]:
    """Top-level packages in a fresh process after `c360` with `arguments` ran."""
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_help_imports_no_command() -> None:
    found = imported("--help")
    assert not found & (WAREHOUSE | NEVER | {"model", "ingest", "sqlalchemy", "pydantic"})


@pytest.mark.parametrize("name", ["init", "serve", "up"])
def test_what_needs_no_warehouse_loads_none(name: str) -> None:
    found = imported(name, "--help")
    assert not found & (WAREHOUSE | NEVER | {"model", "ingest"})


def test_no_command_loads_the_screens_or_the_trainers() -> None:
    everything = "import sys; from run import lazy; [lazy.load(name) for name in lazy.files()]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", everything], capture_output=True, text=True, check=True)
    assert not {name.split(".")[0] for name in done.stdout.split()} & NEVER


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_is_the_command_s_own_help(name: str) -> None:
    assert lazy.help_of(name) == (lazy.load(name).help or "")


def test_every_command_is_listed_by_name() -> None:
    root = get_command(app)
    assert isinstance(root, lazy.LazyGroup)
    assert root.list_commands(typer.Context(root)) == NAMES
    assert root.get_command(typer.Context(root), "no-such") is None
    assert {"serve", "query", "source"} <= set(NAMES)
