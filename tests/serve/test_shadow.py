"""A shadow source is compared with the live ones and shows nowhere else: in no table, answer, message or search.

Two instances differ in nothing but a shadow source whose every text holds a mark; its records share codes, tax numbers
and document numbers with live ones, so that it would change customers, sums and alerts if it were let in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import select

from model import alerts, serve, warehouse
from model.identity import customers
from model.policy import Viewer
from model.serve import Served
from ops import config_file, tables
from ops.errors import C360Error, FatalError
from ops.instance import Instance, SourceConfig
from ops.store import stamp
from tests.serve import scoped_books
from tests.serve.scope_cases import CASES, key_of
from tests.serve.scoped_books import Books
from tests.warehouse import helpers

Both = tuple[Books, Books, dict[str, Any]]
MARK = "影子来源ZQX"
NOW = "2026-11-21T02:00:00+00:00"


def shade(con: duckdb.DuckDBPyConnection) -> None:
    """The shadow's records: one customer that is live too, one that is new; documents of both."""
    helpers.put(con, "employee", "shade", [
        {"id": "E1", "code": "E-north", "name": f"{MARK}员工", "email": "north@example.com",
         "is_active": True}])  # fmt: skip
    helpers.put(con, "customer", "shade", [
        {"id": "S1", "code": "S-1", "name": f"{MARK}甲公司", "erp_code": "K-north", "owner_id": "E1",
         "phone": f"{MARK}电话", "credit_limit_amount": 1, "credit_currency": "CNY"},
        {"id": "S2", "code": "S-2", "name": f"{MARK}乙公司"}])  # fmt: skip
    helpers.put(con, "contact", "shade", [{"id": "P1", "customer_id": "S1", "name": f"{MARK}王"}])
    helpers.put(con, "product", "shade", [{"id": "G1", "code": f"{MARK}-G", "name": f"{MARK}产品"}])
    helpers.put(con, "invoice", "shade", [
        {"id": f"I{n}", "number": number, "customer_id": "S1", "currency": "CNY", "invoice_on": "2026-01-01",
         "due_on": "2026-02-01", "gross_amount": 77}
        for n, number in enumerate(("INV-north-1", f"{MARK}-1"))])  # fmt: skip
    helpers.put(con, "receipt", "shade", [
        {"id": "R1", "number": f"{MARK}-R", "customer_id": "S1", "currency": "CNY", "received_on": "2026-03-01",
         "amount": 5}])  # fmt: skip
    helpers.put(con, "contract", "shade", [
        {"id": "CT1", "number": f"{MARK}-C", "customer_id": "S2", "currency": "CNY", "amount": 5,
         "end_on": "2026-12-01"}])  # fmt: skip
    helpers.put(con, "ticket", "shade", [
        {"id": "T1", "number": f"{MARK}-T", "customer_id": "S1", "subject": MARK, "status": "open",
         "priority": "high", "created_at": "2026-10-01"}])  # fmt: skip
    helpers.put(con, "project", "shade", [{"id": "PJ1", "code": f"{MARK}-P", "name": MARK, "customer_name": MARK}])


