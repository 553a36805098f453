"""What Odoo, ERPNext and Dynamics say of themselves, asked as each version wants it, against what is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from data import sim
from data.sim.engine import serving
from model import build, control_totals
from tests.connectors.harness import Harness


@contextmanager
def collected(
    connector: str, version: int | None, home: Path, patch: pytest.MonkeyPatch, **settings: Any
) -> Iterator[Harness]:
    """A vendor of this version, collected, built and judged."""
    vendor = sim.load(connector)()
    if version is not None:
        vendor.version = version  # type: ignore[attr-defined]
    with serving(vendor):
        harness = Harness(home, vendor, patch, **settings)
        harness.sync()
        build.build(harness.instance)
        control_totals.judge(harness.instance)
        yield harness
        harness.instance.store.close()


def lose(harness: Harness, stream: str, row_id: str) -> None:
    """A row at the vendor that no window brings."""
    table = harness.vendor.tables[stream]
    late = {**table.rows[row_id], table.key: int(row_id) + 50_000 if row_id.isdigit() else f"{row_id}-LATE"}
    key = str(late[table.key])
    table.rows[key], table.changed[key] = late, table.changed[row_id]


@pytest.mark.parametrize(
    ("connector", "version", "settings", "methods"),
    [
        ("odoo", 19, {}, {"formatted_read_group"}),
        ("odoo", 17, {}, {"read_group"}),
        ("erpnext", 16, {"aggregates": "objects"}, set()),
        ("dynamics", None, {}, set()),
    ],
)
def test_a_vendor_s_own_total_agrees_and_a_loss_is_seen(
    connector: str,
    version: int | None,
    settings: dict[str, Any],
    methods: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collected(connector, version, tmp_path / "i", monkeypatch, **settings) as harness:
        found = control_totals.newest(harness.instance)
        assert found
        assert {(row["name"], row["state"], row["error"]) for row in found} == {
            (row["name"], "agrees", None) for row in found
        }
        assert all(row["stated_count"] for row in found)
        said = str([(call.path, call.body) for call in harness.vendor.calls])
        assert methods == {name for name in ("formatted_read_group", "read_group") if f"{name}'" in said} - (
            {"read_group"} if "formatted_read_group" in methods else set()
        )
        stream = {"odoo": "sale.order", "erpnext": "Sales_Order", "dynamics": "accounts"}[connector]
        lose(harness, stream, max(harness.documents(stream)))
        harness.sync(hours=1)
        control_totals.judge(harness.instance)
        after = control_totals.newest(harness.instance)
        assert [(row["state"], row["gap_count"]) for row in after if row["state"] != "agrees"] == [("settling", 1)]


def test_sums_written_for_another_version_are_refused_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collected("erpnext", 16, tmp_path / "i", monkeypatch) as harness:
        (row,) = control_totals.newest(harness.instance)
        assert row["state"] == "failed"
