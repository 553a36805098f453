"""Tryton's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from decimal import Decimal
from typing import Any

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault
from data.sim.table import START
from data.sim.vendors.tryton import money
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("tryton")
Connect = Callable[..., Harness]


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "tryton"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def reads(life: Harness, model: str) -> list[Call]:
    return [call for call in life.vendor.calls if call.body["method"] == f"model.{model}.search_read"]


def test_a_date_of_change_is_null_until_the_first_change_and_new_records_are_found(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("party.party")
    table = life.vendor.tables["party.party"]
    fresh = {**deepcopy(table.rows["10"]), "id": 777, "name": "neu 新", "write_date": None}
    fresh["create_date"] = table.write(life.vendor.clock.now)
    table.rows["777"] = fresh
    assert life.sync("party.party", hours=1)["party.party"].rows_landed == 1
    assert life.documents("party.party")["777"]["write_date"] is None


def test_a_bound_is_sent_in_tryton_s_own_clothes(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("party.party")
    life.sync("party.party", hours=1)
    bounds = [str(call.body["params"][0]) for call in reads(life, "party.party")]
    bounds = [text for text in bounds if "'write_date', '>='" in text]
    assert bounds
    assert all("'__class__': 'datetime', 'year': 2026" in text for text in bounds)


def test_a_call_has_exactly_three_keys_because_others_make_errors_plain_statuses(connect: Connect) -> None:
    life = connect("tryton")
    life.sync()
    assert {frozenset(call.body) for call in life.vendor.calls} == {frozenset({"id", "method", "params"})}
    assert all(isinstance(call.body["params"][-1], dict) for call in life.vendor.calls[1:]), "the context comes last"


def test_inactive_records_are_read_though_a_search_leaves_them_out(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("party.party")
    assert life.documents("party.party")["14"]["active"] is False
    life.vendor.tables["party.party"].edit("15", active=False)
    for _ in range(3):
        life.sync("party.party", days=1)
    assert life.missing("party.party") == (set(), set()), "and the list of ids names them"


def test_an_error_comes_with_http_200_and_is_told_in_its_own_words(connect: Connect) -> None:
    class Failing(Vendor):  # type: ignore[misc]
        """Reading parties fails."""

        def handle(self, call: Call) -> Reply:
            if call.body["method"] == "model.party.party.search_read":
                return Reply(200, {"id": 1, "error": ["UserError", ["said in words", "", None]]})
            reply: Reply = super().handle(call)
            return reply

    life = connect("tryton", Failing())
    result = life.results("party.party")[0]
    assert result.state == "failed"
    assert (result.error or "").endswith("said in words")


def test_an_expired_session_is_opened_again(connect: Connect) -> None:
    life = connect("tryton")
    calls = iter(range(1000))

    def between(call: Call) -> None:
        if call.body["method"] == "model.party.party.search_read" and next(calls) == 0:
            life.vendor.auth.expire()

    life.vendor.between = between
    life.sync("party.party")
    assert life.vendor.auth.count == 2  # type: ignore[attr-defined]
    assert life.missing("party.party") == (set(), set())


def test_a_wrong_password_is_tried_once_because_repeats_make_the_server_wait(connect: Connect) -> None:
    life = connect("tryton", user="nobody")
    results = life.results()
    assert {result.state for result in results} == {"failed"}
    assert all("Tryton refused the login of nobody" in (result.error or "") for result in results)
    assert [call.body["method"] for call in life.vendor.calls] == ["common.db.login"]


def test_a_model_that_may_not_be_read_is_named_and_deletes_nothing(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("account.invoice")
    life.vendor.hidden = {"account.invoice"}  # type: ignore[attr-defined]
    for _ in range(3):
        assert "not allowed to access" in (life.results("account.invoice", days=1)[0].error or "")
    assert life.missing("account.invoice") == (set(), set())


def test_a_payment_moves_no_stamp_and_an_open_invoice_is_read_again(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("account.invoice")
    table = life.vendor.tables["account.invoice"]
    number = next(row_id for row_id, row in table.rows.items() if row["state"] == "posted" and not row["payment_lines"])
    line = {**table.rows["400"]["payment_lines."][0], "id": 8800}
    table.rows[number] = {**table.rows[number], "payment_lines": [8800], "payment_lines.": [line]}
    assert life.sync("account.invoice", minutes=5)["account.invoice"].rows_landed == 1
    assert life.documents("account.invoice")[number]["payment_lines."][0]["id"] == 8800


def test_amounts_and_dates_lose_their_clothes_and_no_digit(connect: Connect) -> None:
    life = connect("tryton")
    table = life.vendor.tables["account.invoice"]
    table.rows["403"]["total_amount"] = money("12345678901234567.89")
    life.sync("account.invoice")
    document = life.documents("account.invoice")["403"]
    assert document["total_amount"] == "12345678901234567.89"
    assert document["invoice_date"] == "2026-01-19"
    assert document["create_date"] == "2026-05-04T08:00:00.000000Z"


def test_a_credit_note_is_an_invoice_with_negative_amounts(connect: Connect) -> None:
    life = connect("tryton")
    life.sync()
    conform.stage(life.instance)
    gross = life.documents("account.invoice")["401"]["total_amount"]
    assert gross.startswith("-")
    assert rows(life, "SELECT source_id, gross_amount FROM staging.credit_note") == [("401", Decimal(gross[1:]))]
    assert rows(life, "SELECT count(*) FROM staging.invoice WHERE source_id = '401'") == [(0,)]


def test_the_credit_of_a_credit_note_is_no_receipt(connect: Connect) -> None:
    vendor = Vendor()
    first, *_rest = vendor.tables["account.move.line"].rows
    vendor.tables["account.move.line"].rows[first]["journal."] = {"id": 1, "type": "revenue"}
    life = connect("tryton", vendor)
    life.sync()
    conform.stage(life.instance)
    assert rows(life, f"SELECT count(*) FROM staging.receipt WHERE source_id = '{first}'") == [(0,)]


def test_a_payment_in_a_second_currency_settles_what_it_says_in_that_currency(connect: Connect) -> None:
    """An invoice of 100 USD, booked as 90 in the company's euros, and paid as such."""
    vendor = Vendor()
    usd = {"currency": 2, "currency.": {"id": 2, "code": "USD"}}
    second = {"amount_second_currency": money("-100.00"), "second_currency": 2, "credit": money("90.00")}
    invoice = vendor.tables["account.invoice"].rows["400"]
    invoice |= {**usd, "total_amount": money("100.00")}
    invoice["payment_lines."] = [{**invoice["payment_lines."][0], **second}]
    vendor.tables["account.move.line"].rows["8000"] |= {**second, "second_currency.": {"id": 2, "code": "USD"}}
    other = vendor.tables["account.invoice"].rows["403"]
    other["payment_lines."] = [{**other["payment_lines."][0], **second}]
    life = connect("tryton", vendor)
    life.sync()
    conform.stage(life.instance)
    sql = "SELECT invoice_id, amount, currency FROM staging.allocation WHERE invoice_id IN ('400', '403') ORDER BY 1"
    assert rows(life, sql) == [("400", Decimal(100), "USD"), ("403", Decimal(90), "EUR")]
    assert rows(life, "SELECT amount, currency FROM staging.receipt WHERE source_id = '8000'") == [
        (Decimal(100), "USD")
    ]


