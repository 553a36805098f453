"""A small published build made by the product's own models, an instance on it, and a clock that tests move."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from bench import alert_build
from ops.instance import Instance, InstanceConfig

CUSTOMER = "C000001"


class Build:
    """One published version that tests add to; its tables are made anew when it is next read."""

    def __init__(self, version: str, file: Path) -> None:
        self.version, self._file = version, file
        self._stale = True
        self._waiting: list[str | dict[str, list[dict[str, Any]]]] = []
        self._numbers = 0

    @property
    def path(self) -> Path:
        """The build's file, its models run over what is staged."""
        if self._stale:
            con = duckdb.connect(str(self._file))
            con.execute("set timezone = 'UTC'")
            for step in self._waiting:
                if isinstance(step, str):
                    con.execute(step)
                else:
                    alert_build.stage(con, step)
            self._waiting.clear()
            alert_build.run_models(con)
            con.close()
            self._stale = False
        return self._file

    def older(self, version: str) -> Build:
        """The same file under another version's name."""
        other = Build(version, self._file)
        other._stale = False
        return other

    def stage(self, **rows: list[dict[str, Any]]) -> None:
        """Add current rows, by entity; they are written together when the build is next read."""
        if not self._waiting or isinstance(self._waiting[-1], str):
            self._waiting.append({})
        last = self._waiting[-1]
        assert isinstance(last, dict)
        for entity, given in rows.items():
            last.setdefault(entity, []).extend(given)
        self._stale = True

    def run(self, sql: str) -> None:
        """Change what is staged until then."""
        self._waiting.append(sql)
        self._stale = True

    def item(self, number: str, due: str, amount: int, *, customer: str = CUSTOMER, posted: str = "2026-01-05") -> None:
        """Add an invoice of one row: open item `erp:<number>#1`."""
        self.items({number: amount}, due, customer=customer, posted=posted)

    def items(self, amounts: dict[str, int], due: str, *, customer: str = CUSTOMER, posted: str = "2026-01-05") -> None:
        """Add invoices of one row each: number → amount."""
        fixed = {
            "customer_id": customer, "kind": "invoice", "document_status": "approved", "currency": "CNY",
            "invoice_on": date.fromisoformat(posted), "due_on": date.fromisoformat(due),
        }  # fmt: skip
        self.stage(
            invoice=[
                {**fixed, "source_id": number, "number": number, "gross_amount": Decimal(amount)}
                for number, amount in amounts.items()
            ]
        )

    def cash(self, number: str, on: str, amount: int, *, customer: str = CUSTOMER, **more: Any) -> None:
        """Add a receipt that settles nothing yet."""
        row = {
            "source_id": number, "number": number, "customer_id": customer, "received_on": date.fromisoformat(on),
            "document_status": "approved", "purpose": "sale", "currency": "CNY", "amount": Decimal(amount),
        }  # fmt: skip
        self.stage(receipt=[row | more])

    def pay(self, invoice: str, on: str, amount: int, *, customer: str = CUSTOMER) -> None:
        """Add a receipt and settle an invoice with it, the same day."""
        self._numbers += 1
        number = f"P{self._numbers}"
        self.cash(number, on, amount, customer=customer)
        self.stage(
            allocation=[
                {
                    "source_id": f"A-{number}", "kind": "receipt", "receipt_id": number, "invoice_id": invoice,
                    "amount": Decimal(amount), "currency": "CNY", "allocated_on": date.fromisoformat(on),
                }
            ]
        )  # fmt: skip


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A staged company: one customer of salesperson E2, whose team lead is E1; made once."""
    path = tmp_path_factory.mktemp("alerts") / "template.duckdb"
    con = alert_build.connect(path)
    alert_build.stage(
        con,
        {
            "customer": [
                {
                    "source_id": CUSTOMER, "name": "北辰仪器 <有限> 公司", "owner_id": "E2",
                    "credit_limit_amount": Decimal(1_000_000), "credit_currency": "CNY", "phone": "+8651255550199",
                    "bank_account": "6222000011112222",
                }
            ],
            "employee": [
                {"source_id": "E1", "code": "1", "name": "王经理", "email": "boss@demo.example", "is_active": True,
                 "team": "华东"},
                {"source_id": "E2", "code": "2", "name": "李销售", "email": "li@demo.example", "is_active": True,
                 "manager_id": "E1", "team": "华东"},
                {"source_id": "E3", "code": "3", "name": "赵同事", "email": "zhao@demo.example", "is_active": True,
                 "manager_id": "E1", "team": "华东"},
            ],
        },
    )  # fmt: skip
    con.close()
    return path


@pytest.fixture
def build(template: Path, tmp_path: Path) -> Build:
    file = tmp_path / "wh-v5.duckdb"
    shutil.copy(template, file)
    return Build("v5", file)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
    made = Instance.create(tmp_path / "instance", InstanceConfig(company="示例仪器", mode="demo"))
    yield made
    made.store.close()
