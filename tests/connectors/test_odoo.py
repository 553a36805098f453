"""Odoo's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault, Simulator
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("odoo")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "odoo"


def old(version: int = 17) -> Simulator:
    """A server that knows JSON-RPC only."""
    vendor: Any = Vendor()
    vendor.version = version
    return vendor  # type: ignore[no-any-return]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def asked(vendor: Simulator, model: str, method: str = "search_read", since: int = 0) -> list[dict[str, Any]]:
    """The arguments of every call of a model's method, whatever the protocol."""
    found = []
    for call in vendor.calls[since:]:
        args = call.body.get("params", {}).get("args", []) if call.path == "/jsonrpc" else []
        if call.path == f"/json/2/{model}/{method}":
            found.append(call.body)
        elif args[3:5] == [model, method]:
            found.append(args[6])
    return found


def test_json2_is_chosen_from_odoo_19_on(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("res.users")
    assert {call.path for call in life.vendor.calls} == {
        "/web/version",
        "/json/2/res.users/context_get",
        "/json/2/res.users/fields_get",
        "/json/2/res.users/search_read",
    }
    assert {call.headers.get("x-odoo-database") for call in life.vendor.calls[1:]} == {"acme"}


def test_json_rpc_is_chosen_before_and_brings_the_same_documents(connect: Callable[..., Harness]) -> None:
    new, before = connect("odoo"), connect("odoo", old())
    for stream in ("res.partner", "account.move", "account.partial.reconcile"):
        new.sync(stream)
        before.sync(stream)
        assert before.missing(stream) == (set(), set())
        assert before.documents(stream) == new.documents(stream)
    assert {call.path for call in before.vendor.calls} == {"/web/version", "/jsonrpc"}


def test_json_rpc_can_be_gone(connect: Callable[..., Harness]) -> None:
    life = connect("odoo", old(22))
    life.sync("res.users")
    assert life.missing("res.users") == (set(), set())


@pytest.mark.parametrize("wrong", [{"api_key": "wrong"}, {"user": "nobody@example.com"}])
def test_a_wrong_login_is_false_in_json_rpc(connect: Callable[..., Harness], wrong: dict[str, str]) -> None:
    life = connect("odoo", old(), **wrong)
    result = life.results("res.users")[0]
    assert "refused the login" in (result.error or "")
    assert "credentials" in (result.remedy or "")


def test_json_rpc_without_database_or_user_is_said(connect: Callable[..., Harness]) -> None:
    result = connect("odoo", old(), database="").results("res.users")[0]
    assert "needs database and user" in (result.error or "")


def test_an_error_inside_http_200_is_an_error(connect: Callable[..., Harness]) -> None:
    vendor: Any = old()
    vendor.denied = {"account.move"}
    result = connect("odoo", vendor).results("account.move")[0]
    assert "not allowed to access account.move" in (result.error or "")
    assert "right to read" in (result.remedy or "")


@pytest.mark.parametrize("version", [17, 19])
def test_an_app_that_is_not_installed_is_left_out(connect: Callable[..., Harness], version: int) -> None:
    vendor: Any = old(version)
    vendor.missing = {"crm.lead"}
    result = connect("odoo", vendor).sync("crm.lead")["crm.lead"]
    assert "doesn't exist" in " ".join(result.warnings)


def test_a_key_that_ends_after_three_months_is_named(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("res.users")
    turns = iter(range(100))

    def ended(_call: Call) -> None:
        if next(turns) == 2:
            life.vendor.auth.knows = lambda call: call.path == "/web/version"  # type: ignore[method-assign]

    life.vendor.between = ended
    result = life.results("res.users", hours=1)[0]
    assert "refuses the API key" in (result.error or "")
    assert "three months" in (result.remedy or "")


def test_a_database_that_is_not_there_is_said(connect: Callable[..., Harness]) -> None:
    class Elsewhere(Vendor):  # type: ignore[misc,valid-type]
        """The address serves no such database."""

        def handle(self, call: Call) -> Reply:
            found: Reply = self.refuse(404, "Not Found") if "/json/2/" in call.path else super().handle(call)
            return found

    result = connect("odoo", Elsewhere()).results("crm.lead")[0]
    assert result.state == "failed"
    assert "setting database" in (result.remedy or "")


@pytest.mark.parametrize("version", [17, 19])
def test_errors_are_told_in_the_words_of_the_server(connect: Callable[..., Harness], version: int) -> None:
    """JSON-2 gives true HTTP errors; a bad field is a 500 that is not tried again."""
    vendor: Any = old(version)
    life = connect("odoo", vendor, receivable_field="no.such_field")
    result = life.results("account.move.line")[0]
    assert "Invalid field 'no.such_field'" in (result.error or "")
    assert len(asked(life.vendor, "account.move.line")) == 1


def test_times_are_utc_without_saying_so(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("sale.order")
    order = life.documents("sale.order")["900"]
    assert (order["date_order"], order["create_date"]) == ("2026-01-05T20:30:00Z", "2026-05-04T08:00:00Z")


def test_every_list_is_one_call_because_each_call_is_a_transaction(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync()
    methods = {call.path.rpartition("/")[2] for call in life.vendor.calls}
    assert methods == {"version", "context_get", "fields_get", "search_read", "formatted_read_group"}


def test_a_payment_counts_when_it_is_in_the_ledger(connect: Callable[..., Harness]) -> None:
    """From Odoo 18 on a payment may have no journal entry until its bank line comes, which is a receipt itself."""
    life = connect("odoo")
    life.sync("account.payment")
    conform.stage(life.instance)
    assert life.documents("account.payment")["4300"]["state"] == "in_process"
    assert rows(life, "SELECT count(*) FROM staging.receipt WHERE source_id = '4300'") == [(0,)]


def test_only_fields_that_this_version_has_are_asked_for_and_never_all(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("sale.order.line")
    calls = asked(life.vendor, "sale.order.line")
    assert all(call["fields"] for call in calls)
    assert "product_uom_id" in calls[0]["fields"]
    assert "product_uom" not in calls[0]["fields"]


def test_false_is_nothing_but_a_boolean_stays(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("res.partner")
    company = life.documents("res.partner")["101"]
    assert company["parent_id"] is None
    assert company["active"] is False


def test_archived_records_are_read(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("product.product")
    assert life.documents("product.product")["703"]["active"] is False
    assert all(call["context"]["active_test"] is False for call in asked(life.vendor, "product.product"))


def test_other_companies_are_asked_for_by_number(connect: Callable[..., Harness]) -> None:
    life = connect("odoo", companies=[1])
    life.sync("account.move")
    assert life.missing("account.move") == (set(), set())
    assert all(call["context"]["allowed_company_ids"] == [1] for call in asked(life.vendor, "account.move"))


def test_pages_go_by_id_within_the_window(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("crm.lead")
    calls = asked(life.vendor, "crm.lead")
    assert [call["domain"][-1] for call in calls] == [["id", ">", after] for after in (0, 809, 819, 826)]
    assert {call["order"] for call in calls} == {"id asc"}
    assert not any("offset" in call for call in calls)


def test_the_lower_bound_is_inclusive_because_the_wire_cuts_microseconds(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("crm.lead")
    before = life.vendor.clock.now
    life.vendor.clock.advance(minutes=20, microseconds=400)
    life.vendor.tables["crm.lead"].edit("803")
    since = len(life.vendor.calls)
    assert life.sync("crm.lead", seconds=1)["crm.lead"].rows_landed == 1
    assert asked(life.vendor, "crm.lead", since=since)[0]["domain"][1] == [
        "write_date", ">=", f"{before - timedelta(minutes=15):%Y-%m-%d %H:%M:%S}",
    ]  # fmt: skip


def test_a_payment_state_that_moves_no_stamp_is_read_again(connect: Callable[..., Harness]) -> None:
    """Open invoices are read every run; one that was paid leaves them and is read once more; so does an undone one."""
    life = connect("odoo")
    life.sync("account.move")
    table = life.vendor.tables["account.move"]
    table.quietly("3001", payment_state="paid", amount_residual=0.0)
    assert life.sync("account.move", hours=1)["account.move"].rows_landed == 1
    assert life.documents("account.move")["3001"]["payment_state"] == "paid"
    table.quietly("3001", payment_state="partial", amount_residual=5.5)
    assert life.sync("account.move", hours=1)["account.move"].rows_landed == 1
    assert life.documents("account.move")["3001"]["amount_residual"] == 5.5


def test_an_edited_line_does_not_need_its_order_to_move(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync()
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["sale.order.line"].edit("1010", product_uom_qty=99.0)
    landed = life.sync(minutes=1)
    assert {name: one.rows_landed for name, one in landed.items() if one.rows_landed} == {"sale.order.line": 1}


def test_an_unreconciled_payment_is_found_by_comparing_ids(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("account.partial.reconcile")
    life.vendor.remove("account.partial.reconcile", "7000")
    life.sync("account.partial.reconcile", hours=7)
    life.sync("account.partial.reconcile", hours=7)
    assert "7000" not in life.documents("account.partial.reconcile")


def test_a_merged_partner_vanishes_and_its_documents_follow(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync()
    life.vendor.clock.advance(hours=1)
    link = [100, "survivor"]
    life.vendor.tables["account.move"].edit("3001", partner_id=link, commercial_partner_id=link)
    life.vendor.remove("res.partner", "101")
    for _ in range(3):
        life.sync(days=1)
    assert "101" not in life.documents("res.partner")
    assert life.documents("account.move")["3001"]["commercial_partner_id"] == link


def test_a_filter_that_is_ignored_ends_the_run(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("crm.lead")
    life.vendor._leaf = lambda *_: True  # type: ignore[attr-defined]
    assert "asked for changes since" in (life.results("crm.lead", days=2)[0].error or "")


def test_only_our_part_of_a_model_is_read(connect: Callable[..., Harness]) -> None:
    """No leads, section lines, deliveries from suppliers, bills or payments to suppliers."""
    life = connect("odoo")
    life.sync()
    foreign = {name for name, others in life.vendor.others.items() if others[0]["id"] == 99_000}  # type: ignore[attr-defined]
    assert len(foreign) == 5
    assert not any("99000" in life.documents(name) for name in foreign)


def test_projects_are_read_when_wanted(connect: Callable[..., Harness]) -> None:
    life = connect("odoo", projects=True, page_size=100)
    life.sync()
    conform.stage(life.instance)
    assert rows(life, "SELECT customer_id, code, status, health FROM staging.project ORDER BY source_id LIMIT 1") == [
        ("100", "50", "active", "amber")
    ]
    milestone = "SELECT source_id, kind, status, owner_id FROM staging.milestone WHERE project_id = '50' ORDER BY 1"
    assert rows(life, milestone)[0] == ("60", "milestone", "done", None)
    assert rows(life, milestone)[-1] == ("task-81", "task", "done", "31")


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    customer = "SELECT name, code, tax_number, kind, status, owner_id, website FROM staging.customer WHERE source_id = "
    assert rows(life, customer + "'102'") == [
        ("Nordlicht物流 Example 2", "C-1002", "DE000000002", "company", "active", "32", "kunde2.example.com")
    ]
    assert rows(life, "SELECT count(*) FROM staging.customer WHERE source_id IN ('1', '3')") == [(0,)]
    assert rows(life, "SELECT customer_id, name FROM staging.contact WHERE source_id = '301'") == [
        ("101", "Jonas Beispiel1")
    ]
    assert rows(life, "SELECT count(*) FROM staging.contact WHERE source_id = '330'") == [(0,)]
    deal = "SELECT customer_id, is_closed, is_won, amount, currency FROM staging.opportunity ORDER BY source_id LIMIT 4"
    assert rows(life, deal)[2:] == [
        ("102", True, True, Decimal("2462.02"), "EUR"),
        ("103", True, False, Decimal("3193.03"), "EUR"),
    ]
    order = "SELECT customer_id, number, order_on, document_status, gross_amount FROM staging.sales_order"
    assert rows(life, order + " WHERE source_id = '900'") == [
        ("100", "SO-2026000", date(2026, 1, 6), "approved", Decimal("119.59"))
    ]
    assert rows(life, "SELECT document_status FROM staging.sales_order WHERE source_id = '905'") == [("draft",)]
    line = "SELECT order_id, product_id, quantity, unit, net_amount FROM staging.sales_order_line"
    assert rows(life, line + " WHERE source_id = '1000'") == [("900", "700", Decimal(1), "Units", Decimal("100.50"))]
    sent = "SELECT number, order_id, is_return FROM staging.shipment WHERE customer_id = '101' ORDER BY number"
    assert rows(life, sent) == [("WH/IN/00001", "901", True), ("WH/OUT/00001", "901", False)]


def test_money_becomes_rows(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync()
    conform.stage(life.instance)
    invoice = "SELECT customer_id, number, gross_amount, currency, exchange_rate, due_on FROM staging.invoice"
    assert rows(life, invoice + " WHERE source_id = '3001'") == [
        ("101", "INV-2026001", Decimal("950.21"), "CNY", Decimal("0.12500395"), date(2026, 2, 12))
    ]
    assert rows(life, "SELECT document_status, number FROM staging.invoice WHERE source_id = '3300'") == [
        ("draft", "3300")
    ]
    plan = "SELECT row_number, due_on, amount FROM staging.invoice_plan WHERE invoice_id = '3001'"
    assert rows(life, plan) == [(1, date(2026, 2, 12), Decimal("950.21"))]
    credit = "SELECT original_invoice_id, gross_amount, kind FROM staging.credit_note"
    assert rows(life, credit) == [("3001", Decimal("100.50"), "credit")]
    receipt = "SELECT source_id, amount, purpose FROM staging.receipt ORDER BY source_id"
    found = rows(life, receipt)
    assert [one for one in found if one[0] in {"4400", "line-6508"}] == [
        ("4400", Decimal("-12.50"), "refund"),
        ("line-6508", Decimal("358.78"), "sale"),
    ]
    used = "SELECT kind, receipt_id, credit_note_id, invoice_id, amount FROM staging.allocation WHERE source_id = "
    assert rows(life, used + "'7000'") == [("receipt", "4000", None, "3000", Decimal("119.59"))]
    assert rows(life, used + "'7100'") == [("credit_note", None, "3100", "3001", Decimal("100.50"))]
    assert rows(life, used + "'7200'") == []
    assert rows(life, "SELECT count(*) FROM staging.allocation WHERE receipt_id = 'line-6508'") == [(1,)]
    entered = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert rows(life, "SELECT entered_at FROM staging.invoice WHERE source_id = '3001'") == [(entered,)]


def test_a_lost_opportunity_is_an_archived_one(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("crm.lead")
    deal = next(
        key for key, row in life.vendor.tables["crm.lead"].rows.items() if row["active"] and row["probability"] < 100
    )
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["crm.lead"].edit(deal, active=False, probability=0.0)
    life.sync("crm.lead", minutes=1)
    conform.stage(life.instance)
    sql = (
        f"SELECT is_closed, is_won, is_deleted FROM staging.opportunity WHERE source_id = '{deal}' AND seen_to IS NULL"
    )
    assert rows(life, sql) == [(True, False, False)]


def test_a_quotation_is_an_order_in_another_state(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    for row_id, state in (("900", "sent"), ("901", "done"), ("902", "cancel")):
        vendor.tables["sale.order"].edit(row_id, state=state)
    life = connect("odoo", vendor)
    life.sync("sale.order")
    conform.stage(life.instance)
    sql = "SELECT document_status, is_void FROM staging.sales_order WHERE source_id IN ('900', '901', '902')"
    assert rows(life, f"{sql} ORDER BY source_id") == [("submitted", False), ("approved", False), ("approved", True)]


def test_a_credit_note_is_positive_and_only_its_type_says_what_it_is(connect: Callable[..., Harness]) -> None:
    life = connect("odoo")
    life.sync("account.move")
    conform.stage(life.instance)
    note = life.documents("account.move")["3100"]
    assert (note["move_type"], note["amount_total"] > 0) == ("out_refund", True)
    assert rows(life, "SELECT source_id, gross_amount FROM staging.credit_note") == [("3100", Decimal("100.50"))]
    assert rows(life, "SELECT count(*) FROM staging.invoice WHERE source_id = '3100'") == [(0,)]


def test_a_hosted_server_that_is_asked_too_often_is_waited_for(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    life = connect("odoo")
    life.vendor.faults = [Fault("status", status=429, times=2, path="res.partner")]
    life.sync("res.partner")
    assert len(waits) == 2
    assert life.missing("res.partner") == (set(), set())
