"""Templates: one CSV and one workbook per canonical entity, and the mapping that reads a folder of them.

A folder of filled templates is a source of connector `template`; its source.toml is written from the schema by
`source_toml` (a test keeps the two equal), because ingest knows no meaning.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import xlsxwriter

from model import schema
from model.conform.spec import Mapping, parse
from ops.errors import FatalError

_TEXTS = {
    "zh": ("填写", "说明", ("列", "名称", "含义", "类型", "必填", "允许的值", "空缺时", "示例")),
    "en": (
        "data",
        "columns",
        ("column", "label", "meaning", "type", "required", "allowed values", "when empty", "example"),
    ),
}
_YES = {"zh": "是", "en": "yes"}
_TYPES = {
    "text": ("文本", "text"),
    "date": ("日期 2026-11-21", "date, 2026-11-21"),
    "instant": ("时间 2026-11-21 09:30:00", "time, 2026-11-21 09:30:00"),
    "money": ("金额，两位小数", "amount, two decimals"),
    "quantity": ("数量", "quantity"),
    "price": ("单价", "price"),
    "rate": ("数值", "number"),
    "integer": ("整数", "whole number"),
    "boolean": ("true 或 false", "true or false"),
}
_ID = schema.Column(
    name="id",
    type="text",
    zh="标识",
    en="Id",
    description="Only needed where there is no code or number that tells rows apart",
    description_zh="没有编码或单号可以区分各行时才需要",
)
_ENTERED = schema.Column(
    name="entered_at",
    type="instant",
    zh="录入时间",
    en="Entered at",
    description="When it was entered in your books; empty means on its business date, shown as reconstructed",
    description_zh="在账上录入的时间；空则视为业务日期，显示为“推定”",
)


def columns(entity: schema.Entity) -> list[schema.Column]:
    """The columns of an entity's template, `id` first and `entered_at` last."""
    return [_ID, *(column for column in entity.columns if not column.is_derived), _ENTERED]


def export(folder: Path, *, language: str = "zh") -> list[Path]:
    """Write a CSV (UTF-8 with BOM) and an Excel template per canonical entity into `folder`; the files written.

    A file that is already there is refused, so that nobody's data is overwritten.
    """
    if language not in _TEXTS:
        raise FatalError(f"no templates in language {language!r}", valid=", ".join(sorted(_TEXTS)))
    folder.mkdir(parents=True, exist_ok=True)
    targets = [folder / f"{name}{suffix}" for name in schema.entities() for suffix in (".csv", ".xlsx")]
    present = [path.name for path in targets if path.exists()]
    if present:
        raise FatalError(
            f"{folder} already holds {', '.join(present[:5])}",
            remedy="choose an empty folder, or move the files away",
        )
    for entity in schema.entities().values():
        header = ",".join(column.name for column in columns(entity))
        (folder / f"{entity.name}.csv").write_text(header + "\r\n", encoding="utf-8-sig", newline="")
        _workbook(folder / f"{entity.name}.xlsx", entity, language)
    return targets


def _workbook(path: Path, entity: schema.Entity, language: str) -> None:
    data_name, about_name, titles = _TEXTS[language]
    book = xlsxwriter.Workbook(str(path))
    bold = book.add_format({"bold": True, "bg_color": "#E8EEF4"})
    must = book.add_format({"bold": True, "bg_color": "#F7E3C8"})
    text = book.add_format({"num_format": "@"})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    data, about = book.add_worksheet(data_name), book.add_worksheet(about_name)
    data.freeze_panes(1, 0)
    for place, column in enumerate(columns(entity)):
        data.write(0, place, column.name, must if column.required else bold)
        data.set_column(place, place, max(12, len(column.name) + 2), text)
        if column.lookup:
            data.data_validation(1, place, 5000, place, {"validate": "list", "source": list(column.lookup)})
    about.write(0, 0, f"{entity.zh} · {entity.en}", book.add_format({"bold": True, "font_size": 14}))
    about.write(1, 0, entity.description_zh if language == "zh" else entity.description)
    about.write_row(3, 0, titles, bold)
    for row, column in enumerate(columns(entity), start=4):
        about.write_row(row, 0, describe(column, language), wrap)
    about.set_column(0, 1, 22)
    about.set_column(2, 2, 60)
    about.set_column(3, 7, 20)
    book.close()


