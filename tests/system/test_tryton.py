"""Tryton, for real: typed values, errors inside 200, write dates that are null, payments that are move lines."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from realsystems.tryton import PASSWORD

from data.demo.codes import uscc

pytestmark = pytest.mark.system

USCC = uscc("310115", "MA1C360T")


def sell(tryton, party: int, address: int, quantity: float, day: date) -> tuple[int, int]:
    """(sale, posted invoice): 30 % due at once, the rest 60 days later."""
    product = tryton.read("product.product", [["rec_name", "=", "Flow meter"]], ["default_uom"])[0]
    terms = tryton.read("account.invoice.payment_term", [["name", "like", "30%"]], ["name"])[0]["id"]
    line = {"type": "line", "product": product["id"], "quantity": quantity, "unit": product["default_uom"]}
    lines = [["create", [{**line, "unit_price": Decimal("1250.00")}]]]
    places = {"invoice_address": address, "shipment_address": address}
    sale = tryton.create("sale.sale", party=party, sale_date=day, payment_term=terms, lines=lines, **places)
    for button in ("quote", "confirm", "process"):
        tryton.call(f"model.sale.sale.{button}", [sale])
    invoice = tryton.read("sale.sale", [["id", "=", sale]], ["invoices"])[0]["invoices"][0]
    tryton.write("account.invoice", invoice, invoice_date=day)
    tryton.call("model.account.invoice.post", [invoice])
    return sale, invoice


def pay(tryton, party: int, invoice: int, amount: str, day: date) -> None:
    """A payment of exactly one instalment, through the invoice's own wizard."""
    start = {"payee": party, "amount": Decimal(amount), "currency": 1, "date": day, "payment_method": 1, "company": 1}
    tryton.wizard("account.invoice.pay", "account.invoice", invoice, {"start": start}, "choice")


@pytest.fixture(scope="session")
def erp(tryton) -> dict[str, Any]:
    """A customer with two invoices, an instalment paid; an opportunity; a project with a task."""
    made: dict[str, Any] = {}
    contact = [["create", [{"type": "email", "value": "mei@harbour.example"}]]]
    address = [["create", [{"city": "Ningbo", "street": "1 Harbour Road"}]]]
    made["party"] = tryton.create(
        "party.party", name="港泵有限公司 Ünï", code="C-100", addresses=address, contact_mechanisms=contact
    )
    made["other"] = tryton.create("party.party", name="Citrine Labs", code="C-200")
    made["gone"] = tryton.create("party.party", name="Gone Ltd", code="C-300")
    made["address"] = tryton.read("party.address", [["party", "=", made["party"]]], ["city"])[0]["id"]
    made["sale"], made["invoice"] = sell(tryton, made["party"], made["address"], 2.0, date(2026, 6, 1))
    _, made["second"] = sell(tryton, made["party"], made["address"], 4.0, date(2026, 10, 1))
    pay(tryton, made["party"], made["invoice"], "750.00", date(2026, 6, 20))
    made["opportunity"] = tryton.create(
        "sale.opportunity", party=made["party"], amount=Decimal("5000.00"), description="Six more"
    )
    made["project"] = tryton.create("project.work", name="Retrofit", type="project", party=made["party"], company=1)
    made["task"] = tryton.create("project.work", name="Mount", type="task", parent=made["project"], company=1)
    return made


def asked(tryton, model: str, domain: list[Any] | None = None) -> set[str]:
    """The ids that Tryton itself lists, inactive ones included."""
    rows = tryton.read(
        model, [*(domain or []), *([["active", "in", [True, False]]] if model == "party.party" else [])], ["id"]
    )
    return {str(row["id"]) for row in rows}


