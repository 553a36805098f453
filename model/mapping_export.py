"""The mapping as a document for people: fields, entities, lookups, integration inventory and survivorship.

Everything is read from the same specs and mappings that collecting and staging run on, so it cannot say otherwise.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xlsxwriter

from ingest.spec import SourceSpec, StreamSpec, discover
from model import mapping_survivorship, schema, signatures
from model.conform.sources import mapping_of
from model.conform.spec import Condition, EntityMapping, FieldSpec, Mapping
from model.identity import survivorship
from model.identity.survivorship import Rules
from ops.errors import C360Error, FatalError
from ops.instance import Instance, SourceConfig

Rows = list[dict[str, Any]]
_LONGEST = 31  # characters of a sheet's name
_WIDTHS = {"from": 48, "note": 40, "rule": 48, "meaning": 40, "description": 40, "exceptions": 60, "deletes": 36,
           "system_of_record": 32, "survivorship": 56, "order": 32}  # fmt: skip


def document(instance: Instance) -> dict[str, Rows]:
    """Sheets of the instance's sources: fields, entities, lookups, inventory, survivorship, sign-off; lists of rows.

    fields: one row per source, entity table and canonical field, with its system of record. inventory: one row per
    source and stream. survivorship: one row per field of a customer and business state. sign-off: one row per source.
    """
    if not instance.config.sources:
        raise FatalError("this instance has no source", remedy="add one with `c360 source add`, or ask for --shipped")
    return _document(instance, instance.config.sources)


def shipped(instance: Instance) -> dict[str, Rows]:
    """The same of every shipped connector that has a mapping of its own, as if each were a source."""
    found = []
    for name in sorted(discover()):
        source = SourceConfig(name=name, connector=name, role=SourceSpec.load(name).connector.role, schedule=None)
        try:
            mapping_of(instance, source)
        except C360Error:
            continue
        found.append(source)
    return _document(instance, found)


def _document(instance: Instance, sources: list[SourceConfig]) -> dict[str, Rows]:
    sheets: dict[str, Rows] = {"fields": [], "entities": [], "lookups": [], "inventory": []}
    rules = survivorship.rules(instance.config_dir, [source.name for source in sources])
    givers = _givers(instance, sources)
    for source in sources:
        spec = SourceSpec.load(source.connector, instance.config_dir)
        mapping = mapping_of(instance, source)
        sheets["fields"] += list(_fields(source, mapping, rules, sources, givers))
        sheets["entities"] += [_entity(source, mapping, entity) for entity in mapping.entities]
        sheets["lookups"] += [
            {"source": source.name, "lookup": name, "value": value, "becomes": target}
            for name, table in mapping.lookup.items()
            for value, target in table.items()
        ]
        sheets["inventory"] += [_stream(instance, source, spec, stream, mapping) for stream in spec.streams]
    sheets["survivorship"] = mapping_survivorship.rows(rules, givers)
    sheets["sign-off"] = signatures.rows(instance, sources)
    return sheets


def _givers(instance: Instance, sources: list[SourceConfig]) -> dict[str, list[SourceConfig]]:
    """Canonical field of a customer → the sources whose mapping has it."""
    found: dict[str, list[SourceConfig]] = {}
    for source in sources:
        mapped = [entity for entity in mapping_of(instance, source).entities if entity.entity == "customer"]
        for name in sorted({name for entity in mapped for name in entity.fields}):
            found.setdefault(name, []).append(source)
    return found


def _fields(
    source: SourceConfig,
    mapping: Mapping,
    rules: Rules,
    sources: list[SourceConfig],
    givers: dict[str, list[SourceConfig]],
) -> Iterator[dict[str, Any]]:
    for entity in mapping.entities:
        columns = schema.entity(entity.entity).by_name
        for name, field in entity.fields.items():
            column = columns[name]
            yield {
                "source": source.name,
                "connector": source.connector,
                "stream": ", ".join(entity.streams),
                "entity": entity.entity,
                "table": entity.name,
                "field": name,
                "zh": column.zh,
                "en": column.en,
                "type": column.type,
                "length": ", ".join(map(str, schema.DECIMALS[column.type])) if column.type in schema.DECIMALS else None,
                "required": column.required or field.required,
                "sensitivity": column.sensitivity,
                "from": origin(field),
                "format": field.format,
                "zone": field.zone or (mapping.zone if column.type in {"date", "instant"} else None),
                "conversions": ", ".join(field.convert) or None,
                "lookup": field.lookup,
                "allowed": ", ".join(column.lookup) or None,
                "empty_values": ", ".join(field.nulls) or None,
                "default": field.default,
                "on_error": field.on_error,
                "owner": field.owner or entity.owner or mapping.owner or None,
                **mapping_survivorship.of_canonical(rules, sources, givers, source.name, entity.entity, name),
                "note": field.note,
                "meaning": column.description or None,
                "example": column.example or None,
            }


def origin(field: FieldSpec) -> str:
    """Where a value comes from, in words: paths in order, a template, cases, a constant, factors."""
    parts = []
    if field.path:
        parts.append(", else ".join(field.path))
    if field.template is not None:
        parts.append(f"text {field.template}")
    if field.constant is not None:
        parts.append(f"always {field.constant}")
    parts += [f"{case.value or 'nothing'} when {condition(case.when)}" for case in field.cases]
    if field.times:
        parts.append(f"times {field.times}")
    if field.scale is not None:
        parts.append(f"times {field.scale:g}")
    return "; ".join(parts)


def condition(conditions: list[Condition]) -> str:
    """Conditions in words, joined by and."""
    return " and ".join(
        f"{one.path} {name.replace('_', ' ')} {_plain(value)}"
        for one in conditions
        for name, value in one.model_dump(exclude={"path"}, exclude_none=True).items()
    )


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _entity(source: SourceConfig, mapping: Mapping, entity: EntityMapping) -> dict[str, Any]:
    return {
        "source": source.name,
        "entity": entity.entity,
        "table": entity.name,
        "stream": ", ".join(entity.streams),
        "id": entity.id,
        "only_when": condition(entity.filter) or None,
        "deleted_when": condition(entity.deleted) or None,
        "merged_into": entity.merged_into,
        "changed_at": origin(entity.updated_at) if entity.updated_at else None,
        "entered_at": origin(entity.entered_at) if entity.entered_at else None,
        "one_row_per": ", ".join(entity.explode) or "document",
        "hook": entity.hook,
        "owner": entity.owner or mapping.owner or None,
        "note": entity.note,
    }


def _stream(
    instance: Instance, source: SourceConfig, spec: SourceSpec, stream: StreamSpec, mapping: Mapping
) -> dict[str, Any]:
    targets = [entity.entity for entity in mapping.entities if stream.name in entity.streams]
    return {
        "source": source.name,
        "connector": spec.connector.label,
        "role": source.role,
        "status": source.status,
        "object": stream.name,
        "target": ", ".join(dict.fromkeys(targets)) or "landing only",
        "direction": "source to customer 360, read only",
        "over": _transport(spec, stream),
        "trigger": _trigger(source, stream),
        "changes": _changes(stream),
        "deletes": _deletes(stream),
        "exceptions": _exceptions(spec, stream),
        "alarm_after_minutes": source.max_age_minutes,
        "owner": mapping.owner or None,
        "company": instance.config.company,
    }


def _transport(spec: SourceSpec, stream: StreamSpec) -> str:
    if spec.connector.kind == "files":
        return "files"
    if spec.connector.kind == "sql":
        return f"SQL, read only: {stream.table or 'a query'}"
    limit = stream.rate or spec.http.rate
    return f"HTTPS {stream.method} {stream.path}" + (f", at most {limit}" if limit else "")


def _trigger(source: SourceConfig, stream: StreamSpec) -> str:
    if source.status == "off":
        return "off"
    own = source.schedule or "on request"
    return f"{own}; for each changed {stream.parent.stream}" if stream.parent else own


def _changes(stream: StreamSpec) -> str:
    spec = stream.incremental
    if spec.type == "window":
        return f"changed since the last run, {spec.overlap_s} s read twice"
    return "the source's own cursor" if spec.type == "token" else "everything, unchanged rows are not kept twice"


def _deletes(stream: StreamSpec) -> str:
    spec = stream.deletes
    return {
        "none": "not reported by the source",
        "flag": f"the record says so: {spec.path}",
        "sweep": f"ids compared every {spec.every_h:g} h; more than {spec.max_percent:g} % missing stops it",
        "feed": "the source's list of deletions",
        "full": "missing from two full reads",
    }[spec.type]


def _exceptions(spec: SourceSpec, stream: StreamSpec) -> str:
    parts = []
    if spec.connector.kind == "http":
        parts.append(f"{spec.http.attempts} attempts, waits up to {spec.http.max_wait_s:g} s")
    parts.append("refused: warning only" if stream.optional else "refused: this stream fails, the others go on")
    if stream.assertions.min_rows:
        parts.append(f"fewer than {stream.assertions.min_rows} rows: fails")
    parts.append("a record that does not fit the mapping goes to quarantine with field, value and reason")
    return "; ".join(parts)


def write(sheets: dict[str, Rows], path: Path) -> Path:
    """Write the sheets as an Excel workbook, fields one sheet per source and entity; a file there is refused."""
    if path.suffix.lower() != ".xlsx":
        raise FatalError(f"{path.name} is no Excel file name", valid="a name ending in .xlsx")
    if path.exists():
        raise FatalError(f"{path} exists already", remedy="name a new file")
    path.parent.mkdir(parents=True, exist_ok=True)
    book = xlsxwriter.Workbook(str(path), {"strings_to_formulas": False, "strings_to_urls": False})
    formats = (
        book.add_format({"bold": True, "bg_color": "#E8EEF4", "text_wrap": True, "valign": "top"}),
        book.add_format({"text_wrap": True, "valign": "top"}),
    )
    for name, rows in by_entity(sheets).items():
        _write_sheet(book.add_worksheet(name), rows, formats)
    book.close()
    return path


def by_entity(sheets: dict[str, Rows]) -> dict[str, Rows]:
    """The sheets of the workbook: the fields of each source and entity table on their own, then the others."""
    found: dict[str, Rows] = {}
    for row in sheets["fields"]:
        found.setdefault(_title(row["source"], row["table"]), []).append(row)
    return {**found, **{name: rows for name, rows in sheets.items() if name != "fields"}}


def _title(source: str, table: str) -> str:
    """A sheet's name: 31 characters at most, told apart by a mark of the whole where it is cut."""
    whole = re.sub(r"[\[\]:*?/\\]", "_", f"{source} {table}")
    return whole if len(whole) <= _LONGEST else f"{whole[:26]}~{zlib.crc32(whole.encode()) % 10_000:04d}"


def _write_sheet(sheet: Any, rows: Rows, formats: tuple[Any, Any]) -> None:
    head, cell = formats
    sheet.freeze_panes(1, 0)
    titles = list(rows[0]) if rows else ["nothing"]
    for place, title in enumerate(titles):
        sheet.write_string(0, place, title, head)
        sheet.set_column(place, place, _WIDTHS.get(title, 18))
    for line, row in enumerate(rows, start=1):
        for place, title in enumerate(titles):
            value = row[title]
            if isinstance(value, int) and not isinstance(value, bool):
                sheet.write_number(line, place, value, cell)
            elif value is not None:
                sheet.write_string(line, place, shown(value), cell)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(titles) - 1)


def shown(value: Any) -> str:
    """A value as its cell says it: yes or nothing for a mark, nothing for what is not there."""
    if isinstance(value, bool):
        return "yes" if value else ""
    return "" if value is None else str(value)