def describe(column: schema.Column, language: str) -> list[str]:
    """One line of the second sheet, in the order of its titles; the meaning in both languages."""
    meaning = (
        [column.description_zh, column.description] if language == "zh" else [column.description, column.description_zh]
    )
    default = (column.default or "").removeprefix("=")
    return [
        column.name,
        f"{column.zh} / {column.en}",
        "\n".join(filter(None, meaning)),
        _TYPES[column.type][0 if language == "zh" else 1],
        _YES[language] if column.required else "",
        ", ".join(column.lookup),
        default,
        column.example,
    ]


@cache
def mapping() -> Mapping:
    """The mapping of the template source: every column from the column of its name, defaults from the schema."""
    tables = []
    for entity in schema.entities().values():
        fields = {column.name: _field(column) for column in entity.columns}
        if entity.name == "invoice":
            red = {
                "when": [{"path": "kind", "is_null": True}, {"path": "gross_amount", "below": 0}],
                "value": "red",
            }
            fields["kind"] = {"path": "kind", "cases": [red], "default": "invoice"}
        tables.append(
            {
                "entity": entity.name,
                "streams": [entity.name],
                "deleted": {"path": "_deleted", "equals": "true"},
                "entered_at": "entered_at",
                "fields": fields,
            }
        )
    document = {
        "mapping": {
            "connector": "template",
            "zone": "Asia/Shanghai",
            "is_flat": True,
            "locate": "{_file} row {_row}",
        },
        "entity": tables,
    }
    return parse(document, "the template mapping")


def _field(column: schema.Column) -> dict[str, Any]:
    spec: dict[str, Any] = {"path": [] if column.is_derived else [column.name]}
    if column.default is not None and column.default.startswith("="):
        spec["path"].append(column.default[1:])
    elif column.default is not None:
        spec["default"] = column.default
    if column.sensitivity == "phone" and column.name != "wechat":
        spec["convert"] = ["phone"]
    elif column.name == "email":
        spec["convert"] = ["email"]
    elif column.name == "name":
        spec["convert"] = ["name"]
    elif column.name == "serial_key":
        spec["convert"] = ["serial"]
    elif "currency" in column.name or column.lookup:
        spec["convert"] = ["upper"] if "currency" in column.name else ["lower"]
    return spec


def source_toml() -> str:
    """The text of ingest/sources/template/source.toml, generated from the schema."""
    lines = [
        "# Written by model.templates.source_toml from model/schema; a test keeps it so.",
        "[connector]",
        'name = "template"',
        'label = "Template folder (CSV, Excel)"',
        'role = "files"',
        'docs = "docs/templates.md"',
        'kind = "files"',
        "",
        "[settings.folder]",
        "required = true",
        'help = "folder of filled templates (customer.csv, invoice.xlsx …); rows that leave are deleted"',
        "",
        "[settings.allocations]",
        'default = "auto"',
        'help = "recorded: allocation.csv says what settled what; none: estimate; auto: by whether the file is there"',
    ]
    for entity in schema.entities().values():
        names = json.dumps([column.name for column in entity.columns if not column.is_derived])
        refers = ", ".join(f"{c.name} = {json.dumps(list(c.refers_to))}" for c in entity.columns if c.refers_to)
        lines += [
            "",
            "[[stream]]",
            f'name = "{entity.name}"',
            f'entities = ["{entity.name}"]',
            'id = "_id"',
            'deletes = { type = "flag", path = "_deleted" }',
            "",
            "[stream.hook]",
            f"columns = {names}",
            f"required = {json.dumps(list(entity.required))}",
            f"key = {json.dumps(list(entity.natural_key))}",
            f"refers = {{ {refers} }}" if refers else "refers = {}",
        ]
    return "\n".join(lines) + "\n"
