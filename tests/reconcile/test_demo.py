"""The demo company: what was planted is found, each in its class, and the list stays short enough to work through."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from ops.instance import Instance
from tests import demo_instance

FINANCE = Viewer(user="finance", name="finance", role="finance")


@pytest.fixture(scope="module")
def instance(demo_company: Instance) -> Instance:
    return demo_company


@pytest.fixture(scope="module")
def truth() -> list[dict[str, Any]]:
    planted: list[dict[str, Any]] = demo_instance.truth()["reconciliation"]
    return planted


def test_what_was_planted_is_found(instance: Instance, truth: list[dict[str, Any]]) -> None:
    items = serve.reconciliation(FINANCE, serve.open_published(instance))["items"]
    found = Counter((item["rule"], item["class"], _number(item)) for item in items)
    wanted = Counter((one["rule"], one["class"], one["number"]) for one in truth)
    assert {key for key in wanted if found[key] != 1} == set()
    by_class = {one["class"] for one in truth}
    assert by_class == {"missing", "amount", "currency", "duplicate", "timing"}


def _number(item: dict[str, Any]) -> str:
    """The number that both sides name, where they name one; else that of the first document."""
    kind, _, name = item["anchor"].partition(":")
    return str({"contract": name, "order": name.partition(":")[2]}.get(kind, item["number"]))


def test_what_agrees_by_number_is_only_found_where_planted(instance: Instance, truth: list[dict[str, Any]]) -> None:
    """Rules whose counterpart is on purpose find nothing else in a company whose ordinary business agrees."""
    exact = {"contract_order", "project_contract", "milestone_revenue", "return_credit", "warranty_unknown",
             "warranty_serial", "price_collision", "quote_collision"}  # fmt: skip
    items = serve.reconciliation(FINANCE, serve.open_published(instance))["items"]
    found = sorted((item["rule"], item["class"], _number(item)) for item in items if item["rule"] in exact)
    wanted = sorted((one["rule"], one["class"], one["number"]) for one in truth if one["rule"] in exact)
    assert [row for row in found if row[2] != "HT-0932"] == wanted


def test_the_list_is_short(instance: Instance) -> None:
    answer = serve.reconciliation(FINANCE, serve.open_published(instance), state="open")
    assert 15 <= len(answer["items"]) <= 60
    assert all(rule["is_answerable"] for rule in answer["rules"])
    for item in answer["items"]:
        rows = serve.reconciliation_rows(FINANCE, serve.open_published(instance), item["item_id"])
        assert len(rows["left"]) + len(rows["right"]) > 0
        if item["left_amount"] is not None and item["currency"] == item["right_currency"]:
            mine = [row["amount"] for row in rows["left"] if row["currency"] in {item["currency"], None}]
            assert sum(mine) == item["left_amount"]
