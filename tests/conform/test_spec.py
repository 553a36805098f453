"""Mappings are validated with every problem at once, and overlays change what they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.conform import load, spec
from model.conform.compile import Compiler
from ops.errors import FatalError

SHIPPED = sorted(path.stem for path in spec.FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_mapping_is_valid_and_compiles(name: str) -> None:
    mapping = load(name)
    compiler = Compiler(mapping, "Asia/Shanghai")
    for entity in mapping.entities:
        assert compiler.compile(entity).values


def broken() -> dict[str, object]:
    return {
        "mapping": {"connector": "acme", "zoen": "UTC"},
        "entity": [
            {
                "entity": "invoice",
                "streams": "X",
                "fields": {"numbr": "no", "due_on": {"path": "d", "formatt": "x"}},
            },
            {"entity": "custmer", "streams": "Y", "fields": {"name": "n"}},
            {"entity": "contact", "streams": "Z", "fields": {"name": {"path": "n", "convert": "trimm"}}},
        ],
    }


def test_all_problems_are_told_at_once_with_what_is_valid() -> None:
    with pytest.raises(FatalError) as caught:
        spec.parse(broken(), "acme.toml")
    text = str(caught.value)
    assert "zoen: unknown key; valid: connector, zone" in text
    assert "formatt: unknown key; valid: path, constant" in text
    assert "no canonical entity 'custmer'; valid: allocation" in text
    assert "did you mean 'trim'?" in text


def test_unknown_and_missing_columns_are_named() -> None:
    raw = {
        "mapping": {"connector": "a"},
        "entity": [{"entity": "invoice", "streams": "X", "fields": {"numbr": "no"}}],
    }
    message = r"no column 'numbr' \(did you mean 'number'\?\).*not mapped: customer_id"
    with pytest.raises(FatalError, match=message):
        spec.parse(raw, "acme.toml")


def test_missing_lookup_is_named() -> None:
    fields = {"name": {"path": "n", "lookup": "nmae"}}
    raw = {
        "mapping": {"connector": "a"},
        "entity": [{"entity": "customer", "streams": "X", "fields": fields}],
    }
    with pytest.raises(FatalError, match=r"customer\.name: no lookup 'nmae'; valid: none defined"):
        spec.parse(raw, "acme.toml")


def test_overlay_changes_what_it_names(tmp_path: Path) -> None:
    (tmp_path / "conform").mkdir()
    text = '[lookup.customer_status]\nGold = "active"\n'
    text += '[[entity]]\nentity = "customer"\n[entity.fields]\ntier = "Level__c"\n'
    (tmp_path / "conform" / "salesforce.toml").write_text(text)
    plain, changed = load("salesforce"), load("salesforce", config_dir=tmp_path)
    customer = next(entity for entity in changed.entities if entity.entity == "customer")
    assert customer.fields["tier"].path == ["Level__c"]
    assert customer.fields["name"].path == ["Name"]
    assert changed.lookup["customer_status"] == {**plain.lookup["customer_status"], "Gold": "active"}
    assert changed.digest != plain.digest


def test_no_mapping_says_where_to_write_one() -> None:
    with pytest.raises(FatalError, match=r"no mapping for 'nothere'.*config/conform/nothere\.toml"):
        load("nothere")
