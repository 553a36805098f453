"""Small instances and landed runs for the conform tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import select

from model import staging
from ops import clock, tables
from ops.instance import Instance, InstanceConfig, SourceConfig


def instance(home: Path, *sources: SourceConfig) -> Instance:
    return Instance.create(home, InstanceConfig(source=list(sources)))


def land(
    inst: Instance,
    source: str,
    stream: str,
    run: str,
    records: list[tuple[str, Any]],
    *,
    deleted: tuple[str, ...] = (),
    seen_at: datetime | None = None,
) -> None:
    """One committed run in the landing layout of the contract; documents are dicts or raw text."""
    folder = inst.landing / source / stream / run
    folder.mkdir(parents=True)
    texts = [(key, doc if isinstance(doc, str) else json.dumps(doc, ensure_ascii=False)) for key, doc in records]
    rows = [(key, text, hashlib.blake2b(text.encode(), digest_size=16).hexdigest(), False) for key, text in texts]
    rows += [(key, "{}", "-", True) for key in deleted]
    frame = pl.DataFrame(
        {
            "id": [row[0] for row in rows],
            "document": [row[1] for row in rows],
            "hash": [row[2] for row in rows],
            "seen_at": [seen_at or clock.now()] * len(rows),
            "run_id": [run] * len(rows),
            "deleted": [row[3] for row in rows],
            "parent_id": [None] * len(rows),
        },
        schema={
            "id": pl.Utf8,
            "document": pl.Utf8,
            "hash": pl.Utf8,
            "seen_at": pl.Datetime("us", "UTC"),
            "run_id": pl.Utf8,
            "deleted": pl.Boolean,
            "parent_id": pl.Utf8,
        },
    )
    frame.write_parquet(folder / "part-00000.parquet")
    manifest = {"parts": [{"name": "part-00000.parquet", "rows": frame.height}], "rows": frame.height}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def overlay(inst: Instance, name: str, text: str) -> None:
    """A mapping of this instance."""
    folder = inst.config_dir / "conform"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


ACME = """
[mapping]
connector = "acme"
zone = "Asia/Shanghai"

[lookup.kind]
Co = "company"
"*" = "bucket"

[[entity]]
entity = "customer"
streams = "Account"
deleted = { path = "IsDeleted", equals = true }
merged_into = "MasterRecordId"
updated_at = "SystemModstamp"
is_monotonic = true

[entity.fields]
name = { path = "Name", convert = "name" }
code = "Code"
phone = { path = "Phone", convert = "phone" }
kind = { path = "Kind", lookup = "kind" }
credit_limit_amount = "Limit"

[[entity]]
entity = "sales_order"
streams = "Order"

[entity.fields]
customer_id = "cust.id"
number = "no"
order_on = "on"
currency = { constant = "CNY" }

[[entity]]
entity = "sales_order_line"
streams = "Order"
explode = "lines"
id = "{^id}:{n}"

[entity.fields]
order_id = "^id"
line_number = "n"
quantity = "q"
product_code = "custom[id=7].value"
product_name = { path = "'a.b'" }
"""


class Landing:
    """An instance with one source `crm` of the made-up connector `acme`, and a hand that lands runs."""

    def __init__(self, home: Path) -> None:
        self.instance = instance(home, SourceConfig(name="crm", connector="acme", role="crm"))
        overlay(self.instance, "acme", ACME)
        self.runs = 0

    def land(self, stream: str, records: list[tuple[str, Any]], *, deleted: tuple[str, ...] = ()) -> None:
        """Land one run, a day after the one before."""
        self.runs += 1
        seen = datetime(2026, 1, self.runs, tzinfo=UTC)
        run = f"202601{self.runs:02d}T000000000000Z-0000-aaaaaa"
        land(self.instance, "crm", stream, run, records, deleted=deleted, seen_at=seen)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on the warehouse."""
        with staging.open_warehouse(self.instance) as con:
            return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()

    def quarantine(self) -> list[tuple[Any, ...]]:
        """(record, entity, field, value, reason, status) of every entry."""
        c = tables.quarantine.c
        with self.instance.store.read() as connection:
            chosen = select(c.record_id, c.entity, c.field, c.value, c.reason, c.status)
            return [tuple(row) for row in connection.execute(chosen.order_by(c.quarantine_id))]


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    return Landing(tmp_path / "home")


@pytest.fixture
def file_instance(tmp_path: Path) -> Callable[..., Instance]:
    """An instance with one source called `books`, of the given connector and settings."""

    def make(connector: str, **settings: Any) -> Instance:
        source = SourceConfig(name="books", connector=connector, role="files", settings=settings)
        return instance(tmp_path / "home", source)

    return make


@pytest.fixture
def land_run() -> Callable[..., None]:
    """`land`: one committed run of documents."""
    return land


@pytest.fixture
def acme() -> type[Landing]:
    """Makes instances with the source of `landing`, for tests that compare two."""
    return Landing
