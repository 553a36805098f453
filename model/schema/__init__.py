"""The canonical entities as data: one `<entity>.toml` per entity, loaded and checked here.

Every staging table, template, mapping and data dictionary is derived from these files.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from ops.errors import FatalError

FOLDER = Path(__file__).parent
ColumnType = Literal["text", "date", "instant", "money", "quantity", "price", "rate", "integer", "boolean"]

# type -> (DuckDB type, precision, scale); the scales are the product's rule for money, prices and rates
DECIMALS: dict[str, tuple[int, int]] = {
    "money": (18, 2),
    "quantity": (24, 6),
    "price": (24, 10),
    "rate": (18, 8),
}
_DUCKDB = {
    "text": "VARCHAR",
    "date": "DATE",
    "instant": "TIMESTAMPTZ",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
}


class Column(BaseModel):
    """One canonical column. `default` is what a template leaves empty ("=other" copies that column).

    `is_derived`: made of the column that `default` names, so templates do not ask for it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    type: ColumnType
    zh: str
    en: str
    description: str
    description_zh: str = ""
    required: bool = False
    sensitivity: Literal["none", "personal", "phone", "bank", "credit"] = "none"
    lookup: tuple[str, ...] = ()
    refers_to: tuple[str, ...] = ()
    default: str | None = None
    is_derived: bool = False
    example: str = ""

    @property
    def duckdb_type(self) -> str:
        """The column's type in the warehouse."""
        if self.type in DECIMALS:
            precision, scale = DECIMALS[self.type]
            return f"DECIMAL({precision},{scale})"
        return _DUCKDB[self.type]

    @property
    def polars_type(self) -> pl.DataType:
        """The column's type in a conformed frame."""
        if self.type in DECIMALS:
            return pl.Decimal(*DECIMALS[self.type])
        return {
            "text": pl.String(),
            "date": pl.Date(),
            "instant": pl.Datetime("us", "UTC"),
            "integer": pl.Int64(),
            "boolean": pl.Boolean(),
        }[self.type]


class Entity(BaseModel):
    """One canonical entity: its grain, its natural key (may stand in for an id) and its columns in order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    zh: str
    en: str
    grain: str
    description: str
    description_zh: str = ""
    natural_key: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    @property
    def by_name(self) -> dict[str, Column]:
        """Columns by name, in the schema's order."""
        return {column.name: column for column in self.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns every staged row must fill."""
        return tuple(column.name for column in self.columns if column.required)


# Columns every staging table begins with: who said it, when it was seen, and its version.
SYSTEM_COLUMNS: dict[str, tuple[str, pl.DataType]] = {
    "source": ("VARCHAR", pl.String()),
    "source_id": ("VARCHAR", pl.String()),
    "seen_from": ("TIMESTAMPTZ", pl.Datetime("us", "UTC")),
    "seen_to": ("TIMESTAMPTZ", pl.Datetime("us", "UTC")),
    "is_deleted": ("BOOLEAN", pl.Boolean()),
    "merged_into_id": ("VARCHAR", pl.String()),
    "run_id": ("VARCHAR", pl.String()),
    "hash": ("VARCHAR", pl.String()),
    "source_updated_at": ("TIMESTAMPTZ", pl.Datetime("us", "UTC")),
    "entered_at": ("TIMESTAMPTZ", pl.Datetime("us", "UTC")),
}


def load(path: Path) -> Entity:
    """Read one entity file; a broken one raises FatalError naming the file and every fault."""
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        return Entity.model_validate({**raw.get("entity", {}), "columns": raw.get("column", [])})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise FatalError(f"{path.name}: {faults}", valid=", ".join(sorted(Column.model_fields))) from error


@cache
def entities() -> dict[str, Entity]:
    """All canonical entities by name."""
    loaded = [load(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {entity.name: entity for entity in loaded}


def entity(name: str) -> Entity:
    """One canonical entity; an unknown name raises FatalError with the valid ones."""
    found = entities().get(name)
    if found is None:
        raise FatalError(f"unknown canonical entity {name!r}", valid=", ".join(sorted(entities())))
    return found
