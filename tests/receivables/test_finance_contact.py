"""Whom the worklist says to call: one person, with that person's own number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from tests.warehouse import helpers

CALLER = Viewer(user="chen.li", name="陈立", role="finance", masks=frozenset())
PEOPLE: list[dict[str, Any]] = [
    {"id": "P1", "name": "王主管", "is_primary": True, "mobile": "13800000001"},
    {"id": "P2", "name": "李会计", "is_finance": True},
    {"id": "P3", "name": "赵会计", "is_finance": True, "mobile": "13800000003"},
    {"id": "P4", "name": "孙会计", "is_finance": True, "mobile": "13800000004"},
]


def test_the_finance_contact_is_one_person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
    inst = helpers.instance(tmp_path / "i")
    with helpers.open_staging(inst) as con:
        helpers.put(con, "customer", "erp", [{"id": "N", "code": "N", "name": "北岭示例仪器有限公司"}])
        helpers.put(con, "contact", "erp", [{**person, "customer_id": "N"} for person in reversed(PEOPLE)])
        helpers.put(con, "invoice", "erp", [
            {"id": "N1", "number": "INV-N1", "customer_id": "N", "invoice_on": "2026-08-01", "due_on": "2026-08-31",
             "currency": "CNY", "gross_amount": 500}])  # fmt: skip
    helpers.make(inst)
    (line,) = serve.worklist(CALLER, serve.open_published(inst))
    assert line["finance_contact"] == {"name": "赵会计", "mobile": "13800000003"}
    inst.store.close()
