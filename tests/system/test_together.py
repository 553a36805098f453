"""One instance over Tryton, BottleCRM, Roundup and Redmine at once: one customer on the screen, out of four systems.

The same companies are made in each system through its own interface. They meet by what the systems share: the credit
code (CRM and ERP), the ERP's code (CRM, tickets, projects) and a sales order's number (projects). The JSON of
`c360 customer` is compared with what each system itself says, at first, after changes, and after deletes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from unicodedata import normalize

import httpx
import pytest
from realsystems.bottlecrm import BottleCrm
from realsystems.redmine import Redmine
from realsystems.roundup import PASSWORD as ROUNDUP_PASSWORD
from realsystems.roundup import Roundup
from realsystems.tryton import PASSWORD as TRYTON_PASSWORD
from realsystems.tryton import Tryton
from typer.testing import CliRunner

from data.demo.codes import uscc
from ops.instance import Instance, InstanceConfig
from run.cli import app

pytestmark = pytest.mark.system

FILLERS = 40  # so that a few changed customers are no reason for a full build
TICKET_STATUS = {"unread": "new", "chatting": "open", "resolved": "closed"}


@dataclass
class Company:
    """One company, its shared identifiers and its ids in the four systems."""

    code: str
    erp_name: str
    crm_name: str
    uscc: str = ""
    crm_knows: tuple[str, ...] = ()  # which identifiers its CRM account carries
    project_names: str = "Customer"  # which custom field of its project is filled
    account: str = ""
    party: int = 0
    address: int = 0
    sales: list[int] = field(default_factory=list)
    invoices: list[int] = field(default_factory=list)
    tender: int = 0
    user: str = ""
    issues: list[str] = field(default_factory=list)
    projects: dict[str, int] = field(default_factory=dict)
    deals: dict[str, str] = field(default_factory=dict)


@dataclass
class World:
    """The four running systems and the instance over them."""

    tryton: Tryton
    bottlecrm: BottleCrm
    roundup: Roundup
    redmine: Redmine
    home: Path
    companies: list[Company]

    def c360(self, *words: str) -> Any:
        """The JSON of a command that succeeds."""
        done = CliRunner().invoke(app, ["--home", str(self.home), *words, "--json"])
        assert done.exit_code == 0, done.output[-3000:]
        return json.loads(done.stdout)

    def card(self, company: Company) -> dict[str, Any]:
        """`c360 customer CODE --json`."""
        return self.c360("customer", company.code)

    def collect(self, *words: str) -> None:
        """`c360 sync` of all four sources, without a build. AssertionError when a stream failed."""
        told = self.c360("sync", "--no-build", *words)
        assert {run["source"] for run in told["runs"]} == {"crm", "erp", "service", "projects"}
        assert not [(run["stream"], run["error"]) for run in told["runs"] if run["error"]]


@pytest.fixture
def world(
    tryton: Tryton,
    bottlecrm: BottleCrm,
    roundup: Roundup,
    redmine: Redmine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> World:
    """Three companies in all four systems, and some that only the ERP knows."""
    companies = [
        Company("C-901", "子午阀门有限公司", "子午阀门（上海）", uscc("310115", "MA1DW7Q8"), ("uscc",)),
        Company("C-902", "墨岭泵业有限公司", "Moling Pumps", uscc("330203", "MA1EX8R9"), ("erp_code",)),
        Company("C-903", "Citron Harbour Ltd", "Citron Harbour", "", ("erp_code",), "Contract"),
    ]
    secrets = {"TRYTON": TRYTON_PASSWORD, "BOTTLECRM": bottlecrm.token, "ROUNDUP": ROUNDUP_PASSWORD}
    for name, secret in (secrets | {"REDMINE": redmine.key}).items():
        monkeypatch.setenv(f"C360_TEST_{name}", secret)
    linking = {"customer_field": "Customer", "contract_field": "Contract"}
    sources = [
        {"name": "crm", "connector": "bottlecrm", "role": "crm", "settings": bottlecrm.settings},
        {"name": "erp", "connector": "tryton", "role": "erp", "settings": tryton.settings},
        {"name": "service", "connector": "roundup", "role": "tickets", "settings": roundup.settings},
        {"name": "projects", "connector": "redmine", "role": "projects", "settings": redmine.settings | linking},
    ]
    config = {"mode": "live", "company": "Demo Instruments", "source": sources}
    Instance.create(tmp_path / "instance", InstanceConfig.model_validate(config)).store.close()
    made = World(tryton, bottlecrm, roundup, redmine, tmp_path / "instance", companies)
    fillers = [{"name": f"Filler {number}", "code": f"F-{number:03}"} for number in range(FILLERS)]
    tryton.call("model.party.party.create", fillers)
    for key in ("uscc", "erp_code"):
        values = {"target_model": "Account", "key": key, "label": key, "field_type": "text"}
        bottlecrm.send("POST", "custom-fields", **values)
    for company in companies:
        for make in (in_erp, in_crm, in_service, in_projects):
            make(made, company)
    return made


def in_erp(world: World, company: Company) -> None:
    """A party with two posted invoices, one partly paid; a draft sale and a tender."""
    tryton = world.tryton
    identifiers = [["create", [{"type": "cn_vat", "code": company.uscc}]]] if company.uscc else []
    company.party = tryton.create(
        "party.party", name=company.erp_name, code=company.code, identifiers=identifiers,
        addresses=[["create", [{"city": "Ningbo", "street": "1 Harbour Road"}]]],
    )  # fmt: skip
    company.address = tryton.read("party.address", [["party", "=", company.party]], ["id"])[0]["id"]
    for quantity, day in ((2.0, date(2026, 6, 1)), (3.0, date(2026, 9, 1))):
        sell(world, company, quantity, day)
    pay(world, company, company.invoices[0], "750.00", date(2026, 6, 20))
    sell(world, company, 9.0, date(2026, 10, 1), draft=True)
    tender = {"party": company.party, "amount": Decimal("5000.00"), "description": f"Tender {company.code}"}
    company.tender = tryton.create("sale.opportunity", **tender)


def sell(world: World, company: Company, quantity: float, day: date, *, draft: bool = False) -> None:
    """A sale and its posted invoice, 30 % due at once and the rest in 60 days; or a sale that stays a draft."""
    tryton = world.tryton
    product = tryton.read("product.product", [["rec_name", "=", "Flow meter"]], ["default_uom"])[0]
    terms = tryton.read("account.invoice.payment_term", [["name", "like", "30%"]], ["name"])[0]["id"]
    line = {"type": "line", "product": product["id"], "quantity": quantity, "unit": product["default_uom"]}
    places = {"invoice_address": company.address, "shipment_address": company.address}
    sale = tryton.create(
        "sale.sale", party=company.party, sale_date=day, payment_term=terms, **places,
        lines=[["create", [{**line, "unit_price": Decimal("1250.00")}]]],
    )  # fmt: skip
    company.sales.append(sale)
    if draft:
        return
    for button in ("quote", "confirm", "process"):
        tryton.call(f"model.sale.sale.{button}", [sale])
    invoice = tryton.read("sale.sale", [["id", "=", sale]], ["invoices"])[0]["invoices"][0]
    posted = tryton.read("account.invoice", [["state", "in", ["posted", "paid"]]], ["invoice_date"])
    # a number is given out in the order of dates only
    tryton.write("account.invoice", invoice, invoice_date=max([day, *(row["invoice_date"] for row in posted)]))
    tryton.call("model.account.invoice.post", [invoice])
    company.invoices.append(invoice)


def pay(world: World, company: Company, invoice: int, amount: str, day: date) -> None:
    """Money for exactly one instalment, through the invoice's own wizard."""
    start = {"payee": company.party, "amount": Decimal(amount), "currency": 1, "date": day}
    start |= {"payment_method": 1, "company": 1}
    world.tryton.wizard("account.invoice.pay", "account.invoice", invoice, {"start": start}, "choice")


