"""Tryton's traps, each by an answer in its shape: stamps that are null, wrapped values, errors in good answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.collect import sync
from tests.connectors.answering import answering
from tests.ingest.fake import Seen, documents, reply

SIGN_IN = {"base_url": "{url}", "database": "acme", "user": "c360", "password": "p-1"}
EARLY, LATE = ({"__class__": "datetime", "year": 2026, "month": month, "day": 1, "hour": 8, "minute": 0, "second": 3,
                "microsecond": 11} for month in (7, 8))  # fmt: skip


def sale(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "number": f"S{number}", "state": "done", "create_date": EARLY, "write_date": None} | more


class Tryton:
    """`rows` of a model; `refuse` answers a call instead. Domains are noted as they came."""

    def __init__(self, **rows: list[dict[str, Any]]) -> None:
        self.rows = {name.replace("_", "."): found for name, found in rows.items()}
        self.calls: list[dict[str, Any]] = []
        self.logins = 0
        self.session = ""

    def __call__(self, seen: Seen) -> Any:
        assert set(seen.body) == {"id", "method", "params"}, "other keys turn errors into plain statuses"
        method = seen.body["method"]
        if method == "common.db.login" or "login" in seen.path:
            self.logins += 1
            self.session = f"s{self.logins}"
            return {"id": 1, "result": [7, self.session, None]}
        self.calls.append(seen.body)
        model = method.removeprefix("model.").rpartition(".")[0]
        if method.endswith("fields_get"):
            heads = ["number", "reference", "description", "party", "state", "sale_date", "currency", "untaxed_amount",
                     "tax_amount", "total_amount", "invoice_state", "shipment_state", "payment_term", "quoted_by",
                     "confirmed_by", "name", "code", "active", "lang", "identifiers", "addresses", "contact_mechanisms",
                     "customer_payment_term", "replaced_by", "create_date", "write_date"]  # fmt: skip
            return {"id": 1, "result": {name: {} for name in heads}}
        if model.startswith("company."):
            return {"id": 1, "result": []}
        after = seen.body["params"][0][-1][2] if seen.body["params"][0] else 0
        return {"id": 1, "result": [row for row in self.rows.get(model, []) if row["id"] > after]}

    def domains(self, model: str) -> list[Any]:
        """The domains of the reads with fields, the newest last."""
        return [call["params"] for call in self.calls if call["method"] == f"model.{model}.search_read"
                and call["params"][4] != ["id"] and call["params"][2] != 1]  # fmt: skip


def test_a_record_that_was_never_written_is_found_by_its_creation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """write_date is null until the first change; instants are sent wrapped as they come."""
    vendor = Tryton(sale_sale=[sale(1)])
    monkeypatch.setenv("C360_NOW", "2026-08-02T12:00:00Z")
    with answering(tmp_path, "tryton", vendor, **SIGN_IN) as (instance, _):
        assert [result.error for result in sync(instance, "src", "sale.sale")] == [None]
        monkeypatch.setenv("C360_NOW", "2026-08-02T13:00:00Z")
        assert [result.error for result in sync(instance, "src", "sale.sale")] == [None]
    domain = vendor.domains("sale.sale")[-1][0]
    changed = domain[1][0] if domain[1] and isinstance(domain[1][0], list) and domain[1][0][:1] == ["OR"] else domain[1]
    text = str(changed)
    assert "['write_date', '=', None], ['create_date', '>='" in text
    assert "'__class__': 'datetime'" in text
    # what can still move without a new write_date is read in every run
    assert "['state', 'in', ['draft', 'quotation', 'confirmed', 'processing']]" in text


def test_wrapped_values_become_plain_and_exact(tmp_path: Path) -> None:
    total = {"__class__": "Decimal", "decimal": "18250.50"}
    day = {"__class__": "date", "year": 2026, "month": 7, "day": 28}
    vendor = Tryton(sale_sale=[sale(1, total_amount=total, sale_date=day, write_date=LATE)])
    with answering(tmp_path, "tryton", vendor, **SIGN_IN) as (instance, _):
        sync(instance, "src", "sale.sale")
        row = documents(instance, "sale.sale")["1"]
    assert (row["total_amount"], row["sale_date"]) == ("18250.50", "2026-07-28")
    assert row["write_date"] == "2026-08-01T08:00:03.000011Z"


def test_records_that_are_switched_off_are_asked_for(tmp_path: Path) -> None:
    """A model with `active` drops inactive rows unless the context says otherwise."""
    vendor = Tryton(sale_sale=[sale(1)])
    with answering(tmp_path, "tryton", vendor, **SIGN_IN) as (instance, _):
        sync(instance, "src", "sale.sale")
    assert vendor.domains("sale.sale")[0][-1]["active_test"] is False


def test_an_error_inside_a_good_answer_is_an_error(tmp_path: Path) -> None:
    vendor = Tryton(sale_sale=[sale(1)])

    def handle(seen: Seen) -> Any:
        if str(seen.body.get("method")).endswith("sale.sale.search_read"):
            return {"id": 1, "error": ["UserError", ["The value of field is not valid", "", None]]}
        return vendor(seen)

    with answering(tmp_path, "tryton", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "sale.sale")
    assert "The value of field is not valid" in (result.error or "")


def test_a_session_that_ended_is_opened_again(tmp_path: Path) -> None:
    vendor = Tryton(sale_sale=[sale(1)])
    refused: list[int] = []

    def handle(seen: Seen) -> Any:
        if str(seen.body.get("method")).endswith("sale.sale.search_read") and not refused:
            refused.append(1)
            return reply(401, "")
        return vendor(seen)

    with answering(tmp_path, "tryton", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "sale.sale")
        assert result.error is None
        assert list(documents(instance, "sale.sale")) == ["1"]
    assert vendor.logins == 2


def test_a_short_page_ends_only_where_keys_end(tmp_path: Path) -> None:
    """Pages go on after the last id, so that rows edited while they are read are neither skipped nor doubled."""
    vendor = Tryton(sale_sale=[sale(number) for number in range(1, 1201)])
    whole = vendor.__call__

    def handle(seen: Seen) -> Any:
        answer = whole(seen)
        if str(seen.body.get("method")).endswith("search_read") and isinstance(answer.get("result"), list):
            answer["result"] = answer["result"][: seen.body["params"][2] or None]
        return answer

    with answering(tmp_path, "tryton", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "sale.sale")
        assert result.error is None
        assert len(documents(instance, "sale.sale")) == 1200


def test_no_party_at_all_means_a_missing_right(tmp_path: Path) -> None:
    """Rows that record rules hide are left out without a word; our own company is a party too."""
    with answering(tmp_path, "tryton", Tryton(party_party=[]), **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "party.party")
    assert result.error is not None
    assert "at least 1" in f"{result.error} {result.remedy}" or "right" in f"{result.error} {result.remedy}"
