"""Shopify's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, OAuth, Reply
from data.sim.table import START
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness, connected

Vendor: Any = sim.load("shopify")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "shopify"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """A shop with the default settings, collected and staged once for all who only look."""
    home = tmp_path_factory.mktemp("shop") / "home"
    with pytest.MonkeyPatch.context() as patch, connected("shopify", home, patch) as life:
        life.sync()
        assert conform.stage(life.instance).counts.rejected == 0
        yield life


def queries(life: Harness) -> list[str]:
    return [call.body["query"] for call in life.vendor.calls if call.path.endswith("graphql.json")]


def test_the_end_of_a_list_at_25000_objects_is_never_met(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.cap = 20
    life = connect("shopify", vendor)
    life.sync("customers")
    assert life.missing("customers") == (set(), set())
    assert len(life.documents("customers")) > 20
    assert not any("after" in text for text in queries(life))


def test_a_list_names_its_sort_key(connect: Callable[..., Harness]) -> None:
    life = connect("shopify")
    life.sync()
    life.sync(days=1)
    assert all("sortKey: ID" in text for text in queries(life) if "$q" in text)


def test_a_term_that_the_shop_ignores_is_noticed(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    life = connect("shopify", vendor)
    life.sync("orders")
    vendor.understands = False
    (result,) = life.results("orders", days=20)
    assert result.state == "failed"
    assert "ignores the filter" in (result.remedy or "")


def test_lists_within_an_order_are_read_to_their_end(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    order = vendor.tables["orders"].rows["5002"]
    for name, count in {"lineItems": 125, "transactions": 12}.items():
        first = order[name][0]
        kind = "LineItem" if name == "lineItems" else "OrderTransaction"
        order[name] = [{**deepcopy(first), "id": f"gid://shopify/{kind}/{70_000 + n}"} for n in range(count)]
    life = connect("shopify", vendor)
    life.sync("orders")
    found = life.documents("orders")["5002"]
    assert len({line["key"] for line in found["lineItems"]}) == 125
    assert len(found["transactions"]) == 12


def test_throttling_within_a_good_answer_is_waited_out(connect: Callable[..., Harness], waits: list[float]) -> None:
    vendor = Vendor()
    life = connect("shopify", vendor)
    vendor.points = 400.0

    def refill(_call: Call) -> None:
        vendor.points += 300.0

    vendor.between = refill
    life.sync("orders")
    assert life.missing("orders") == (set(), set())
    assert waits


def test_the_bucket_is_read_from_the_answer_and_never_overdrawn(
    connect: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = Vendor()
    life = connect("shopify", vendor)
    vendor.points, vendor.restore_rate = 2000.0, 50.0
    told: list[str] = []

    def wait(seconds: float) -> None:
        vendor.points += seconds * vendor.restore_rate

    monkeypatch.setattr("ops.clock.sleep", wait)

    def fault(code: str, reason: str) -> Any:
        told.append(code)
        return Vendor.fault(code, reason)

    monkeypatch.setattr(vendor, "fault", fault)
    life.sync("orders")
    assert told == []
    assert life.missing("orders") == (set(), set())


def test_a_page_with_errors_is_no_page_whatever_data_it_has(connect: Callable[..., Harness]) -> None:
    class Partial(Vendor):  # type: ignore[misc]
        """One list is answered in part."""

        def query(self, call: Call) -> Any:
            return super().query(call) | {"errors": [{"message": "Internal error", "path": ["customers", 3]}]}

        query.places = Vendor.query.places  # type: ignore[attr-defined]

    life = connect("shopify", Partial())
    (result,) = life.results("customers")
    assert result.state == "failed"
    assert "Internal error" in (result.error or "")
    assert life.documents("customers") == {}


def test_a_version_that_is_gone_is_noticed(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.version = "2026-10"
    life = connect("shopify", vendor)
    (result,) = life.results("customers")
    assert result.state == "failed"
    assert "api_version = '2026-10'" in (result.remedy or "")


def test_orders_of_sixty_days_only_are_not_taken_for_all(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.scopes.remove("read_all_orders")
    life = connect("shopify", vendor)
    (result,) = life.results("orders")
    assert result.state == "failed"
    assert "read_all_orders" in (result.remedy or "")
    less = Vendor()
    less.scopes.remove("read_all_orders")
    short = connect("shopify", less, all_orders=False)
    short.sync("orders")
    assert 0 <= len(short.documents("orders")) < len(vendor.tables["orders"].rows)


@pytest.mark.parametrize("status", [402, 423])
def test_a_frozen_or_locked_shop_is_named(connect: Callable[..., Harness], status: int) -> None:
    class Frozen(Vendor):  # type: ignore[misc]
        """Its owner has not paid."""

        def handle(self, call: Call) -> Reply:
            return Reply(status, {"errors": "Unavailable Shop"})

    (result,) = connect("shopify", Frozen()).results("customers")
    assert result.state == "failed"
    assert "frozen or locked" in (result.remedy or "")


def test_a_query_that_costs_too_much_names_the_setting(connect: Callable[..., Harness]) -> None:
    (result,) = connect("shopify", orders_page=50).results("orders")
    assert "orders_page" in (result.remedy or "")


def test_a_scope_that_is_missing_is_named(connect: Callable[..., Harness]) -> None:
    class Denied(Vendor):  # type: ignore[misc]
        """Shows no customers."""

        def _root(self, one: Any) -> Any:
            if one.name == "customers":
                raise KeyError("customers")
            return super()._root(one)

        @staticmethod
        def fault(code: str, reason: str) -> Any:
            return Vendor.fault("ACCESS_DENIED", "Access denied for customers field. Required access: `read_customers`")

    (result,) = connect("shopify", Denied()).results("customers")
    assert result.state != "done"
    assert "read_customers" in (result.error or "")
    assert "scope" in (result.remedy or "")


def test_a_merged_customer_vanishes_and_is_deleted(connect: Callable[..., Harness]) -> None:
    life = connect("shopify")
    life.sync("customers")
    life.vendor.tables["customers"].remove("7004")
    for _ in range(3):
        life.sync("customers", days=1)
    assert "7004" not in life.documents("customers")


@pytest.mark.parametrize("way", ["client", "refresh"])
def test_tokens_that_expire_are_renewed(connect: Callable[..., Harness], way: str) -> None:
    class Token(OAuth):
        """Its token goes into a header of Shopify's own."""

        def knows(self, call: Call) -> bool:
            return call.headers.get("x-shopify-access-token", "") in self.tokens

    app = {"client_id": "app", "client_secret": "app-secret"}
    more = {"refresh_token": "demo-refresh-0000"} if way == "refresh" else {}

    class Expiring(Vendor):  # type: ignore[misc]
        """Its tokens end."""

        def setup(self) -> None:
            super().setup()
            self.auth = Token("/admin/oauth/access_token", {**app, **more}, rotates=bool(more))

        def settings(self) -> dict[str, object]:
            known = {key: value for key, value in super().settings().items() if key != "token"}
            return {**known, "auth": way, **app, **more}

    vendor: Any = Expiring()
    life = connect("shopify", vendor)
    life.sync("customers")
    vendor.auth.expire()
    life.sync("customers", hours=1)
    assert vendor.auth.issued == 2


