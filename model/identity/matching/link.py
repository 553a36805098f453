"""From weighed pairs to clusters: certain pairs, vetoes, bands, and the guards under which clusters join."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.compare import Compared
from model.identity.matching.join import Links, join
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Guards, Settings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
AUTO, REVIEW, REJECT = 2, 1, 0
_COUNTRY = 2  # of Prepared.regions: code 00
IDENTIFIERS = ("tax", "phone", "email", "domain")


class Reasons(Sequence[str]):
    """One of few texts per pair, '' where there is none: its number in `names`, whose last one is ''."""

    def __init__(self, names: Sequence[str], code: npt.NDArray[np.int8]) -> None:
        self.names, self.code = (*names, ""), code

    @classmethod
    def of(cls, texts: Sequence[str]) -> Reasons:
        """`texts` as reasons."""
        if isinstance(texts, cls):
            return texts
        names = sorted({*texts} - {""})
        number = {name: place for place, name in enumerate((*names, ""))}
        return cls(names, np.array([number[text] for text in texts], dtype=np.int8))

    def __len__(self) -> int:
        return len(self.code)

    def __getitem__(self, place: Any) -> Any:
        return [*self][place] if isinstance(place, slice) else self.names[self.code[place]]

    def __iter__(self) -> Iterator[str]:
        return map(self.names.__getitem__, self.code.tolist())

    @property
    def is_there(self) -> Bools:
        """Per pair whether there is one."""
        found: Bools = self.code != len(self.names) - 1
        return found

    def at(self, chosen: Ints) -> pl.Series:
        """The texts of the pairs at these positions."""
        return pl.Series(self.names, dtype=pl.String).gather(self.code[chosen])


class Judged:
    """Per pair: band, rule that made it certain ('' if none), veto that forbids it ('' if none)."""

    def __init__(self, band: npt.NDArray[np.int8], rule: Sequence[str], veto: Sequence[str]) -> None:
        self.band, self.rule, self.veto = band, Reasons.of(rule), Reasons.of(veto)

    @cached_property
    def is_sure(self) -> Bools:
        """Per pair whether a rule made it certain."""
        return self.rule.is_there

    @cached_property
    def is_forbidden(self) -> Bools:
        """Per pair whether a veto forbids it."""
        return self.veto.is_there


def certain(prepared: Prepared, found: Compared, left: Ints, right: Ints, shared: dict[str, Bools]) -> Reasons:
    """The deterministic tier: which rule makes a pair one organisation, '' where none does.

    `shared`: per identifier whether a record's value stands under too many names to count.
    """
    name, tax, score = found.of("name"), found.of("tax"), found.name_score
    phone, domain, address = found.of("phone"), found.of("domain"), found.of("address")
    city, email = found.of("city"), found.of("email")
    uscc = prepared.numbers("uscc") != 0
    legal, forms = prepared.is_full_legal_name, prepared.numbers("form")
    same_form = forms[left] == forms[right]
    tax_usable = ~shared["tax"][left]
    telling = (
        (phone == 2) & ~shared["phone"][left]
        | (email == 1) & ~shared["email"][left]
        | (domain == 1) & ~shared["domain"][left]
    )
    rules = [
        ("credit code", (tax == 2) & uscc[left] & uscc[right] & tax_usable),
        ("tax number", (tax == 2) & (score >= 0.4) & tax_usable),
        ("legal name", (name == 4) & legal[left] & legal[right] & same_form & (city != 0)),
        ("name and contact", (name == 4) & telling & (address != 0)),
        ("name and address", (name == 4) & (address == 4) & (city != 0)),
    ]
    return _first(rules)


def _first(rules: list[tuple[str, Bools]]) -> Reasons:
    """Per pair the first rule whose test it passes, '' where none does."""
    chosen = np.full(len(rules[0][1]), len(rules), dtype=np.int8)
    for place in reversed(range(len(rules))):
        chosen[rules[place][1]] = place
    return Reasons([rule for rule, _ in rules], chosen)


def overused(prepared: Prepared, most: int, most_of_name: int) -> dict[str, Bools]:
    """Per identifier whether a record's value stands under more than `most` trade names among these records.

    Under `trade`: whether the record's trade name stands on more than `most_of_name` of them.
    """
    crowded = (pl.len().over("trade") > most_of_name) & pl.col("trade").is_not_null()
    return {"trade": prepared.frame.select(crowded).to_series().to_numpy()} | {
        column: prepared.frame.select((pl.col("trade").n_unique().over(column) > most) & pl.col(column).is_not_null())
        .to_series()
        .fill_null(False)
        .to_numpy()
        for column in IDENTIFIERS
    }


def vetoes(prepared: Prepared, found: Compared, left: Ints, right: Ints) -> Reasons:
    """What forbids a pair, '' where nothing does."""
    tax, phone = found.of("tax"), found.of("phone")
    hard = (tax == 2) | (found.of("email") == 1)
    uscc, branch, number = (prepared.numbers(column) for column in ("uscc", "branch", "number"))
    differ = differ_in_place(prepared.regions[left], prepared.regions[right])
    house = (number[left] != 0) & (number[right] != 0) & (number[left] != number[right])
    rules = [
        ("different credit codes", (uscc[left] != 0) & (uscc[right] != 0) & (uscc[left] != uscc[right]) & (tax != 2)),
        ("branch", branch[left] != branch[right]),
        ("different regions", differ & ~hard),
        ("different house numbers", house & ~hard & ((phone != 2) | (found.of("name") < 3))),
    ]
    return _first(rules)


def differ_in_place(one: Ints, two: Ints) -> Bools:
    """Whether two codes of `Prepared.regions` name places that do not lie in each other; the country holds all."""
    shortest = np.minimum(one % 10, two % 10)
    scale = 10 ** (6 - shortest)
    differ = (shortest > 0) & (one // 10 // scale != two // 10 // scale)
    result: Bools = differ & (one != _COUNTRY) & (two != _COUNTRY)
    return result


def judge(probability: Doubles, rule: Reasons, veto: Reasons, found: Compared, settings: Settings) -> Judged:
    """Bands: certain or likely enough and not forbidden → auto; likely, or likely under another name → review.

    One phone, domain or address under names that have nothing in common is a park of companies at least as often
    as a change of name, and under one trade name with two kinds of business it is sister companies: a person decides.
    """
    sure, forbidden = rule.is_there, veto.is_there
    name, address = found.of("name"), found.of("address")
    telling = (found.of("phone") == 2) | (found.of("email") == 1) | (found.of("domain") == 1) | (found.of("tax") == 2)
    foreign = (name == 0) & (found.name_score < settings.guards.least_name_score)
    foreign |= (name >= 0) & (name <= 1) & ~telling & (address < 3)
    foreign |= found.other_business
    auto = (sure | ((probability >= settings.bands.auto) & ~foreign)) & ~forbidden
    review = ~auto & ((~forbidden & (probability >= settings.bands.review)) | (sure & forbidden))
    band = np.where(auto, AUTO, np.where(review, REVIEW, REJECT)).astype(np.int8)
    return Judged(band, rule, veto)


def duplicate_free(prepared: Prepared, judged: Judged, left: Ints, right: Ints, settings: Guards) -> frozenset[str]:
    """Sources in which (nearly) no record has a twin: each of their records is another organisation."""
    source = prepared.frame["source"]
    counts = dict(source.drop_nulls().value_counts().iter_rows())
    if len(counts) < 2:
        return frozenset()
    codes = prepared.numbers("source")
    inside = (judged.band == AUTO) & (codes[left] == codes[right]) & (codes[left] != 0)
    sure = judged.is_sure
    twins: dict[str, set[int]] = defaultdict(set)
    values = source.to_list()
    for i, j in zip(left[inside & sure].tolist(), right[inside & sure].tolist(), strict=True):
        twins[values[i]].update((i, j))
    return frozenset(name for name, n in counts.items() if len(twins[name]) < settings.duplicate_free_below * n)


def cluster(
    prepared: Prepared, judged: Judged, left: Ints, right: Ints, bits: Doubles, free: frozenset[str], settings: Guards
) -> tuple[Ints, list[str]]:
    """Cluster number per record (its lowest row), and per pair why an auto link was not taken ('' if it was).

    Links are taken strongest first, within the guards of `join`.
    """
    auto = np.flatnonzero(judged.band == AUTO)
    links = Links(left[auto], right[auto], bits[auto], judged.is_sure[auto])
    forbidden = np.flatnonzero(judged.is_forbidden)
    sources = [source if source in free else None for source in prepared.column("source")]
    apart = left[forbidden], right[forbidden]
    labels, reasons = join(np.arange(prepared.size), sources, prepared.column("uscc"), links, apart, settings)
    refused = [""] * len(left)
    for index, reason in zip(auto.tolist(), reasons, strict=True):
        refused[index] = reason
    return labels, refused


def demote(judged: Judged, refused: list[str]) -> Judged:
    """Links that a guard refused are a person's to decide."""
    held = np.array([bool(reason) for reason in refused], dtype=bool)
    return Judged(np.where(held, REVIEW, judged.band).astype(np.int8), judged.rule, judged.veto)
