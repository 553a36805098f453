"""How alike two organisation names are, from 0 to 1, for many pairs at once.

Words are aligned, equal ones first, then similar ones; each weighs by how rare it is in the records at hand and by
what it is (trade name 1, industry and place less, legal form little). The result is a mean of Dice's coefficient over
these weights, of how much of the shorter name is in the longer, and of the similarity of the letters in a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from model.identity.names.chinese import industry_words
from model.identity.names.fold import HAN
from model.identity.names.parts import OrganisationName
from model.identity.names.places import leading_place
from model.identity.names.spelling import STOPS
from model.identity.names.vocabulary import han_words, latin_words

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bag = list[tuple[str, float]]  # words of a name, each with the weight of what it is
_INDUSTRY, _PLACE, _LEGAL, _STOP, _BRANCH = 0.35, 0.3, 0.08, 0.05, 0.6
_VAGUE_HAN = frozenset("科技术实业发展国际集团股份企公司控管理服务")
_WIDTH = 10
_CHUNK = 100_000
_FUZZY_FROM = 0.8
_OTHER_BRANCH = 0.65
_IS_TRADE, _IS_PLACE, _IS_LEGAL, _IS_INDUSTRY = range(4)


def tokens(name: OrganisationName) -> Bag:
    """The words of `name`, each with the weight of what it is."""
    if name.script == "han":
        found = [(name.trade_name, 1.0)]
        found += [(word, _INDUSTRY) for word in industry_words(name.industry)]
        if name.region_code:
            found.append((f"@{name.region_code[:4]}", _PLACE))
    else:
        weak = latin_words("industry")
        found = [(word, _STOP if word in STOPS else 0.6 if word in weak else 1.0) for word in name.trade_name.split()]
        found += [(word, _STOP if word in STOPS else _INDUSTRY) for word in name.industry.split()]
        found += [(word, _PLACE) for word in name.region.split()]
    if name.legal_form:
        found.append((f"={name.legal_form}", _LEGAL))
    if name.branch:
        found.append((f"+{branch_place(name)}", _BRANCH))
    return [pair for pair in found if pair[0]]


def branch_place(name: OrganisationName) -> str:
    """A branch by its place: 沈阳分公司 and 沈阳办事处 of one company may be one, those of two places never are."""
    return leading_place(name.branch) or name.branch


def compact(name: OrganisationName) -> str:
    """Trade name and industry in a row without blanks."""
    return (name.trade_name + name.industry).replace(" ", "")


def widest(bag: Bag) -> Bag:
    """The words that are compared, heaviest first."""
    return sorted(bag, key=lambda pair: -pair[1])[:_WIDTH]


class Spelled(Protocol):
    """What the scorer reads of a name (names/facts.py)."""

    @property
    def widest(self) -> Bag: ...
    @property
    def compact(self) -> str: ...
    @property
    def acronym(self) -> str: ...
    @property
    def branch(self) -> str: ...
    @property
    def spelled(self) -> str: ...
    @property
    def is_han(self) -> bool: ...
    @property
    def business(self) -> frozenset[str]: ...


class NameScorer:
    """Scores pairs of `names`, given by position.

    A word's rarity follows from `counts` (word → names that have it; 1 where absent) among `size` names; without
    them from the names given.
    """

    def __init__(
        self, names: Sequence[Spelled], counts: Mapping[str, int] | None = None, size: int | None = None
    ) -> None:
        bags = [name.widest for name in names]
        size = len(names) if size is None else size
        if counts is None:
            counts = Counter(word for bag in bags for word in {word for word, _ in bag})
        self.vocabulary = sorted({word for bag in bags for word, _ in bag})
        number = {word: index for index, word in enumerate(self.vocabulary)}
        top = np.log(size + 2.0)
        known = np.array([counts.get(word, 1) for word in self.vocabulary] or [1], dtype=np.float64)
        rarity = np.maximum(np.log((size + 2.0) / (known + 0.5)) / top, 0)
        self.words: npt.NDArray[np.int32] = np.full((len(names), _WIDTH), -1, dtype=np.int32)
        self.weights: Floats = np.zeros((len(names), _WIDTH), dtype=np.float32)
        for row, bag in enumerate(bags):
            for place, (word, weight) in enumerate(bag):
                self.words[row, place] = number[word]
                self.weights[row, place] = weight * (0.4 + 0.6 * rarity[number[word]])
        self.compacts = [name.compact for name in names]
        self.acronyms = [name.acronym for name in names]
        branches = {"": 0}
        self._branch = np.array([branches.setdefault(name.branch, len(branches)) for name in names], dtype=np.int64)
        self._spelled = [name.spelled for name in names]
        self._is_han = np.array([name.is_han for name in names], dtype=bool)
        self._business = [name.business for name in names]
        words = pl.Series(self.vocabulary or [""], dtype=pl.String)
        self._digits = words.str.contains(r"\d").to_numpy()
        self._kind = np.array([_kind(word) for word in self.vocabulary] or [0], dtype=np.int8)
        self._sigil = np.array([word[:1] in "@=+" for word in self.vocabulary] or [False])
        self._han = words.str.contains(HAN.pattern).to_numpy()
        texts = {text: number for number, text in enumerate(dict.fromkeys(self.compacts))}
        self._compact = np.array([texts[text] for text in self.compacts], dtype=np.int64)
        # an acronym under which no name stands equals none
        self._initials = np.array(
            [texts.get(text, -1) if len(text) >= 3 else -1 for text in self.acronyms], dtype=np.int64
        )

    def score(self, left: Ints, right: Ints) -> Floats:
        """Similarity of names `left[i]` and `right[i]`."""
        parts = [
            self._chunk(left[start : start + _CHUNK], right[start : start + _CHUNK])
            for start in range(0, len(left), _CHUNK)
        ]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def other_business(self, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
        """Both names say what business it is, and not the same: sister companies share all else."""
        words = self._business
        return np.array(
            [
                bool(words[i]) and bool(words[j]) and words[i].isdisjoint(words[j])
                for i, j in zip(left.tolist(), right.tolist(), strict=True)
            ],
            dtype=bool,
        )

    def _chunk(self, left: Ints, right: Ints) -> Floats:
        a, b = self.words[left], self.words[right]
        wa, wb = self._mutual(a, b, self.weights[left], self.weights[right])
        equal = (a[:, :, None] == b[:, None, :]) & (a[:, :, None] >= 0)
        in_a, in_b = equal.any(axis=2), equal.any(axis=1)
        shared = (np.where(in_a, wa, 0).sum(axis=1) + np.where(in_b, wb, 0).sum(axis=1)) / 2
        shared += self._similar(a, b, wa * ~in_a, wb * ~in_b)
        total_a, total_b = wa.sum(axis=1), wb.sum(axis=1)
        dice = 2 * shared / np.maximum(total_a + total_b, 1e-6)
        inside = np.minimum(1, shared / np.maximum(np.minimum(total_a, total_b), 1e-6))
        letters = self._letters(left, right)
        score = 0.55 * dice + 0.2 * inside + 0.25 * letters
        score = np.where((letters >= 0.999) & (letters <= 1), np.maximum(score, 0.97), score)
        score = np.where(self._is_acronym(left, right), np.maximum(score, 0.7), score)
        score = np.where(self._branch[left] != self._branch[right], score * _OTHER_BRANCH, score)
        score = self._across_scripts(left, right, score.astype(np.float32))
        score = np.where(self._numbers_differ(a, b, in_a, in_b), score * 0.75, score)
        return np.asarray(np.clip(np.where((total_a > 0) & (total_b > 0), score, 0), 0, 1), dtype=np.float32)

    def _across_scripts(self, left: Ints, right: Ints, score: Floats) -> Floats:
        """A Chinese and a Latin name are as alike as the one's pinyin and the other's letters."""
        mixed = np.flatnonzero(self._is_han[left] != self._is_han[right])
        if len(mixed):
            one = [self._spelled[i] or self.compacts[i] for i in left[mixed].tolist()]
            two = [self._spelled[i] or self.compacts[i] for i in right[mixed].tolist()]
            score[mixed] = np.maximum(score[mixed], 0.9 * _compare(one, two, fuzz.ratio) / 100)
        return score

    def _mutual(
        self, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], wa: Floats, wb: Floats
    ) -> tuple[Floats, Floats]:
        """Weights of the pair: a place, legal form or industry that only one side gives says little."""
        kind_a, kind_b = np.where(a >= 0, self._kind[a], -1), np.where(b >= 0, self._kind[b], -1)
        for kind, share in ((_IS_PLACE, 0.15), (_IS_LEGAL, 0.0), (_IS_INDUSTRY, 0.5)):
            one, two = kind_a == kind, kind_b == kind
            wa = np.where(one & ~two.any(axis=1)[:, None], wa * share, wa).astype(np.float32)
            wb = np.where(two & ~one.any(axis=1)[:, None], wb * share, wb).astype(np.float32)
        return wa, wb

    def _similar(self, a: npt.NDArray[np.int32], b: npt.NDArray[np.int32], wa: Floats, wb: Floats) -> Floats:
        """Weight shared by words that are alike but not equal, each word used once at most."""
        result = np.zeros(len(a), dtype=np.float32)
        sigil_a, sigil_b = self._sigil[a] | (wa <= 0), self._sigil[b] | (wb <= 0)
        open_ = ~sigil_a[:, :, None] & ~sigil_b[:, None, :] & (a[:, :, None] >= 0) & (b[:, None, :] >= 0)
        pair, place_a, place_b = np.nonzero(open_)
        if not len(pair):
            return result
        one, two = a[pair, place_a].astype(np.int64), b[pair, place_b].astype(np.int64)
        keys, inverse = np.unique(
            np.minimum(one, two) * len(self.vocabulary) + np.maximum(one, two), return_inverse=True
        )
        alike = self._word_similarity(keys // len(self.vocabulary), keys % len(self.vocabulary))[inverse]
        good = alike >= _FUZZY_FROM
        pair, place_a, place_b, alike = pair[good], place_a[good], place_b[good], alike[good]
        gain = alike * (wa[pair, place_a] + wb[pair, place_b]) / 2
        order = np.lexsort((place_b, place_a, -gain, pair))
        used: set[tuple[int, int, int]] = set()
        for index in order.tolist():
            key_a, key_b = (0, int(pair[index]), int(place_a[index])), (1, int(pair[index]), int(place_b[index]))
            if key_a not in used and key_b not in used:
                used.update((key_a, key_b))
                result[pair[index]] += gain[index]
        return result

    def _word_similarity(self, one: Ints, two: Ints) -> Floats:
        left, right = [self.vocabulary[i] for i in one.tolist()], [self.vocabulary[i] for i in two.tolist()]
        winkler = _compare(left, right, JaroWinkler.normalized_similarity)
        ratio = _compare(left, right, fuzz.ratio) / 100
        words = pl.DataFrame({"x": left, "y": right}, schema={"x": pl.String, "y": pl.String})
        begins = pl.col("x").str.starts_with(pl.col("y")) | pl.col("y").str.starts_with(pl.col("x"))
        starts = words.select(begins).to_series().to_numpy()
        lengths = pl.min_horizontal(pl.col("x").str.len_chars(), pl.col("y").str.len_chars())
        shortest = words.select(lengths).to_series().to_numpy()
        latin = np.where(shortest >= 4, np.where(winkler >= 0.9, np.minimum(winkler, 0.5 + ratio / 2), 0), 0)
        latin = np.where(starts & (shortest >= 3), np.maximum(latin, 0.85), latin)
        slips = _compare(left, right, OSA.distance)
        latin = np.where((shortest >= 5) & (slips <= 1), np.maximum(latin, np.maximum(ratio, _FUZZY_FROM)), latin)
        han = np.where(starts & (shortest >= 2), 0.85, np.where(shortest >= 4, ratio, 0))
        result = np.where(self._han[one] | self._han[two], han, latin)
        return np.asarray(np.where(self._digits[one] | self._digits[two], 0, result), dtype=np.float32)

    def _letters(self, left: Ints, right: Ints) -> Floats:
        one, two = [self.compacts[i] for i in left.tolist()], [self.compacts[i] for i in right.tolist()]
        winkler, ratio = _compare(one, two, JaroWinkler.normalized_similarity), _compare(one, two, fuzz.ratio)
        return np.asarray(winkler / 2 + ratio / 200, dtype=np.float32)

    def _is_acronym(self, left: Ints, right: Ints) -> npt.NDArray[np.bool_]:
        found = (self._initials[left] == self._compact[right]) | (self._initials[right] == self._compact[left])
        return np.asarray(found, dtype=bool)

    def _numbers_differ(
        self,
        a: npt.NDArray[np.int32],
        b: npt.NDArray[np.int32],
        in_a: npt.NDArray[np.bool_],
        in_b: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """Both hold words with digits and neither's is in the other: Plant 1 and Plant 2."""
        odd_a, odd_b = self._digits[a] & (a >= 0) & ~in_a, self._digits[b] & (b >= 0) & ~in_b
        return np.asarray(odd_a.any(axis=1) & odd_b.any(axis=1))


def _kind(word: str) -> int:
    if word[:1] == "@" or word in latin_words("places"):
        return _IS_PLACE
    if word[:1] == "=":
        return _IS_LEGAL
    return _IS_INDUSTRY if word in latin_words("industry") or word in han_words("industry") else _IS_TRADE


def business(name: OrganisationName) -> frozenset[str]:
    """What says the business: characters of the industry in Chinese, telling industry words otherwise."""
    if name.script == "han":
        return frozenset(name.industry) - _VAGUE_HAN
    found = f"{name.trade_name} {name.industry}".split()
    return frozenset(word[:5] for word in found if word in latin_words("business"))


def _compare(left: list[str], right: list[str], scorer: Any) -> Floats:
    return np.asarray(process.cpdist(left, right, scorer=scorer, dtype=np.float32), dtype=np.float32)