def with_shade(books: Books) -> Books:
    inst = books.db.instance
    inst.config.sources.append(SourceConfig(name="shade", connector="template", role="erp", status="shadow"))
    inst.save()
    with helpers.open_staging(inst) as con:
        shade(con)
    with inst.store.begin() as connection:
        connection.execute(tables.quarantine.insert().values(
            source="shade", stream="invoice", record_id="bad", entity="invoice", field="gross_amount", value=MARK,
            reason="not an amount", run_id="r", status="open", created_at=stamp(), updated_at=stamp()))  # fmt: skip
    helpers.make(inst)
    alerts.evaluate(inst)
    return Books(serve.open_published(inst), *books[1:])


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """The build of a company before it had the shadow, and the one after."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        plain = scoped_books.made(tmp_path_factory.mktemp("shadow") / "i", "南岭", 1)
        shaded = with_shade(plain)
        assert plain.db.version != shaded.db.version
        report = serve.shadow_report(operator(shaded.db), shaded.db, "shade")  # before questions write decisions
        yield plain, shaded, report
        shaded.db.instance.store.close()


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", NOW)


def operator(db: Served) -> Viewer:
    return replace(serve.sign_in(db.instance, "operator"), masks=frozenset())


def test_no_table_of_the_build_changes(both: Both) -> None:
    plain, shaded = both[0].db, both[1].db
    names = [model.name for model in warehouse.models()]
    found = shaded.rows("select count(*) as n from staging.customer where source = 'shade'")
    assert found[0]["n"] == 2, "nothing to hide"
    for name in names:
        one, other = (
            sorted(map(repr, db.cursor().execute(f"select * from {name}").fetchall())) for db in (plain, shaded)
        )
        assert one == other, name
    for row in shaded.rows("select table_name from duckdb_tables() where schema_name = 'identity'"):
        rows = shaded.rows(f"select count(*) as n from identity.{row['table_name']} as t where t::text like '%{MARK}%'")
        assert rows[0]["n"] == 0, row


def test_no_answer_names_it(both: Both) -> None:
    """But for the worklist of rejects, which is where its own mistakes are mended."""
    books = both[1]
    books.db.cache.clear()
    apart = ("shadowing.", "sources.", "source_state.", "rejects.", "syncing.")
    viewer, key = operator(books.db), key_of(books, "K-north")
    for question in (name for name in CASES if not name.startswith(apart)):
        for case in CASES[question]:
            try:
                answer = case(viewer, books, key)
            except C360Error as error:
                answer = str(error)
            assert MARK not in json.dumps(answer, default=str, ensure_ascii=False), question


def test_it_is_not_found_nor_alerted_nor_queried(both: Both) -> None:
    db = both[1].db
    viewer = operator(db)
    for text in (MARK, "S-1", "S1", f"{MARK}-1", "shade:S1"):
        assert not [hit for hit in serve.search(viewer, db, text, 50) if MARK in json.dumps(hit, default=str)]
    for text in ("S-2", "shade:S2", f"{MARK}乙公司"):
        with pytest.raises(C360Error):
            serve.resolve(viewer, db, text)
    with db.instance.store.read() as connection:
        told = connection.execute(select(tables.alerts.c.subject, tables.alerts.c.details)).all()
    assert not [row for row in told if "shade:" in row.subject or MARK in row.details]
    assert "shade" not in {one["source"] for one in serve.freshness(db).values()}
    with pytest.raises(C360Error):
        serve.record(replace(viewer, role="finance"), db, "shade", "customer", "S1")
    assert serve.record(viewer, db, "shade", "customer", "S1")["customer_key"] is None


def test_the_report_tells_what_it_would_do(both: Both) -> None:
    db, report = both[1].db, both[2]
    rows: dict[str, Any] = {row["entity"]: row for row in report["entities"]}
    live = db.rows("select count(*) as n from staging.invoice where source = 'erp' and not is_deleted")[0]["n"]
    assert (rows["invoice"]["against"], rows["invoice"]["both"], rows["invoice"]["only_here"]) == ("erp", 1, 1)
    assert rows["invoice"]["only_there"] == live - 1
    fields = {field["field"]: field for field in rows["invoice"]["fields"]}
    assert fields["gross_amount"]["equal"] == 0
    assert fields["currency"]["share"] == 1.0
    assert fields["gross_amount"]["examples"][0]["here"] == "77.00"
    assert (rows["customer"]["both"], rows["customer"]["only_here"]) == (1, 1)
    assert rows["project"]["against"] == "erp"
    money = {(row["entity"], row["currency"], row["month"]): row for row in report["money"]}
    assert money["invoice", "CNY", "2026-01"]["here_amount"] == Decimal("154.00")
    there = db.rows("select coalesce(sum(gross_amount), 0) as n from staging.invoice where source = 'erp'"
                    " and currency = 'CNY' and strftime(invoice_on, '%Y-%m') = '2026-01'")[0]["n"]  # fmt: skip
    assert money["invoice", "CNY", "2026-01"]["difference"] == Decimal(154) - there
    assert (report["customers"]["match"], report["customers"]["add"], report["customers"]["merge"]) == (1, 1, 0)


def test_masks_hold_in_its_examples_and_others_are_refused(both: Both) -> None:
    db = both[1].db
    masked = serve.shadow_report(replace(operator(db), masks=frozenset({"phone"})), db, "shade")
    assert f"{MARK}电话" not in json.dumps(masked, default=str, ensure_ascii=False)
    with pytest.raises(FatalError, match="does not look after"):
        serve.shadow_report(scoped_books.person(db, "finance", "north"), db, "shade")
    with pytest.raises(FatalError, match="no shadow source"):
        serve.shadow_report(operator(db), db, "erp")


def test_the_preview_is_what_letting_it_in_does(tmp_path: Path) -> None:
    """Matched, added and merged customers as foretold, by identifiers and codes of many records."""
    inst = helpers.instance(tmp_path / "i", mode="demo")
    with helpers.open_staging(inst) as con:
        helpers.put(con, "customer", "erp", [{"id": f"C{n}", "code": f"K{n}", "name": f"公司{n}"} for n in range(9)])
        helpers.put(con, "customer", "crm", [{"id": f"A{n}", "name": f"公司{n}"} for n in range(9, 12)])
        helpers.put(con, "customer", "service", [
            {"id": "s1", "name": "一", "erp_code": "K1"},
            {"id": "s2", "name": "二", "erp_code": "K2", "crm_code": "A9"},
            {"id": "s3", "name": "三"}, {"id": "s4", "name": "四", "erp_code": "K3"},
            {"id": "s5", "name": "五", "erp_code": "K3"}])  # fmt: skip
    inst.config.sources[2].status = "shadow"
    inst.save()
    helpers.make(inst)
    db = serve.open_published(inst)
    before = {row["customer_key"] for row in db.rows("select customer_key from core.dim_customer")}
    said = serve.shadow_report(operator(db), db, "service")["customers"]
    assert (said["records"], said["match"], said["add"], said["merge"]) == (5, 2, 1, 1)
    assert said["merges"][0]["record"] == "service:s2"
    assert serve.set_source_status(operator(db), db, "service", "active")
    loaded = Instance.load(inst.home)
    assert loaded.config.source("service").status == inst.config.source("service").status == "active"
    helpers.make(inst)
    db = serve.open_published(inst)
    after = {row["customer_key"] for row in db.rows("select customer_key from core.dim_customer")} - {customers.UNKNOWN}
    assert len(after - before) == said["add"]
    assert len(before - after - {customers.UNKNOWN}) == said["merge"]
    assert serve.set_source_status(operator(db), db, "service", "shadow", "again")
    helpers.make(inst)
    kept = serve.open_published(inst).rows(
        "select count(*) as n from core.dim_customer_record where source = 'service'"
    )
    assert kept[0]["n"] == 0
    assert [row["action"] for row in serve.source_history(operator(db), db, "service")] == [
        "source.demote", "source.promote"]  # fmt: skip


def test_statuses_are_taken_up_by_a_process_at_work(tmp_path: Path) -> None:
    inst = helpers.instance(tmp_path / "i")
    assert not inst.reread_sources()
    config_file.set_of_source(inst.home / "c360.toml", "crm", "status", "shadow")
    assert inst.reread_sources()
    assert inst.config.source("crm").status == "shadow"
    (inst.home / "c360.toml").write_text("broken [", encoding="utf-8")
    assert not inst.reread_sources()
    assert inst.config.source("crm").status == "shadow"
