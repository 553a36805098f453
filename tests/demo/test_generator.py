"""The generator: same input, same company; identifiers that check; references that resolve; nothing from the future."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from data.demo import codes
from data.demo.company import Company, generate

README = (Path(__file__).parents[2] / "data/demo/README.md").read_text(encoding="utf-8")


def fingerprint(company: Company) -> bytes:
    tables = [company.salesforce, company.kingdee, company.zendesk, company.jira]
    return orjson.dumps([tables, company.truth], default=lambda person: person.number)


def test_same_seed_same_company() -> None:
    first, second = (fingerprint(generate(40, seed=5, today=date(2026, 11, 22))) for _ in range(2))
    assert first == second
    assert fingerprint(generate(40, seed=6, today=date(2026, 11, 22))) != first


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2026, 1, 1), date(2027, 12, 31)])
def test_any_day_will_do(today: date) -> None:
    company = generate(30, seed=1, months=14, today=today)
    assert company.truth["as_of"] == today.isoformat()
    assert company.truth["open_ar"]["CNY"]


def test_check_digits_hold(company: Company) -> None:
    kept = [c["uscc"] for c in company.truth["clusters"] if c["uscc"]]
    assert len(kept) == len(set(kept)) > 200
    assert all(codes.uscc_ok(code) for code in kept)


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ("91350100M000100Y43", True),
        ("91110108551385082Q", True),
        ("91310115MA4JURQ203", True),
        ("91330106MAK8PBRN79", True),
        ("91320505MACQXTT060", True),
        ("91320505MACQXTT061", False),
        ("9132050SMACQXTT060", False),
        ("91320505MACQXTT06", False),
    ],
)
def test_check_digits_against_known_codes(code: str, good: bool) -> None:
    assert codes.uscc_ok(code) is good


def test_salesforce_suffix_against_a_known_id() -> None:
    assert codes.salesforce_suffix("0015g00000XyZ12") == "AAF"
    assert codes.salesforce_suffix("001000000000000") == "AAA"


def test_dirt_is_there(company: Company) -> None:
    accounts = company.salesforce["Account"]
    ids = [a["Tax_Id__c"] for a in accounts]
    assert any(i is None for i in ids)
    assert any(i and len(i) == 15 for i in ids)
    assert any(i and len(i) == 18 and not codes.uscc_ok(i) for i in ids)
    assert any(a["MasterRecordId"] for a in accounts)
    bills = company.kingdee["AR_receivable"]
    kinds = {b.kind for b in company.world.ledger.bills.values()}
    assert kinds >= {"invoice", "opening", "red", "credit", "provisional", "provisional_red"}
    assert {b["FCancelStatus"] for b in bills} == {"A", "B"}
    assert {b["FDocumentStatus"] for b in bills} >= {"C", "D"}
    assert any(len(b["FEntityPlan"]) == 3 for b in bills)
    assert {m.kind for m in company.world.ledger.matches} >= {
        "receipt",
        "red_invoice",
        "credit_note",
        "write_off",
        "discount",
    }
    states = {r["FRECEIVEBILLENTRY"][0]["F_PAEZ_BillState"] for r in company.kingdee["AR_RECEIVEBILL"]}
    assert {"已结清", "已背书", "待提示"} <= states
    assert any(t["status"] == "deleted" for t in company.zendesk["tickets"])
    several = [c for c in company.truth["clusters"] if len(c["records"]["kingdee"]) > 1]
    assert len(several) > 20


def test_references_resolve(company: Company) -> None:
    erp = company.kingdee
    customers = {row["FCUSTID"] for row in erp["BD_Customer"]}
    bills = {row["FID"] for row in erp["AR_receivable"]}
    receipts = {row["FID"] for row in erp["AR_RECEIVEBILL"]}
    assert {row["FCUSTOMERID"] for row in erp["AR_receivable"]} <= customers
    for match in erp["AR_Match"]:
        assert match["FARBILLID"] is None or match["FARBILLID"] in bills
        origin = match["FRECBILLID"]
        assert origin is None or origin in (receipts if match["FMATCHTYPE"] in {"1", "8"} else bills)
    accounts = {row["Id"] for row in company.salesforce["Account"]}
    for table in ("Contact", "Opportunity", "Contract", "Task", "Event"):
        assert {row["AccountId"] for row in company.salesforce[table]} <= accounts
    contracts = {row["Id"] for row in company.salesforce["Contract"]}
    assert {row["Renewal_Of__c"] for row in company.salesforce["Contract"] if row["Renewal_Of__c"]} <= contracts
    users = {row["id"] for row in company.zendesk["users"]}
    assert {row["requester_id"] for row in company.zendesk["tickets"]} <= users


def stamps(company: Company) -> Iterator[str]:
    for rows in company.salesforce.values():
        yield from (row["SystemModstamp"][:19] for row in rows)


def test_nothing_comes_from_the_future(company: Company) -> None:
    assert max(stamps(company)) < "2026-11-21T16:00:00"
    assert max(row["FModifyDate"] for rows in company.kingdee.values() for row in rows) < "2026-11-22T00:00:00"
    last = company.world.as_of + 3
    assert max(row["stamp"] for table in ("tickets", "users") for row in company.zendesk[table]) < last
    assert max(row["stamp"] for row in company.jira["issues"]) < last


def documented(section: str) -> str:
    return next(part for part in README.split("\n## ") if part.startswith(section))


def names(table: dict[str, Any]) -> set[str]:
    found = {key for key, value in table.items() if not isinstance(value, list)}
    return found | {key for value in table.values() if isinstance(value, list) for line in value[:1] for key in line}


def test_readme_names_every_field(company: Company) -> None:
    internal = {"price", "gross", "net"}
    for section, tables in (("Salesforce", company.salesforce), ("Kingdee", company.kingdee)):
        text = documented(section)
        words = set(re.findall(r"\w+", text))
        for table, rows in tables.items():
            assert table in words
            missing = names(rows[0]) - words - internal
            assert not missing, (table, missing)
