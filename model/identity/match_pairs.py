"""Pairs of customer records on the matcher's scales, as rows of identity.match_pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity import match_kept
from model.identity.matching import alone
from model.identity.matching.alone import RULE
from model.identity.matching.compare import Comparer
from model.identity.matching.link import AUTO, REVIEW
from model.identity.matching.parallel import over
from model.identity.matching.parameters import Parameters, Scales, Weighed
from model.identity.matching.prepare import Prepared
from model.identity.matching.screen import LEAST_FORBIDDEN, Screen
from model.identity.matching.settings import Settings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_CHUNK = 60_000
_KEYS = ("left_record", "right_record")
SCHEMA = pl.Schema(
    {
        "left_record": pl.UInt64,
        "right_record": pl.UInt64,
        "left_source": pl.String,
        "left_id": pl.String,
        "right_source": pl.String,
        "right_id": pl.String,
        "bits": pl.Float64,
        "probability": pl.Float64,
        "rule": pl.String,
        "veto": pl.String,
        "base": pl.Int8,
        "is_alike": pl.Boolean,
        "is_contradiction": pl.Boolean,
        "is_promotable": pl.Boolean,
        "is_demotable": pl.Boolean,
        "steps": pl.String,
    }
)


class Weigher:
    """Weighs pairs of `prepared`, which was made of `records`; `shared`: see link.certain."""

    def __init__(
        self,
        records: pl.DataFrame,
        prepared: Prepared,
        shared: dict[str, Bools],
        parameters: Parameters,
        settings: Settings,
    ) -> None:
        comparer = Comparer(prepared, parameters.statistics)
        self.records, self.settings = records, settings
        self.screen = Screen(prepared, comparer, parameters.weights, settings)
        self.scales = Scales(prepared, comparer, parameters.weights, parameters.statistics, shared, settings)


def weigh(weigher: Weigher, left: Ints, right: Ints) -> pl.DataFrame:
    """Rows of SCHEMA for the pairs of rows (left[i] < right[i]) that can matter to a cluster or a person.

    Each pair's row depends on its two records, the parameters and what is shared alone.
    """
    records, scales, settings = weigher.records, weigher.scales, weigher.settings
    kept = weigher.screen.keep(left, right)
    left, right = left[kept], right[kept]
    order = records.with_row_index("row").sort("source", "source_id")["row"].to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))

    def rows(part: slice) -> pl.DataFrame:
        a, b = left[part], right[part]
        found = scales.weigh(a, b)
        chosen = np.flatnonzero(_matters(found))
        steps = _steps(scales, found, a, b, chosen, settings)
        swap = place[a[chosen]] > place[b[chosen]]
        ends = np.where(swap, b[chosen], a[chosen]), np.where(swap, a[chosen], b[chosen])
        return _rows(records, found, chosen, ends, steps)

    return pl.concat([pl.DataFrame(schema=SCHEMA), *over(len(left), _CHUNK, rows)])


def _matters(found: Weighed) -> Bools:
    judged, marks = found.judged, found.marks
    near = (found.probability >= LEAST_FORBIDDEN) | (found.compared.of("name") >= 2)
    result: Bools = (judged.band >= REVIEW) | judged.is_sure | marks.alike | (judged.is_forbidden & near)
    return result


def _rows(
    records: pl.DataFrame, found: Weighed, chosen: Ints, ends: tuple[Ints, Ints], steps: pl.Series
) -> pl.DataFrame:
    judged, marks = found.judged, found.marks
    columns: dict[str, pl.Series] = {}
    for side, rows in zip(("left", "right"), ends, strict=True):
        columns[f"{side}_record"] = records["record"].gather(rows)
        columns[f"{side}_source"] = records["source"].gather(rows)
        columns[f"{side}_id"] = records["source_id"].gather(rows)
    frame = pl.DataFrame(columns).with_columns(
        bits=found.bits[chosen],
        probability=np.round(found.probability[chosen], 9),
        rule=judged.rule.at(chosen),
        veto=judged.veto.at(chosen),
        base=judged.band[chosen],
        is_alike=marks.alike[chosen],
        is_contradiction=marks.contradicts[chosen],
        is_promotable=marks.promotable[chosen],
        is_demotable=marks.demotable[chosen],
        steps=steps,
    )
    return frame.select(SCHEMA.names()).cast(SCHEMA)


def _steps(scales: Scales, found: Weighed, a: Ints, b: Ints, chosen: Ints, settings: Settings) -> pl.Series:
    """The waterfall per chosen pair as JSON: a list of [comparison, level, bits], the prior first."""
    part = found.compared.take(chosen)
    bits = scales.steps(part, a[chosen], b[chosen])
    texts = [pl.Series([f'["prior","",{round(float(scales.prior), 2)}]'])]
    for column, name in enumerate(part.names):
        texts.append(_step(name, settings.comparison[name].levels, part.levels[:, column], bits[name]))
    joined = pl.concat_str(texts, separator=",", ignore_nulls=True)
    count = len(chosen)
    return pl.select(pl.lit("[") + joined + pl.lit("]")).to_series() if count else pl.Series(dtype=pl.String)


def _step(name: str, names: list[str], levels: npt.NDArray[np.int8], bits: npt.NDArray[np.float64]) -> pl.Series:
    """One comparison's part of the waterfall per pair; few differ, so that each is written once."""
    known = np.flatnonzero(levels >= 0)
    rounded = np.round(np.round(bits[known], 9), 2)
    code = np.rint(rounded * 100).astype(np.int64) * 8 + levels[known]
    lowest = code.min(initial=0)
    both = np.flatnonzero(np.bincount(code - lowest))
    place = np.zeros(both.max(initial=0) + 1, dtype=np.int64)
    place[both] = np.arange(len(both))
    texts = [f'["{name}","{names[one & 7]}",{(one >> 3) / 100}]' for one in (both + lowest).tolist()]
    found = np.full(len(levels), len(texts), dtype=np.int64)
    found[known] = place[code - lowest]
    return pl.Series([*texts, None], dtype=pl.String).gather(found)