def in_crm(world: World, company: Company) -> None:
    """An account that carries what it knows of the shared identifiers, a contact and two deals."""
    crm, known = world.bottlecrm, {"uscc": company.uscc, "erp_code": company.code}
    company.account = crm.create(
        "accounts", name=company.crm_name, currency="CNY", phone="+862155500901",
        custom_fields={key: known[key] for key in company.crm_knows},
    )  # fmt: skip
    mail = f"buyer@{company.code.lower()}.example"
    crm.create("contacts", first_name="Lin", last_name=company.code, email=mail, account=company.account)
    for name in ("Six pumps", "By mistake"):
        values = {"name": f"{name} {company.code}", "amount": "1200.50", "currency": "CNY", "stage": "PROPOSAL"}
        made = crm.create("opportunities", account=company.account, probability=40, closed_on="2027-01-31", **values)
        company.deals[name] = made


def in_service(world: World, company: Company) -> None:
    """A user whose organisation is the ERP's code, and three issues opened by that user."""
    login = {"username": company.code.lower(), "password": "customer-password", "roles": "User"}
    mail = f"help@{company.code.lower()}.example"
    company.user = world.roundup.create("user", organisation=company.code, realname="Mei", address=mail, **login)
    as_customer = (login["username"], login["password"])
    with httpx.Client(timeout=60, auth=as_customer, headers=world.roundup.http.headers) as client:
        for number in range(3):
            values = {"title": f"Meter {number} of {company.code}", "priority": "urgent", "status": "unread"}
            answer = client.post(f"{world.roundup.url}/rest/data/issue", json=values)
            assert answer.status_code == 201, answer.text
            company.issues.append(str(answer.json()["data"]["id"]))


