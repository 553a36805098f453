"""Two customers with two owners, everything masked filled in; viewers of every role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model import policy, serve
from model.policy import Viewer
from model.serve import Served
from ops.instance import Instance, InstanceConfig, SourceConfig
from tests import demo_instance
from tests.warehouse import helpers

PHONE, BANK, LIMIT = "13811112222", "6222020000001234567", "777777.00"
NOW = "2026-11-21T02:00:00+00:00"
PEOPLE = {"north": "林北", "south": "林南"}


def customer(side: str, name: str) -> dict[str, Any]:
    return {"id": f"C-{side}", "code": f"K-{side}", "name": name, "owner_id": f"E-{side}", "phone": PHONE,
            "bank_account": BANK, "credit_limit_amount": LIMIT, "credit_currency": "CNY"}  # fmt: skip


def stage(inst: Instance) -> None:
    names = {"north": "北岭精密仪器有限公司", "south": "南岭精密仪器有限公司"}
    with helpers.open_staging(inst) as con:
        helpers.put(con, "employee", "erp", [
            {"id": f"E-{side}", "code": f"E-{side}", "name": name, "email": f"{side}@example.com", "team": side,
             "is_active": True} for side, name in PEOPLE.items()])  # fmt: skip
        helpers.put(con, "customer", "erp", [customer(side, name) for side, name in names.items()])
        helpers.put(con, "contact", "erp", [
            {"id": f"P-{side}", "customer_id": f"C-{side}", "name": f"王{side}", "mobile": PHONE, "phone": PHONE,
             "wechat": PHONE, "is_finance": True, "is_active": True} for side in names])  # fmt: skip
        helpers.put(con, "invoice", "erp", [
            {"id": f"I-{side}", "number": f"INV-{side}", "customer_id": f"C-{side}", "currency": "CNY",
             "invoice_on": "2026-08-01", "due_on": "2026-08-31", "gross_amount": 900000} for side in names
        ] + [{"id": "U-north", "number": "INV-U", "customer_id": "C-north", "currency": "THB",
              "invoice_on": "2026-08-01", "due_on": "2027-08-31", "gross_amount": 5}])  # fmt: skip
        helpers.put(con, "ticket", "service", [
            {"id": "T1", "number": "T-1", "subject": "x", "status": "open", "priority": "high",
             "created_at": "2026-10-01"}])  # fmt: skip


def empty_company(home: Path) -> Instance:
    """An empty build of a company whose ERP is Kingdee."""
    source = SourceConfig(name="erp", connector="kingdee", role="erp")
    made = Instance.create(home, InstanceConfig(company="x", source=[source]))
    with helpers.open_staging(made):
        pass
    helpers.make(made)
    return made


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the two customers, built once; modules copy it and never change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        made = helpers.instance(tmp_path_factory.mktemp("template") / "i", mode="demo")
        stage(made)
        helpers.make(made)
        made.store.close()
    return made.home


@pytest.fixture(scope="module")
def instance(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """A copy of the two customers; the demo company in a module that says COMPANY = "demo"."""
    if getattr(request.module, "COMPANY", None) == "demo":
        yield request.getfixturevalue("demo_company")
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        made = helpers.copied(request.getfixturevalue("template"), tmp_path_factory.mktemp("serve") / "i")
        yield made
        made.store.close()


@pytest.fixture(scope="module")
def db(instance: Instance) -> Served:
    return serve.open_published(instance)


@pytest.fixture(scope="session")
def truth() -> dict[str, Any]:
    """What the generator knows about the demo company."""
    return demo_instance.truth()


@pytest.fixture(autouse=True)
def _fresh(db: Served) -> None:
    db.cache.clear()


def viewer(db: Served, role: str, side: str = "north") -> Viewer:
    """A viewer of `role` who is the employee of that side."""
    mail = f"{side}@example.com"
    (row,) = db.rows("select employee_key, team from core.dim_employee where email = ?", [mail])
    return policy.viewer(f"{role}@{side}", side, role, employee_key=row["employee_key"], team=row["team"])