def settled(pairs: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`pairs` with `is_link`: in the auto band once groups of like names are known; a link by the name has its rule.

    `pairs` must hold every pair of the groups that its links lie in.
    """
    numbers, place = np.unique(np.concatenate([pairs[key].to_numpy() for key in _KEYS]), return_inverse=True)
    left, right = place[: len(pairs)], place[len(pairs) :]
    marks = alone.Marks(
        *(pairs[f"is_{name}"].to_numpy() for name in ("alike", "contradiction", "promotable", "demotable"))
    )
    band, promoted = alone.bands(len(numbers), left, right, pairs["base"].to_numpy(), marks, settings)
    own = pl.when(pl.col("rule").is_in([RULE, match_kept.RULE])).then(pl.lit("")).otherwise("rule")
    rule = pl.when(pl.Series(promoted, dtype=pl.Boolean)).then(pl.lit(RULE)).otherwise(own)
    return pairs.with_columns(is_link=pl.Series(band == AUTO, dtype=pl.Boolean), rule=rule)


def matched_rows(pairs: pl.DataFrame, records: pl.DataFrame) -> pl.DataFrame:
    """`pairs` between `records`, by row, with `pair`, the position in `pairs`."""
    rows = records.select("source", "source_id", "row")
    found = pairs.with_row_index("pair")
    for side in ("left", "right"):
        found = found.join(
            rows.rename({"row": side}), left_on=[f"{side}_source", f"{side}_id"], right_on=["source", "source_id"]
        )
    return found.sort("pair")


def refusals(pairs: pl.DataFrame, matched: pl.DataFrame, reasons: list[str]) -> pl.Series:
    """Per pair why its link was not taken, '' for all others."""
    result = [""] * len(pairs)
    for pair, reason in zip(matched["pair"].to_list(), reasons, strict=False):
        result[pair] = reason
    return pl.Series("refused", result, dtype=pl.String)
