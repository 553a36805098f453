"""Which record gives which field: strategies, groups that win together, business state, decisions, in any order."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model import serve
from model.identity import field_pins, survivorship
from model.identity.survivorship import COLUMNS, FIELDS, GROUPS
from model.policy import Viewer
from ops.errors import FatalError
from ops.instance import Instance
from tests.warehouse import helpers

STEWARD = Viewer.operator()
ONE = "select * from core.dim_customer where customer_key <> 'C000000'"
APPROVED = {"id": "i", "number": "1", "currency": "CNY", "invoice_on": "2026-01-05", "gross_amount": 10,
            "document_status": "approved"}  # fmt: skip


def overlay(inst: Instance, text: str) -> None:
    (inst.config_dir / "survivorship.toml").write_text(text, encoding="utf-8")


def golden(inst: Instance) -> list[dict[str, Any]]:
    return serve.open_published(inst).rows(f"{ONE} order by customer_key")


def stamped(row: dict[str, Any]) -> dict[str, Any]:
    at = row.get("source_updated_at")
    return row | {"source_updated_at": datetime.fromisoformat(at).replace(tzinfo=UTC) if at else None}


def put(inst: Instance, source: str, *rows: dict[str, Any], day: int = 0, entity: str = "customer") -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, entity, source, [stamped(row) for row in rows], at=helpers.T0 + timedelta(days=day))


def test_selling_follows_the_crm_and_confirmed_the_erp(inst: Instance) -> None:
    put(inst, "crm", {"id": "1", "name": "北辰仪器", "status": "prospect"}, {"id": "3", "name": "远洲电子"})
    put(inst, "erp", {"id": "2", "name": "北辰仪器有限公司", "status": "active", "crm_code": "1"},
        {"id": "4", "name": "远洲电子有限公司", "crm_code": "3"})  # fmt: skip
    put(inst, "erp", APPROVED | {"customer_id": "2"}, entity="invoice")
    put(inst, "erp", APPROVED | {"id": "j", "customer_id": "4", "document_status": "draft"}, entity="invoice")
    helpers.make(inst)
    rows = {row["name"]: (row["is_confirmed"], row["status"]) for row in golden(inst)}
    assert rows == {"北辰仪器有限公司": (True, "active"), "远洲电子": (False, None)}
    put(inst, "erp", APPROVED | {"id": "j", "customer_id": "4"}, day=1, entity="invoice")
    assert helpers.make(inst).mode == "incremental"
    assert {row["name"] for row in golden(inst)} == {"北辰仪器有限公司", "远洲电子有限公司"}


def test_the_invoicing_profile_comes_from_one_record(inst: Instance) -> None:
    put(inst, "crm", {"id": "1", "name": "北辰", "tax_number": "T-CRM", "address": "旧路 1 号"})
    put(inst, "erp", {"id": "2", "name": "北辰公司", "bank_account": "6222", "address": "新路 2 号", "crm_code": "1"})
    helpers.make(inst)
    (row,) = golden(inst)
    # the ERP comes first, but only the CRM knows the tax number, for which the group stands
    profile = [row[name] for name in ("tax_number", "invoice_title", "bank_account", "invoice_address")]
    assert profile == ["T-CRM", "北辰", None, "旧路 1 号"]
    overlay(inst, '[invoicing]\nroles = ["erp", "crm"]\n')
    assert helpers.make(inst).mode == "full"
    (row,) = golden(inst)
    profile = [row[name] for name in ("tax_number", "invoice_title", "bank_account", "invoice_address")]
    assert profile == ["T-CRM", "北辰公司", "6222", "新路 2 号"]


def test_recent_complete_and_a_field_s_own_rule(inst: Instance) -> None:
    overlay(inst, """
        [contact]
        strategy = "recent"
        [class]
        strategy = "complete"
        roles = ["crm"]
        [field.email]
        roles = ["erp"]
    """)  # fmt: skip
    put(inst, "crm", {"id": "1", "name": "甲", "phone": "1", "email": "c@x.example", "tier": "A",
                      "source_updated_at": "2026-01-01T00:00:00"})  # fmt: skip
    put(inst, "erp", {"id": "2", "name": "甲", "phone": "2", "email": "e@x.example", "tier": "B", "industry": "医疗",
                      "crm_code": "1", "source_updated_at": "2026-02-01T00:00:00"})  # fmt: skip
    put(inst, "service", {"id": "3", "name": "甲", "phone": "3", "crm_code": "1",
                          "source_updated_at": "2025-02-01T00:00:00"})  # fmt: skip
    helpers.make(inst)
    (row,) = golden(inst)
    assert [row[name] for name in ("phone", "email", "tier", "industry")] == ["2", "e@x.example", "B", "医疗"]


def test_an_owner_who_is_nobody_comes_after_one_who_works_here(inst: Instance) -> None:
    put(inst, "erp", {"id": "e1", "name": "陈晓", "code": "S1", "email": "chen@example.com"}, entity="employee")
    put(inst, "crm", {"id": "1", "name": "甲", "owner_id": "queue"})
    put(inst, "erp", {"id": "2", "name": "甲", "owner_id": "e1", "crm_code": "1"})
    # a source without employees of its own names them by mail or staff number
    put(
        inst,
        "service",
        {"id": "7", "name": "乙", "owner_id": "Chen@example.com"},
        {"id": "8", "name": "丙", "owner_id": "s1"},
    )
    helpers.make(inst)
    assert {(row["name"], row["owner_name"], row["owner_source"]) for row in golden(inst)} == {
        ("甲", "陈晓", "erp"), ("乙", "陈晓", "service"), ("丙", "陈晓", "service"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[invocing]\nroles = ['erp']", ["survivorship.toml", "invocing", "did you mean 'invoicing'"]),
        ("[name]\nstrategy = 'newest'", ["[name]", "newest", "source, recent, complete"]),
        ("[name]\nroles = ['erq']", ["[name]: roles", "erq", "crm"]),
        ("[name]\nstrategy = 'source'", ["[name]", "no roles"]),
        ("[name]\nroles = ['erp', 'erp']", ["different sources"]),
        ("[name]\nroles = ['erp']\nconfirmed = { role = ['crm'] }", ["[name]: confirmed", "role"]),
        ("[field.phone]\nroles = ['crm']\ntogether = true", ["[field.phone]", "together"]),
        ("[field.fax]\nroles = ['crm']", ["[field]", "fax"]),
        ("[field.bank_account]\nroles = ['crm']", ["[field.bank_account]", "invoicing", "chosen as a whole", "phone"]),
        ("[field.phone]\nstrategy = 'complete'", ["[field.phone]", "source, recent"]),
        ("[name", ["survivorship.toml", "not valid TOML"]),
    ],
)
def test_a_wrong_rule_names_file_group_field_and_what_is_valid(tmp_path: Path, text: str, said: list[str]) -> None:
    (tmp_path / "survivorship.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FatalError) as error:
        survivorship.rules(tmp_path, ["crm2"])
    for part in said:
        assert part in str(error.value)


def test_a_source_may_be_named_instead_of_its_role(tmp_path: Path) -> None:
    (tmp_path / "survivorship.toml").write_text('[name]\nroles = ["crm2", "erp"]\n', encoding="utf-8")
    rule = survivorship.rules(tmp_path, ["crm2"]).of("name", "selling")
    assert [rule.place("crm2", "crm"), rule.place("x", "erp"), rule.place("crm", "crm")] == [1, 2, 3]


def test_a_decision_holds_over_rebuilds_until_it_is_taken_back(inst: Instance) -> None:
    put(inst, "crm", {"id": "1", "name": "甲", "phone": "1111111"})
    put(inst, "erp", {"id": "2", "name": "甲", "phone": "2222222", "crm_code": "1"})
    put(inst, "service", {"id": "3", "name": "甲", "phone": "3333333", "crm_code": "1"})
    helpers.make(inst)

    def phone() -> str:
        return str(golden(inst)[0]["phone"])

    db = serve.open_published(inst)
    assert phone() == "1111111"
    serve.settle_field(STEWARD, db, "erp:2", "phone", "rang it")
    assert serve.field_conflicts(STEWARD, db, state="pending")["by_field"] == {"phone": 1}
    assert helpers.make(inst).mode == "incremental"
    assert phone() == "2222222"
    helpers.make(inst, full=True)
    assert phone() == "2222222"
    db = serve.open_published(inst)
    pin = serve.provenance(STEWARD, db, "C000001")["fields"]["phone"]["pin"]
    assert (pin["by"], pin["reason"], pin["field"]) == ("operator", "rang it", "phone")
    assert serve.field_conflicts(STEWARD, db)["total"] == 0
    assert serve.field_conflicts(STEWARD, db, state="settled")["by_field"] == {"phone": 1}
    serve.settle_field(STEWARD, db, "service:3", "phone")
    helpers.make(inst)
    assert phone() == "3333333"
    serve.retract_field(STEWARD, serve.open_published(inst), "C000001", "phone")
    helpers.make(inst)
    assert phone() == "1111111"  # not the decision before it
    assert [one["holds"] for one in serve.field_decisions(STEWARD, serve.open_published(inst))] == [False] * 4
    with pytest.raises(FatalError, match="nobody decided"):
        serve.retract_field(STEWARD, serve.open_published(inst), "C000001", "phone")


def test_a_decision_ends_when_its_record_says_something_else_or_is_gone(inst: Instance) -> None:
    put(inst, "crm", {"id": "1", "name": "甲", "tier": "A"}, {"id": "5", "name": "乙", "tier": "A"})
    put(inst, "erp", {"id": "2", "name": "甲", "tier": "B", "crm_code": "1"},
        {"id": "6", "name": "乙", "tier": "B", "crm_code": "5"})  # fmt: skip
    helpers.make(inst)
    for record in ("erp:2", "erp:6"):
        serve.settle_field(STEWARD, serve.open_published(inst), record, "tier")
    helpers.make(inst)
    assert [row["tier"] for row in golden(inst)] == ["B", "B"]
    put(inst, "erp", {"id": "2", "name": "甲", "tier": "C", "crm_code": "1"}, day=1)
    with helpers.open_staging(inst) as con:
        helpers.drop(con, "customer", "erp", ["6"], at=helpers.T0 + timedelta(days=1))
    assert helpers.make(inst).mode == "incremental"
    assert [row["tier"] for row in golden(inst)] == ["A", "A"]
    incremental = helpers.everything(inst)
    helpers.make(inst, full=True)
    assert helpers.everything(inst) == incremental


# what a source may say of a customer; one customer, so that records meet in every field
SAYING = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["甲", "甲公司"]), "status": st.sampled_from([None, "active", "inactive"]),
        "tax_number": st.sampled_from([None, "T1", "T2"]), "bank_account": st.sampled_from([None, "6222", "6333"]),
        "address": st.sampled_from([None, "路 1", "路 2"]), "city": st.sampled_from([None, "上海", "苏州"]),
        "province": st.sampled_from([None, "江苏"]), "phone": st.sampled_from([None, "1", "2"]),
        "email": st.sampled_from([None, "a@x.example"]), "tier": st.sampled_from([None, "A", "B"]),
        "credit_limit_amount": st.sampled_from([None, "5000.00", "700.00"]),
        "payment_terms": st.sampled_from([None, "月结30天"]),
        "source_updated_at": st.sampled_from([None, "2026-01-01T00:00:00", "2026-02-01T00:00:00"]),
    }
)  # fmt: skip
RULE = st.fixed_dictionaries(
    {
        "strategy": st.sampled_from(survivorship.STRATEGIES), "together": st.booleans(),
        "roles": st.permutations(["crm", "erp", "tickets"]),
    }
)  # fmt: skip


def expected(records: list[dict[str, Any]], rules: survivorship.Rules, state: str) -> dict[str, Any]:
    """Field → value, straight from the definitions: an oracle that knows no ranks."""

    def changed(record: dict[str, Any]) -> str:
        return str(record["source_updated_at"] or "1900-01-01T00:00:00")

    recency = sorted(records, key=lambda one: (one["source"], one["id"]))
    recency.sort(key=changed, reverse=True)
    found: dict[str, Any] = {}
    for group, fields in GROUPS.items():
        columns = [COLUMNS.get(field, field) for field in fields]
        rule = rules.of(fields[0], state)
        order = sorted(recency, key=lambda one, rule=rule: rule.place(one["source"], helpers.ROLES[one["source"]]))  # type: ignore[misc]
        if rule.strategy == "complete":
            order.sort(key=lambda one, columns=columns: -sum(one.get(name) is not None for name in columns))  # type: ignore[misc]
        if rule.together:
            order.sort(key=lambda one, columns=columns: one.get(columns[0]) is None)  # type: ignore[misc]
            order = [one for one in order if any(one.get(name) is not None for name in columns)][:1]
        for field, column in zip(fields, columns, strict=True):
            said = [one[column] for one in order if one.get(column) is not None]
            found[field] = said[0] if said else None
        del group
    return found


@settings(max_examples=helpers.EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    said=st.lists(st.tuples(st.sampled_from(["crm", "erp", "service"]), SAYING), min_size=2, max_size=5),
    ruled=st.dictionaries(st.sampled_from(sorted(GROUPS)), RULE, max_size=5),
    is_confirmed=st.booleans(),
    data=st.data(),
)
def test_fields_follow_the_rules_in_any_order(
    said: list[tuple[str, dict[str, Any]]], ruled: dict[str, dict[str, Any]], is_confirmed: bool, data: st.DataObject
) -> None:
    records = [
        {**row, "id": str(number), "source": source, "master_id": "m"} for number, (source, row) in enumerate(said)
    ]
    anchor = {"id": "x", "name": "甲", "source": "erp", "master_id": "m", **dict.fromkeys(("source_updated_at",))}
    records.append(anchor)
    lines = [
        "\n".join([f"[{group}]", *(f"{key} = {json.dumps(value)}" for key, value in rule.items())])
        for group, rule in ruled.items()
    ]
    answers = []
    for ordered in (records, data.draw(st.permutations(records))):
        with tempfile.TemporaryDirectory() as folder:
            inst = helpers.instance(Path(folder) / "i")
            overlay(inst, "\n".join(lines))
            with helpers.open_staging(inst) as con:
                for record in ordered:
                    row = {name: value for name, value in record.items() if name != "source"}
                    row |= {} if record is anchor else {"crm_code": None, "erp_code": "x"}
                    row.pop("master_id")
                    helpers.put(con, "customer", record["source"], [stamped(row)])
                if is_confirmed:
                    helpers.put(con, "invoice", "erp", [APPROVED | {"customer_id": "x"}])
            helpers.make(inst)
            answers.append(golden(inst))
            db = serve.open_published(inst)
            fields = serve.provenance(STEWARD, db, "C000001")["fields"]
            rules = survivorship.rules(inst.config_dir, [source.name for source in inst.config.sources])
            inst.store.close()
    assert answers[0] == answers[1]
    (row,) = answers[0]
    wanted = expected(records, rules, "confirmed" if is_confirmed else "selling")
    wanted |= {"kind": wanted["kind"] or "company"}
    for field in FIELDS:
        value = row["owner_id" if field == "owner" else field]
        assert (format(value, "f") if field == "credit_limit_amount" and value is not None else value) == wanted[
            field
        ], field
        every = {
            (one["source"], one["id"]) for one in records if one.get(COLUMNS.get(field, field)) is not None
        }  # fmt: skip
        assert {(one["source"], one["source_id"]) for one in fields[field]["values"]} == every
    for names in GROUPS.values():
        givers = {fields[name]["record_key"] for name in names}
        assert not fields[names[0]]["rule"]["together"] or len(givers) == 1


CHANGE = st.tuples(
    st.sampled_from(["crm", "erp", "service"]), st.sampled_from(["1", "2"]),
    st.one_of(
        st.none(),
        st.fixed_dictionaries({
            "name": st.sampled_from(["甲", "乙"]), "status": st.sampled_from([None, "active", "inactive", "blocked"]),
            "tier": st.sampled_from([None, "A", "B"]), "tax_number": st.sampled_from([None, "T1", "T2"]),
            "address": st.sampled_from([None, "路 1", "路 2"]), "crm_code": st.sampled_from([None, "1", "2"]),
            "owner_id": st.sampled_from([None, "u1", "S1"]), "is_on_hold": st.booleans(),
            "merged_into_id": st.sampled_from([None, None, "1"]),
        }),
    ),
)  # fmt: skip
PIN = st.tuples(
    st.sampled_from(["crm", "erp", "service"]), st.sampled_from(["1", "2"]),
    st.sampled_from(["tier", "tax_number", "address", "status"]), st.sampled_from(["right", "right", "retract"]),
    st.sampled_from(["A", "B", "T1", "路 1", "inactive"]),
)  # fmt: skip
HIRED = st.sampled_from([None, {"id": "u1", "name": "陈晓", "code": "S1"}, {"id": "u2", "name": "林北", "code": "S1"}])


@settings(max_examples=helpers.EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=st.lists(st.tuples(st.lists(CHANGE, max_size=4), st.lists(PIN, max_size=2), HIRED, st.booleans()),
                   min_size=2, max_size=4)
)  # fmt: skip
def test_incremental_equals_full_with_decisions_and_departures(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.instance(Path(folder) / "i")
        for day, (changes, pins, hired, invoiced) in enumerate(steps):
            at = helpers.T0 + timedelta(days=day)
            with helpers.open_staging(inst) as con:
                for number, (source, key, row) in enumerate(changes):
                    moment = at + timedelta(seconds=number)
                    if row is None:
                        helpers.drop(con, "customer", source, [key], at=moment)
                    else:
                        merged = None if row["merged_into_id"] == key else row["merged_into_id"]
                        helpers.put(con, "customer", source, [row | {"id": key, "merged_into_id": merged}], at=moment)
                if hired:
                    helpers.put(con, "employee", "crm", [hired], at=at)
                if invoiced:
                    helpers.put(con, "invoice", "erp", [APPROVED | {"id": f"i{day}", "customer_id": "1"}], at=at)
            with inst.store.begin() as connection:
                for source, key, field, decision, value in pins:
                    field_pins.add(connection, (source, key), field, decision, value, "steward", None)
            helpers.make(inst, release=False)
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True, release=False)
        full = helpers.everything(inst)
        inst.store.close()
        for name, rows in full.items():
            assert incremental[name] == rows, name
