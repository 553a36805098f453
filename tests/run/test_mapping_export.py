"""The exported mapping says what staging does: every field of every source, with the company's overlay on it."""

from __future__ import annotations

import json
from pathlib import Path

import fastexcel
import pytest
from typer.testing import CliRunner, Result

from ingest.spec import SourceSpec
from model import mapping_export, schema
from model.conform.sources import mapping_of
from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from run.cli import app

ROLES = {"salesforce": "crm", "kingdee": "erp", "zendesk": "tickets", "jira": "projects", "template": "files"}


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    sources = [
        SourceConfig(name=f"my-{name}", connector=name, role=role, schedule="every 15m", settings={"folder": "x"})  # type: ignore[arg-type]
        for name, role in ROLES.items()
    ]
    return Instance.create(tmp_path / "i", InstanceConfig(company="示例仪器", source=sources))


def c360(instance: Instance, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(instance.home), "mapping", "export", *arguments])


def test_every_mapped_field_and_every_stream_is_there(instance: Instance) -> None:
    sheets = mapping_export.document(instance)
    fields = {(row["source"], row["entity"], row["field"]) for row in sheets["fields"]}
    for source in instance.config.sources:
        for entity in mapping_of(instance, source).entities:
            assert {(source.name, entity.entity, name) for name in entity.fields} <= fields
        streams = {stream.name for stream in SourceSpec.load(source.connector).streams}
        assert {row["object"] for row in sheets["inventory"] if row["source"] == source.name} == streams
    for row in sheets["fields"]:
        assert row["from"] or row["default"] is not None, row
        assert row["type"] == schema.entity(row["entity"]).by_name[row["field"]].type


def test_a_field_reads_as_its_mapping_does(instance: Instance) -> None:
    def row(source: str, entity: str, field: str) -> dict[str, object]:
        rows = mapping_export.document(instance)["fields"]
        return next(r for r in rows if (r["source"], r["entity"], r["field"]) == (source, entity, field))

    amount = row("my-kingdee", "invoice", "gross_amount")
    spec = next(
        entity.fields["gross_amount"]
        for entity in mapping_of(instance, instance.config.source("my-kingdee")).entities
        if entity.entity == "invoice"
    )
    assert amount["from"] == mapping_export.origin(spec)
    assert amount["required"] is True
    folder = instance.config_dir / "conform"
    folder.mkdir()
    (folder / "my-template.toml").write_text("")  # template mappings take no overlay
    (folder / "my-zendesk.toml").write_text(
        '[[entity]]\nname = "ticket"\nentity = "ticket"\n[entity.fields]\nkind = { path = "custom.art", '
        'default = "other", convert = ["trim"], owner = "service desk", note = "since 2026" }\n',
        encoding="utf-8",
    )
    changed = row("my-zendesk", "ticket", "kind")
    assert (changed["from"], changed["default"], changed["owner"]) == ("custom.art", "other", "service desk")
    assert changed["conversions"] == "trim"


def test_inventory_tells_trigger_direction_and_exceptions(instance: Instance) -> None:
    rows = {(row["source"], row["object"]): row for row in mapping_export.document(instance)["inventory"]}
    account = rows["my-salesforce", "Account"]
    assert account["target"] == "customer"
    assert account["trigger"] == "every 15m"
    assert "read only" in account["direction"]
    assert "quarantine" in account["exceptions"]
    assert "attempts" in account["exceptions"]
    assert rows["my-template", "invoice"]["over"] == "files"


def test_the_workbook_holds_the_same_rows(instance: Instance, tmp_path: Path) -> None:
    done = c360(instance, str(tmp_path / "out" / "m.xlsx"), "--json")
    assert done.exit_code == 0, done.exception
    sheets = json.loads(done.stdout)
    book = fastexcel.read_excel(tmp_path / "out" / "m.xlsx")
    whole = mapping_export.by_entity(sheets)
    assert book.sheet_names == list(whole)
    assert book.sheet_names[-5:] == ["entities", "lookups", "inventory", "survivorship", "sign-off"]
    assert "my-salesforce customer" in book.sheet_names
    assert sum(len(whole[name]) for name in book.sheet_names[:-5]) == len(sheets["fields"])
    for name, rows in whole.items():
        frame = book.load_sheet(name, dtypes="string").to_polars()
        assert frame.height == len(rows)
        assert frame.columns == list(rows[0])
        key = "field" if name == "survivorship" else "source"
        place = frame.columns.index(key)
        assert frame.get_columns()[place].to_list() == [row[key] for row in rows]
    refused = c360(instance, str(tmp_path / "out" / "m.xlsx"))
    assert isinstance(refused.exception, FatalError)
    assert isinstance(c360(instance, str(tmp_path / "m.csv")).exception, FatalError)


def test_every_customer_field_has_its_system_of_record(instance: Instance) -> None:
    def said(field: str, source: str = "my-salesforce") -> str:
        rows = mapping_export.document(instance)["fields"]
        found = [
            r["system_of_record"] for r in rows if (r["source"], r["entity"], r["field"]) == (source, "customer", field)
        ]
        return str(found[0])

    assert said("name") == "my-salesforce while selling; my-kingdee while confirmed"
    assert said("tax_number") == "my-kingdee"
    assert said("owner_id") == "my-salesforce"
    assert said("tier") == "my-salesforce"
    assert said("bank_account", "my-kingdee") == "my-kingdee"
    (instance.config_dir / "survivorship.toml").write_text('[invoicing]\nroles = ["crm", "erp"]\n', encoding="utf-8")
    assert said("tax_number") == "my-salesforce"
    documents = {r["system_of_record"] for r in mapping_export.document(instance)["fields"] if r["entity"] == "invoice"}
    assert {"my-kingdee", "my-template"} <= documents


def test_shipped_mappings_need_no_source(tmp_path: Path) -> None:
    empty = Instance.create(tmp_path / "i", InstanceConfig())
    assert isinstance(c360(empty).exception, FatalError)
    sheets = json.loads(c360(empty, "--shipped", "--json").stdout)
    assert set(ROLES) <= {row["source"] for row in sheets["inventory"]}
    assert c360(empty, "--shipped").stdout.splitlines()[0].split()[:3] == ["source", "status", "object"]