def in_projects(world: World, company: Company) -> None:
    """Two projects with a version each; they name the customer by code, or by the number of a sale."""
    redmine = world.redmine
    fields = {row["name"]: row["id"] for row in redmine.get("custom_fields")["custom_fields"]}
    sale = world.tryton.read("sale.sale", [["id", "=", company.sales[0]]], ["number"])[0]["number"]
    value = company.code if company.project_names == "Customer" else sale
    trackers = [row["id"] for row in redmine.get("trackers")["trackers"]]
    for kind in ("retrofit", "mistake"):
        names = {"name": f"{kind} {company.code}", "identifier": f"{kind}-{company.code.lower()}"}
        custom = [{"id": fields[company.project_names], "value": value}]
        made = redmine.create("projects", "project", custom_fields=custom, tracker_ids=trackers, **names)
        version = {"name": "Acceptance", "due_date": "2026-12-18", "status": "open"}
        redmine.create(f"projects/{made}/versions", "version", **version)
        company.projects[kind] = made


def test_one_customer_out_of_four_systems(world: World) -> None:
    world.collect()
    assert world.c360("build")["build"]["mode"] == "full"
    keys = {world.card(company)["customer_key"] for company in world.companies}
    assert len(keys) == len(world.companies)
    for company in world.companies:
        card = world.card(company)
        linked_by(company, card)
        same(world, company, card)

    untouched = world.companies[2]
    before = world.card(untouched)
    for company in world.companies[:2]:
        change(world, company)
    world.collect()
    assert world.c360("build")["build"]["mode"] == "incremental"
    for company in world.companies:
        same(world, company, world.card(company))
    assert told(world.card(untouched)) == told(before)
    assert {world.card(company)["customer_key"] for company in world.companies} == keys

    for company in world.companies[:2]:
        remove(world, company)
    world.collect("--full")  # a missing record is suspected …
    world.collect("--full")  # … and believed the second time
    assert world.c360("build")["build"]["mode"] == "incremental"
    for company in world.companies:
        card = world.card(company)
        same(world, company, card)
        linked_by(company, card)
    assert {world.card(company)["customer_key"] for company in world.companies} == keys


