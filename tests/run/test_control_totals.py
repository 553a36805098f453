"""A source's own totals against shown + rejected + excluded, every run: by an endpoint, by a file; a loss is found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from data import sim
from data.sim.engine import serving
from ingest.collect import sync
from ingest.spec import SourceSpec
from ingest.spec_totals import TotalSpec
from model import alerts, build, conform, control_totals, serve, staging
from ops import clock, tables
from ops.instance import Instance, InstanceConfig
from tests import demo_instance
from tests.connectors.harness import Harness

FILES = """
[mapping]
connector = "box"

[[entity]]
entity = "invoice"
streams = "rows"
deleted = { path = "state", equals = "gone" }

[entity.fields]
number = "no"
customer_id = "customer"
currency = "currency"
invoice_on = "day"
gross_amount = "amount"
is_void = { constant = "false", cases = [{ when = { path = "state", equals = "void" }, value = "true" }] }
"""
LINES = ["no,customer,currency,day,amount,state", "1,A,CNY,2026-01-01,10.50,", "2,A,CNY,2026-01-02,20,",
         "3,B,USD,2026-01-03,7,", "4,B,CNY,2026-01-04,100,void"]  # fmt: skip


def box(home: Path, lines: list[str], control: str) -> Instance:
    folder = home / "in"
    folder.mkdir(parents=True)
    settings = {"path": str(folder), "mapping": "box", "pattern": "invoices*.csv", "key": ["no"], "control":
                "control.csv", "control_entity": "invoice", "control_field": "gross_amount"}  # fmt: skip
    source = {"name": "box", "connector": "files", "role": "erp", "settings": settings}
    made = Instance.create(home / "i", InstanceConfig.model_validate({"source": [source]}))
    (made.config_dir / "conform").mkdir()
    (made.config_dir / "conform" / "box.toml").write_text(FILES, encoding="utf-8")
    write(made, lines, control)
    return made


def write(inst: Instance, lines: list[str], control: str) -> None:
    folder = Path(str(inst.config.source("box").settings["path"]))
    (folder / "invoices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "control.csv").write_text(control, encoding="utf-8")


def collect(inst: Instance, *, judge: bool = True) -> dict[str | None, dict[str, Any]]:
    problems = [run.error for run in sync(inst, inst.config.sources[0].name) if run.error]
    assert problems == []
    build.build(inst)
    if judge:
        control_totals.judge(inst)
    return {row["currency"]: row for row in control_totals.newest(inst)}


def drop_row(inst: Instance, number: str) -> None:
    """A loss on the way from landing to what is shown, which nothing else would notice."""
    with staging.open_warehouse(inst) as con:
        con.execute("DELETE FROM staging.invoice WHERE number = ?", [number])
    build.build(inst, full=True)


def gaps(inst: Instance) -> list[tuple[str, str]]:
    alerts.evaluate(inst)
    a = tables.alerts.c
    with inst.store.read() as connection:
        query = select(a.subject, a.state).where(a.rule == "source_totals").order_by(a.subject)
        return [tuple(row) for row in connection.execute(query).all()]


def test_a_control_file_agrees_and_a_loss_is_told_once_and_cured(tmp_path: Path) -> None:
    inst = box(tmp_path, LINES, "currency,count,amount\nCNY,2,30.50\nUSD,1,7\n")
    found = collect(inst)
    assert {currency: row["state"] for currency, row in found.items()} == {"CNY": "agrees", "USD": "agrees"}
    assert found["CNY"]["excluded"] == {"void": (1, Decimal("100.00"))}
    assert gaps(inst) == []
    drop_row(inst, "2")
    found = collect(inst)
    assert (found["CNY"]["state"], found["CNY"]["gap_count"], found["CNY"]["gap_amount"]) == (
        "settling", 1, Decimal("20.00"))  # fmt: skip
    assert gaps(inst) == []
    found = collect(inst)
    assert (found["CNY"]["state"], found["USD"]["state"]) == ("gap", "agrees")
    for _ in range(2):
        assert [subject for subject, _ in gaps(inst)] == ["box:control_file:CNY"]
    rows = serve.control_totals(serve.sign_in(inst, "operator"), serve.open_published(inst), "box")
    assert [(row["currency"], row["state"]) for row in rows] == [("CNY", "gap"), ("USD", "agrees")]
    conform.replay(inst, "box")
    assert collect(inst)["CNY"]["state"] == "agrees"
    assert [state for _, state in gaps(inst)] == ["cured"]


def test_a_rejected_document_is_counted_with_its_amount_where_that_can_be_read(tmp_path: Path) -> None:
    bad_day = [line.replace("2026-01-02", "someday") for line in LINES]
    inst = box(tmp_path, bad_day, "currency,count,amount\nCNY,2,30.50\nUSD,1,7\n")
    found = collect(inst)["CNY"]
    assert (found["state"], found["shown_count"], found["rejected_count"]) == ("agrees", 1, 1)
    assert found["rejected_amount"] == Decimal("20.00")
    bad_amount = [line.replace("20,", "much,") for line in LINES]
    write(inst, bad_amount, "currency,count,amount\nCNY,2,30.50\nUSD,1,7\n")
    found = collect(inst)["CNY"]
    assert (found["state"], found["unreadable"], found["gap_count"]) == ("agrees", 1, 1)


def test_a_total_that_cannot_be_had_is_kept_and_stops_nothing(tmp_path: Path) -> None:
    inst = box(tmp_path, LINES, "currency,count,amount\nCNY,many,1\n")
    found = collect(inst)
    assert [(row["state"], "is no number" in str(row["error"])) for row in found.values()] == [("failed", True)]
    (Path(str(inst.config.source("box").settings["path"])) / "control.csv").unlink()
    assert "no control file" in str(next(iter(collect(inst).values()))["error"])


@pytest.fixture
def erpnext(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    vendor = sim.load("erpnext")()
    with serving(vendor):
        yield Harness(tmp_path / "i", vendor, monkeypatch)


def test_an_endpoint_is_asked_every_run_and_a_loss_of_collecting_is_found(erpnext: Harness) -> None:
    inst = erpnext.instance
    erpnext.sync()
    build.build(inst)
    control_totals.judge(inst)
    first = control_totals.newest(inst)
    assert first
    assert {row["state"] for row in first} == {"agrees"}
    assert all(row["stated_amount"] and row["stated_count"] for row in first)
    assert sum(row["excluded"].get("not_approved", (0, 0))[0] for row in first) == 1
    asked = [call.query.get("group_by") for call in erpnext.vendor.calls if "Sales" in call.path]
    assert asked.count("currency") == 1
    # an order that appears with an old stamp: no window brings it, the vendor counts it
    table = erpnext.vendor.tables["Sales_Order"]
    name = next(key for key, row in table.rows.items() if row["docstatus"] == 2)
    table.rows["SAL-ORD-LATE"] = {**table.rows[name], "name": "SAL-ORD-LATE"}
    table.changed["SAL-ORD-LATE"] = table.changed[name] - timedelta(days=30)
    for state in ("settling", "gap"):
        erpnext.sync(hours=1)
        build.build(inst)
        control_totals.judge(inst)
        found = {row["currency"]: row for row in control_totals.newest(inst)}
        assert found[table.rows[name]["currency"]]["state"] == state
        assert found[table.rows[name]["currency"]]["gap_count"] == 1
        assert [row["state"] for row in found.values()].count("agrees") == len(found) - 1


def test_the_demo_company_s_crm_counts_what_is_shown(tmp_path_factory: pytest.TempPathFactory) -> None:
    """By SOQL's COUNT(): deleted rows and merge losers are in neither; a rejected record explains its own gap."""
    with demo_instance.shared(tmp_path_factory) as inst:
        rows = {row["name"]: row for row in control_totals.newest(inst, "crm")}
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(
        ("accounts", "contacts", "opportunities"), "agrees"
    )
    assert rows["opportunities"]["rejected_count"] == 1


def test_more_here_than_there_settles_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was deleted may be seen by a daily comparison of ids only."""
    inst = box(tmp_path, LINES, "currency,count,amount\nCNY,1,10.50\nUSD,1,7\n")
    start = clock.now()
    states = []
    for hours in (0, 1, 30):
        monkeypatch.setenv("C360_NOW", (start + timedelta(hours=hours)).isoformat())
        states.append(collect(inst)["CNY"]["state"])
    assert states == ["settling", "settling", "gap"]


@pytest.mark.parametrize(
    ("total", "said"),
    [
        ({"amount": "a"}, "need each other"),
        ({"amount": "a", "field": "gross_amount"}, "give currency"),
        ({"path": "p", "query": "q"}, "by a path or by a query"),
    ],
)
def test_a_total_that_cannot_be_judged_is_refused(total: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TotalSpec(name="x", entity="invoice", **total)
    assert {total.entity for total in SourceSpec.load("wukong_mysql").totals} == {"customer"}
