"""`c360 query` from outside: what it prints and its exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from run import cli
from tests.run import books

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return books.built(tmp_path_factory.mktemp("query")).home


def process(home: Path, *arguments: str, given: str | None = None) -> Done:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "run.cli", "--home", str(home), "query", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, input=given)


def c360(home: Path, *arguments: str) -> Done:
    """What `process` gives, from the same `main` in this process: most of a process is its imports."""
    command = ["c360", "--home", str(home), "query", *arguments]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", command)
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(command, status, out.getvalue(), err.getvalue())


def test_json_has_columns_types_and_rows_in_order(home: Path) -> None:
    tables = "core.dim_customer join core.fct_invoice using (customer_key)"
    sql = f"select name, phone, sum(gross_amount) as total from {tables}"
    done = process(home, f"{sql} group by all order by name", "--json", "--limit", "1")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["columns"] == ["name", "phone", "total"]
    assert answer["rows"] == [["北岭仪器有限公司", "🔒", "1000.00"]]
    assert answer["truncated"] is True
    assert answer["types"][2].startswith("DECIMAL")


def test_lines_keep_columns_of_one_name_apart_and_input_is_read(home: Path) -> None:
    done = process(home, "-", given="select 1 as a, 2 as a -- two of one name")
    assert [line.split() for line in done.stdout.splitlines()] == [["a", "a"], ["1", "2"]]


def test_tables_are_listed_with_their_masks(home: Path) -> None:
    assert "bank_account (masked)" in c360(home, "--tables").stdout
    listed = json.loads(c360(home, "--tables", "--json").stdout)
    assert {"core.dim_customer", "marts.mart_pipeline"} <= {item["table"] for item in listed}


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["drop table core.dim_customer"], 2, "DROP is not allowed"),
        (["select * from core.dim_custmer"], 2, "core.dim_customer"),
        (["select nme from core.dim_customer"], 2, "Candidate bindings"),
        ([], 2, "no statement"),
        (["select 1", "--as", "nobody"], 2, "operator"),
        (["select count(*) from range(100000000000)", "--timeout", "0.3"], 1, "stopped after 0.3 s"),
    ],
)
def test_exit_status_tells_misuse_from_a_bound(home: Path, arguments: list[str], status: int, says: str) -> None:
    # the one that must be interrupted and one that is refused are real processes
    done = (process if "drop" in " ".join(arguments) or status == 1 else c360)(home, *arguments)
    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr
