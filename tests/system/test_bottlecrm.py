"""BottleCRM, for real: envelopes that differ, lists in two halves, payments per invoice, and a database that hides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.system


def invoice(bottlecrm, account: str, contact: str, due: str, *lines: tuple[str, str]) -> str:
    """A sent invoice."""
    items = [{"name": "Pump", "description": "", "quantity": count, "unit_price": price} for count, price in lines]
    who = {
        "account_id": account,
        "contact_id": contact,
        "client_name": "Lin Mei",
        "client_email": "lin@harbour.example",
    }
    when = {"issue_date": "2026-09-01", "due_date": due, "payment_terms": "NET_30"}
    made = bottlecrm.create("invoices", invoice_title="Pumps", currency="CNY", line_items=items, **who, **when)
    bottlecrm.send("POST", f"invoices/{made}/send")
    return made


@pytest.fixture(scope="session")
def crm(bottlecrm) -> dict[str, Any]:
    """Two accounts; leads open and closed; a deal, tickets, invoices with a payment."""
    made: dict[str, Any] = {}
    made["account"] = bottlecrm.create(
        "accounts", name="Harbour Pumps 港泵有限公司", email="b@harbour.example", phone="+862012345678", currency="CNY"
    )
    made["other"] = bottlecrm.create("accounts", name="Citrine Labs", currency="CNY")
    made["gone"] = bottlecrm.create("accounts", name="Gone Ltd", currency="CNY")
    made["contact"] = bottlecrm.create(
        "contacts", first_name="Lin", last_name="Mei", email="lin@harbour.example", account=made["account"]
    )
    for number, status in enumerate(["assigned", "in process", "recycled", "closed"]):
        values = {"title": f"Lead {number}", "email": f"lead{number}@x.example", "company_name": "X"}
        bottlecrm.create("leads", first_name="Jo", last_name=f"Lead{number}", status=status, **values)
    made["deal"] = bottlecrm.create(
        "opportunities", name="Six pumps", account=made["account"], amount="1200.50", currency="CNY",
        stage="PROPOSAL", probability=40, closed_on="2027-01-31",
    )  # fmt: skip
    for name in ("Leaks", "No signal"):
        values = {"account": made["account"], "case_type": "Incident", "status": "New"}
        made[name] = bottlecrm.create("cases", name=name, priority="High", **values)
    made["first"] = invoice(bottlecrm, made["account"], made["contact"], "2026-09-30", ("2", "500.00"), ("1", "12.34"))
    made["second"] = invoice(bottlecrm, made["account"], made["contact"], "2026-12-31", ("1", "99.90"))
    pay(bottlecrm, made["first"], "300.00")
    return made


def pay(bottlecrm, bill: str, amount: str) -> None:
    """A payment of an invoice."""
    values = {"payment_date": "2026-10-05", "payment_method": "BANK_TRANSFER", "reference_number": "T1"}
    bottlecrm.send("POST", f"invoices/{bill}/payments", amount=amount, **values)


def test_lists_changes_and_deletes_land(bottlecrm, crm, instance_of) -> None:
    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.token)
    collected.sync()
    assert _ids(collected, "accounts") == {row["id"] for row in _accounts(bottlecrm)}
    leads = bottlecrm.get("leads", limit=100)
    open_, closed = leads["open_leads"]["open_leads"], leads["close_leads"]["close_leads"]
    assert (len(open_), len(closed)) == (3, 1)  # reading one half would lose a quarter
    assert _ids(collected, "leads") == {row["id"] for row in [*open_, *closed]}
    assert _ids(collected, "invoices") == {row["id"] for row in bottlecrm.get("invoices", limit=100)["results"]}
    assert _paid(collected) == {crm["first"]: Decimal("300.00")}
    assert "updated_at" not in collected.documents("invoices")[crm["first"]]

    pay(bottlecrm, crm["first"], "200.00")
    pay(bottlecrm, crm["second"], "99.90")
    bottlecrm.send("PATCH", f"accounts/{crm['account']}", city="Ningbo")
    bottlecrm.send("PATCH", f"opportunities/{crm['deal']}", stage="CLOSED_WON")
    bottlecrm.send("PATCH", f"cases/{crm['Leaks']}", status="Closed", closed_on="2026-11-20")
    bottlecrm.send("DELETE", f"accounts/{crm['gone']}")
    collected.sync()
    collected.sync()  # a missing record is believed the second time
    assert _ids(collected, "accounts") == {row["id"] for row in _accounts(bottlecrm)}
    assert crm["gone"] not in _ids(collected, "accounts")
    assert collected.documents("accounts")[crm["account"]]["city"] == "Ningbo"
    assert collected.documents("opportunities")[crm["deal"]]["stage_kind"] == "won"
    assert collected.documents("cases")[crm["Leaks"]]["status"] == "Closed"
    assert _paid(collected) == {crm["first"]: Decimal("500.00"), crm["second"]: Decimal("99.90")}
    for row in bottlecrm.get("invoices", limit=100)["results"]:
        assert Decimal(row["amount_paid"]) == _paid(collected)[row["id"]]
        assert collected.documents("invoices")[row["id"]]["amount_due"] == row["amount_due"]


def test_payments_are_asked_for_changed_invoices_only(bottlecrm, crm, instance_of) -> None:
    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.token)
    collected.sync()
    pay(bottlecrm, crm["first"], "1.00")
    again = collected.sync()
    assert again["invoices"].rows_landed == 1
    assert again["invoice_details"].requests == 1
    assert again["invoice_details"].rows_landed == 1


def test_nothing_new_lands_nothing(bottlecrm, crm, instance_of) -> None:
    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.token)
    collected.sync()
    again = collected.sync()
    assert {name for name, result in again.items() if result.rows_landed} == set()


def test_no_credentials_is_a_refusal_of_the_login(bottlecrm, instance_of) -> None:
    from ingest.collect import sync

    assert httpx.get(f"{bottlecrm.url}/api/accounts/").status_code == 403  # not 401
    collected = instance_of("bottlecrm", bottlecrm.settings, "bcrm_pat_of-nobody")
    result = sync(collected.instance, "bottlecrm")[0]
    assert result.state == "failed"
    assert "token" in (result.remedy or "")


def test_the_database_hides_everything_without_an_error(bottlecrm, crm) -> None:
    """Why this source is collected over its API: row-level security answers its own role with nothing."""
    count = "select count(*) from accounts"
    assert int(bottlecrm.database.psql(count)) >= 2
    assert int(bottlecrm.database.psql(count, user="crm_app")) == 0


STATUS = {"New": "new", "Assigned": "open", "Pending": "pending", "Closed": "closed"}


def test_the_customer_screen_says_what_bottlecrm_says(bottlecrm, crm, instance_of) -> None:
    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.token)
    collected.sync()
    collected.build()
    name = "Harbour Pumps 港泵有限公司"
    same_as_bottlecrm(bottlecrm, crm, collected.customer(name))

    third = invoice(bottlecrm, crm["account"], crm["contact"], "2026-10-10", ("3", "33.33"))
    fourth = invoice(bottlecrm, crm["account"], crm["contact"], "2026-10-11", ("1", "77.00"))
    pay(bottlecrm, third, "9.99")
    bottlecrm.send("POST", f"invoices/{fourth}/cancel")
    bottlecrm.send("PATCH", f"cases/{crm['No signal']}", status="Pending")
    gone = bottlecrm.create("cases", name="By mistake", priority="Low", status="New", account=crm["account"])
    bottlecrm.send("DELETE", f"cases/{gone}")
    collected.sync()
    collected.build()
    same_as_bottlecrm(bottlecrm, crm, collected.customer(name))


def same_as_bottlecrm(bottlecrm, crm, shown: dict[str, Any]) -> None:
    """The screen against the CRM's own amounts due, its aging report, its cases and deals."""
    rows = [row for row in bottlecrm.get("invoices", limit=100)["results"] if row["account"] == crm["account"]]
    due = {
        row["invoice_number"]: Decimal(row["amount_due"]) for row in rows if row["status"] not in {"Draft", "Cancelled"}
    }
    owed = {number: amount for number, amount in due.items() if amount}
    assert owed
    items = [item for item in shown["receivables"]["items"] if item["open_amount"]]
    assert {item["invoice_number"]: item["open_amount"] for item in items} == owed
    assert shown["receivables"]["open"] == sum(owed.values())
    report = bottlecrm.get("invoices/reports/aging")
    assert shown["receivables"]["open"] == Decimal(report["total"]["amount"])
    assert shown["receivables"]["overdue"] == Decimal(report["overdue"]["amount"])
    cases = bottlecrm.get("cases", limit=100)["cases"]
    assert {(row["number"], row["subject"], row["status"]) for row in shown["tickets"]} == {
        (row["id"], row["name"], STATUS[row["status"]]) for row in cases
    }
    deals = bottlecrm.get("opportunities", limit=100)["opportunities"]
    assert {(row["name"], row["amount"], row["is_won"]) for row in shown["opportunities"]} == {
        (row["name"], Decimal(row["amount"]), row["stage_kind"] == "won") for row in deals
    }


