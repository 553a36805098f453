"""Fellegi–Sunter weights: m and u per level, refined on the records at hand by EM with the shipped values as prior.

The whole space of pairs is counted: candidate pairs one by one, all others by a random sample. Identifiers keep
their u: it follows from how many names stand under a value, since a sample shows nothing below one in its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.identity.matching.compare import Compared, Comparer
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Comparison, Estimation, Settings
from model.identity.matching.statistics import VALUES, Statistics
from model.identity.names.table import IS_LEGAL

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
_BASE = 8  # levels of a comparison and its null
_FREEDOM = 2.5
_TELLING = 0.06  # lighter words say nothing
_UNKNOWN = 20_000.0  # words an organisation may be called by that the records at hand do not show


@dataclass(frozen=True)
class Weights:
    """m and u per comparison and level, and the share of all pairs that match."""

    m: dict[str, Doubles]
    u: dict[str, Doubles]
    share: float

    def bits(self, comparison: str) -> Doubles:
        """log2(m / u) per level."""
        result: Doubles = np.log2(self.m[comparison] / self.u[comparison])
        return result


def estimate(
    prepared: Prepared,
    comparer: Comparer,
    left: Ints,
    right: Ints,
    found: Compared,
    settings: Settings,
    chosen: Ints | None = None,
) -> Weights:
    """Weights for these records. Deterministic: the sample of pairs is seeded.

    `left`, `right`: all candidate pairs; `found`: their levels, or of those at the positions `chosen` only.
    """
    size = prepared.size
    total = max(1.0, size * (size - 1) / 2)
    each = 1.0 if chosen is None or not len(chosen) else len(left) / len(chosen)
    patterns, counts = _patterns(found.levels, each)
    rest = size * (size - 1) / 2 - len(left)
    if rest > 0.5:
        sample = _sample(size, settings.estimation.sample_pairs, left * size + right)
        levels = comparer.compare(*sample).levels
        if len(levels):
            far, weight = _patterns(levels, rest / len(levels))
            patterns, counts = np.vstack([patterns, far]), np.concatenate([counts, weight])
    return _expectation_maximisation(found.names, patterns, counts, size, total, settings)


def _patterns(levels: npt.NDArray[np.int8], each: float) -> tuple[npt.NDArray[np.int8], Doubles]:
    """Distinct rows of `levels`, and how many pairs each stands for if every row stands for `each`."""
    if not len(levels):
        return levels, np.zeros(0)
    code = np.zeros(len(levels), dtype=np.int64)
    for column in range(levels.shape[1]):
        code = code * _BASE + levels[:, column] + 1
    rest, found = np.unique(code, return_counts=True)
    columns = []
    for _ in range(levels.shape[1]):
        columns.append((rest % _BASE - 1).astype(np.int8))
        rest = rest // _BASE
    return np.stack(columns[::-1], axis=1), found.astype(np.float64) * each


def _sample(size: int, wanted: int, known: Ints) -> tuple[Ints, Ints]:
    """Random pairs that are not among the `known` ones (sorted codes left * size + right)."""
    generator = np.random.default_rng(20_150_901)
    one, two = generator.integers(0, size, wanted), generator.integers(0, size, wanted)
    code = np.unique(np.minimum(one, two)[one != two] * size + np.maximum(one, two)[one != two])
    if len(known):
        place = np.minimum(np.searchsorted(known, code), len(known) - 1)
        code = code[known[place] != code]
    return code // size, code % size


def _expectation_maximisation(
    names: tuple[str, ...], patterns: npt.NDArray[np.int8], counts: Doubles, size: int, total: float, settings: Settings
) -> Weights:
    estimation = settings.estimation
    shipped = settings.comparison
    m = {name: np.array(shipped[name].m) for name in names}
    u = {name: np.array(shipped[name].u) for name in names}
    lowest, highest = (
        estimation.least_matches_per_record * size / total,
        estimation.most_matches_per_record * size / total,
    )
    highest = min(max(highest, 1e-9), 0.5)
    share = min(highest, max(lowest, 1e-9, 0.25 * size / total))
    for _ in range(estimation.rounds):
        score = np.full(len(patterns), np.log(share / (1 - share)))
        for column, name in enumerate(names):
            bits = np.append(np.log(m[name] / u[name]), 0.0)
            score += bits[patterns[:, column]]
        matched = 1 / (1 + np.exp(-score))
        share = float(np.clip((counts * matched).sum() / total, min(max(lowest, 1e-9), highest), highest))
        for column, name in enumerate(names):
            m[name] = _posterior(
                patterns[:, column], counts * matched, shipped[name], np.array(shipped[name].m), estimation
            )
            if not shipped[name].u_fixed:
                pseudo = np.array(shipped[name].u) * 1000
                u[name] = _shares(patterns[:, column], counts * (1 - matched), pseudo)
            m[name] = _rising(_near(m[name], np.array(shipped[name].m)), u[name])
    return Weights(m, u, share)


def with_labels(fitted: Weights, labelled: Compared, settings: Settings) -> Weights:
    """`fitted` with m counted on pairs that stewards called one customer; the shipped m weighs as prior."""
    m = dict(fitted.m)
    for column, name in enumerate(labelled.names):
        prior = np.array(settings.comparison[name].m) * settings.estimation.prior_pairs
        counted = _shares(labelled.levels[:, column], np.ones(len(labelled.levels)), prior)
        m[name] = _rising(_near(counted, np.array(settings.comparison[name].m)), fitted.u[name])
    return Weights(m, fitted.u, fitted.share)


def _posterior(
    levels: npt.NDArray[np.int8], weight: Doubles, shipped: Comparison, prior: Doubles, rules: Estimation
) -> Doubles:
    seen = float(weight[levels >= 0].sum())
    return _shares(levels, weight, prior * max(rules.prior_pairs, rules.prior_share * seen))


def _shares(levels: npt.NDArray[np.int8], weight: Doubles, pseudo: Doubles) -> Doubles:
    counted = np.bincount(levels[levels >= 0], weights=weight[levels >= 0], minlength=len(pseudo)) + pseudo
    shares: Doubles = np.maximum(counted / counted.sum(), 1e-9)
    return shares


def _near(m: Doubles, shipped: Doubles) -> Doubles:
    """m within a factor of the shipped value: a class of shops in one building is not a class of one organisation."""
    near: Doubles = np.clip(m, shipped / _FREEDOM, shipped * _FREEDOM)
    scaled: Doubles = near / near.sum()
    return scaled


def _rising(m: Doubles, u: Doubles) -> Doubles:
    """m such that a higher level never speaks less for a match than a lower one."""
    ratio = np.maximum.accumulate(m / u)
    fixed: Doubles = ratio * u
    scaled: Doubles = fixed / fixed.sum()
    return scaled


def frequencies(prepared: Prepared, statistics: Statistics) -> dict[str, Doubles]:
    """Per record the chance that another organisation has its value: name, tax, phone, email, domain, address."""
    frame = prepared.with_address
    result = {"name": _name_chance(prepared, statistics)}
    for kind in VALUES:
        others = statistics.others(kind, frame[kind])
        result[kind] = others.to_numpy().astype(np.float64) / max(statistics.size, 1000)
    return result


def _name_chance(prepared: Prepared, statistics: Statistics) -> Doubles:
    """Chance of the same name by its words: rare words make a name telling, however few records there are."""
    cores = prepared.frame["core"]
    group = statistics.name_counts(cores).to_numpy().astype(np.float64)
    first = np.unique(prepared.name_of, return_index=True)[1]
    size = statistics.size + _UNKNOWN
    table = prepared.table
    chosen = np.flatnonzero((table.bag_weight > _TELLING) & (table.kind[table.bag_word] != IS_LEGAL))
    places, weight = table.bag_name[chosen], table.bag_weight[chosen]
    counts = statistics.word_counts(table.vocabulary)[table.bag_word[chosen]]
    others = np.maximum(counts - group[first][places], 0.5)
    chance = np.clip(others / size, 0.2 / _UNKNOWN, 1.0)
    bits = np.log(np.maximum(chance, np.where(weight < 0.9, 0.02, 0.0)))
    by_name = np.bincount(places, weights=bits, minlength=table.size)
    logs = by_name[prepared.name_of]
    result: Doubles = np.clip(np.exp(0.7 * logs), 1e-7, 0.05) * np.maximum(1, (group - 1) / 3)
    return np.where(cores.is_null().to_numpy(), 0.05, result)


def rarity_bits(name: str, level: Ints, weights: Weights, chance: Doubles) -> Doubles:
    """What the rarity of the value itself adds where it is equal: less than nothing for a common one."""
    top = len(weights.m[name]) - 1
    usual = weights.u[name][np.maximum(level, 0)]
    if name == "name":
        return np.where(level == top, np.log2(usual / np.maximum(chance, 1e-7)), 0.0)
    exact = (level == top) | ((level == 2) & (name == "address"))
    return np.where(exact, np.log2(usual / np.maximum(chance, usual)), 0.0)


def probabilities(
    found: Compared, weights: Weights, chances: dict[str, Doubles], left: Ints, right: Ints
) -> tuple[Doubles, Doubles]:
    """Match weight in bits (prior included) and probability per pair."""
    bits = np.full(len(left), np.log2(weights.share / (1 - weights.share)))
    for column, name in enumerate(found.names):
        level = found.levels[:, column].astype(np.int64)
        bits += np.append(weights.bits(name), 0.0)[level]
        if name in chances:
            bits += rarity_bits(name, level, weights, np.maximum(chances[name][left], chances[name][right]))
    bits = np.round(bits, 9)  # the last digits depend on how many pairs are weighed at once
    return bits, 1 / (1 + np.exp2(-np.clip(bits, -60, 60)))
