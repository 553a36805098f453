"""The level at which a pair stands in each comparison; -1 where a side has no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from rapidfuzz import fuzz, process
from rapidfuzz.distance import DamerauLevenshtein

from model.identity.matching.prepare import Prepared
from model.identity.matching.statistics import Statistics
from model.identity.names.score import NameScorer
from model.identity.names.spelling import pinyin

Ints = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
NAME_STEPS = (0.55, 0.72, 0.9)
_CHUNK = 500_000
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Compared:
    """`levels`: pair × comparison, in the order of `names`; `name_score`: similarity of the names;
    `other_business`: the names say two kinds of business."""

    names: tuple[str, ...]
    levels: Levels
    name_score: Floats
    other_business: npt.NDArray[np.bool_]

    def of(self, name: str) -> Levels:
        """Levels of one comparison."""
        return self.levels[:, self.names.index(name)]

    def take(self, chosen: Ints) -> Compared:
        """The pairs at these positions."""
        return Compared(self.names, self.levels[chosen], self.name_score[chosen], self.other_business[chosen])


class Comparer:
    """Compares pairs of `prepared`, given by position."""

    names = ("name", "tax", "phone", "email", "domain", "address", "city", "postcode")

    def __init__(self, prepared: Prepared, statistics: Statistics) -> None:
        self.scorer = NameScorer(prepared.table, statistics.word_counts(prepared.table.vocabulary), statistics.size)
        self._prepared = prepared
        self._name_of = prepared.name_of
        self._names = prepared.names
        self._is_han = prepared.table.is_han[prepared.name_of]
        self._texts = {name: prepared.frame[name].fill_null("") for name in ("tax", "street", "city", "postcode")}

    def compare(self, left: Ints, right: Ints) -> Compared:
        """Levels of the pairs (left[i], right[i])."""
        scores = self._scores(left, right)
        levels = np.full((len(left), len(self.names)), -1, dtype=np.int8)
        for start in range(0, len(left), _CHUNK):
            part = slice(start, start + _CHUNK)
            a, b = left[part], right[part]
            columns = (
                self._name(a, b, scores[part]),
                self._tax(a, b),
                self._phone(a, b),
                self._equal("email", a, b),
                self._equal("domain", a, b),
                self._address(a, b),
                self._city(a, b),
                self._postcode(a, b),
            )
            for column, values in enumerate(columns):
                levels[part, column] = values
        other = levels[:, 0] >= 1
        near = np.flatnonzero(other)
        other[near] = self.scorer.other_business(self._name_of[left[near]], self._name_of[right[near]])
        return Compared(self.names, levels, scores, other)

    def _scores(self, left: Ints, right: Ints) -> Floats:
        """Similarity of the names; those of one pair of names are compared once."""
        size = self._prepared.table.size
        code = self._name_of[left] * size + self._name_of[right]
        distinct, place = np.unique(code, return_inverse=True)
        return self.scorer.score(distinct // max(size, 1), distinct % max(size, 1))[place]

    def _sides(self, name: str, a: Ints, b: Ints) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Both have a value; both have the same."""
        numbers = self._prepared.numbers(name)
        one, two = numbers[a], numbers[b]
        both = (one != 0) & (two != 0)
        return both, both & (one == two)

    def _equal(self, name: str, a: Ints, b: Ints) -> Levels:
        both, same = self._sides(name, a, b)
        return np.where(both, same.astype(np.int8), -1).astype(np.int8)

    def _name(self, a: Ints, b: Ints, scores: Floats) -> Levels:
        both, same = self._sides("core", a, b)
        level = np.digitize(scores, NAME_STEPS)
        forms, same_form = self._sides("form", a, b)
        same &= same_form | ~forms  # Acme GmbH is not Acme Inc.
        result = np.where(both, np.where(same, 4, np.minimum(level, 3)), -1).astype(np.int8)
        mixed = np.flatnonzero(both & (self._is_han[a] != self._is_han[b]))
        result[mixed] = [self._across(int(i), int(j)) for i, j in zip(a[mixed], b[mixed], strict=True)]
        return result

    def _across(self, i: int, j: int) -> int:
        """A Chinese and a Latin name: alike by pinyin, or not comparable; a translation shares no letter."""
        han, latin = (i, j) if self._is_han[i] else (j, i)
        spelled, written = pinyin(self._names[han].trade_name), self._names[latin].trade_name.replace(" ", "")
        return 3 if len(written) >= 4 and fuzz.ratio(spelled, written) >= 90 else -1

    def _tax(self, a: Ints, b: Ints) -> Levels:
        both, same = self._sides("tax", a, b)
        result = np.where(both, np.where(same, 2, 0), -1).astype(np.int8)
        odd = np.flatnonzero(both & ~same)
        distance = self._text("tax", a[odd], b[odd], DamerauLevenshtein.distance)
        result[odd[distance <= 1]] = 1
        return result

    def _phone(self, a: Ints, b: Ints) -> Levels:
        both, same = self._sides("phone", a, b)
        extended, alike = self._sides("extension", a, b)
        return np.where(both, np.where(same, np.where(extended & ~alike, 1, 2), 0), -1).astype(np.int8)

    def _address(self, a: Ints, b: Ints) -> Levels:
        numbers, same_number = self._sides("number", a, b)
        streets, same_street = self._sides("street", a, b)
        likeness = np.where(same_street, 100.0, 0.0).astype(np.float32)
        odd = np.flatnonzero(streets & ~same_street)
        likeness[odd] = np.maximum(
            self._text("street", a[odd], b[odd], fuzz.token_sort_ratio),
            0.95 * self._text("street", a[odd], b[odd], fuzz.token_set_ratio),
        )
        level = np.select(
            [
                same_number & (likeness >= 88),
                same_number & (likeness >= 60),
                ~numbers & (likeness >= 88),
                same_number | (likeness >= 75),
            ],
            [4, 3, 2, 1],
            0,
        )
        return np.where(streets, level, -1).astype(np.int8)

    def _city(self, a: Ints, b: Ints) -> Levels:
        both, same = self._sides("city", a, b)
        result = np.where(both, np.where(same, 2, 0), -1).astype(np.int8)
        odd = np.flatnonzero(both & ~same)
        cities = self._prepared.numbers("city")
        code = cities[a[odd]] * _ODD + cities[b[odd]]
        keys, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        if len(keys):
            one, two = a[odd][first], b[odd][first]
            near = self._text("city", one, two, fuzz.ratio) >= 85
            near |= self._text("city", one, two, fuzz.token_set_ratio) >= 99
            result[odd[near[inverse]]] = 1
        return result

    def _postcode(self, a: Ints, b: Ints) -> Levels:
        both, same = self._sides("postcode", a, b)
        result = np.where(both, np.where(same, 2, 0), -1).astype(np.int8)
        odd = np.flatnonzero(both & ~same)
        district = self._texts["postcode"].str.slice(0, 3)
        near = (district.gather(a[odd]) == district.gather(b[odd])).to_numpy()
        result[odd[near]] = 1
        return result

    def _text(self, name: str, a: Ints, b: Ints, scorer: Any) -> Floats:
        texts = self._texts[name]
        left, right = texts.gather(a).to_list(), texts.gather(b).to_list()
        return np.asarray(process.cpdist(left, right, scorer=scorer, dtype=np.float32), dtype=np.float32)
