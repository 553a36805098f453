"""From a table of records to what the matcher compares."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.identifiers import BUCKET_NAME, is_id_card, is_organisation_code, is_uscc
from model.identity.matching import contact
from model.identity.names.bag import branch_place
from model.identity.names.facts import NameFacts, facts
from model.identity.names.parse import parse_name
from model.identity.names.parts import OrganisationName
from model.identity.names.table import NameTable

FIELDS = ("name", "tax_id", "phone", "email", "domain", "address", "city", "postcode")


@dataclass(frozen=True)
class Prepared:
    """`frame`: one row per record in input order, derived columns null where absent; `names`: their parsed names."""

    frame: pl.DataFrame
    names: list[OrganisationName]

    @cached_property
    def size(self) -> int:
        """Number of records."""
        return len(self.frame)

    @property
    def table(self) -> NameTable:
        """The distinct names as arrays."""
        return self._named[0]

    @property
    def name_of(self) -> npt.NDArray[np.int64]:
        """Per record the position of its name in `table`."""
        return self._named[1]

    @cached_property
    def _named(self) -> tuple[NameTable, npt.NDArray[np.int64]]:
        place: dict[str, int] = {}
        found: list[NameFacts] = []
        rows = np.empty(len(self.names), dtype=np.int64)
        for row, name in enumerate(self.names):
            index = place.setdefault(name.raw, len(found))
            if index == len(found):
                found.append(facts(name))
            rows[row] = index
        return NameTable(found), rows

    def numbers(self, column: str) -> npt.NDArray[np.uint64]:
        """A number per distinct value of a derived column, by record; 0 where it is null."""
        if column not in self._numbers:
            values = self.frame[column]
            found = values.hash(seed=7).to_numpy().copy()
            found[values.is_null().to_numpy()] = 0
            self._numbers[column] = found
        return self._numbers[column]

    @cached_property
    def _numbers(self) -> dict[str, npt.NDArray[np.uint64]]:
        return {}

    @cached_property
    def is_full_legal_name(self) -> npt.NDArray[np.bool_]:
        """Per record: a Chinese name that its registry gives once, with region, or of a group, which needs none."""
        return self.table.is_full_legal_name[self.name_of]

    @cached_property
    def regions(self) -> npt.NDArray[np.int64]:
        """Per record the code of its place in six digits and then its length; 0 where there is none."""
        code = pl.col("region")
        number = code.str.pad_end(6, "0").cast(pl.Int64) * 10 + code.str.len_chars()
        return self.frame.select(number.fill_null(0)).to_series().to_numpy()

    @cached_property
    def with_address(self) -> pl.DataFrame:
        """`frame` with `address`: house number and street in one key."""
        key = pl.col("number").fill_null("") + "|" + pl.col("street")
        return self.frame.with_columns(address=key)

    def column(self, name: str) -> list[str | None]:
        """Values of one derived column."""
        return self.frame[name].to_list()


def prepare(records: pl.DataFrame) -> Prepared:
    """Derive the compared columns of `records` (any of FIELDS and `source`, as text; absent columns count as empty).

    A column `kind` (company, branch, person, bucket) is heeded where there is one.
    """
    size = len(records)
    text = {field: _text(records[field]) if field in records.columns else [""] * size for field in (*FIELDS, "source")}
    names = [parse_name(value) for value in text["name"]]
    taxes = tax_keys(pl.Series("tax_id", text["tax_id"], dtype=pl.String))
    phones = [contact.phone(value) for value in text["phone"]]
    addresses = [contact.address(value) for value in text["address"]]
    columns: dict[str, list[str | None]] = {
        "source": _nulls(text["source"]),
        "core": _nulls([re.sub(r"\s", "", name.core) for name in names]),
        "trade": _nulls([name.trade_name.replace(" ", "") for name in names]),
        "region": _nulls([name.region_code for name in names]),
        "form": _nulls([name.legal_form for name in names]),
        "branch": _nulls([branch_place(name) for name in names]),
        "phone": _nulls([number for number, _ in phones]),
        "extension": _nulls([extension for _, extension in phones]),
        "email": _nulls([contact.email(value) for value in text["email"]]),
        "domain": _nulls([_domain(d, m) for d, m in zip(text["domain"], text["email"], strict=True)]),
        "number": _nulls([number for number, _ in addresses]),
        "street": _nulls([street for _, street in addresses]),
        "city": _nulls([contact.city(value) for value in text["city"]]),
        "postcode": _nulls([re.sub(r"\W", "", value).lower() for value in text["postcode"]]),
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)).hstack(taxes)
    bucket = pl.Series([bool(re.search(BUCKET_NAME, name.raw.strip())) for name in names], dtype=pl.Boolean)
    frame = frame.with_columns(is_bucket=bucket)
    if "kind" in records.columns:
        frame = _by_kind(frame, records["kind"])
    prepared = Prepared(frame.with_row_index("row"), names)
    _ = prepared.table  # belongs to taking names apart, not to the first who asks
    return prepared


def _by_kind(frame: pl.DataFrame, kind: pl.Series) -> pl.DataFrame:
    """A branch that its name does not show is one all the same; persons and buckets are never compared."""
    known = kind.cast(pl.String).fill_null("")
    return frame.with_columns(
        branch=pl.when(known == "branch").then(pl.col("branch").fill_null("*")).otherwise(pl.col("branch")),
        is_bucket=pl.col("is_bucket") | known.is_in(["bucket", "person"]),
    )


def _text(values: pl.Series) -> list[str]:
    junk = ("nan", "none", "null", "n/a", "na", "-", "--", "无", "暂无", "不详", "未知", "unknown")
    stripped = values.cast(pl.String).fill_null("").str.strip_chars()
    return ["" if value.lower() in junk else value for value in stripped.to_list()]


def _nulls(values: list[str]) -> list[str | None]:
    return [value or None for value in values]


def _domain(site: str, mail: str) -> str:
    return contact.domain(site) or (contact.domain(mail) if "@" in mail else "")


def tax_keys(values: pl.Series) -> pl.DataFrame:
    """Per number `tax`, the key by which it equals others, and `uscc`, set where it is a valid credit code.

    An old tax number and the credit code of one company have one key, the organisation code. Letters O and I in
    a code that is valid with 0 and 1 are read so. Card numbers of persons and fillers give null.
    """
    code = values.str.normalize("NFKC").str.to_uppercase().str.replace_all(r"[^0-9A-Z]", "")
    repaired = code.str.replace_all("O", "0").str.replace_all("I", "1")
    is_repairable = ~is_uscc(code) & is_uscc(repaired)
    code = pl.select(pl.when(is_repairable).then(repaired).otherwise(code)).to_series()
    old = code.str.slice(6, 9)
    is_old = (code.str.len_chars() == 15) & is_organisation_code(old)
    frame = pl.DataFrame(
        {
            "code": code,
            "old": old,
            "is_uscc": is_uscc(code),
            "is_old": is_old,
            "is_org": is_organisation_code(code),
            "is_card": is_id_card(code),
        }
    )
    useless = (
        pl.col("is_card")
        | (pl.col("code").str.len_chars() < 6)
        | (pl.col("code").str.replace_all(r"\D", "").str.len_chars() < 5)
        | (pl.col("code").str.strip_chars_start(pl.col("code").str.slice(0, 1)).str.len_chars() <= 1)
        | pl.lit("01234567890123456789").str.contains(pl.col("code"), literal=True)
    )
    key = (
        pl.when(useless)
        .then(None)
        .when(pl.col("is_uscc"))
        .then(pl.col("code").str.slice(8, 9))
        .when(pl.col("is_old"))
        .then(pl.col("old"))
        .otherwise(pl.col("code"))
    )
    return frame.select(tax=key, uscc=pl.when(pl.col("is_uscc")).then(pl.col("code")))
