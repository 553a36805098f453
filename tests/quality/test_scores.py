"""Scores worked out by hand on books with known faults, by source and by customer."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from model import serve
from model.policy import HIDDEN
from ops.errors import FatalError
from ops.store import stamp
from ops.tables import quarantine
from tests.quality.conftest import FAULTY, FINANCE, TODAY, Make, opened, rules

# 2 customers and 2 invoices of one ERP; (checked, failed) per rule
BY_HAND = {
    "customer_tax_number": (2, 0), "customer_address": (2, 1), "customer_owner": (2, 2), "customer_terms": (2, 1),
    "invoice_due": (2, 1), "invoice_customer": (2, 0),
    "customer_uscc_sound": (2, 1), "customer_phone_form": (2, 1), "invoice_due_order": (1, 1), "quarantined": (4, 0),
    "customer_repeated": (2, 0), "invoice_repeated": (2, 0),
    "customer_tax_agrees": (2, 0), "customer_name_agrees": (2, 0), "customer_contact_agrees": (2, 0),
    "customer_credit_agrees": (1, 0), "collected": (1, 0),
}  # fmt: skip


def test_scores_are_those_worked_out_by_hand(make: Make) -> None:
    found = serve.quality(FINANCE, opened(make(FAULTY)))
    assert rules(found) == BY_HAND
    # completeness 3·1 + 1·½ + 3·0 + 2·½ + 3·½ + 3·1 = 9 of 15; validity 3·½ + 1·½ + 2·0 + 3·1 = 5 of 9
    # duplicates 6 of 6; conflicts 3 + 2 + 1 + 2 = 8 of 8; freshness 3 of 3; all 31 of 41
    assert {name: (one["score"], one["weight"]) for name, one in found["dimensions"].items()} == {
        "completeness": (Decimal("60.0"), 15), "validity": (Decimal("55.6"), 9), "duplicates": (Decimal("100.0"), 6),
        "conflicts": (Decimal("100.0"), 8), "freshness": (Decimal("100.0"), 3),
    }  # fmt: skip
    assert found["score"] == Decimal("75.6")
    assert (found["checked"], found["failed"]) == (33, 8)
    (source,) = found["sources"]
    assert (source["source"], source["score"], source["failed"]) == ("books", Decimal("75.6"), 8)
    assert found["rules"][0]["rule"] == "customer_owner", "the rule that costs most comes first"


def test_a_customer_has_a_score_of_its_own(make: Make) -> None:
    db = opened(make(FAULTY))
    found = serve.quality(FINANCE, db, customer="C2")
    assert {name for name, (_, failed) in rules(found).items() if failed} == {
        "customer_address", "customer_owner", "customer_terms", "invoice_due", "customer_uscc_sound",
        "customer_phone_form"}  # fmt: skip
    # kept: 3 + 3 (completeness), 3 + 3 (duplicates), 3 + 2 + 1 (conflicts) = 18 of 15 + 4 + 6 + 6 = 31
    assert found["score"] == Decimal("58.1")
    assert found["dimensions"]["freshness"]["score"] is None, "nothing can be said, which is not 0"
    assert serve.quality(FINANCE, db, customer="C1")["score"] > found["score"]


def test_samples_say_what_to_do_and_keep_masks(make: Make) -> None:
    db = opened(make(FAULTY))
    samples = {row["rule"]: row["samples"] for row in serve.quality(FINANCE, db)["rules"]}
    (phone,) = samples["customer_phone_form"]
    assert (phone["record_key"], phone["field"], phone["value"]) == ("books:C2", "phone", HIDDEN)
    (code,) = samples["customer_uscc_sound"]
    assert (code["name"], code["value"]) == ("南岭阀门有限公司", "91310115MA1FYB3K06")
    assert "营业执照" in code["action"]
    assert samples["invoice_due"][0]["value"] is None
    english = serve.quality(FINANCE.with_language("en"), db)
    assert "business licence" in next(row["action"] for row in english["rules"] if row["rule"] == "customer_uscc_sound")


def test_what_was_set_aside_counts_against_its_source(make: Make) -> None:
    instance = make(FAULTY)
    with instance.store.begin() as connection:
        for field in ("due_on", "gross_amount"):
            connection.execute(quarantine.insert().values(
                source="books", stream="invoice", record_id="A9", entity="invoice", field=field, value="x",
                reason="is no date", run_id="r", status="open", created_at=stamp(), updated_at=stamp()))  # fmt: skip
    db = opened(instance)
    assert rules(serve.quality(FINANCE, db))["quarantined"] == (5, 1), "one record, whatever its broken fields"
    assert "quarantined" not in rules(serve.quality(FINANCE, db, customer="C1"))


def test_freshness_depends_on_the_day_asked(make: Make) -> None:
    files = {"opportunity": "customer_id,name,amount,currency,close_on,is_closed\nC1,扩产,100,CNY,2026-10-20,false\n"}
    db = opened(make(files))
    assert rules(serve.quality(FINANCE, db, as_of=date(2026, 11, 19)))["opportunity_close"] == (1, 0)
    assert rules(serve.quality(FINANCE, db, as_of=date(2026, 11, 20)))["opportunity_close"] == (1, 1)
    assert db.today() == TODAY
    (row,) = serve.quality_worklist(FINANCE, db, rule="opportunity_close")["rows"]
    assert (row["field"], row["value"]) == ("close_on", "2026-10-20")


def test_a_late_collection_costs_its_source(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    db = opened(make(FAULTY))
    monkeypatch.setenv("C360_NOW", "2026-12-22T02:00:00+00:00")
    assert rules(serve.quality(FINANCE, db))["collected"] == (1, 1)


def test_an_unknown_source_is_refused_with_the_valid_ones(make: Make) -> None:
    with pytest.raises(FatalError, match="no source 'sap'") as error:
        serve.quality(FINANCE, opened(make(FAULTY)), source="sap")
    assert "books" in str(error.value)