def test_companies_are_customers_where_the_plan_has_them(connect: Callable[..., Harness]) -> None:
    life = connect("shopify", b2b=True)
    life.sync()
    assert life.missing("companies") == (set(), set())
    assert conform.stage(life.instance).counts.rejected == 0
    company = "SELECT code, kind, erp_code FROM staging.customer WHERE source_id = '91'"
    assert rows(life, company) == [("91", "company", "C-1001")]
    assert rows(life, "SELECT count(*) FROM staging.contact WHERE customer_id = '91'") == [(3,)]
    assert rows(life, "SELECT customer_id FROM staging.sales_order WHERE number = '#1002'") == [("91",)]


def test_orders_that_another_system_bills_are_no_invoices(connect: Callable[..., Harness]) -> None:
    life = connect("shopify", receivables=False)
    life.sync("orders")
    conform.stage(life.instance)
    for entity in ("invoice", "receipt", "allocation", "credit_note"):
        assert rows(life, f"SELECT count(*) FROM staging.{entity}") == [(0,)], entity
    assert rows(life, "SELECT count(*) FROM staging.sales_order") == [(18,)]


def test_due_dates_of_orders_on_account_are_plan_rows(connect: Callable[..., Harness]) -> None:
    life = connect("shopify", payment_terms=True)
    life.sync("orders")
    assert conform.stage(life.instance).counts.rejected == 0
    due = date(2026, 7, 1)
    assert rows(life, "SELECT due_on, payment_terms FROM staging.invoice WHERE number = '#1002'") == [(due, "Net 30")]
    assert rows(life, "SELECT due_on, row_number FROM staging.invoice_plan WHERE invoice_id = '5002'") == [(due, 1)]


def test_an_order_of_nobody_belongs_to_the_bucket_and_a_trial_order_counts_nowhere(staged: Harness) -> None:
    life = staged
    assert rows(life, "SELECT customer_id FROM staging.sales_order WHERE number = '#1008'") == [("guest",)]
    assert rows(life, "SELECT kind FROM staging.customer WHERE source_id = 'guest'") == [("bucket",)]
    assert rows(life, "SELECT count(*) FROM staging.sales_order WHERE number = '#1007'") == [(0,)]


