"""The mapping of a connector as data: `model/conform/<connector>.toml`, validated with all errors at once.

README.md beside this file describes every key. A company's own changes lie in
`<instance>/config/conform/<source or connector>.toml` and are laid over the shipped file.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from model import schema
from ops import toml_texts
from ops.errors import FatalError

FOLDER = Path(__file__).parent
CONVERSIONS = ("trim", "nfkc", "upper", "lower", "name", "phone", "email", "digits", "domain", "strip_html", "serial")


class Strict(BaseModel):
    """A table of a mapping: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Condition(Strict):
    """A test on one value of the document; every key given must hold."""

    path: str
    equals: str | None = None
    one_of: list[str] | None = None
    not_one_of: list[str] | None = None
    matches: str | None = None
    below: float | None = None
    above: float | None = None
    is_null: bool | None = None

    @field_validator("equals", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return str(value).lower() if isinstance(value, bool) else str(value) if value is not None else None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if all(getattr(self, name) is None for name in type(self).model_fields if name != "path"):
            raise ValueError("give at least one of equals, one_of, not_one_of, matches, below, above, is_null")
        return self


def _conditions(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


class Case(Strict):
    """A value that holds when all conditions of `when` do."""

    when: list[Condition]
    value: str

    _one = field_validator("when", mode="before")(_conditions)


class FieldSpec(Strict):
    """Where one canonical value comes from and how it is made."""

    path: list[str] = []
    constant: str | None = None
    template: str | None = None
    cases: list[Case] = []
    convert: list[str] = []
    format: str | None = None
    zone: str | None = None
    lookup: str | None = None
    nulls: list[str] = []
    scale: float | None = None
    times: str | None = None
    default: str | None = None
    required: bool = False
    on_error: str = Field(default="reject", pattern="^(reject|null)$")
    owner: str | None = None
    note: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, (str, list)):
            value = {"path": value}
        if isinstance(value, dict):
            for name in ("path", "convert"):
                if isinstance(value.get(name), str):
                    value = {**value, name: [value[name]]}
            for name in ("constant", "default"):
                given = value.get(name)
                if given is not None and not isinstance(given, str):
                    value = {**value, name: str(given).lower() if isinstance(given, bool) else str(given)}
        return value

    @model_validator(mode="after")
    def _has_origin(self) -> FieldSpec:
        origins = [n for n in ("path", "constant", "template", "cases") if getattr(self, n)]
        if not origins and self.constant is None and self.default is None:
            raise ValueError("says nowhere where the value comes from: give path, template, cases or constant")
        for name in self.convert:
            if name not in CONVERSIONS and not name.startswith("hook:"):
                near = difflib.get_close_matches(name, CONVERSIONS, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise ValueError(f"unknown conversion {name!r}{hint}; valid: {', '.join(CONVERSIONS)}, hook:<name>")
        return self


class EntityMapping(Strict):
    """One canonical entity out of one or more streams of the same shape."""

    entity: str
    name: str = ""
    streams: list[str] = Field(min_length=1)
    id: str = "@id"
    filter: list[Condition] = []
    deleted: list[Condition] = []
    merged_into: str | None = None
    updated_at: FieldSpec | None = None
    entered_at: FieldSpec | None = None
    explode: list[str] = []
    is_monotonic: bool = False
    hook: str | None = None
    owner: str | None = None
    note: str | None = None
    fields: dict[str, FieldSpec]

    _lists = field_validator("filter", "deleted", mode="before")(_conditions)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name in ("streams", "explode"):
                if isinstance(value.get(name), str):
                    value = {**value, name: [value[name]]}
            if "name" not in value and "entity" in value:
                value = {**value, "name": value["entity"]}
        return value

    @model_validator(mode="after")
    def _fits_schema(self) -> EntityMapping:
        known = schema.entities()
        if self.entity not in known:
            raise ValueError(f"no canonical entity {self.entity!r}; valid: {', '.join(sorted(known))}")
        columns = known[self.entity].by_name
        problems = []
        for name in sorted(set(self.fields) - set(columns)):
            near = difflib.get_close_matches(name, columns, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            problems.append(f"{self.entity} has no column {name!r}{hint}; valid: {', '.join(columns)}")
        missing = [name for name in known[self.entity].required if name not in self.fields]
        if missing:
            problems.append(f"required column(s) of {self.entity} not mapped: {', '.join(missing)}")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Mapping(Strict):
    """A whole mapping file."""

    connector: str
    zone: str = "UTC"
    region: str = "CN"
    is_flat: bool = False
    locate: str | None = None
    description: str = ""
    owner: str = ""
    lookup: dict[str, dict[str, str]] = {}
    entities: list[EntityMapping] = Field(alias="entity", min_length=1)

    @model_validator(mode="after")
    def _lookups_exist(self) -> Mapping:
        problems = []
        names: set[str] = set()
        for entity in self.entities:
            if entity.name in names:
                problems.append(f"two entity tables are called {entity.name!r}: give each its own name")
            names.add(entity.name)
            for field, spec in entity.fields.items():
                if spec.lookup and spec.lookup not in self.lookup:
                    valid = ", ".join(sorted(self.lookup)) or "none defined"
                    problems.append(f"{entity.name}.{field}: no lookup {spec.lookup!r}; valid: {valid}")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def streams(self) -> list[str]:
        """Every stream that feeds an entity, in the order of first use."""
        return list(dict.fromkeys(stream for entity in self.entities for stream in entity.streams))

    def of(self, stream: str) -> list[EntityMapping]:
        """The entity mappings that read `stream`."""
        return [entity for entity in self.entities if stream in entity.streams]

    @property
    def digest(self) -> str:
        """A fingerprint that changes when the mapping does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def parse(raw: dict[str, Any], where: str) -> Mapping:
    """Validate a mapping document; FatalError lists every problem, with the valid keys of its table."""
    document = {**raw.get("mapping", {}), "lookup": raw.get("lookup", {}), "entity": raw.get("entity", [])}
    for name in sorted(set(raw) - {"mapping", "lookup", "entity"}):
        document[name] = raw[name]
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        problems = [_problem(item, document) for item in error.errors()]
        raise FatalError(
            f"{where} has {len(problems)} problem(s): " + "; ".join(problems),
            remedy="see model/conform/README.md for the keys, model/schema for the columns",
        ) from error


def _problem(item: Any, document: dict[str, Any]) -> str:
    location = [str(part) for part in item["loc"]]
    if location and location[0] == "entity" and len(location) > 1 and location[1].isdigit():
        table = document["entity"][int(location[1])]
        location[:2] = [f"entity {table.get('name') or table.get('entity') or location[1]}"]
    where = ".".join(location)
    if item["type"] != "extra_forbidden":
        return f"{where}: {item['msg'].removeprefix('Value error, ')}"
    table_kinds: list[type[BaseModel]] = [Mapping, EntityMapping, FieldSpec, Condition, Case]
    kind: type[BaseModel] = Mapping
    if "filter" in location or "deleted" in location or "when" in location:
        kind = Condition
    elif "cases" in location:
        kind = Case
    elif "fields" in location or "updated_at" in location or "entered_at" in location:
        kind = FieldSpec
    elif location[0].startswith("entity "):
        kind = EntityMapping
    valid = [field.alias or name for name, field in table_kinds[table_kinds.index(kind)].model_fields.items()]
    return f"{where}: unknown key; valid: {', '.join(valid)}"


def _lay_over(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = {**base}
    for key, value in over.items():
        if key == "entity" and isinstance(value, list):
            merged[key] = _lay_entities(base.get("entity", []), value)
        elif isinstance(value, dict) and value.get("remove") is True:
            merged.pop(key, None)
        elif isinstance(value, dict):
            under = base.get(key) if value.get("replace") is not True else None
            rest = {name: one for name, one in value.items() if not (name == "replace" and one is True)}
            merged[key] = _lay_over(under if isinstance(under, dict) else {}, rest)
        else:
            merged[key] = value
    return merged


def _lay_entities(base: list[dict[str, Any]], over: list[dict[str, Any]]) -> list[dict[str, Any]]:
    merged = {str(table.get("name", table.get("entity"))): table for table in base}
    for table in over:
        name = str(table.get("name", table.get("entity")))
        merged[name] = _lay_over(merged.get(name, {}), table)
    return list(merged.values())


def load(
    connector: str,
    *,
    source: str | None = None,
    config_dir: Path | None = None,
    over: dict[str, Any] | None = None,
) -> Mapping:
    """The mapping of `connector`, with the company's overlay (named after the source or the connector) on it.

    `over`: one more overlay, tried before it is written. Raises FatalError when there is none, when a file is not TOML,
    or when the result is not valid.
    """
    shipped = FOLDER / f"{connector}.toml"
    places = [shipped]
    if config_dir:
        names = [connector] + ([source] if source and source != connector else [])
        places += [config_dir / "conform" / f"{name}.toml" for name in names]
    raw: dict[str, Any] = {}
    found = [path for path in places if path.is_file()]
    for path in found:
        try:
            raw = _lay_over(raw, toml_texts.read(path.read_text(encoding="utf-8")))
        except tomllib.TOMLDecodeError as error:
            raise FatalError(f"{path.name} is not valid TOML: {error}", remedy="correct the line it names") from error
    if not found:
        valid = ", ".join(sorted(path.stem for path in FOLDER.glob("*.toml")))
        raise FatalError(
            f"there is no mapping for {connector!r}",
            valid=valid,
            remedy=f"write config/conform/{connector}.toml in the instance",
        )
    return parse(_lay_over(raw, over or {}), " + ".join(path.name for path in found))
