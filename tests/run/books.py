"""A small instance on a folder of spreadsheets, for tests of operations."""

from __future__ import annotations

from pathlib import Path

from ingest import collect
from model import build
from ops.instance import Instance, InstanceConfig


def write(folder: Path, amount: int = 100, invoices: int = 20) -> None:
    """The folder's files; every invoice has this amount."""
    folder.mkdir(parents=True, exist_ok=True)
    customers = ["code,name,phone", "K1,北岭仪器有限公司,13800000001", "K2,南岭仪器有限公司,13800000002"]
    lines = ["number,customer_id,invoice_on,due_on,currency,gross_amount"]
    lines += [f"A{n:03d},K{n % 2 + 1},2026-01-05,2026-02-05,CNY,{amount}" for n in range(invoices)]
    for name, rows in (("customer", customers), ("invoice", lines)):
        part = folder / f".{name}.part"
        part.write_text("\n".join(rows) + "\n", encoding="utf-8")
        part.replace(folder / f"{name}.csv")


def instance(home: Path, folder: Path, **config: object) -> Instance:
    """A live instance with the template source `books` on `folder`."""
    source = {"name": "books", "connector": "template", "role": "files", "settings": {"folder": str(folder)}}
    document = {"mode": "live", "company": "示例仪器", "source": [source], **config}
    return Instance.create(home, InstanceConfig.model_validate(document))


def sync(inst: Instance) -> None:
    """Collect; AssertionError when something failed."""
    problems = [(run.stream, run.error) for run in collect.sync(inst, "books") if run.error]
    assert not problems, problems


def built(folder: Path, **config: object) -> Instance:
    """A live instance under `folder` on files beside it, collected, built and published."""
    write(folder / "files")
    made = instance(folder / "i", folder / "files", **config)
    sync(made)
    build.build(made)
    return made
