"""How alike two organisation names are, from 0 to 1, for many pairs at once.

Words are aligned, equal ones first, then similar ones; each weighs by how rare it is in the records at hand and by
what it is (trade name 1, industry and place less, legal form little). The result is a mean of Dice's coefficient over
these weights, of how much of the shorter name is in the longer, and of the similarity of the letters in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz import fuzz, process
from rapidfuzz.distance import OSA, JaroWinkler

from model.identity.names.bag import WIDTH
from model.identity.names.table import IS_INDUSTRY, IS_LEGAL, IS_PLACE, Bools, Doubles, Floats, Ints, NameTable

Words = npt.NDArray[np.int32]
_NARROW = 5  # most names have no more words than this
_CHUNK = 30_000
_FUZZY_FROM = 0.8
_OTHER_BRANCH = 0.65
_OTHER_NUMBER = 0.75
_ONLY_ONE_SIDE = ((IS_PLACE, 0.15), (IS_LEGAL, 0.0), (IS_INDUSTRY, 0.5))
# per kind of word (the last row: no word) and the kinds that the other name has, as bits: what is left of its weight
_SHARES = np.ones((5, 8), dtype=np.float32)
for _bit, (_kind, _share) in enumerate(_ONLY_ONE_SIDE):
    _SHARES[_kind, (np.arange(8) >> _bit) & 1 == 0] = _share
_LONG = 250  # letters from which rounding makes unequal names equal
_SLACK = 1e-4


class NameScorer:
    """Scores pairs of the names of `table`, given by position.

    A word's rarity follows from `counts` (per word of the vocabulary the names that have it) among `size` names;
    without them from the names given.
    """

    def __init__(self, table: NameTable, counts: Doubles | None = None, size: int | None = None) -> None:
        self._table = table
        size = table.size if size is None else size
        if counts is None:
            counts = table.name_counts()
        top = np.log(size + 2.0)
        known = np.append(counts, 1)
        rarity = np.maximum(np.log((size + 2.0) / (known + 0.5)) / top, 0)
        weights = (table.base * (0.4 + 0.6 * rarity[table.words])).astype(np.float32)
        # one row per place of a word: what is done to all pairs at once then lies in a row
        self._weights: Floats = np.ascontiguousarray(weights.T)
        self._words: Words = np.ascontiguousarray(table.words.T)
        said = {word: place for place, word in enumerate(sorted({*chain.from_iterable(table.businesses)}))}
        # a bit per kind of business, 64 to an array
        self._businesses = np.zeros((-(-len(said) // 64), len(table.businesses)), dtype=np.uint64)
        for number, words in enumerate(table.businesses):
            for word in words:
                self._businesses[said[word] // 64, number] |= np.uint64(1) << np.uint64(said[word] % 64)
        kinds = table.kind[table.words]
        self._kinds = np.ascontiguousarray(np.where(kinds < 0, 4, kinds).T.astype(np.uint8) * 8)
        self._has = np.zeros(table.size, dtype=np.uint8)
        for bit, (kind, _) in enumerate(_ONLY_ONE_SIDE):
            self._has |= ((kinds == kind).any(axis=1) << bit).astype(np.uint8)

    def score(self, left: Ints, right: Ints) -> Floats:
        """Similarity of names `left[i]` and `right[i]`."""
        return _by_width(self._table, left, right, self._chunk, np.float32)

    def may_reach(self, left: Ints, right: Ints, least: Floats) -> Bools:
        """False only where the similarity of names `left[i]` and `right[i]` is below `least[i]`."""

        def reaches(a: Ints, b: Ints, chosen: Ints, width: int) -> Bools:
            return self._bound(a, b, width) >= least[chosen] - _SLACK

        return _by_width(self._table, left, right, reaches, np.bool_)

    def other_business(self, left: Ints, right: Ints) -> Bools:
        """Both names say what business it is, and not the same: sister companies share all else."""
        one, two = self._table.business[left], self._table.business[right]
        common = np.zeros(len(left), dtype=bool)
        for bits in self._businesses:
            common |= (bits[one] & bits[two]) != 0
        result: Bools = ~common & (one != 0) & (two != 0)  # number 0 is of those that say nothing
        return result

    def _chunk(self, left: Ints, right: Ints, _: Ints, width: int) -> Floats:
        a, b, wa, wb, in_a, in_b = self._aligned(left, right, width)
        shared = (np.where(in_a, wa, 0).sum(axis=0) + np.where(in_b, wb, 0).sum(axis=0)) / 2
        shared += self._similar(a, b, wa * ~in_a, wb * ~in_b)
        total_a, total_b = wa.sum(axis=0), wb.sum(axis=0)
        dice = 2 * shared / np.maximum(total_a + total_b, 1e-6)
        inside = np.minimum(1, shared / np.maximum(np.minimum(total_a, total_b), 1e-6))
        letters = self._letters(left, right)
        score = 0.55 * dice + 0.2 * inside + 0.25 * letters
        score = np.where((letters >= 0.999) & (letters <= 1), np.maximum(score, 0.97), score)
        score = np.where(self._is_acronym(left, right), np.maximum(score, 0.7), score)
        branch = self._table.branch
        score = np.where(branch[left] != branch[right], score * _OTHER_BRANCH, score)
        score = self._across_scripts(left, right, score.astype(np.float32))
        score = np.where(self._numbers_differ(a, b, in_a, in_b), score * _OTHER_NUMBER, score)
        return np.asarray(np.clip(np.where((total_a > 0) & (total_b > 0), score, 0), 0, 1), dtype=np.float32)

    def _bound(self, left: Ints, right: Ints, width: int) -> Floats:
        """What `_chunk` gives at most, without reading a letter."""
        table = self._table
        a, b, wa, wb, in_a, in_b = self._aligned(left, right, width)
        pair, place_a, place_b = self._open(a, b, wa * ~in_a, wb * ~in_b)
        near = table.may_be_alike(a[place_a, pair].astype(np.int64), b[place_b, pair].astype(np.int64))
        in_a[place_a[near], pair[near]] = True
        in_b[place_b[near], pair[near]] = True
        shared = (np.where(in_a, wa, 0).sum(axis=0) + np.where(in_b, wb, 0).sum(axis=0)) / 2
        total_a, total_b = wa.sum(axis=0), wb.sum(axis=0)
        dice = 2 * shared / np.maximum(total_a + total_b, 1e-6)
        inside = np.minimum(1, shared / np.maximum(np.minimum(total_a, total_b), 1e-6))
        score = 0.55 * dice + 0.2 * inside + 0.25 * np.minimum(1, table.most_alike(left, right))
        score = np.where(self._is_acronym(left, right), np.maximum(score, 0.7), score)
        score = np.where(self._is_unclear(left, right), 1, score)
        return np.where(table.branch[left] != table.branch[right], score * _OTHER_BRANCH, score).astype(np.float32)

    def _is_unclear(self, left: Ints, right: Ints) -> Bools:
        """Names whose similarity the words do not bound."""
        table = self._table
        length = table.letters.length
        result: Bools = (table.compact[left] == table.compact[right]) | (table.is_han[left] != table.is_han[right])
        return result | ((length[left] >= _LONG) & (length[right] >= _LONG))

    def _aligned(self, left: Ints, right: Ints, width: int) -> tuple[Words, Words, Floats, Floats, Bools, Bools]:
        """Words of both sides, their weights in this pair, and which of them stand on the other side too."""
        a, b = self._words[:width].take(left, axis=1), self._words[:width].take(right, axis=1)
        wa, wb = self._mutual(left, right, width), self._mutual(right, left, width)
        in_a, in_b = np.zeros(a.shape, dtype=bool), np.zeros(b.shape, dtype=bool)
        named = b + (b < 0) * np.int32(-1)  # no word equals no word
        for x in range(width):
            for y in range(width):
                equal = a[x] == named[y]
                in_a[x] |= equal
                in_b[y] |= equal
        return a, b, wa, wb, in_a, in_b

    def _across_scripts(self, left: Ints, right: Ints, score: Floats) -> Floats:
        """A Chinese and a Latin name are as alike as the one's pinyin and the other's letters."""
        table = self._table
        mixed = np.flatnonzero(table.is_han[left] != table.is_han[right])
        if len(mixed):
            one, two = ([table.spelled[i] or table.compacts[i] for i in side[mixed].tolist()] for side in (left, right))
            score[mixed] = np.maximum(score[mixed], 0.9 * _compare(one, two, fuzz.ratio) / 100)
        return score

    def _mutual(self, names: Ints, others: Ints, width: int) -> Floats:
        """Weights of the words of `names` in pairs: a place, legal form or industry only one side gives says little."""
        place = self._kinds[:width].take(names, axis=1)
        place += self._has[others]
        weights: Floats = self._weights[:width].take(names, axis=1)
        weights *= _SHARES.ravel().take(place)
        return weights

    def _open(self, a: Words, b: Words, wa: Floats, wb: Floats) -> tuple[Ints, Ints, Ints]:
        """Pair, place on the left and place on the right of words that may be similar: weighty ones not yet aligned."""
        open_a = ~(self._table.sigil[a] | (wa <= 0)) & (a >= 0)
        open_b = ~(self._table.sigil[b] | (wb <= 0)) & (b >= 0)
        place_a, place_b, pair = np.nonzero(open_a[:, None] & open_b[None])
        return pair, place_a, place_b

    def _similar(self, a: Words, b: Words, wa: Floats, wb: Floats) -> Floats:
        """Weight shared by words that are alike but not equal, each word used once at most."""
        result = np.zeros(a.shape[1], dtype=np.float32)
        pair, place_a, place_b = self._open(a, b, wa, wb)
        one, two = a[place_a, pair].astype(np.int64), b[place_b, pair].astype(np.int64)
        near = np.flatnonzero(self._table.may_be_alike(one, two))
        if not len(near):
            return result
        pair, place_a, place_b, one, two = pair[near], place_a[near], place_b[near], one[near], two[near]
        size = len(self._table.vocabulary)
        keys, inverse = np.unique(np.minimum(one, two) * size + np.maximum(one, two), return_inverse=True)
        alike = self._word_similarity(keys // size, keys % size)[inverse]
        good = alike >= _FUZZY_FROM
        pair, place_a, place_b, alike = pair[good], place_a[good], place_b[good], alike[good]
        gain = alike * (wa[place_a, pair] + wb[place_b, pair]) / 2
        lone = np.bincount(pair, minlength=a.shape[1])[pair] == 1
        result[pair[lone]] = gain[lone]
        order = np.lexsort((place_b, place_a, -gain, pair))
        order = order[~lone[order]]
        used: set[tuple[int, int, int]] = set()
        for index in order.tolist():
            key_a, key_b = (0, int(pair[index]), int(place_a[index])), (1, int(pair[index]), int(place_b[index]))
            if key_a not in used and key_b not in used:
                used.update((key_a, key_b))
                result[pair[index]] += gain[index]
        return result

    def _word_similarity(self, one: Ints, two: Ints) -> Floats:
        table = self._table
        left, right = table.vocabulary.gather(one).to_list(), table.vocabulary.gather(two).to_list()
        winkler = _compare(left, right, JaroWinkler.normalized_similarity)
        ratio = _compare(left, right, fuzz.ratio) / 100
        words = pl.DataFrame({"x": left, "y": right}, schema={"x": pl.String, "y": pl.String})
        begins = pl.col("x").str.starts_with(pl.col("y")) | pl.col("y").str.starts_with(pl.col("x"))
        starts = words.select(begins).to_series().to_numpy()
        shortest = np.minimum(table.spelling.length[one], table.spelling.length[two])
        latin = np.where(shortest >= 4, np.where(winkler >= 0.9, np.minimum(winkler, 0.5 + ratio / 2), 0), 0)
        latin = np.where(starts & (shortest >= 3), np.maximum(latin, 0.85), latin)
        slips = _compare(left, right, OSA.distance)
        latin = np.where((shortest >= 5) & (slips <= 1), np.maximum(latin, np.maximum(ratio, _FUZZY_FROM)), latin)
        han = np.where(starts & (shortest >= 2), 0.85, np.where(shortest >= 4, ratio, 0))
        result = np.where(table.han[one] | table.han[two], han, latin)
        return np.asarray(np.where(table.digits[one] | table.digits[two], 0, result), dtype=np.float32)

    def _letters(self, left: Ints, right: Ints) -> Floats:
        one, two = self._table.compacts[left].tolist(), self._table.compacts[right].tolist()
        winkler, ratio = _compare(one, two, JaroWinkler.normalized_similarity), _compare(one, two, fuzz.ratio)
        return np.asarray(winkler / 2 + ratio / 200, dtype=np.float32)

    def _is_acronym(self, left: Ints, right: Ints) -> Bools:
        initials, compact = self._table.initials, self._table.compact
        return np.asarray((initials[left] == compact[right]) | (initials[right] == compact[left]), dtype=bool)

    def _numbers_differ(self, a: Words, b: Words, in_a: Bools, in_b: Bools) -> Bools:
        """Both hold words with digits and neither's is in the other: Plant 1 and Plant 2."""
        odd_a, odd_b = self._table.digits[a] & (a >= 0) & ~in_a, self._table.digits[b] & (b >= 0) & ~in_b
        return np.asarray(odd_a.any(axis=0) & odd_b.any(axis=0))


def _by_width(
    table: NameTable, left: Ints, right: Ints, work: Callable[[Ints, Ints, Ints, int], Any], kind: Any
) -> npt.NDArray[Any]:
    """`work` (left, right, positions, width) on chunks of pairs, short names apart from long ones."""
    result = np.zeros(len(left), dtype=kind)
    width = np.maximum(table.width[left], table.width[right])
    for least, most in ((0, 3), (4, _NARROW), (_NARROW + 1, WIDTH)):
        chosen = np.flatnonzero((width >= least) & (width <= most))
        for start in range(0, len(chosen), _CHUNK):
            part = chosen[start : start + _CHUNK]
            result[part] = work(left[part], right[part], part, most)
    return result


def _compare(left: list[str], right: list[str], scorer: Any) -> Floats:
    return np.asarray(process.cpdist(left, right, scorer=scorer, dtype=np.float32), dtype=np.float32)
