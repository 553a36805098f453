"""Which pairs are compared. Rules are counted before they run; values on too many records are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching.parallel import over
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Blocking

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Candidates:
    """Pairs left < right; `rules`: rule, pairs, refused (values refused), cap (records under one value)."""

    left: Ints
    right: Ints
    rules: pl.DataFrame
    is_complete: bool


def candidates(prepared: Prepared, settings: Blocking) -> Candidates:
    """Candidate pairs: all of them for few records, else those that share a blocking key."""
    size = prepared.size
    usable = np.flatnonzero(~prepared.frame["is_bucket"].to_numpy()).astype(np.int64)
    if len(usable) * (len(usable) - 1) // 2 <= settings.all_pairs_up_to:
        above, beside = np.triu_indices(len(usable), k=1)
        rules = pl.DataFrame({"rule": ["all pairs"], "pairs": [len(above)], "refused": [0], "cap": [len(usable)]})
        return Candidates(usable[above], usable[beside], rules, is_complete=True)
    budget = min(max(settings.pairs_at_least, settings.pairs_per_record * size), settings.pairs_at_most)
    return blocked(prepared, budget, settings.largest_block)


def blocked(prepared: Prepared, budget: int, largest: int) -> Candidates:
    """Pairs that share a blocking key; a rule brings at most `budget` of them, a value on `largest` records none."""
    counted, codes = [], []
    for rule, blocks in _blocks(keys(prepared)):
        cap = blocks.affordable(budget, largest)
        pairs, refused = blocks.count(cap)
        counted.append({"rule": rule, "pairs": pairs, "refused": refused, "cap": cap})
        codes.append(blocks.pairs(cap, prepared.size))
    left, right = _apart(codes, prepared.size)
    schema = {"rule": pl.String, "pairs": pl.Int64, "refused": pl.Int64, "cap": pl.Int64}
    return Candidates(left, right, pl.DataFrame(counted, schema=schema), is_complete=False)


def within(found: pl.DataFrame, caps: Mapping[str, int], refused: Mapping[str, Keys], size: int) -> tuple[Ints, Ints]:
    """Pairs left < right, sorted, of rows that share one of the `found` keys which no more rows have than its rule's
    cap, and which is not `refused` for its rule; `size`: number of rows."""
    rules = [(number, name) for number, name in enumerate(RULES) if name in caps]
    split = _split(found)
    rules.sort(key=lambda rule: -len(split(rule[0])[0]))  # the longest first, so that no core waits for it at the end

    def pairs(part: slice) -> Ints:
        number, name = rules[part.start]
        rows, values = split(number)
        return _Blocks(rows, values, refused.get(name)).pairs(caps[name], size)

    return _apart(list(over(len(rules), 1, pairs)), size)


class _Blocks:
    """The rows of each key of one rule, the `refused` ones left out."""

    def __init__(self, rows: Ints, keys: Keys, refused: Keys | None = None) -> None:
        order = pl.Series(keys, dtype=pl.UInt64).arg_sort().to_numpy()  # half the work of numpy's
        ordered = keys[order]
        begins = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(keys) else order
        sizes = np.diff(begins, append=len(keys))
        chosen = sizes > 1
        if refused is not None:
            chosen &= ~np.isin(ordered[begins], refused)
        self._rows, self._begins, self._sizes = rows[order], begins[chosen], sizes[chosen]

    def count(self, cap: int) -> tuple[int, int]:
        """Pairs of the keys within `cap`, and how many keys are beyond it."""
        within_ = self._sizes[self._sizes <= cap]
        return int((within_ * (within_ - 1) // 2).sum()), len(self._sizes) - len(within_)

    def affordable(self, budget: int, largest: int) -> int:
        """`largest`, lowered until there are at most `budget` pairs."""
        cap = largest
        while self.count(cap)[0] > budget and cap > 2:
            cap = cap * 2 // 3
        return cap

    def pairs(self, cap: int, size: int) -> Ints:
        """The pairs of the keys within `cap` as numbers (see _shift), in no order."""
        chosen = self._sizes <= cap
        begins, sizes = self._begins[chosen], self._sizes[chosen]
        place = np.repeat(begins - np.cumsum(sizes) + sizes, sizes)
        place += np.arange(len(place))
        later = np.repeat(begins + sizes, sizes) - place - 1
        left = np.repeat(self._rows[place], later)
        place += 1 + later - np.cumsum(later)
        two = np.repeat(place, later)
        two += np.arange(len(two))
        right = self._rows[two]
        code: Ints = np.minimum(left, right)
        code <<= _shift(size)
        code |= np.maximum(left, right)
        return code


def _split(found: pl.DataFrame) -> Callable[[int], tuple[Ints, Keys]]:
    """Rows and keys of a rule by its number; `found` is sorted by rule."""
    rule, row, key = (found[column].to_numpy() for column in ("rule", "row", "key"))
    ends = np.searchsorted(rule, np.arange(len(RULES) + 1, dtype=rule.dtype))

    def of(number: int) -> tuple[Ints, Keys]:
        part = slice(ends[number], ends[number + 1])
        return row[part], key[part]

    return of


def _blocks(found: pl.DataFrame) -> Iterator[tuple[str, _Blocks]]:
    split = _split(found)
    for number, name in enumerate(RULES):
        rows, values = split(number)
        if len(rows):
            yield name, _Blocks(rows, values)


def _shift(size: int) -> int:
    """Bits for a row: a pair is the number left << bits | right, so that numbers are ordered like pairs."""
    return max(size - 1, 1).bit_length()


def _apart(codes: list[Ints], size: int) -> tuple[Ints, Ints]:
    """Left and right of the pairs with these numbers, sorted, each once."""
    code = pl.Series(np.concatenate([np.zeros(0, dtype=np.int64), *codes])).sort().to_numpy()
    code = code[np.concatenate([[True], code[1:] != code[:-1]])] if len(code) else code
    bits = _shift(size)
    return code >> bits, code & ((1 << bits) - 1)


RULES = (
    "tax number",
    "phone",
    "email",
    "domain",
    "name",
    "trade name",
    "house number and street",
    "house number and city",
    "name beginning and city",
    "name beginning",
    "postcode and name beginning",
    "alias",
    "word",
    "two words",
)
# the values of the rules that are no lists of a name's words
TEXTS = {
    "tax number": pl.col("tax"),
    "phone": pl.col("phone").str.slice(-8),
    "email": pl.col("email"),
    "domain": pl.col("domain"),
    "name": pl.col("core"),
    "trade name": pl.col("trade"),
    "house number and street": pl.col("number") + "|" + pl.col("street").str.slice(0, 5),
    "house number and city": pl.col("number") + "|" + pl.col("city"),
    "name beginning and city": pl.col("trade").str.slice(0, 4) + "|" + pl.col("city"),
    "name beginning": pl.col("trade").str.slice(0, 6),
    "postcode and name beginning": pl.col("postcode") + "|" + pl.col("trade").str.slice(0, 2),
}


def keys(prepared: Prepared) -> pl.DataFrame:
    """rule (its place in RULES), row, key (a hash): every way two records can become candidates; buckets have none.

    Sorted by rule. No row has a key of one rule twice.
    """
    frame = prepared.frame.with_columns(pl.col("row").cast(pl.Int64)).filter(~pl.col("is_bucket"))
    asked = [
        frame.lazy()
        .select(rule=pl.lit(RULES.index(rule), dtype=pl.UInt8), row="row", key=key)
        .filter(pl.col("key").str.len_chars() > 1)
        .with_columns(pl.col("key").hash(seed=7))
        for rule, key in TEXTS.items()
    ]
    parts = pl.collect_all(asked)
    rows, names = frame["row"].to_numpy(), prepared.name_of
    for rule, (counts, found) in prepared.table.keys.items():
        each = counts[names[rows]]
        begins = (np.cumsum(counts) - counts)[names[rows]]
        place = np.arange(each.sum()) + np.repeat(begins - np.cumsum(each) + each, each)
        part = pl.DataFrame({"row": np.repeat(rows, each), "key": found[place]})
        parts.append(part.select(rule=pl.lit(RULES.index(rule), dtype=pl.UInt8), row="row", key="key"))
    return pl.concat(parts)