def test_an_order_paid_and_partly_refunded_comes_out_even(staged: Harness) -> None:
    """What was paid is allocated less what was paid back; the refund is a credit note and money out."""
    life = staged
    (gross,) = rows(life, "SELECT gross_amount FROM staging.invoice WHERE number = '#1004'")[0]
    receipts = rows(life, "SELECT amount, purpose, refund_of_id FROM staging.receipt WHERE number LIKE '#1004-%'")
    assert sorted(receipts, key=str) == sorted([(gross, "sale", None), (Decimal("-10.00"), "refund", "301")], key=str)
    settled = rows(life, "SELECT kind, amount FROM staging.allocation WHERE invoice_id = '5004'")
    assert isinstance(gross, Decimal)
    assert sorted(settled) == [("credit_note", Decimal("10.00")), ("receipt", gross - 10)]
    credit = "SELECT gross_amount, original_invoice_id, reason FROM staging.credit_note"
    assert rows(life, credit) == [(Decimal("10.00"), "5004", "zurück")]
    void = "SELECT is_void, gross_amount FROM staging.invoice WHERE number = '#1005'"
    assert rows(life, void) == [(True, Decimal("0.00"))]


def test_documents_become_rows_in_the_shops_money(staged: Harness) -> None:
    life = staged
    order = "SELECT customer_id, order_on, currency, net_amount, tax_amount, gross_amount FROM staging.sales_order"
    lines = "SELECT product_id, product_code, net_amount, gross_amount FROM staging.sales_order_line"
    head = rows(life, f"{order} WHERE number = '#1003'")[0]
    assert head[:3] == ("7002", date(2026, 1, 11), "EUR")
    found: list[Any] = rows(life, f"{lines} WHERE order_id = '5003'")
    assert len(found) == 3
    assert {row[0] for row in found} == {"402", "403", "404"}
    for place, total in ((2, head[3]), (3, head[5])):
        assert sum((row[place] for row in found), Decimal(0)) == total
    kept = life.documents("orders")["5003"]["totalPriceSet"]
    assert (kept["shopMoney"]["currencyCode"], kept["presentmentMoney"]["currencyCode"]) == ("EUR", "USD")
    sent = "SELECT number, order_id, carrier, tracking_number, logistics_status, signed_on FROM staging.shipment"
    delivered = (START + timedelta(days=3)).date()
    assert rows(life, f"{sent} WHERE order_id = '5003'") == [("#1003-F1", "5003", "Post", "T2", "DELIVERED", delivered)]
    person = "SELECT name, kind, email, city FROM staging.customer WHERE source_id = '7001'"
    assert rows(life, person) == [("Firma 1", "company", "person1@kunde1.example.com", "Berlin")]
    assert rows(life, "SELECT name, is_active FROM staging.product WHERE code = 'P-008'") == [
        ("Wärmepumpe 热泵 8 - Standard", False)
    ]


@pytest.mark.parametrize("changes", [{"status": "FAILURE"}, {"status": "PENDING"}, {"test": True}, {"kind": "VOID"}])
def test_a_transaction_without_money_is_no_receipt(connect: Callable[..., Harness], changes: dict[str, Any]) -> None:
    """One that failed, is not through, is a trial or only ends a reservation."""
    vendor = Vendor()
    moved = vendor.tables["orders"].rows["5004"]["transactions"]
    vendor.tables["orders"].edit("5004", transactions=[{**one, **changes} for one in moved])
    life = connect("shopify", vendor)
    life.sync("orders")
    conform.stage(life.instance)
    assert "AUTHORIZATION" in {one["kind"] for one in moved}
    assert rows(life, "SELECT amount FROM staging.receipt WHERE number LIKE '#1004-%'") == []
    assert rows(life, "SELECT kind FROM staging.allocation WHERE invoice_id = '5004' AND kind = 'receipt'") == []


def test_closed_and_cancelled_orders_are_read_like_the_others(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["orders"].edit("5002", closedAt="2026-05-09T00:00:00Z")
    life = connect("shopify", vendor)
    life.sync("orders")
    assert life.missing("orders") == (set(), set())
    assert life.documents("orders")["5005"]["cancelledAt"]
    assert not any("status:" in str(call.body.get("variables")) for call in vendor.calls)


def test_a_deleted_order_leaves_nothing_and_is_found_by_comparing_ids(connect: Callable[..., Harness]) -> None:
    life = connect("shopify")
    life.sync("orders")
    life.vendor.remove("orders", "5003")
    for _ in range(3):
        life.sync("orders", days=1)
    assert life.missing("orders") == (set(), set())


def test_a_refused_token_is_told_in_one_text_instead_of_a_list(connect: Callable[..., Harness]) -> None:
    life = connect("shopify")
    words = "[API] Invalid API key or access token"
    life.vendor.handle = lambda _call: Reply(401, {"errors": words})  # type: ignore[method-assign,assignment]
    (result,) = life.results("customers")
    assert (result.error or "").endswith(words)
    assert "credentials" in (result.remedy or "")
