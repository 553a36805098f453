"""An edited mapping workbook: unchanged it differs in nothing, edited it does what it says, wrong cells are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from model import conform, mapping_export, mapping_import, schema, signatures, staging
from model.conform.sources import mapping_of
from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from run.cli import app
from tests.conform.conftest import ACME, land, overlay

ROWS = [(f"c{n}", {"Id": f"c{n}", "Name": f" 公司{n} ", "Kind": "Co" if n % 2 else "Ltd", "Phone": f"1380000000{n}",
                   "Short": f"简称{n}", "Limit": "5"}) for n in range(6)]  # fmt: skip


def company(home: Path) -> Instance:
    made = Instance.create(home, InstanceConfig(source=[SourceConfig(name="acme", connector="acme", role="crm")]))
    cases = """city = { cases = [{ when = { path = "Kind", equals = "Co" }, value = "甲; 乙" },
                       { when = { path = "Kind", is_null = true }, value = "" }] }
"""
    overlay(made, "acme", "# ours\n" + ACME.replace("phone = {", cases + "phone = {"))
    folder = home / "config" / "sources" / "acme"
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(
        '[connector]\nname = "acme"\nlabel = "Acme"\nrole = "crm"\nkind = "http"\n[http]\n'
        'base_url = "http://127.0.0.1:9"\n[[stream]]\nname = "Account"\nid = "Id"\npath = "/a"\nrecords = "r"\n'
        '[[stream]]\nname = "Order"\nid = "Id"\npath = "/o"\nrecords = "r"\n', encoding="utf-8")  # fmt: skip
    return made


def landed(inst: Instance) -> Instance:
    land(inst, "acme", "Account", "20260101T000000000000Z-0000-abc", ROWS)
    conform.stage(inst)
    return inst


def c360(inst: Instance, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(inst.home), "mapping", *arguments])


def exported(inst: Instance, path: Path) -> Path:
    return mapping_export.write(mapping_export.document(inst), path)


def edit(path: Path, sheet: str, key: tuple[str, str], column: str, value: str | None) -> None:
    """Change one cell of the row whose column key[0] says key[1]."""
    book = openpyxl.load_workbook(path)
    page = book[sheet]
    heads = [cell.value for cell in page[1]]
    for line in range(2, page.max_row + 1):
        if page.cell(line, heads.index(key[0]) + 1).value == key[1]:
            page.cell(line, heads.index(column) + 1).value = value
            break
    else:
        raise AssertionError(key)
    book.save(path)


def add(path: Path, sheet: str, row: dict[str, Any]) -> None:
    book = openpyxl.load_workbook(path)
    page = book[sheet]
    page.append([row.get(str(cell.value)) for cell in page[1]])
    book.save(path)


def staged(inst: Instance) -> dict[str, list[str]]:
    with staging.open_warehouse(inst) as con:
        return {
            entity: sorted(map(repr, con.execute(f'SELECT * EXCLUDE (seen_from) FROM staging."{entity}"').fetchall()))
            for entity in schema.entities()
        }


def test_every_shipped_workbook_imported_unchanged_differs_in_nothing(tmp_path: Path) -> None:
    inst = Instance.create(tmp_path / "i", InstanceConfig())
    path = mapping_export.write(mapping_export.shipped(inst), tmp_path / "m.xlsx")
    found = mapping_import.difference(inst, path, shipped=True)
    assert (found.changes, found.problems, found.signatures) == ([], [], [])


def test_an_applied_workbook_equals_a_fresh_collection_with_the_edited_mapping(tmp_path: Path) -> None:
    inst = landed(company(tmp_path / "i"))
    path = exported(inst, tmp_path / "m.xlsx")
    sheet = "acme customer"
    edit(path, sheet, ("field", "name"), "from", "Short, else Name")
    edit(path, sheet, ("field", "code"), "default", "none given")
    edit(path, sheet, ("field", "phone"), "conversions", "trim")
    edit(path, sheet, ("field", "credit_limit_amount"), "from", "Limit; times 10")
    edit(path, sheet, ("field", "city"), "note", "cases stay")
    edit(path, sheet, ("field", "kind"), "owner", "sales")
    add(path, sheet, {"source": "acme", "table": "customer", "field": "website", "from": "text https://{Id}.example"})
    edit(path, "lookups", ("value", "*"), "becomes", "person")
    found = mapping_import.difference(inst, path)
    assert found.problems == []
    assert {(one.key, one.column) for one in found.changes} == {
        ("customer name", "from"), ("customer code", "default"), ("customer phone", "conversions"),
        ("customer credit_limit_amount", "from"), ("customer city", "note"), ("customer kind", "owner"),
        ("customer website", "from"), ("kind *", "becomes")}  # fmt: skip
    cell = next(one.cell for one in found.changes if one.column == "default")
    assert openpyxl.load_workbook(path)[sheet][cell].value == "none given"
    assert mapping_import.apply(inst, found, "chen") == ["acme"]
    assert "# ours" in (inst.config_dir / "conform" / "acme.toml").read_text(encoding="utf-8")
    conform.replay(inst, "acme")
    fresh = company(tmp_path / "fresh")
    text = (inst.config_dir / "conform" / "acme.toml").read_text(encoding="utf-8")
    (fresh.config_dir / "conform" / "acme.toml").write_text(text, encoding="utf-8")
    landed(fresh)
    assert staged(inst) == staged(fresh)
    with staging.open_warehouse(inst) as con:
        row = con.execute(
            "SELECT name, code, phone, credit_limit_amount::varchar, website, kind, city FROM staging.customer "
            "WHERE source_id = 'c2'"
        ).fetchall()
    assert row == [("简称2", "none given", "13800000002", "50.00", "https://c2.example", "person", None)]
    again = mapping_import.difference(inst, exported(inst, tmp_path / "again.xlsx"))
    assert (again.changes, again.problems) == ([], [])


def test_an_emptied_origin_leaves_the_field_out(tmp_path: Path) -> None:
    inst = company(tmp_path / "i")
    path = exported(inst, tmp_path / "m.xlsx")
    edit(path, "acme customer", ("field", "phone"), "from", None)
    done = c360(inst, "import", str(path), "--json")
    assert done.exit_code == 0, done.exception
    assert [one["after"] for one in json.loads(done.stdout)["changes"]] == [""]
    mapping_import.apply(inst, mapping_import.difference(inst, path), "chen")
    customer = next(one for one in mapping_of(inst, inst.config.source("acme")).entities if one.name == "customer")
    assert "phone" not in customer.fields


@pytest.mark.parametrize(
    ("sheet", "key", "column", "value", "said"),
    [
        ("acme customer", ("field", "name"), "conversions", "nmae", "unknown conversion 'nmae'; valid: trim"),
        ("acme customer", ("field", "name"), "from", "", "name is required"),
        ("acme customer", ("field", "name"), "from", "x when y equals 1", "cases are written in config/conform"),
        ("acme customer", ("field", "kind"), "lookup", "knid", "no lookup 'knid'; valid: kind"),
        ("acme customer", ("field", "name"), "on_error", "maybe", "valid: reject, null"),
        ("acme customer", ("field", "name"), "type", "date", "type of acme customer name is not changed here"),
        ("acme customer", ("field", "name"), "field", "nmae", "no column 'nmae'"),
        ("acme customer", ("field", "name"), "table", "client", "no table 'client'"),
        ("inventory", ("object", "Account"), "trigger", "daily", "change it in c360.toml"),
        ("survivorship", ("field", "name"), "order", "x", "change it in config/survivorship.toml"),
        ("sign-off", ("source", "acme"), "it_name", "Li", "needs a name and a day"),
    ],
)
def test_what_cannot_be_applied_names_its_cell_and_what_is_valid(
    tmp_path: Path, sheet: str, key: tuple[str, str], column: str, value: str, said: str
) -> None:
    inst = company(tmp_path / "i")
    path = exported(inst, tmp_path / "m.xlsx")
    edit(path, sheet, key, column, value)
    found = mapping_import.difference(inst, path)
    (problem, *_) = [one for one in found.problems if said in one] or [str(found.problems)]
    assert said in problem
    assert problem.startswith(f"{sheet}!")
    before = (inst.config_dir / "conform" / "acme.toml").read_text(encoding="utf-8")
    with pytest.raises(FatalError, match="cannot be applied"):
        mapping_import.apply(inst, found, "chen")
    assert (inst.config_dir / "conform" / "acme.toml").read_text(encoding="utf-8") == before


def test_missing_rows_and_other_files_are_refused(tmp_path: Path) -> None:
    inst = company(tmp_path / "i")
    path = exported(inst, tmp_path / "m.xlsx")
    book = openpyxl.load_workbook(path)
    book["acme customer"].delete_rows(2)
    book.save(path)
    assert ["is missing" in one for one in mapping_import.difference(inst, path).problems] == [True]
    assert c360(inst, "import", str(path)).exit_code == 1
    book = openpyxl.Workbook()
    book.save(tmp_path / "other.xlsx")
    with pytest.raises(FatalError, match="holds no mapping"):
        mapping_import.difference(inst, tmp_path / "other.xlsx")
    (tmp_path / "text.xlsx").write_text("no workbook", encoding="utf-8")
    with pytest.raises(FatalError, match="is no workbook"):
        mapping_import.difference(inst, tmp_path / "text.xlsx")


def test_signatures_hold_for_the_version_they_were_given_for(tmp_path: Path) -> None:
    inst = company(tmp_path / "i")
    path = exported(inst, tmp_path / "m.xlsx")
    for column, value in (("business_name", "王芳"), ("business_signed_on", "2026-11-20"), ("it_name", "Li Wei"),
                          ("it_signed_on", "2026-11-21")):  # fmt: skip
        edit(path, "sign-off", ("source", "acme"), column, value)
    edit(path, "acme customer", ("field", "name"), "note", "agreed")
    found = mapping_import.difference(inst, path)
    mapping_import.apply(inst, found, "chen")
    version = mapping_of(inst, inst.config.source("acme")).digest
    (state,) = signatures.states(inst)
    assert state["is_signed"]
    assert {one["version"] for one in state["signatures"]} == {version}
    later = exported(inst, tmp_path / "later.xlsx")
    assert mapping_import.difference(inst, later).signatures == []
    edit(later, "acme customer", ("field", "name"), "note", "changed since")
    mapping_import.apply(inst, mapping_import.difference(inst, later), "chen")
    (state,) = signatures.states(inst)
    assert not state["is_signed"]
    assert [one["holds"] for one in state["signatures"]] == [False, False]
    (row,) = signatures.rows(inst, inst.config.sources)
    assert (row["business_name"], f"for version {version}" in str(row["signed_before"])) == (None, True)
    assert version in c360(inst, "signed").stdout