def _accounts(bottlecrm) -> list[dict[str, Any]]:
    answer = bottlecrm.get("accounts", limit=100)
    return [*answer["active_accounts"]["open_accounts"], *answer["closed_accounts"]["close_accounts"]]


def _ids(collected, stream: str) -> set[str]:
    return set(collected.documents(stream))


def _paid(collected) -> dict[str, Decimal]:
    """Sum of payments per invoice that has any."""
    details = collected.documents("invoice_details").values()
    return {row["id"]: sum(Decimal(part["amount"]) for part in row["payments"]) for row in details if row["payments"]}


def test_missing_rights_are_said(bottlecrm, crm, instance_of) -> None:
    narrow = bottlecrm.send("POST", "profile/tokens", name="narrow", scopes=["accounts:read"])["token"]
    said = instance_of("bottlecrm", bottlecrm.settings, narrow).refused()
    assert not said["accounts"].error
    assert "invoices:read" in said["invoices"].error
    assert "*:read" in said["invoices"].remedy

    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.member_token("outsider@crm.example"))
    said = collected.refused()
    assert {"outsider@crm.example" in (result.error or "") for result in said.values()} == {True}
    assert "administrator" in said["accounts"].remedy
    assert not collected.documents("accounts")


def test_more_records_than_a_page_land_once(bottlecrm, crm, instance_of) -> None:
    made = [bottlecrm.create("accounts", name=f"Paged {number}", currency="CNY") for number in range(101)]
    collected = instance_of("bottlecrm", bottlecrm.settings, bottlecrm.token)
    first = collected.sync("accounts")["accounts"]
    assert first.requests == 3  # who owns the token, and two pages
    assert first.rows_landed == len(_ids(collected, "accounts")) > 100
    assert set(made) <= _ids(collected, "accounts")
    bottlecrm.send("PATCH", f"accounts/{made[7]}", city="Hefei")
    again = collected.sync("accounts")["accounts"]
    assert again.rows_landed == 1
    for account in made:
        bottlecrm.send("DELETE", f"accounts/{account}")
