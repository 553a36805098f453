"""From weighed pairs to clusters: certain pairs, vetoes, bands, and the guards under which clusters join."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.compare import Compared
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Guards, Settings
from model.identity.names.parts import OrganisationName
from model.identity.names.places import is_within

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
AUTO, REVIEW, REJECT = 2, 1, 0


@dataclass(frozen=True)
class Judged:
    """Per pair: band, rule that made it certain ('' if none), veto that forbids it ('' if none)."""

    band: npt.NDArray[np.int8]
    rule: list[str]
    veto: list[str]


def certain(prepared: Prepared, found: Compared, left: Ints, right: Ints, settings: Guards) -> list[str]:
    """The deterministic tier: which rule makes a pair one organisation, '' where none does."""
    name, tax, score = found.of("name"), found.of("tax"), found.name_score
    phone, domain, address = found.of("phone"), found.of("domain"), found.of("address")
    city, email = found.of("city"), found.of("email")
    shared = _overused(prepared, settings.names_per_identifier)
    uscc = prepared.frame["uscc"].is_not_null().to_numpy()
    legal = np.array([_is_full_legal_name(n) for n in prepared.names], dtype=bool)
    forms = np.array([n.legal_form for n in prepared.names], dtype=object)
    same_form = np.asarray(forms[left] == forms[right], dtype=bool)
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
    return [str(rule) for rule in np.select([test for _, test in rules], [rule for rule, _ in rules], "")]


def _is_full_legal_name(name: OrganisationName) -> bool:
    """A Chinese name that its registry gives once: with region, or of a group, which needs none."""
    placed = bool(name.region_code) or name.legal_form.startswith("集团")
    return name.script == "han" and placed and bool(name.legal_form and name.industry)


def _overused(prepared: Prepared, most: int) -> dict[str, Bools]:
    return {
        column: prepared.frame.select((pl.col("trade").n_unique().over(column) > most) & pl.col(column).is_not_null())
        .to_series()
        .fill_null(False)
        .to_numpy()
        for column in ("tax", "phone", "email", "domain")
    }


def vetoes(prepared: Prepared, found: Compared, left: Ints, right: Ints) -> list[str]:
    """What forbids a pair, '' where nothing does."""
    tax, phone = found.of("tax"), found.of("phone")
    hard = (tax == 2) | (found.of("email") == 1)
    uscc = _code(prepared.frame["uscc"])
    branch = _code(prepared.frame["branch"].fill_null("-"))
    number, region = _code(prepared.frame["number"]), prepared.column("region")
    differ = np.zeros(len(left), dtype=bool)
    regional = [bool(code) for code in region]
    has = np.array(regional, dtype=bool)
    for index in np.flatnonzero(has[left] & has[right]).tolist():
        differ[index] = not is_within(str(region[left[index]]), str(region[right[index]]))
    house = (number[left] >= 0) & (number[right] >= 0) & (number[left] != number[right])
    rules = [
        ("different credit codes", (uscc[left] >= 0) & (uscc[right] >= 0) & (uscc[left] != uscc[right]) & (tax != 2)),
        ("branch", branch[left] != branch[right]),
        ("different regions", differ & ~hard),
        ("different house numbers", house & ~hard & ((phone != 2) | (found.of("name") < 3))),
    ]
    return [str(veto) for veto in np.select([test for _, test in rules], [veto for veto, _ in rules], "")]


def _code(values: pl.Series) -> npt.NDArray[np.int64]:
    return values.rank("dense").cast(pl.Int64).fill_null(0).to_numpy() - 1


def judge(probability: Doubles, rule: list[str], veto: list[str], found: Compared, settings: Settings) -> Judged:
    """Bands: certain or likely enough and not forbidden → auto; likely, or likely under another name → review.

    One phone, domain or address under names that have nothing in common is a park of companies at least as often
    as a change of name, and under one trade name with two kinds of business it is sister companies: a person decides.
    """
    sure = np.array([bool(r) for r in rule], dtype=bool)
    forbidden = np.array([bool(v) for v in veto], dtype=bool)
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
    codes = _code(source)
    inside = (judged.band == AUTO) & (codes[left] == codes[right]) & (codes[left] >= 0)
    sure = np.array([bool(r) for r in judged.rule], dtype=bool)
    twins: dict[str, set[int]] = defaultdict(set)
    values = source.to_list()
    for i, j in zip(left[inside & sure].tolist(), right[inside & sure].tolist(), strict=True):
        twins[values[i]].update((i, j))
    return frozenset(name for name, n in counts.items() if len(twins[name]) < settings.duplicate_free_below * n)


class _Forest:
    """Clusters under construction: what they hold and what they may not join."""

    def __init__(self, prepared: Prepared, free: frozenset[str]) -> None:
        self.parent = list(range(prepared.size))
        self.members: dict[int, list[int]] = {}
        self.free = [s if s in free else None for s in prepared.column("source")]
        self.uscc = prepared.column("uscc")

    def find(self, row: int) -> int:
        while self.parent[row] != row:
            self.parent[row] = self.parent[self.parent[row]]
            row = self.parent[row]
        return row

    def of(self, root: int) -> list[int]:
        return self.members.get(root, [root])

    def join(self, a: int, b: int) -> None:
        a, b = min(a, b), max(a, b)
        self.members[a] = self.of(a) + self.of(b)
        self.members.pop(b, None)
        self.parent[b] = a


def cluster(
    prepared: Prepared, judged: Judged, left: Ints, right: Ints, bits: Doubles, free: frozenset[str], settings: Guards
) -> tuple[Ints, list[str]]:
    """Cluster number per record (its lowest row), and per pair why an auto link was not taken ('' if it was).

    Links are taken strongest first. A link joins two clusters only where no veto lies between them, no
    duplicate-free source would stand twice, the size guard holds, and enough of the pairs between them are linked.
    """
    forest = _Forest(prepared, free)
    sure = np.array([bool(r) for r in judged.rule], dtype=bool)
    forbidden = {(int(left[i]), int(right[i])) for i, veto in enumerate(judged.veto) if veto}
    refused = [""] * len(left)
    auto = np.flatnonzero(judged.band == AUTO)
    linked = {(int(left[i]), int(right[i])) for i in auto.tolist()}
    order = auto[np.lexsort((right[auto], left[auto], -bits[auto], ~sure[auto]))]
    for index in order.tolist():
        a, b = forest.find(int(left[index])), forest.find(int(right[index]))
        if a == b:
            continue
        reason = _obstacle(forest, a, b, forbidden, linked, settings, is_sure=bool(sure[index]))
        if reason:
            refused[index] = reason
        else:
            forest.join(a, b)
    labels = np.array([forest.find(row) for row in range(prepared.size)], dtype=np.int64)
    return labels, refused


def _obstacle(
    forest: _Forest,
    a: int,
    b: int,
    forbidden: set[tuple[int, int]],
    linked: set[tuple[int, int]],
    settings: Guards,
    *,
    is_sure: bool,
) -> str:
    one, two = forest.of(a), forest.of(b)
    sources = [forest.free[row] for row in (*one, *two) if forest.free[row]]
    if len(sources) != len(set(sources)):
        return "best link"
    if len({forest.uscc[row] for row in (*one, *two)} - {None}) > 1:
        return "different credit codes"
    if len(one) == len(two) == 1:
        return ""
    if len(one) + len(two) > settings.largest_cluster and not is_sure:
        return "cluster size"
    links = 0
    for i in one:
        for j in two:
            pair = (i, j) if i < j else (j, i)
            if pair in forbidden:
                return "veto inside"
            links += pair in linked
    return "" if is_sure or links >= settings.cohesion * len(one) * len(two) else "weak bridge"


def demote(judged: Judged, refused: list[str]) -> Judged:
    """Links that a guard refused are a person's to decide."""
    held = np.array([bool(reason) for reason in refused], dtype=bool)
    return Judged(np.where(held, REVIEW, judged.band).astype(np.int8), judged.rule, judged.veto)
