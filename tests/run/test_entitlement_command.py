"""`c360 entitlement`: the verdict on a serial number from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.instance import Instance
from run.cli import app
from tests.receivables import books

FILES = {
    "customer": "code,name\nC1,示例仪器有限公司\nC2,样本电子有限公司\n",
    "asset": "customer_id,serial_number,warranty_end_on\nC1,SN-001,2026-11-22\nC2,SN-002,2027-01-31\n",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-22T02:00:00+00:00")
        made: Instance = books.instance(tmp_path_factory.mktemp("entitlement"), FILES)
        made.store.close()
        yield made.home


def said(home: Path, *asked: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["--home", str(home), "entitlement", *asked])
    assert result.exit_code == code, result.output
    return result.output


def test_the_verdict_its_reason_and_its_rows(home: Path) -> None:
    told = said(home, "sn 001")
    assert "In warranty" in told
    assert "Warranty until 2026-11-22, as the source says" in told
    assert "示例仪器有限公司" in told
    assert "SN-001" in told.splitlines()[-1]
    assert "since 2026-11-23" in said(home, "SN001", "--as-of", "2026-12-01")


def test_asked_for_a_customer_and_as_json(home: Path) -> None:
    assert "Belongs to 样本电子有限公司" in said(home, "SN-002", "--customer", "C1")
    found = json.loads(said(home, "SN-002", "--json"))
    assert (found["verdict"], found["until_on"], found["days_left"]) == ("in_warranty", "2027-01-31", 70)
    assert json.loads(said(home, "SN-404", "--json"))["verdict"] == "unknown"
