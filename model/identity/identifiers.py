"""Which values identify a company, and when they do not.

Formats: 统一社会信用代码 GB 32100-2015 (18 characters, check character mod 31); organisation code GB 11714-1997
(9 characters, check character mod 11), which is characters 9 to 17 of the former and 7 to 15 of an old tax number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

# 31 characters: no I, O, S, V, Z
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = np.array([3**i % 31 for i in range(17)], dtype=np.int64)
_ORG_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORG_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)
_ID_CARD_WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], dtype=np.int64)

BRANCH_NAME = r"(分公司|办事处|分店|营业部|代表处|分部|分厂|分行|支行)[)）]?$|(?i)\bbranch( office)?$"
BUCKET_NAME = (
    r"^(零?散(客户?|户)|零售客户|其他客户|现金客户|一次性客户|临时客户|个人客户?|散单|门市客户"
    r"|(?i:walk[- ]?in|cash|one[- ]?time|miscellaneous|other)( customers?| sales?)?)$"
)
_NAME_NOISE = r"[\s()（）\[\]【】·.,，。、\-_/&'\"]+"

_Codes = npt.NDArray[np.int64]


def normalise_code(column: str) -> pl.Expr:
    """Letters and digits of `column` only, upper case, full-width forms folded; empty becomes null."""
    text = pl.col(column).str.normalize("NFKC").str.to_uppercase().str.replace_all(r"[^0-9A-Z]", "")
    return pl.when(text != "").then(text)


def normalise_name(column: str) -> pl.Expr:
    """`column` for exact comparison: folded, without spaces, brackets and punctuation."""
    return pl.col(column).str.normalize("NFKC").str.to_lowercase().str.replace_all(_NAME_NOISE, "")


def _matrix(values: pl.Series, length: int, alphabet: str) -> _Codes:
    """Positions in `alphabet` of every character of ASCII strings of `length`; unknown characters are -1."""
    raw = np.frombuffer("".join(values.to_list()).encode("ascii"), dtype=np.uint8).reshape(-1, length)
    table = np.full(256, -1, dtype=np.int64)
    for position, letter in enumerate(alphabet):
        table[ord(letter)] = position
    return table[raw]


def _checked(values: pl.Series, pattern: str, test: Any) -> pl.Series:
    """True where a value matches `pattern` and `test` of the matching values is true."""
    shaped = values.str.contains(pattern).fill_null(False)
    result = np.zeros(len(values), dtype=bool)
    chosen = values.filter(shaped)
    if len(chosen):
        result[shaped.to_numpy()] = test(chosen)
    return pl.Series(result)


def is_uscc(values: pl.Series) -> pl.Series:
    """True where an upper-case value is a 统一社会信用代码 with a right check character."""

    def test(chosen: pl.Series) -> npt.NDArray[np.bool_]:
        digits = _matrix(chosen, 18, _USCC_ALPHABET)
        check = (31 - (digits[:, :17] * _USCC_WEIGHTS).sum(axis=1) % 31) % 31
        return np.asarray(check == digits[:, 17])

    return _checked(values, rf"^[{_USCC_ALPHABET}]{{2}}\d{{6}}[{_USCC_ALPHABET}]{{10}}$", test)


def is_organisation_code(values: pl.Series) -> pl.Series:
    """True where a 9-character upper-case value is an organisation code with a right check character."""

    def test(chosen: pl.Series) -> npt.NDArray[np.bool_]:
        digits = _matrix(chosen.str.slice(0, 8), 8, _ORG_ALPHABET)
        check = 11 - (digits * _ORG_WEIGHTS).sum(axis=1) % 11
        last = _matrix(chosen.str.slice(8, 1), 1, "0123456789X")[:, 0]
        return np.asarray(np.where(check == 11, 0, check) == last)

    return _checked(values, r"^[0-9A-Z]{8}[0-9X]$", test)


def is_id_card(values: pl.Series) -> pl.Series:
    """True where a value is a resident identity card number: a person, never a company."""

    def test(chosen: pl.Series) -> npt.NDArray[np.bool_]:
        digits = _matrix(chosen, 18, "0123456789X")
        check = (12 - (digits[:, :17] * _ID_CARD_WEIGHTS).sum(axis=1) % 11) % 11
        return np.asarray(check == digits[:, 17])

    return _checked(values, r"^\d{6}(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])\d{3}[0-9X]$", test)


def _meaningless() -> pl.Expr:
    """True where `value` repeats one character, counts up, or has too few digits to identify anything."""
    return (
        (pl.col("value").str.strip_chars_start(pl.col("value").str.slice(0, 1)).str.len_chars() <= 1)
        | pl.lit("0123456789012345678").str.contains(pl.col("value"), literal=True)
        | (pl.col("value").str.replace_all(r"\D", "").str.len_chars() < 6)
    )


def company_identifiers(records: pl.DataFrame) -> pl.DataFrame:
    """Identifiers of customer records.

    `records`: source, source_id, role, name, kind, uscc, tax_number, registration_number, master_id and the codes
    crm_code, erp_code, service_code, project_code. Result: source, source_id, kind, value; kinds are uscc, org,
    tax, registration, master and ref:<role>. A branch's identifiers carry its name, so that it never joins its
    head office by tax number. A bucket customer has none.
    """
    base = records.with_columns(
        clean_name=normalise_name("name"),
        is_branch=(pl.col("kind") == "branch").fill_null(False)
        | pl.col("name").str.strip_chars().str.contains(BRANCH_NAME).fill_null(False),
        is_bucket=(pl.col("kind") == "bucket").fill_null(False)
        | pl.col("name").str.strip_chars().str.contains(BUCKET_NAME).fill_null(False),
    ).filter(~pl.col("is_bucket"))
    numbers = pl.concat([_tax_like(base, column) for column in ("uscc", "tax_number")])
    registration = _coded(base, "registration_number").filter(pl.col("value").str.contains(r"^\d{15}$"))
    legal = pl.concat([numbers, registration.with_columns(kind=pl.lit("registration")).select(numbers.columns)]).filter(
        ~_meaningless()
    )
    legal = legal.with_columns(
        value=pl.when(pl.col("is_branch")).then(pl.col("value") + "|" + pl.col("clean_name")).otherwise(pl.col("value"))
    )
    master = base.filter(pl.col("master_id").is_not_null()).select(
        "source", "source_id", kind=pl.lit("master"), value=pl.col("source") + "|" + pl.col("master_id")
    )
    parts = [legal.select("source", "source_id", "kind", "value"), master]
    for column, role in CODE_COLUMNS.items():
        parts.append(
            base.filter(pl.col(column).str.strip_chars() != "").select(
                "source", "source_id", kind=pl.lit(f"ref:{role}"), value=pl.col(column).str.strip_chars()
            )
        )
    return pl.concat(parts).unique().sort("source", "source_id", "kind", "value")


CODE_COLUMNS = {"crm_code": "crm", "erp_code": "erp", "service_code": "tickets", "project_code": "projects"}


def _coded(base: pl.DataFrame, column: str) -> pl.DataFrame:
    return (
        base.select("source", "source_id", "is_branch", "clean_name", value=normalise_code(column))
        .filter(pl.col("value").is_not_null())
        .with_columns(pl.col("value").cast(pl.String))
    )


def _tax_like(base: pl.DataFrame, column: str) -> pl.DataFrame:
    """uscc, org and tax identifiers in `column`: an old 15-digit tax number holds the organisation code."""
    coded = _coded(base, column)
    coded = coded.filter(~is_id_card(coded["value"]))
    valid = coded.filter(is_uscc(coded["value"]))
    other = coded.join(valid.select("source", "source_id"), on=["source", "source_id"], how="anti")
    old = other.filter(pl.col("value").str.len_chars() == 15).with_columns(value=pl.col("value").str.slice(6, 9))
    old = old.filter(is_organisation_code(old["value"]))
    foreign = other.filter(
        (pl.col("value").str.len_chars() >= 8) & (pl.col("value").str.len_chars() != 18)
        if column == "tax_number"
        else pl.lit(False)
    ).join(old.select("source", "source_id"), on=["source", "source_id"], how="anti")
    names = ["source", "source_id", "is_branch", "clean_name", "kind", "value"]
    return pl.concat(
        [
            valid.with_columns(kind=pl.lit("uscc")).select(names),
            valid.with_columns(kind=pl.lit("org"), value=pl.col("value").str.slice(8, 9)).select(names),
            old.with_columns(kind=pl.lit("org")).select(names),
            foreign.with_columns(kind=pl.lit("tax")).select(names),
        ]
    )