def test_lists_changes_and_deletes_land(tryton, erp, instance_of) -> None:
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    collected.sync()
    for model in ("party.party", "sale.sale", "sale.line", "product.product", "project.work", "sale.opportunity"):
        assert set(collected.documents(model)) == asked(tryton, model), model
    assert set(collected.documents("account.invoice")) == asked(tryton, "account.invoice", [["type", "=", "out"]])
    invoice = collected.documents("account.invoice")[str(erp["invoice"])]
    # typed values arrive as text, linked records under a key that ends in a dot
    assert invoice["total_amount"] == "2500.00"
    assert invoice["invoice_date"] == "2026-06-01"
    assert invoice["currency."]["code"] == "CNY"
    assert [line["maturity_date"] for line in invoice["lines_to_pay."]] == ["2026-06-01", "2026-07-31"]
    assert [line["credit"] for line in invoice["payment_lines."]] == ["750.00"]
    own = [row["name"] for row in collected.documents("party.party").values() if row.get("is_own")]
    assert sorted(own) == ["Dunder Mifflin", "Robin Sales"]

    # null until the first change, and found all the same by the next window
    fresh = tryton.create("project.work", name="Test run", type="task", parent=erp["project"], company=1)
    assert tryton.read("project.work", [["id", "=", fresh]], ["write_date"])[0]["write_date"] is None
    tryton.write("party.party", erp["other"], name="Citrine Laboratories")
    pay(tryton, erp["party"], erp["invoice"], "1750.00", date(2026, 8, 3))
    tryton.delete("party.party", erp["gone"])
    collected.sync()
    assert collected.documents("project.work")[str(fresh)]["write_date"] is None
    assert collected.documents("party.party")[str(erp["other"])]["name"] == "Citrine Laboratories"
    invoice = collected.documents("account.invoice")[str(erp["invoice"])]
    assert invoice["state"] == "paid"
    assert [line["credit"] for line in invoice["payment_lines."]] == ["750.00", "1750.00"]
    collected.sync(full=True)
    collected.sync(full=True)  # a missing record is believed the second time
    assert set(collected.documents("party.party")) == asked(tryton, "party.party")
    assert str(erp["gone"]) not in collected.documents("party.party")


def test_nothing_new_lands_nothing(tryton, erp, instance_of) -> None:
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    collected.sync()
    assert {name for name, result in collected.sync().items() if result.rows_landed} == set()


def test_pages_shorter_than_the_list_lose_nothing(tryton, erp, instance_of, monkeypatch) -> None:
    from ingest.spec import SourceSpec

    spec = SourceSpec.load("tryton")
    streams = [
        stream.model_copy(update={"page": stream.page.model_copy(update={"limit": 2})}) for stream in spec.streams
    ]
    small = spec.model_copy(update={"streams": streams})
    monkeypatch.setattr(SourceSpec, "load", classmethod(lambda cls, name, config_dir=None: small))
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    assert collected.sync()["party.party"].requests > 2
    assert set(collected.documents("party.party")) == asked(tryton, "party.party")


def test_one_unknown_field_is_named_and_other_streams_go_on(tryton, erp, instance_of, monkeypatch) -> None:
    from ingest.collect import sync
    from ingest.spec import SourceSpec

    with pytest.raises(AssertionError, match="probability"):  # HTTP 200 with an error inside
        tryton.read("sale.opportunity", [], ["probability"])
    spec = SourceSpec.load("tryton")
    streams = [
        stream.model_copy(update={"fields": [*stream.fields, "probability"]})
        if stream.name == "sale.opportunity"
        else stream
        for stream in spec.streams
    ]
    wrong = spec.model_copy(update={"streams": streams})
    monkeypatch.setattr(SourceSpec, "load", classmethod(lambda cls, name, config_dir=None: wrong))
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    results = {result.stream: result for result in sync(collected.instance, "tryton")}
    assert "sale.opportunity has no field probability" in (results["sale.opportunity"].error or "")
    assert "conversion_probability" in (results["sale.opportunity"].error or "")  # what there is
    assert [name for name, result in results.items() if result.error] == ["sale.opportunity"]


def test_a_wrong_password_is_said(tryton, instance_of) -> None:
    from ingest.collect import sync

    collected = instance_of("tryton", tryton.settings, "wrong")
    result = sync(collected.instance, "tryton")[0]
    assert result.state == "failed"
    assert "refused the login of admin" in (result.error or "")
    assert "wrong" not in (result.error or "")


