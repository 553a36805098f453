"""One entity mapping compiled to Polars: extracted text columns in, canonical rows and rejects out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

import polars as pl

from model import schema
from model.conform import convert, paths
from model.conform.spec import Condition, EntityMapping, FieldSpec, Mapping
from ops.errors import FatalError

Hook = Callable[[pl.Series], pl.Series]
MARK = "·"


def hooks_of(connector: str) -> dict[str, Callable[..., object]]:
    """The functions of model/conform/hooks_<connector>.py, empty when there is no such file."""
    name = f"model.conform.hooks_{connector}"
    if find_spec(name) is None:
        return {}
    module = import_module(name)
    return {key: value for key, value in vars(module).items() if callable(value) and not key.startswith("_")}


def wanted(mapping: EntityMapping, locate: str | None = None) -> list[str]:
    """Every path the entity mapping reads."""
    found = ["@id"]
    specs = [*mapping.fields.values(), *filter(None, (mapping.updated_at, mapping.entered_at))]
    for spec in specs:
        found += spec.path
        found += paths.places(spec.template or "")
        found += [spec.times] if spec.times else []
        found += [condition.path for case in spec.cases for condition in case.when]
    found += [condition.path for condition in (*mapping.filter, *mapping.deleted)]
    found += paths.places(mapping.id) if "{" in mapping.id else [mapping.id]
    if mapping.merged_into:
        found.append(mapping.merged_into)
    found += paths.places(locate or "")
    return list(dict.fromkeys(found))


def _col(path: str) -> pl.Expr:
    return pl.col(MARK + path)


def _holds(condition: Condition) -> pl.Expr:
    value = convert.trimmed(_col(condition.path))
    number = value.cast(pl.Float64, strict=False)
    tests: list[pl.Expr] = []
    if condition.equals is not None:
        tests.append(value.eq(condition.equals).fill_null(value=False))
    if condition.one_of is not None:
        tests.append(value.is_in(condition.one_of).fill_null(value=False))
    if condition.not_one_of is not None:
        tests.append(~value.is_in(condition.not_one_of).fill_null(value=False))
    if condition.matches is not None:
        tests.append(value.str.contains(condition.matches).fill_null(value=False))
    if condition.below is not None:
        tests.append((number < condition.below).fill_null(value=False))
    if condition.above is not None:
        tests.append((number > condition.above).fill_null(value=False))
    if condition.is_null is not None:
        tests.append(value.is_null() if condition.is_null else value.is_not_null())
    return pl.all_horizontal(tests)


def holds(conditions: list[Condition], *, empty: bool) -> pl.Expr:
    """Whether all conditions hold; `empty` is the answer when there are none."""
    return pl.all_horizontal([_holds(c) for c in conditions]) if conditions else pl.lit(empty)


def template(text: str) -> pl.Expr:
    """Text with {path} places; null when one of them is."""
    parts: list[pl.Expr] = []
    rest = text
    for place in paths.places(text):
        before, rest = rest.split("{" + place + "}", 1)
        parts += [pl.lit(before), _col(place)]
    return pl.concat_str([*parts, pl.lit(rest)], ignore_nulls=False)


def _raw(spec: FieldSpec) -> pl.Expr:
    """The text of a field before conversion, null where the document has none."""
    if spec.path:
        value = pl.coalesce([convert.trimmed(_col(path)) for path in spec.path])
    elif spec.template is not None:
        value = template(spec.template)
    else:
        value = pl.lit(spec.constant, dtype=pl.String)
    if spec.nulls:
        value = pl.when(~value.is_in(spec.nulls)).then(value)
    return value


@dataclass
class Compiled:
    """Expressions of one entity mapping, in stages so that each step of a value is computed once.

    raws make "?name" (text of the document), texts "~name" (converted), typed "=name"; values and flags read those.
    """

    raws: list[pl.Expr] = field(default_factory=list)
    texts: list[pl.Expr] = field(default_factory=list)
    typed: list[pl.Expr] = field(default_factory=list)
    values: list[pl.Expr] = field(default_factory=list)
    flags: list[pl.Expr] = field(default_factory=list)
    where: pl.Expr = field(default_factory=lambda: pl.lit(None, dtype=pl.String))


class Compiler:
    """Compiles the fields of a mapping; `company_zone` is where an instant becomes a date."""

    def __init__(self, mapping: Mapping, company_zone: str) -> None:
        self.mapping, self.company_zone = mapping, company_zone
        self.hooks = hooks_of(mapping.connector)

    def _hook(self, name: str, where: str) -> Callable[..., object]:
        if name not in self.hooks:
            raise FatalError(
                f"{where}: no function {name!r} in model/conform/hooks_{self.mapping.connector}.py",
                valid=", ".join(sorted(self.hooks)) or "none there",
            )
        return self.hooks[name]

    def frame_hook(self, entity: EntityMapping) -> Callable[..., object] | None:
        """The entity's hook over whole frames, if it names one."""
        return self._hook(entity.hook, entity.name) if entity.hook else None

    def _text(self, name: str, spec: FieldSpec, where: str) -> pl.Expr:
        """The converted and looked-up text of "?name"."""
        hooks: dict[str, Hook] = {}
        for conversion in spec.convert:
            if conversion.startswith("hook:"):
                short = conversion.removeprefix("hook:")
                hooks[short] = self._hook(short, where)  # type: ignore[assignment]
        value = convert.texts(pl.col("?" + name), spec.convert, region=self.mapping.region, hooks=hooks)
        if spec.lookup:
            table = self.mapping.lookup[spec.lookup]
            rows = {key: target for key, target in table.items() if key not in {"*", ""}}
            found = value.replace_strict(rows, default=table.get("*"), return_dtype=pl.String)
            value = pl.when(value.is_null()).then(pl.lit(table.get(""), dtype=pl.String)).otherwise(found)
        for case in reversed(spec.cases):
            chosen = pl.lit(case.value or None, dtype=pl.String)
            value = pl.when(holds(case.when, empty=False)).then(chosen).otherwise(value)
        if spec.times:
            value = convert.product(value, convert.trimmed(_col(spec.times)))
        return value

    def _zone(self, kind: str) -> str:
        return self.company_zone if kind == "date" else self.mapping.zone

    def add(self, out: Compiled, column: schema.Column, spec: FieldSpec, where: str) -> None:
        """Add the stages of one field to `out`; "!name" holds null, "missing", "value" or "lookup"."""
        name, zone = column.name, self._zone(column.type)
        out.raws.append(_raw(spec).alias("?" + name))
        out.texts.append(self._text(name, spec, where).alias("~" + name))
        out.typed.append(convert.typed(pl.col("~" + name), column, spec, zone).alias("=" + name))
        raw, text, typed = pl.col("?" + name), pl.col("~" + name), pl.col("=" + name)
        bad_lookup = raw.is_not_null() & text.is_null() & pl.lit(bool(spec.lookup))
        bad_type = text.is_not_null() & typed.is_null()
        if column.lookup:
            allowed = typed.is_in(list(column.lookup))
            bad_type = bad_type | (typed.is_not_null() & ~allowed)
            typed = pl.when(allowed).then(typed)
        if spec.default is not None:
            fallback = convert.typed(pl.lit(spec.default), column, FieldSpec(path=["-"]), zone)
            typed = pl.when(~(bad_lookup | bad_type)).then(typed.fill_null(fallback.first()))
        out.values.append(typed.cast(column.polars_type).alias(name))
        if column.type == "text" and not (column.required or column.lookup or spec.lookup or spec.required):
            return
        is_reported = pl.lit(spec.on_error == "reject")
        is_missing = typed.is_null() & pl.lit(column.required or spec.required)
        fault = (
            pl.when(bad_lookup & is_reported)
            .then(pl.lit("lookup"))
            .when(bad_type & is_reported)
            .then(pl.lit("value"))
            .when(is_missing)
            .then(pl.lit("missing"))
        )
        out.flags.append(fault.alias("!" + name))

    def compile(self, entity: EntityMapping) -> Compiled:
        """All expressions of an entity: system columns first, one flag per field that can fail."""
        canonical = schema.entity(entity.entity)
        out = Compiled()
        key = template(entity.id) if "{" in entity.id else _col(entity.id)
        out.values.append(key.alias("source_id"))
        out.where = template(self.mapping.locate) if self.mapping.locate else pl.lit(None, dtype=pl.String)
        says_gone = holds(entity.deleted, empty=False).fill_null(value=False)
        out.values.append((pl.col("deleted") | says_gone).alias("is_deleted"))
        says_merged = [convert.trimmed(_col(entity.merged_into))] if entity.merged_into else []
        merged = pl.coalesce(*says_merged, pl.col("merged_to"))
        out.values.append(merged.alias("merged_into_id"))
        for name, when in (("source_updated_at", entity.updated_at), ("entered_at", entity.entered_at)):
            stamp = schema.Column(name=name, type="instant", zh="", en="", description="")
            if when:
                # A broken stamp is no reason to refuse a record.
                self.add(out, stamp, when.model_copy(update={"on_error": "null"}), f"{entity.name}.{name}")
            else:
                out.values.append(pl.lit(None, dtype=stamp.polars_type).alias(name))
        for column in canonical.columns:
            spec = entity.fields.get(column.name)
            if spec is None:
                out.values.append(pl.lit(None, dtype=column.polars_type).alias(column.name))
            else:
                self.add(out, column, spec, f"{entity.name}.{column.name}")
        return out