def linked_by(company: Company, card: dict[str, Any]) -> None:
    """All four systems stand behind the card, and each record says why."""
    records = {row["source"]: row for row in card["provenance"]["records"]}
    assert records["erp"]["source_id"] == str(company.party)
    assert records["crm"]["source_id"] == company.account
    assert records["crm"]["rule"] == {"uscc": "uscc", "erp_code": "erp_code"}[company.crm_knows[0]]
    assert (records["service"]["source_id"], records["service"]["rule"]) == (company.code, "erp_code")
    assert set(card["codes"]["erp"]) >= {company.code}
    assert (card["uscc"] or "") == company.uscc
    assert all(card["freshness"][role]["state"] == "fresh" for role in ("crm", "erp", "tickets", "projects"))


def told(card: dict[str, Any]) -> dict[str, Any]:
    """A card without what every build and every minute changes."""
    moving = {"build", "freshness", "kpis", "timeline", "next_action"}
    kept = {key: value for key, value in card.items() if key not in moving}
    kept["tickets"] = [{k: v for k, v in row.items() if k != "remaining_minutes"} for row in card["tickets"]]
    return kept


def change(world: World, company: Company) -> None:
    """Something new in each system: a deal won, an account renamed, money and a sale, a ticket solved, a date moved."""
    world.bottlecrm.send("PATCH", f"opportunities/{company.deals['Six pumps']}", stage="CLOSED_WON")
    company.crm_name += " 集团"
    world.bottlecrm.send("PATCH", f"accounts/{company.account}", name=company.crm_name, city="Ningbo")
    pay(world, company, company.invoices[1], "1125.00", date(2026, 9, 20))
    sell(world, company, 4.0, date(2026, 10, 5))
    world.roundup.change("issue", company.issues[0], status="resolved", title="Meter repaired")
    redmine, project = world.redmine, company.projects["retrofit"]
    redmine.change(f"projects/{project}", "project", name=f"Retrofit, phase 2 {company.code}")
    version = redmine.get(f"projects/{project}/versions")["versions"][0]["id"]
    redmine.change(f"versions/{version}", "version", name="Site acceptance", due_date="2027-01-15")


def remove(world: World, company: Company) -> None:
    """One record deleted in each system."""
    world.bottlecrm.send("DELETE", f"opportunities/{company.deals.pop('By mistake')}")
    world.tryton.call("model.sale.opportunity.cancel", [company.tender])
    world.tryton.delete("sale.opportunity", company.tender)
    world.tryton.delete("sale.sale", company.sales[2])  # the draft
    world.roundup.delete("issue", company.issues[2])
    world.redmine.delete(f"projects/{company.projects.pop('mistake')}")


def same(world: World, company: Company, card: dict[str, Any]) -> None:
    """The card against the four systems."""
    comparisons: list[Callable[[World, Company, dict[str, Any]], None]] = [same_as_erp, same_as_crm]
    for compare in [*comparisons, same_as_service, same_as_projects]:
        compare(world, company, card)