def test_the_customer_screen_says_what_tryton_says(tryton, erp, instance_of) -> None:
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    collected.sync()
    collected.build()
    same_as_tryton(tryton, erp, collected.customer("C-100"))

    _, third = sell(tryton, erp["party"], erp["address"], 8.0, date(2026, 10, 20))
    pay(tryton, erp["party"], third, "3000.00", date(2026, 11, 2))
    tryton.write("project.work", erp["project"], name="Retrofit of line 2")
    collected.sync()
    collected.build()
    shown = collected.customer("C-100")
    same_as_tryton(tryton, erp, shown)
    assert Decimal("7000.00") in {item["open_amount"] for item in shown["receivables"]["items"]}


def same_as_tryton(tryton, erp, shown: dict[str, Any]) -> None:
    """The screen against Tryton's own balance of the party, its open move lines, orders and projects."""
    party = [["party", "=", erp["party"]]]
    balance = tryton.read("party.party", [["id", "=", erp["party"]]], ["receivable"])[0]["receivable"]
    assert balance > 0
    assert shown["receivables"]["open"] == balance
    open_lines = [*party, ["account.type.receivable", "=", True], ["reconciliation", "=", None], ["debit", ">", 0]]
    lines = tryton.read("account.move.line", open_lines, ["debit", "maturity_date"])
    items = [item for item in shown["receivables"]["items"] if item["open_amount"] > 0]
    assert sorted((row["maturity_date"], row["debit"]) for row in lines) == sorted(
        (item["due_on"], item["open_amount"]) for item in items
    )
    late = sum(row["debit"] for row in lines if row["maturity_date"] < shown["as_of"])
    assert shown["receivables"]["overdue"] == late
    sales = tryton.read("sale.sale", party, ["number", "total_amount"])
    assert {(row["number"], row["gross_amount"]) for row in shown["orders"]} == {
        (row["number"], row["total_amount"]) for row in sales
    }
    works = tryton.read("project.work", [*party, ["type", "=", "project"]], ["name"])
    assert {row["name"] for row in shown["projects"]} == {row["name"] for row in works}
    deals = tryton.read("sale.opportunity", party, ["number", "amount"])
    assert {(row["number"], row["amount"]) for row in shown["opportunities"]} == {
        (row["number"], row["amount"]) for row in deals
    }


def test_missing_rights_are_said(tryton, erp, instance_of) -> None:
    password = "outsider-password-12345"
    tryton.create("res.user", name="Outsider", login="outsider", password=password, company=1, companies=[["add", [1]]])
    collected = instance_of("tryton", {**tryton.settings, "user": "outsider"}, password)
    said = collected.refused()
    failed = {name: result.error for name, result in said.items() if result.error}
    assert set(failed) == {"account.invoice", "account.move.line"}, failed
    assert 'not allowed to access "Account Invoice"' in said["account.invoice"].error
    assert "group" in said["account.invoice"].remedy
    for model in ("sale.sale", "sale.line"):  # their module may be absent: a warning, and no row
        assert "not allowed to access" in said[model].warnings[0]
    assert collected.documents("party.party")


def test_more_records_than_a_page_land_once(tryton, erp, instance_of) -> None:
    parties = [{"name": f"Paged {number}", "code": f"P-{number:04}"} for number in range(520)]
    made = tryton.call("model.party.party.create", parties)
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    first = collected.sync("party.party")
    assert set(collected.documents("party.party")) == asked(tryton, "party.party")
    assert first["party.party"].rows_landed == len(asked(tryton, "party.party"))
    tryton.call("model.party.party.write", made[500:503], {"name": "Paged and changed"})
    again = collected.sync("party.party")["party.party"]
    assert again.rows_landed == 3
    tryton.call("model.party.party.delete", made)


def test_the_credit_code_is_told_by_its_type(tryton, erp, instance_of) -> None:
    known = {kind for kind, _ in tryton.call("model.party.identifier.get_types") if kind}
    assert "cn_vat" in known  # the 统一社会信用代码; cn_ric is a person's
    identifiers = [["create", [{"type": "cn_vat", "code": USCC}]]]
    tryton.create("party.party", name="Coded Ltd", code="C-150", identifiers=identifiers)
    collected = instance_of("tryton", tryton.settings, PASSWORD)
    collected.sync("party.party")
    collected.build()
    assert collected.customer("C-150")["uscc"] == USCC