_WORDS = {
    "money": "an amount",
    "date": "a date",
    "instant": "a time",
    "integer": "a whole number",
    "boolean": "true or false",
}


def reason(column: schema.Column, fault: str) -> str:
    """Why a value was refused, in words for the quarantine list."""
    if fault == "missing":
        return "required and empty"
    if fault == "lookup":
        return "not in the lookup table of the mapping"
    if column.lookup:
        return f"not one of {', '.join(column.lookup)}"
    return f"not {_WORDS.get(column.type, 'a number')}"


@dataclass
class Mapped:
    """Rows of one entity out of one batch of documents."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    filtered: pl.DataFrame
    scrubbed: pl.DataFrame


REJECT_SCHEMA = {
    "id": pl.String,
    "hash": pl.String,
    "source_id": pl.String,
    "field": pl.String,
    "value": pl.String,
    "fault": pl.String,
    "where": pl.String,
}


def apply(frame: pl.DataFrame, entity: EntityMapping, compiled: Compiled) -> Mapped:
    """Run the compiled mapping over extracted documents.

    rows: id, hash, seen_at, run_id, ordinal, system and canonical columns; rejects: one row per broken field;
    filtered: rows whose document no longer passes the filter (id, source_id, seen_at, run_id);
    scrubbed: deleted documents without the values of a whole record.
    """
    base = ["id", "hash", "seen_at", "run_id", "ordinal"]
    passes = holds(entity.filter, empty=True)
    split = frame.with_columns(passes.alias("passes"))
    staged = split.filter("passes").with_columns(compiled.raws).with_columns(compiled.texts)
    out = staged.with_columns(compiled.typed).with_columns(*compiled.values, *compiled.flags)
    dropped = split.filter(~pl.col("passes")) if entity.filter else split.clear()
    filtered = dropped.select(*base, compiled.values[0])
    flags = [flag.meta.output_name() for flag in compiled.flags]
    kept = [*base, *(value.meta.output_name() for value in compiled.values)]
    no_id = out.filter(pl.col("source_id").is_null())
    bad = pl.any_horizontal([pl.lit(value=False), *(pl.col(name).is_not_null() for name in flags)])
    has_id = pl.col("source_id").is_not_null()
    # A deleted record may come scrubbed: then the version before it keeps the values.
    scrubbed = out.filter(bad & has_id & pl.col("is_deleted"))
    broken = out.filter(bad & has_id & ~pl.col("is_deleted")).with_columns(compiled.where.alias("where"))
    basis = ["id", "hash", "source_id"]
    pieces = [
        broken.filter(pl.col(name).is_not_null()).select(
            *basis, field=pl.lit(name[1:]), value=pl.col("?" + name[1:]), fault=pl.col(name), where="where"
        )
        for name in flags
        if broken.height
    ]
    if no_id.height:
        unknown = {"field": pl.lit("id"), "value": pl.lit(None, dtype=pl.String), "fault": pl.lit("missing")}
        pieces.append(no_id.select(*basis, **unknown, where=compiled.where))
    rejects = pl.concat([pl.DataFrame(schema=REJECT_SCHEMA), *pieces], how="vertical_relaxed")
    rows = out.filter(~bad & has_id).select(kept)
    return Mapped(rows, rejects, filtered, scrubbed)
