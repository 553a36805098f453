"""Conversions as Polars expressions: text in, canonical type out, null where the text does not fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import phonenumbers
import polars as pl

from model.conform.spec import FieldSpec
from model.schema import DECIMALS, Column

TRUE = ["true", "1", "yes", "y", "t", "是", "真", "on"]
FALSE = ["false", "0", "no", "n", "f", "否", "假", "off"]
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日")
_OFFSET = r"(?:\d\d:\d\d(?::\d\d(?:\.\d+)?)?)\s*(Z|z|UTC|[+-]\d\d:?\d\d)$"
_PHONE_CHARS = re.compile(r"^[\d\s+()\-./ ×x转分机ext#,，:：]*$", re.IGNORECASE)


def trimmed(value: pl.Expr) -> pl.Expr:
    """Text without surrounding space (ideographic and zero-width too); an empty text is null."""
    return value.str.strip_chars(" \t\r\n\u00a0\u3000\u200b\ufeff").replace("", None)


@lru_cache(maxsize=200_000)
def phone(text: str, region: str) -> str:
    """E.164 of a phone number, an extension kept after `x`; text that is no phone number comes back as it is."""
    folded = re.sub(r"(转|分机|ext\.?|#)\s*[:：]?\s*", " ext. ", text, flags=re.IGNORECASE)
    try:
        number = phonenumbers.parse(folded, region)
    except phonenumbers.NumberParseException:
        return text
    if not phonenumbers.is_possible_number(number):
        return text
    plain = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{plain}x{number.extension}" if number.extension else plain


def _phones(values: pl.Series, region: str) -> pl.Series:
    """Phones by distinct value; Chinese mobile and landline shapes need no parsing."""
    text = pl.col("v")
    bare = text.str.replace_all(r"[\s\-()（）]", "").str.replace(r"^(?:\+86|0086)", "")
    frame = pl.DataFrame({"v": values}).unique().drop_nulls()
    is_chinese = text.str.contains(r"^\s*(?:\+86|0086)") if region != "CN" else pl.lit(value=True)
    is_mobile = is_chinese & bare.str.contains(r"^1[3-9]\d{9}$")
    is_landline = is_chinese & bare.str.contains(r"^0(?:10|2\d|[3-9]\d{2})\d{7,8}$")
    quick = pl.when(is_mobile).then(pl.lit("+86") + bare).when(is_landline).then(pl.lit("+86") + bare.str.slice(1))
    frame = frame.with_columns(quick.alias("e"))
    slow = frame.filter(pl.col("e").is_null())["v"].to_list()
    mapped = {text: phone(text, region) for text in slow}
    frame = frame.with_columns(
        pl.coalesce("e", pl.col("v").replace_strict(mapped, default=None, return_dtype=pl.String)).alias("e")
    )
    return pl.DataFrame({"v": values}).join(frame, on="v", how="left", maintain_order="left")["e"]


def texts(
    value: pl.Expr, names: list[str], *, region: str, hooks: dict[str, Callable[[pl.Series], pl.Series]]
) -> pl.Expr:
    """Apply the named text conversions in order. Unknown hook names raise KeyError at compile time."""
    for name in names:
        if name.startswith("hook:"):
            value = value.map_batches(hooks[name.removeprefix("hook:")], return_dtype=pl.String)
        elif name == "phone":
            value = value.str.normalize("NFKC").map_batches(
                lambda series: _phones(series, region), return_dtype=pl.String
            )
        else:
            value = _TEXT[name](value)
    return value


def _email(value: pl.Expr) -> pl.Expr:
    text = trimmed(value.str.normalize("NFKC")).str.to_lowercase()
    return pl.when(text.str.contains(r"^[^@\s]+@[^@\s]+$")).then(text)


_TEXT: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "trim": trimmed,
    "nfkc": lambda v: trimmed(v.str.normalize("NFKC")),
    "upper": lambda v: v.str.to_uppercase(),
    "lower": lambda v: v.str.to_lowercase(),
    "name": lambda v: trimmed(
        v.str.normalize("NFKC").str.replace_all("[\u200b\ufeff]", "").str.replace_all(r"\s+", " ")
    ),
    "email": _email,
    "serial": lambda v: trimmed(v.str.normalize("NFKC").str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")),
    "digits": lambda v: trimmed(v.str.replace_all(r"\D", "")),
    "domain": lambda v: trimmed(
        v.str.to_lowercase().str.replace(r"^[a-z]+://", "").str.replace(r"^www\.", "").str.replace(r"[/?#:].*$", "")
    ),
    "strip_html": lambda v: trimmed(v.str.replace_all(r"<[^>]*>", " ").str.replace_all(r"\s+", " ")),
}


def _loose_number(text: pl.Expr) -> pl.Expr:
    """Numbers with blanks or thousands commas."""
    text = text.str.replace_all(r"[\s\u00a0]", "")
    grouped = text.str.contains(r"^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?$")
    return pl.when(grouped).then(text.str.replace_all(",", "", literal=True)).otherwise(text)


def _numbers(values: pl.Series) -> pl.Series:
    """Text → DECIMAL(38, 12); the loose forms cost only where the plain form does not fit."""
    kind = pl.Decimal(38, 12)
    plain = values.cast(kind, strict=False)
    rest = plain.is_null() & values.is_not_null()
    if not rest.any():
        return plain
    loose = pl.DataFrame({"v": values}).select(v=pl.when(rest).then(_loose_number(pl.col("v"))))["v"]
    return plain.zip_with(~rest, loose.cast(kind, strict=False))


def _decimal(value: pl.Expr, column: Column, spec: FieldSpec) -> pl.Expr:
    precision, scale = DECIMALS[column.type]
    if spec.format == "comma":
        value = value.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    number = value.map_batches(_numbers, return_dtype=pl.Decimal(38, 12))
    if spec.scale is not None:
        number = (number * pl.lit(str(spec.scale)).cast(pl.Decimal(20, 8))).cast(pl.Decimal(38, 12), strict=False)
    return number.round(scale, mode="half_away_from_zero").cast(pl.Decimal(precision, scale), strict=False)


def product(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """The product of two numbers as text, exact; null when one of them is no number."""
    wide, narrow = pl.Decimal(38, 10), pl.Decimal(18, 6)
    return (left.cast(wide, strict=False) * right.cast(narrow, strict=False)).cast(wide, strict=False).cast(pl.String)


def _wall_clock(values: pl.Series) -> pl.Series:
    full = values.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    rest = full.is_null() & values.is_not_null()
    if not rest.any():
        return full
    shorter = pl.DataFrame({"v": values}).select(
        v=pl.coalesce(
            pl.col("v").str.to_datetime("%Y-%m-%d %H:%M", time_unit="us", strict=False),
            pl.col("v").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")),
        )
    )["v"]
    return full.zip_with(~rest, shorter)


def instant(value: pl.Expr, spec: FieldSpec, zone: str) -> pl.Expr:
    """Text → instant in UTC: ISO with or without offset, epochs, or a strptime pattern read in `zone`."""
    kind = spec.format or "auto"
    if kind in {"epoch_s", "epoch_ms"}:
        factor = 1_000_000 if kind == "epoch_s" else 1_000
        micros = (value.cast(pl.Decimal(38, 6), strict=False) * factor).cast(pl.Int64, strict=False)
        return micros.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    local = {"ambiguous": "earliest", "non_existent": "null"}
    if kind != "auto":
        parsed = value.str.to_datetime(kind, time_unit="us", strict=False)
        return parsed.dt.replace_time_zone(zone, **local).dt.convert_time_zone("UTC")  # type: ignore[arg-type]
    return value.map_batches(lambda values: _instants(values, zone), return_dtype=pl.Datetime("us", "UTC"))


def _instants(values: pl.Series, zone: str) -> pl.Series:
    """Instants of ISO texts; the other spellings cost only where the usual one does not fit."""
    plain = values.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us", strict=False).dt.replace_time_zone("UTC")
    rest = plain.is_null() & values.is_not_null()
    if not rest.any():
        return plain
    loose = pl.DataFrame({"v": values}).select(v=_any_instant(pl.when(rest).then(pl.col("v")), zone))["v"]
    return plain.zip_with(~rest, loose)


def _any_instant(value: pl.Expr, zone: str) -> pl.Expr:
    local = {"ambiguous": "earliest", "non_existent": "null"}
    offset = value.str.extract(_OFFSET, 1)
    wall = pl.when(offset.is_null()).then(value).otherwise(value.str.replace(r"\s*(Z|z|UTC|[+-]\d\d:?\d\d)$", ""))
    wall = wall.str.replace("T", " ", literal=True).str.replace_all("/", "-", literal=True)
    naive = wall.map_batches(_wall_clock, return_dtype=pl.Datetime("us"))
    sign = pl.when(offset.str.starts_with("-")).then(-1).otherwise(1)
    digits = offset.str.replace_all(r"\D", "")
    minutes = sign * (
        digits.str.slice(0, 2).cast(pl.Int64, strict=False) * 60 + digits.str.slice(2, 2).cast(pl.Int64, strict=False)
    )
    shifted = (naive - pl.duration(minutes=minutes.fill_null(0))).dt.replace_time_zone("UTC")
    in_zone = naive.dt.replace_time_zone(zone, **local).dt.convert_time_zone("UTC")  # type: ignore[arg-type]
    return pl.when(offset.is_null()).then(in_zone).otherwise(shifted).cast(pl.Datetime("us", "UTC"))


def _date(value: pl.Expr, spec: FieldSpec, zone: str) -> pl.Expr:
    kind = spec.format or "auto"
    if kind in {"epoch_s", "epoch_ms"}:
        return instant(value, spec, zone).dt.convert_time_zone(zone).dt.date()
    if kind != "auto":
        return value.str.to_date(kind, strict=False)
    return value.map_batches(lambda values: _distinct_dates(values, zone), return_dtype=pl.Date)


def _distinct_dates(values: pl.Series, zone: str) -> pl.Series:
    """Dates repeat: parse each text once."""
    distinct = pl.DataFrame({"v": values}).unique().drop_nulls()
    parsed = distinct.with_columns(d=_any_date(pl.col("v"), zone))
    return pl.DataFrame({"v": values}).join(parsed, on="v", how="left", maintain_order="left")["d"]


def _any_date(value: pl.Expr, zone: str) -> pl.Expr:
    has_offset = value.str.contains(_OFFSET)
    moved = instant(pl.when(has_offset).then(value), FieldSpec(path=["-"]), zone).dt.convert_time_zone(zone).dt.date()
    first = value.str.replace(r"[T\s]+\d\d?:\d\d.*$", "")
    parsed = [first.str.to_date(pattern, strict=False) for pattern in DATE_FORMATS]
    return pl.when(has_offset).then(moved).otherwise(pl.coalesce(*parsed))


def _boolean(value: pl.Expr) -> pl.Expr:
    text = value.str.to_lowercase()
    return (
        pl.when(text.is_in(TRUE))
        .then(pl.lit(value=True))
        .when(text.is_in(FALSE))
        .then(pl.lit(value=False))
        .otherwise(None)
    )


def typed(value: pl.Expr, column: Column, spec: FieldSpec, zone: str) -> pl.Expr:
    """Text → the column's type; null where the text does not fit. Dates of instants are dates in `zone`."""
    if column.type == "text":
        return value
    if column.type in DECIMALS:
        return _decimal(value, column, spec)
    if column.type == "integer":
        whole = value.str.replace(r"\.0+$", "")
        return whole.cast(pl.Int64, strict=False)
    if column.type == "boolean":
        return _boolean(value)
    if column.type == "instant":
        return instant(value, spec, spec.zone or zone)
    return _date(value, spec, spec.zone or zone)