def test_a_deletion_leaves_nothing_and_is_found_by_comparing_ids(connect: Connect) -> None:
    life = connect("tryton")
    life.sync("sale.line")
    life.vendor.remove("sale.line", "3000")
    for _ in range(2):
        life.sync("sale.line", days=1)
    assert life.missing("sale.line") == (set(), set())


def test_a_party_that_is_replaced_ends_with_its_survivor_and_documents_follow(connect: Connect) -> None:
    life = connect("tryton")
    life.sync()
    life.vendor.clock.advance(hours=1)
    life.vendor.merge("party.party", "10", "12")
    for row_id, row in list(life.vendor.tables["account.invoice"].rows.items()):
        if row["party"] == 10:
            life.vendor.tables["account.invoice"].edit(row_id, party=12)
    life.sync(minutes=5)
    assert life.merges("party.party") == [["10", "12"]]
    assert "10" not in life.documents("party.party")
    assert {row["party"] for row in life.documents("account.invoice").values()} & {10, 12} == {12}


def test_what_a_rule_hid_and_shows_later_comes_with_the_weekly_reading(connect: Connect) -> None:
    vendor = Vendor()
    table = vendor.tables["sale.sale"]
    done = next(row_id for row_id, row in table.rows.items() if row["state"] == "done")
    hidden = table.rows.pop(done)
    life = connect("tryton", vendor)
    life.sync("sale.sale")
    table.rows[done] = hidden | {"create_date": table.write(START), "write_date": None}
    assert life.sync("sale.sale", hours=2)["sale.sale"].rows_landed == 0
    life.sync("sale.sale", days=7)
    assert done in life.documents("sale.sale")


def test_a_session_has_two_parts_before_and_three_later(connect: Connect) -> None:
    """What follows the token is the address of a bus, and of no use here."""
    for kept in (2, 3):
        vendor = Vendor()
        whole = vendor.auth.sign_in

        def sign_in(call: Call, simulator: Any, whole: Any = whole, kept: int = kept) -> Reply | None:
            reply: Reply | None = whole(call, simulator)
            if reply is not None:
                reply.body["result"] = reply.body["result"][:kept]
            return reply

        vendor.auth.sign_in = sign_in
        life = connect("tryton", vendor)
        life.sync("party.party")
        assert life.missing("party.party") == (set(), set())


def test_a_database_that_takes_too_long_is_asked_again(connect: Connect, waits: list[float]) -> None:
    life = connect("tryton")
    life.vendor.faults = [Fault("status", status=408, times=2, after=3)]
    life.sync("party.party")
    assert len(waits) == 2
    assert life.missing("party.party") == (set(), set())


def test_a_database_that_is_not_there_is_named(connect: Connect) -> None:
    life = connect("tryton", database="nowhere")
    life.vendor.handle = lambda _call: Reply(404, "")  # type: ignore[method-assign,assignment]
    (result,) = life.results("party.party")
    assert "nowhere" in (result.error or "")
    assert "database" in (result.remedy or "")
