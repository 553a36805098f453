"""Distinct names as arrays: their words by number, and what is cheaply known of two words or two names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.names.bag import WIDTH
from model.identity.names.facts import NameFacts
from model.identity.names.fold import HAN
from model.identity.names.vocabulary import han_words, latin_words

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

IS_TRADE, IS_PLACE, IS_LEGAL, IS_INDUSTRY = range(4)


@dataclass(frozen=True)
class Letters:
    """Texts by their letters: `mask` has a bit per letter (of 64), `starts` the first three letters, 0 where none."""

    mask: npt.NDArray[np.uint64]
    length: npt.NDArray[np.int32]
    starts: npt.NDArray[np.uint32]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Letters:
        """The letters of `texts`."""
        length = np.array([len(text) for text in texts], dtype=np.int32)
        letters = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
        ends = np.cumsum(length, dtype=np.int64)
        begins = ends - length
        mask = np.zeros(len(texts), dtype=np.uint64)
        some = length > 0
        if some.any():
            bits = np.left_shift(np.uint64(1), letters.astype(np.uint64) % np.uint64(64))
            mask[some] = np.bitwise_or.reduceat(bits, begins[some])
        starts = np.zeros((len(texts), 3), dtype=np.uint32)
        for place in range(3):
            longer = length > place
            starts[longer, place] = letters[begins[longer] + place]
        return cls(mask, length, starts)

    def most_common(self, one: Ints, two: Ints) -> npt.NDArray[np.int32]:
        """How many letters of two texts can stand in both, at most."""
        a, b = self.mask[one], self.mask[two]
        lost_a, lost_b = np.bitwise_count(a & ~b), np.bitwise_count(b & ~a)
        most: npt.NDArray[np.int32] = np.minimum(self.length[one] - lost_a, self.length[two] - lost_b)
        return most

    def most_jaro(self, one: Ints, two: Ints, common: npt.NDArray[np.int32]) -> Floats:
        """Jaro-Winkler similarity of two texts, at most."""
        a, b = np.maximum(self.length[one], 1), np.maximum(self.length[two], 1)
        jaro = (common / a + common / b + 1) / 3
        begin = self.starts[one, 0] == self.starts[two, 0]
        return np.where(begin, jaro + 0.4 * (1 - jaro), jaro).astype(np.float32)


class NameTable:
    """Names as arrays. `vocabulary`: their words, sorted. `words`: per name the numbers of the words that are compared,
    heaviest first, -1 where there are fewer; `base`: what each is worth; `width`: how many there are."""

    def __init__(self, names: Sequence[NameFacts]) -> None:
        self.size = len(names)
        bags = [name.bag for name in names]
        flat = pl.Series([word for bag in bags for word, _ in bag], dtype=pl.String)
        self.bag_name = np.repeat(np.arange(len(names)), np.array([len(bag) for bag in bags], dtype=np.int64))
        self.bag_weight = np.array([weight for bag in bags for _, weight in bag], dtype=np.float64)
        known = flat.unique().sort()
        self.vocabulary = known
        number = pl.DataFrame({"word": known}).with_row_index("number")
        self.bag_word = _numbers(flat, number)
        widest = [name.widest for name in names]
        self.width = np.array([len(bag) for bag in widest], dtype=np.int64)
        rows = np.repeat(np.arange(len(names)), self.width)
        places = np.arange(len(rows)) - np.repeat(np.cumsum(self.width) - self.width, self.width)
        self.words: npt.NDArray[np.int32] = np.full((len(names), WIDTH), -1, dtype=np.int32)
        self.words[rows, places] = _numbers(pl.Series([w for bag in widest for w, _ in bag], dtype=pl.String), number)
        self.base: Doubles = np.zeros((len(names), WIDTH), dtype=np.float64)
        self.base[rows, places] = [weight for bag in widest for _, weight in bag]
        self._of_names(names)
        self._of_words()
        # blocking keys as numbers: how many each name has, and all of them in a row
        self.keys = {
            "alias": _hashed([name.aliases for name in names]),
            "word": _hashed([name.words for name in names]),
            "two words": _hashed([name.pairs for name in names]),
        }

    def _of_names(self, names: Sequence[NameFacts]) -> None:
        self.compacts = np.array([*(name.compact for name in names), ""], dtype=object)[:-1]
        self.spelled = np.array([*(name.spelled for name in names), ""], dtype=object)[:-1]
        self.is_han: Bools = np.array([name.is_han for name in names], dtype=bool)
        self.is_full_legal_name: Bools = np.array([name.is_full_legal_name for name in names], dtype=bool)
        branches = {"": 0}
        self.branch = np.array([branches.setdefault(name.branch, len(branches)) for name in names], dtype=np.int64)
        texts: dict[str, int] = {}
        self.compact = np.array([texts.setdefault(text, len(texts)) for text in self.compacts], dtype=np.int64)
        # an acronym under which no name stands equals none
        self.initials = np.array(
            [texts.get(name.acronym, -1) if len(name.acronym) >= 3 else -1 for name in names], dtype=np.int64
        )
        kinds: dict[frozenset[str], int] = {frozenset(): 0}
        self.business = np.array([kinds.setdefault(name.business, len(kinds)) for name in names], dtype=np.int64)
        self.businesses = list(kinds)
        self.letters = Letters.of(self.compacts.tolist())

    def _of_words(self) -> None:
        """Arrays by word number; the last entry stands for no word, so that -1 finds it."""
        words = pl.concat([self.vocabulary, pl.Series([""], dtype=pl.String)])
        self.digits: Bools = words.str.contains(r"\d").to_numpy()
        self.kind = np.array([*map(_kind, self.vocabulary.to_list()), -1], dtype=np.int8)
        self.sigil: Bools = words.str.contains("^[@=+]").to_numpy()
        self.han: Bools = words.str.contains(HAN.pattern).to_numpy()
        self.spelling = Letters.of(words.to_list())
        starts = self.spelling.starts.astype(np.uint64)
        self._begins = (starts[:, 0] << np.uint64(32)) | starts[:, 1]

    def may_be_alike(self, one: Ints, two: Ints) -> Bools:
        """False only where two words cannot be similar (see score.py), told from their letters."""
        spelled = self.spelling
        begins = self._begins[one] == self._begins[two]
        common = spelled.most_common(one, two)
        a, b = spelled.length[one], spelled.length[two]
        result: Bools = begins | (2 * common >= 0.59 * (a + b))
        near = np.flatnonzero(result)
        one, two, common, a, b = one[near], two[near], common[near], a[near], b[near]
        shortest, begins = np.minimum(a, b), begins[near]
        han = (begins & (shortest >= 2)) | ((shortest >= 4) & (2 * common >= 0.8 * (a + b) - 0.01))
        latin = begins & (shortest >= 3) & (spelled.starts[one, 2] == spelled.starts[two, 2])
        latin |= (shortest >= 4) & (spelled.most_jaro(one, two, common) >= 0.899)
        latin |= (shortest >= 5) & (common >= np.maximum(a, b) - 1)
        alike = np.where(self.han[one] | self.han[two], han, latin)
        result[near] = alike & ~self.digits[one] & ~self.digits[two]
        return result

    def most_alike(self, one: Ints, two: Ints) -> Floats:
        """What the letters of two names in a row can be alike, at most."""
        common = self.letters.most_common(one, two)
        both = np.maximum(self.letters.length[one] + self.letters.length[two], 1)
        result: Floats = (self.letters.most_jaro(one, two, common) / 2 + common / both).astype(np.float32)
        return result

    def record_counts(self, records: Ints) -> pl.DataFrame:
        """value, count: words and how many records have them among the words compared, from two up, given the number
        of records of each name."""
        found = pl.DataFrame({"value": self.vocabulary, "count": self._counts(records).astype(np.int64)})
        return found.filter(pl.col("count") > 1)

    def name_counts(self) -> Doubles:
        """Per word how many of the names have it."""
        return self._counts(np.ones(self.size, dtype=np.int64))

    def _counts(self, records: Ints) -> Doubles:
        rows, places = np.nonzero(self.words >= 0)
        code = np.unique(self.words[rows, places].astype(np.int64) * self.size + rows)
        weights = records[code % self.size]
        return np.bincount(code // self.size, weights=weights, minlength=len(self.vocabulary)).astype(np.float64)


def _numbers(words: pl.Series, number: pl.DataFrame) -> Ints:
    found = words.to_frame("word").join(number, on="word", how="left", maintain_order="left")
    return found["number"].cast(pl.Int64).to_numpy()


def _kind(word: str) -> int:
    if word[:1] == "@" or word in latin_words("places"):
        return IS_PLACE
    if word[:1] == "=":
        return IS_LEGAL
    return IS_INDUSTRY if word in latin_words("industry") or word in han_words("industry") else IS_TRADE


def _hashed(lists: Sequence[tuple[str, ...]]) -> tuple[Ints, npt.NDArray[np.uint64]]:
    counts = np.array([len(found) for found in lists], dtype=np.int64)
    return counts, pl.Series(list(chain.from_iterable(lists)), dtype=pl.String).hash(seed=7).to_numpy()
