"""An edited mapping workbook against the mapping in use: what changed, what cannot be applied, and applying it.

Cells are compared with what an export would write now, so that an unchanged workbook differs in nothing. What changed
becomes an overlay of the instance, config/conform/<source>.toml; staging then replays from the landing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import fastexcel
from pydantic import ValidationError

from model import mapping_export, mapping_overlay, mapping_words, schema
from model.conform.compile import Compiler
from model.conform.sources import mapping_of
from model.conform.spec import FieldSpec, Mapping
from model.mapping_export import Rows, shown
from model.signatures import SIDES, Signature, keep
from ops.errors import C360Error, FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import audit

FIELD_COLUMNS = ("from", "format", "zone", "conversions", "lookup", "empty_values", "default", "required", "on_error",
                 "owner", "note")  # fmt: skip
ENTITY_COLUMNS = ("id", "merged_into", "owner", "note")
_KEYS = {
    "fields": ("source", "table", "field"),
    "entities": ("source", "table"),
    "lookups": ("source", "lookup", "value"),
    "inventory": ("source", "object"),
    "survivorship": ("field", "state"),
    "sign-off": ("source",),
}
_OPEN = {
    "fields": FIELD_COLUMNS,
    "entities": ENTITY_COLUMNS,
    "lookups": ("becomes",),
    "inventory": (),
    "survivorship": (),
    "sign-off": tuple(f"{side}_{part}" for side in SIDES for part in ("name", "signed_on")),
}
_ELSEWHERE = {
    "entities": "config/conform (model/conform/README.md)",
    "inventory": "c360.toml and the connector's source.toml",
    "survivorship": "config/survivorship.toml",
}


@dataclass(frozen=True)
class Change:
    """One changed cell; `key` joins source, table and field (or lookup and value). before is None for a new row."""

    sheet: str
    cell: str
    kind: str
    source: str
    key: str
    column: str
    before: str | None
    after: str


@dataclass
class Difference:
    """What a workbook changes. `overlays`: source → overlay; `versions`: source → fingerprint it would have."""

    changes: list[Change] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    signatures: list[Signature] = field(default_factory=list)
    overlays: dict[str, dict[str, Any]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def refuse(self) -> None:
        """FatalError that names every cell which cannot be applied, when there is one."""
        if self.problems:
            raise FatalError(
                f"{len(self.problems)} cell(s) cannot be applied: " + "; ".join(self.problems),
                remedy="correct them in the workbook and import it again",
            )


@dataclass(frozen=True)
class _Row:
    sheet: str
    line: int
    values: dict[str, str]

    def cell(self, column: str) -> str:
        return (
            f"{_letters(list(self.values).index(column))}{self.line}" if column in self.values else f"row {self.line}"
        )


def difference(instance: Instance, path: Path, *, shipped: bool = False) -> Difference:
    """What the workbook at `path` changes in the mappings of the instance's sources (or in the shipped ones).

    FatalError when the file is no mapping workbook; cells that cannot be applied are in `problems`.
    """
    sheets = (mapping_export.shipped if shipped else mapping_export.document)(instance)
    found = Difference()
    wanted: dict[str, Mapping] = {}
    if not shipped:
        wanted = {one.name: mapping_of(instance, one) for one in instance.config.sources}
    for kind, row, before in _rows(path, sheets, found):
        changes = list(_changed(kind, row, before, found))
        found.changes += changes
        for change in changes:
            if not shipped:
                _take(instance, wanted, row, change, before, found)
    _judge(instance, found)
    return found


def apply(instance: Instance, found: Difference, by: str) -> list[str]:
    """Write the overlays and signatures of a difference; the sources to replay. FatalError while a cell is refused."""
    found.refuse()
    for source, overlay in sorted(found.overlays.items()):
        mapping_overlay.write(instance.config_dir / "conform" / f"{source}.toml", overlay)
        cells = [f"{one.sheet}!{one.cell}" for one in found.changes if one.source == source and one.kind != "sign-off"]
        with instance.store.begin() as connection:
            connection.execute(
                audit.insert().values(at=stamp(), actor=by, action="mapping.apply", subject=source,
                                      details=mapping_overlay.details(cells, found.versions[source]))
            )  # fmt: skip
    keep(instance.store, found.signatures, by)
    return sorted(found.overlays)


def _rows(path: Path, sheets: dict[str, Rows], found: Difference) -> Iterator[tuple[str, _Row, dict[str, Any] | None]]:
    """(kind of sheet, row of the workbook, the row an export would write now) of every known sheet."""
    try:
        book = fastexcel.read_excel(path)
    except (fastexcel.FastExcelError, OSError) as error:
        raise FatalError(f"{path.name} is no workbook: {error}", valid="an .xlsx of `c360 mapping export`") from error
    is_any = False
    for name in book.sheet_names:
        frame = book.load_sheet(name, dtypes="string").to_polars()
        kind = name if name in _KEYS and name != "fields" else "fields"
        if not set(_KEYS[kind]) <= set(frame.columns):
            continue
        is_any = True
        keys = _KEYS[kind]
        now = {tuple(shown(row[key]) for key in keys): row for row in sheets[kind]}
        seen = set()
        for line, raw in enumerate(frame.iter_rows(named=True), start=2):
            row = _Row(name, line, {column: (value or "").strip() for column, value in raw.items()})
            place = tuple(row.values[key] for key in keys)
            if not any(row.values.values()):
                continue
            if place in seen:
                found.problems.append(f"{name}!{row.cell(keys[-1])}: {' '.join(place)} is there twice")
                continue
            seen.add(place)
            yield kind, row, now.get(place)
        mine = {tuple(shown(row[key]) for key in keys) for row in _expected(kind, name, sheets)}
        for place in sorted(mine - seen):
            say = "empty its cell `from`" if kind == "fields" else "change its cells instead"
            found.problems.append(f"{name}: the row of {' '.join(place)} is missing; to leave it out, {say}")
    if not is_any:
        raise FatalError(f"{path.name} holds no mapping", valid="an .xlsx of `c360 mapping export`")


def _expected(kind: str, name: str, sheets: dict[str, Rows]) -> Rows:
    return mapping_export.by_entity(sheets).get(name, []) if kind == "fields" else sheets[kind]


def _changed(kind: str, row: _Row, before: dict[str, Any] | None, found: Difference) -> Iterator[Change]:
    """Changed cells of a row; a cell that is not open to change is a problem."""
    key = " ".join(row.values[name] for name in _KEYS[kind][1:])
    source = row.values.get("source", "")
    if before is None:
        if kind not in {"fields", "lookups"}:
            found.problems.append(
                f"{row.sheet}!A{row.line}: {source} {key} is not there; rows are added to fields only"
            )
            return
        text = row.values.get("from" if kind == "fields" else "becomes", "")
        column = "from" if kind == "fields" else "becomes"
        yield Change(row.sheet, row.cell(column), "added", source, key, column, None, text)
        return
    for column, text in row.values.items():
        was = shown(before.get(column)).strip()
        value = text or ("reject" if column == "on_error" else "")
        is_derived = column not in _OPEN[kind]
        if column not in before or value == was or (is_derived and not value):
            continue
        if is_derived:
            place = _ELSEWHERE.get(kind)
            valid = ", ".join(_OPEN[kind])
            say = f"change it in {place}" if place else f"columns that can be changed: {valid}"
            found.problems.append(
                f"{row.sheet}!{row.cell(column)}: {column} of {source} {key} is not changed here; {say}"
            )
            continue
        yield Change(row.sheet, row.cell(column), "sign-off" if kind == "sign-off" else "changed", source, key, column,
                     was, value)  # fmt: skip


def _take(
    instance: Instance,
    mappings: dict[str, Mapping],
    row: _Row,
    change: Change,
    before: dict[str, Any] | None,
    found: Difference,
) -> None:
    """Turn one change into its part of the overlay or into a signature; a problem where that cannot be."""
    try:
        if change.kind == "sign-off":
            _sign(row, found)
            return
        mapping = _open_mapping(instance, mappings, change.source)
        overlay = found.overlays.setdefault(change.source, {})
        if "lookup" in row.values and "becomes" in row.values:
            overlay.setdefault("lookup", {}).setdefault(row.values["lookup"], {})[row.values["value"]] = change.after
            return
        entity = mapping_overlay.entity(overlay, row.values["table"])
        if "field" not in row.values:
            entity[change.column] = change.after
            return
        _field(mapping, row, change, entity)
    except (ValueError, KeyError) as error:
        found.problems.append(f"{change.sheet}!{change.cell}: {_words(error)}")


def _open_mapping(instance: Instance, mappings: dict[str, Mapping], source: str) -> Mapping:
    if source not in mappings:
        raise ValueError(f"no source {source!r}; valid: {', '.join(sorted(mappings))}")
    if instance.config.source(source).connector == "template":
        raise ValueError("the columns of templates are fixed")
    return mappings[source]


def _field(mapping: Mapping, row: _Row, change: Change, entity: dict[str, Any]) -> None:
    table, name = row.values["table"], row.values["field"]
    tables = {one.name: one for one in mapping.entities}
    if table not in tables:
        raise ValueError(f"no table {table!r}; valid: {', '.join(tables)}")
    columns = schema.entity(tables[table].entity).by_name
    if name not in columns:
        raise ValueError(f"{tables[table].entity} has no column {name!r}; valid: {', '.join(columns)}")
    spec = tables[table].fields.get(name)
    fields = entity.setdefault("fields", {})
    kept = spec.model_dump(exclude_defaults=True, exclude_none=True) if spec else {}
    now: dict[str, Any] = fields.get(name) or {**kept, "replace": True}
    columns_said = [one for one in FIELD_COLUMNS if row.values.get(one)] if change.kind == "added" else [change.column]
    for column in columns_said:
        said = mapping_words.read(column, row.values[column], spec)
        if column == "required" and columns[name].required:
            raise ValueError(f"{name} of {tables[table].entity} is always required")
        now = {key: value for key, value in {**now, **said}.items() if value is not None}
    origins = {"path", "template", "constant", "cases", "default"} & now.keys()
    if change.column == "from" and not origins:
        if columns[name].required:
            raise ValueError(f"{name} is required and must come from somewhere; valid: {mapping_words.ORIGIN}")
        fields[name] = {"remove": True}
        return
    lookups = sorted(mapping.lookup)
    if now.get("lookup") and now["lookup"] not in mapping.lookup:
        raise ValueError(f"no lookup {now['lookup']!r}; valid: {', '.join(lookups) or 'none defined'}")
    FieldSpec.model_validate({key: value for key, value in now.items() if key != "replace"})
    fields[name] = now


def _sign(row: _Row, found: Difference) -> None:
    """Keep a signature once, with both its name and its day."""
    for side in SIDES:
        name, day = row.values.get(f"{side}_name", ""), row.values.get(f"{side}_signed_on", "")
        known = {(one.source, one.side) for one in found.signatures}
        if not (name or day) or (row.values["source"], side) in known:
            continue
        if not name or not day:
            raise ValueError(f"a signature for {side} needs a name and a day")
        try:
            on = date.fromisoformat(day[:10])
        except ValueError as error:
            raise ValueError(f"{day!r} is no day; valid: 2026-11-22") from error
        found.signatures.append(Signature(row.values["source"], side, name, on.isoformat(), ""))


def _judge(instance: Instance, found: Difference) -> None:
    """Try the overlays together; give signatures the version that the workbook as a whole makes."""
    for source in instance.config.sources:
        overlay = mapping_overlay.document(found.overlays.get(source.name, {}))
        try:
            mapping = mapping_of(instance, source, over=overlay)
            Compiler(mapping, instance.config.zone)
        except C360Error as error:
            if overlay:
                found.problems.append(f"{source.name}: {error}")
            continue
        found.versions[source.name] = mapping.digest
    changed = {(one.source, one.key, one.column.partition("_")[0]) for one in found.changes if one.kind == "sign-off"}
    sides = {(source, side) for source, _, side in changed}
    found.signatures = [
        Signature(one.source, one.side, one.name, one.signed_on, found.versions[one.source])
        for one in found.signatures
        if (one.source, one.side) in sides and one.source in found.versions
    ]


def _words(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(str(one["msg"]).removeprefix("Value error, ") for one in error.errors())
    return str(error)


def _letters(place: int) -> str:
    """The column's letters: 0 is A, 26 is AA."""
    head, last = divmod(place, 26)
    return (_letters(head - 1) if head else "") + chr(ord("A") + last)