def same_as_erp(world: World, company: Company, card: dict[str, Any]) -> None:
    """Orders, the balance, every open instalment and every payment, as Tryton tells them."""
    tryton, party = world.tryton, [["party", "=", company.party]]
    sales = tryton.read("sale.sale", party, ["number", "total_amount", "state"])
    assert {(row["number"], Decimal(row["gross_amount"])) for row in card["orders"]} == {
        (row["number"], row["total_amount"]) for row in sales if row["state"] != "draft"
    }
    tenders = tryton.read("sale.opportunity", party, ["number", "amount"])
    assert {(row["number"], Decimal(row["amount"])) for row in card["opportunities"] if row["source"] == "erp"} == {
        (row["number"], row["amount"]) for row in tenders
    }
    balance = tryton.read("party.party", [["id", "=", company.party]], ["receivable"])[0]["receivable"]
    assert balance > 0
    assert Decimal(card["receivables"]["open"]) == balance
    receivable = [*party, ["account.type.receivable", "=", True]]
    lines = tryton.read(
        "account.move.line", [*receivable, ["reconciliation", "=", None], ["debit", ">", 0]], ["debit", "maturity_date"]
    )
    items = [(row["due_on"], Decimal(row["open_amount"])) for row in card["receivables"]["items"]]
    assert sorted(item for item in items if item[1] > 0) == sorted(
        (row["maturity_date"].isoformat(), row["debit"]) for row in lines
    )
    paid = tryton.read("account.move.line", [*receivable, ["credit", ">", 0]], ["credit"])
    shown = [Decimal(row["amount"]) for row in card["timeline"] if row["msgid"] == "timeline.receipt"]
    assert sorted(shown) == sorted(row["credit"] for row in paid)


def same_as_crm(world: World, company: Company, card: dict[str, Any]) -> None:
    """The name beside the ERP's (finance has confirmed, so that wins), people and deals, as BottleCRM tells them."""
    account = world.bottlecrm.get(f"accounts/{company.account}")["account_obj"]
    assert account["name"] == company.crm_name
    name = card["provenance"]["fields"]["name"]
    assert (card["provenance"]["state"], name["role"]) == ("confirmed", "erp")
    party = world.tryton.read("party.party", [["id", "=", company.party]], ["name"])[0]["name"]
    assert card["name"] == name["value"] == normalize("NFKC", party)  # full-width brackets are folded
    kept = {value["source"]: value["value"] for value in name["values"]}
    assert kept["crm"] == normalize("NFKC", account["name"])
    assert (card["city"] or "") in {account["city"] or "", "Ningbo"}
    people = [row for row in world.bottlecrm.get("contacts", limit=200)["results"] if row["account"] == company.account]
    assert {row["email"] for row in card["contacts"] if row["source"] == "crm"} == {row["email"] for row in people}
    every = world.bottlecrm.get("opportunities", limit=200)["opportunities"]
    shown = [row for row in card["opportunities"] if row["source"] == "crm"]
    deals = [row for row in every if row["account"] and row["account"]["id"] == company.account]
    assert {(row["name"], Decimal(row["amount"]), row["is_won"]) for row in shown} == {
        (row["name"], Decimal(row["amount"]), row["stage_kind"] == "won") for row in deals
    }
    assert len(deals) == len(company.deals)


def same_as_service(world: World, company: Company, card: dict[str, Any]) -> None:
    """The tickets, as Roundup lists what this customer's user opened."""
    fields = {"@fields": "title,status", "@verbose": "2", "creator": company.code.lower()}
    issues = world.roundup.get("issue", **fields)["collection"]
    assert issues
    assert {(row["number"], row["subject"], row["status"]) for row in card["tickets"]} == {
        (row["id"], row["title"], TICKET_STATUS[row["status"]["name"]]) for row in issues
    }
    assert card["kpis"]["tickets"]["open"] == sum(row["status"]["name"] != "resolved" for row in issues)


def same_as_projects(world: World, company: Company, card: dict[str, Any]) -> None:
    """The projects and their next milestone, as Redmine tells them."""
    redmine = world.redmine
    projects = [redmine.get(f"projects/{number}")["project"] for number in company.projects.values()]
    shown = {row["code"]: row for row in card["projects"]}
    assert {code: row["name"] for code, row in shown.items()} == {row["identifier"]: row["name"] for row in projects}
    for project in projects:
        version = redmine.get(f"projects/{project['id']}/versions")["versions"][0]
        milestone = shown[project["identifier"]]["next_milestone"]
        assert (milestone["name"], milestone["planned_on"]) == (version["name"], version["due_date"])
