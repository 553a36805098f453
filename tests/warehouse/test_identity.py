"""Which records become one customer, and which never do."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from sqlalchemy import insert, select
from stdnum import luhn
from stdnum.cn import uscc

from model.identity import identifiers
from ops import tables
from ops.instance import Instance
from tests.warehouse import helpers

A, B = "91350211M000100Y43", "91320594MA1P9QGE2Q"


def right_code(stem: str) -> str:
    """`stem` (17 characters) with its check character."""
    return stem + uscc.calc_check_digit(stem)


HEAD = right_code("91310115" + "132261800")
WRONG = HEAD[:17] + ("0" if HEAD[17] != "0" else "1")
OTHER = right_code("91320594" + "737882343")


def build(inst: Instance, records: dict[str, list[dict[str, Any]]]) -> dict[tuple[str, str], str]:
    with helpers.open_staging(inst) as con:
        for source, rows in records.items():
            helpers.put(con, "customer", source, rows)
    helpers.make(inst, release=False)
    return crosswalk(inst)


def crosswalk(inst: Instance) -> dict[tuple[str, str], str]:
    found = helpers.table(inst, "identity.customer_crosswalk")
    return {(source, key): golden for source, key, golden, _, _ in found if key}


def test_check_characters_agree_with_stdnum() -> None:
    chance = random.Random(7)
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    values = [A, B, HEAD]
    for _ in range(2000):
        stem = chance.choice("159") + chance.choice("123") + "".join(chance.choice("0123456789") for _ in range(6))
        stem += "".join(chance.choice(alphabet) for _ in range(9))
        values.append(stem + chance.choice(alphabet))
        values.append(right_code(stem))
    found = identifiers.is_uscc(pl.Series(values)).to_list()
    assert found == [uscc.is_valid(value) for value in values]
    assert sum(found) > 1900


def test_organisation_code_inside_the_credit_code_links_the_old_tax_number(inst: Instance) -> None:
    assert identifiers.is_organisation_code(pl.Series([HEAD[8:17]])).to_list() == [True]
    keys = build(
        inst,
        {
            "crm": [{"id": "1", "name": "北辰仪器", "uscc": HEAD}],
            "erp": [{"id": "9", "name": "北辰仪器有限公司", "tax_number": "310115" + HEAD[8:17]}],
        },
    )
    assert keys["crm", "1"] == keys["erp", "9"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"uscc": HEAD}, {"tax_number": f" {HEAD.lower()} "}),
        ({"crm_code": None, "code": "X"}, {"crm_code": "1"}),
        ({"code": "KH-1"}, {"crm_code": "KH-1"}),
        ({"tax_number": "DE136695976"}, {"tax_number": "DE 136 695 976"}),
    ],
)
def test_joined(inst: Instance, left: dict[str, Any], right: dict[str, Any]) -> None:
    keys = build(inst, {"crm": [{"id": "1", "name": "甲公司"} | left], "erp": [{"id": "2", "name": "乙公司"} | right]})
    assert keys["crm", "1"] == keys["erp", "2"]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"uscc": HEAD}, {"uscc": OTHER}),
        ({"uscc": HEAD}, {"uscc": HEAD, "name": "乙公司上海分公司"}),
        ({"uscc": HEAD}, {"uscc": HEAD, "kind": "branch"}),
        ({"uscc": HEAD, "name": "散客"}, {"uscc": HEAD}),
        ({"uscc": HEAD, "kind": "bucket"}, {"uscc": HEAD}),
        ({"tax_number": "111111111111111"}, {"tax_number": "111111111111111"}),
        ({"tax_number": "000000000000000000"}, {"tax_number": "000000000000000000"}),
        ({"tax_number": "11010519491231002X"}, {"tax_number": "11010519491231002X"}),
        ({"uscc": WRONG}, {"uscc": WRONG}),
        # an explicit code cannot join two legal entities
        ({"uscc": HEAD, "code": "K"}, {"uscc": OTHER, "crm_code": "K"}),
    ],
)  # fmt: skip
def test_kept_apart(inst: Instance, left: dict[str, Any], right: dict[str, Any]) -> None:
    keys = build(inst, {"crm": [{"id": "1", "name": "甲公司"} | left], "erp": [{"id": "2", "name": "乙公司"} | right]})
    assert keys["crm", "1"] != keys["erp", "2"]


def test_an_identity_card_is_no_company() -> None:
    assert identifiers.is_id_card(pl.Series(["11010519491231002X", HEAD])).to_list() == [True, False]
    assert not luhn.is_valid("11010519491231002")


def test_a_tax_number_under_too_many_names_is_a_default(inst: Instance) -> None:
    rows = [{"id": str(i), "name": f"公司{i}", "uscc": HEAD} for i in range(25)]
    keys = build(inst, {"erp": rows})
    assert len(set(keys.values())) == 25


def test_records_of_one_master_and_merged_records_are_one(inst: Instance) -> None:
    rows = [
        {"id": "1", "name": "甲", "master_id": "7"},
        {"id": "2", "name": "甲", "master_id": "7"},
        {"id": "3", "name": "乙", "merged_into_id": "1"},
    ]
    keys = build(inst, {"erp": rows})
    assert len(set(keys.values())) == 1


def test_a_code_that_two_sources_of_a_role_know_links_nothing(inst: Instance) -> None:
    inst.config.sources[3].role = "erp"
    keys = build(
        inst,
        {
            "erp": [{"id": "a", "name": "甲", "code": "0001"}],
            "projects": [{"id": "b", "name": "乙", "code": "0001"}],
            "crm": [{"id": "c", "name": "丙", "erp_code": "0001"}],
        },
    )
    assert len(set(keys.values())) == 3


def test_decisions_join_and_part_for_good(inst: Instance) -> None:
    records = {
        "crm": [{"id": "1", "name": "甲"}, {"id": "2", "name": "乙", "uscc": HEAD}],
        "erp": [{"id": "1", "name": "甲公司"}, {"id": "2", "name": "乙公司", "uscc": HEAD}],
    }
    keys = build(inst, records)
    assert keys["crm", "1"] != keys["erp", "1"]
    assert keys["crm", "2"] == keys["erp", "2"]
    with inst.store.begin() as connection:
        for key, verdict in (("1", "same"), ("2", "different")):
            connection.execute(
                insert(tables.match_decisions).values(
                    left_source="crm",
                    left_id=key,
                    right_source="erp",
                    right_id=key,
                    decision=verdict,
                    decided_by="steward",
                    decided_at="2026-11-02T00:00:00.000000Z",
                )
            )
    assert helpers.make(inst, release=False).mode == "incremental"
    after = crosswalk(inst)
    assert after["crm", "1"] == after["erp", "1"]
    assert after["crm", "2"] != after["erp", "2"]
    helpers.make(inst, full=True, release=False)
    assert crosswalk(inst) == after


def test_golden_keys_stay_and_merged_ones_become_aliases(inst: Instance) -> None:
    records = {
        "crm": [{"id": str(i), "name": f"公司{i}"} for i in range(10)],
        "erp": [{"id": str(i), "name": f"公司{i}", "crm_code": str(i)} for i in range(0, 10, 2)],
    }
    first = build(inst, records)
    helpers.make(inst, full=True, release=False)
    assert crosswalk(inst) == first
    with helpers.open_staging(inst) as con:
        later = helpers.T0 + timedelta(days=1)
        helpers.put(con, "customer", "crm", [{"id": "00", "name": "新公司"}], at=later)
        helpers.put(con, "customer", "erp", [{"id": "x", "name": "合并", "crm_code": "1"}], at=later)
        helpers.put(con, "customer", "crm", [{"id": "3", "name": "公司3", "merged_into_id": "1"}], at=later)
    helpers.make(inst, full=True, release=False)
    second = crosswalk(inst)
    assert {key: second[key] for key in first if key != ("crm", "3")} == {
        key: value for key, value in first.items() if key != ("crm", "3")
    }
    assert second["crm", "3"] == first["crm", "1"]
    with inst.store.read() as connection:
        aliases = dict(connection.execute(select(tables.aliases.c.alias_key, tables.aliases.c.golden_key)).fetchall())
    assert aliases == {first["crm", "3"]: first["crm", "1"]}


def test_survivorship_owner_from_crm_tax_from_erp(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, "employee", "crm", [{"id": "u1", "name": "陈晓", "email": "chen@example.com"}])
        helpers.put(con, "employee", "erp", [{"id": "e1", "name": "陈晓", "email": "Chen@Example.com"}])
        crm = {"id": "1", "name": "北辰仪器", "owner_id": "u1", "payment_terms": "月结60天", "uscc": HEAD}
        erp = {"id": "2", "name": "北辰仪器有限公司", "owner_id": "e9", "payment_terms": "月结30天",
               "credit_limit_amount": 5000, "tax_number": HEAD, "crm_code": "1"}  # fmt: skip
        helpers.put(con, "customer", "crm", [crm])
        helpers.put(con, "customer", "erp", [erp])
    helpers.make(inst)
    (row,) = helpers.rows(
        inst,
        "select name, owner_name, owner_source, payment_terms, credit_limit_amount, record_count "
        "from core.dim_customer",
    )
    assert row[:4] == ("北辰仪器", "陈晓", "crm", "月结30天")
    assert str(row[4]) == "5000.00"
    assert row[5] == 2
    people = helpers.rows(inst, "select count(*), max(record_count) from core.dim_employee")
    assert people == [(1, 2)]


def test_projects_find_their_customer(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(
            con, "customer", "erp", [{"id": "1", "name": "甲公司", "code": "K1"}, {"id": "2", "name": "乙公司"}]
        )
        helpers.put(con, "contract", "crm", [{"id": "h", "number": "HT-1", "customer_id": "z"}])
        helpers.put(con, "customer", "crm", [{"id": "z", "name": "丙公司"}])
        helpers.put(con, "project", "projects", [
            {"id": "p1", "code": "P1", "customer_code": "K1"},
            {"id": "p2", "code": "P2", "contract_number": "HT-1"},
            {"id": "p3", "code": "P3", "customer_name": "乙公司"},
            {"id": "p4", "code": "P4", "customer_name": "无人知晓"},
        ])  # fmt: skip
    helpers.make(inst)
    keys = crosswalk(inst)
    found = helpers.rows(inst, "select source_id, customer_key, customer_rule from core.dim_project order by source_id")
    assert found == [
        ("p1", keys["erp", "1"], "customer_code"),
        ("p2", keys["crm", "z"], "contract_number"),
        ("p3", keys["erp", "2"], "customer_name"),
        ("p4", "C000000", "none"),
    ]


def test_documents_of_an_uncollected_customer_and_of_nobody_are_kept(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        invoice = {"number": "1", "currency": "CNY", "invoice_on": "2026-01-01", "gross_amount": 10}
        helpers.put(con, "invoice", "erp", [invoice | {"id": "1", "customer_id": "missing"}])
        receipt = {"number": "1", "currency": "CNY", "received_on": "2026-01-01", "amount": 10}
        helpers.put(con, "receipt", "erp", [receipt | {"id": "1"}])
    helpers.make(inst)
    found = helpers.rows(inst, "select customer_key, name, is_reference_only from core.dim_customer order by 1")
    assert found == [("C000000", "未识别客户", True), ("C000001", "missing", True)]


def test_a_shadow_source_is_staged_but_not_shown(inst: Instance) -> None:
    records = {"crm": [{"id": "1", "name": "甲"}], "erp": [{"id": "2", "name": "乙"}]}
    build(inst, records)
    inst.config.sources[1].status = "shadow"
    assert helpers.make(inst).mode == "full"
    assert [row[0] for row in helpers.rows(inst, "select name from core.dim_customer")] == ["甲"]


def test_a_deleted_customer_goes_unless_documents_name_it(inst: Instance) -> None:
    build(inst, {"crm": [{"id": "1", "name": "甲"}], "erp": [{"id": "2", "name": "乙"}]})
    later = helpers.T0 + timedelta(days=1)
    with helpers.open_staging(inst) as con:
        invoice = {"id": "1", "number": "1", "currency": "CNY", "invoice_on": "2026-01-01", "gross_amount": 10}
        helpers.put(con, "invoice", "erp", [invoice | {"customer_id": "2"}])
        helpers.drop(con, "customer", "crm", ["1"], at=later)
        helpers.drop(con, "customer", "erp", ["2"], at=later)
    helpers.make(inst)
    assert helpers.rows(inst, "select name, status, is_deleted from core.dim_customer") == [("乙", "inactive", True)]
