"""Pairs of customer records on the matcher's scales, as rows of identity.match_pair."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from model.identity.matching import alone
from model.identity.matching.alone import RULE
from model.identity.matching.compare import Comparer
from model.identity.matching.link import AUTO, REVIEW, Judged
from model.identity.matching.parameters import Parameters, Scales, Weighed
from model.identity.matching.prepare import Prepared
from model.identity.matching.settings import Settings

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_CHUNK = 400_000
# a forbidden pair is worth keeping where it could stand in one cluster over a third record
_LEAST_FORBIDDEN = 0.01
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


def weigh(
    records: pl.DataFrame,
    prepared: Prepared,
    left: Ints,
    right: Ints,
    shared: dict[str, Bools],
    parameters: Parameters,
    settings: Settings,
) -> pl.DataFrame:
    """Rows of SCHEMA for the pairs of rows (left[i] < right[i]) that can matter to a cluster or a person.

    `records` is what `prepared` was made of; `shared`: see link.certain. Each pair's row depends on its two records,
    the parameters and `shared` alone.
    """
    comparer = Comparer(prepared, parameters.statistics)
    scales = Scales(prepared, comparer, parameters.weights, parameters.statistics, shared, settings)
    order = records.with_row_index("row").sort("source", "source_id")["row"].to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    parts = [pl.DataFrame(schema=SCHEMA)]
    for start in range(0, len(left), _CHUNK):
        a, b = left[start : start + _CHUNK], right[start : start + _CHUNK]
        found = scales.weigh(a, b)
        chosen = np.flatnonzero(_matters(found))
        steps = _steps(scales, found, a, b, chosen, settings)
        swap = place[a[chosen]] > place[b[chosen]]
        ends = np.where(swap, b[chosen], a[chosen]), np.where(swap, a[chosen], b[chosen])
        parts.append(_rows(records, found, chosen, ends, steps))
    return pl.concat(parts)


def _matters(found: Weighed) -> Bools:
    judged, marks = found.judged, found.marks
    sure = np.array([bool(rule) for rule in judged.rule], dtype=bool)
    forbidden = np.array([bool(veto) for veto in judged.veto], dtype=bool)
    near = (found.probability >= _LEAST_FORBIDDEN) | (found.compared.of("name") >= 2)
    result: Bools = (judged.band >= REVIEW) | sure | marks.alike | (forbidden & near)
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
        rule=pl.Series([judged.rule[index] for index in chosen.tolist()], dtype=pl.String),
        veto=pl.Series([judged.veto[index] for index in chosen.tolist()], dtype=pl.String),
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
    texts = [pl.format('["prior","",{}]', pl.lit(round(float(scales.prior), 2)))]
    columns: dict[str, pl.Series] = {}
    for column, name in enumerate(part.names):
        columns[f"{name}_bits"] = pl.Series(np.round(np.round(bits[name], 9), 2))
        levels = pl.Series([*settings.comparison[name].levels, None], dtype=pl.String)
        columns[f"{name}_level"] = levels.gather(
            np.where(part.levels[:, column] < 0, len(levels) - 1, part.levels[:, column])
        )
        texts.append(pl.format(f'["{name}","{{}}",{{}}]', f"{name}_level", f"{name}_bits"))
    frame = pl.DataFrame(columns)
    joined = pl.concat_str(texts, separator=",", ignore_nulls=True)
    return frame.select(steps=pl.lit("[") + joined + pl.lit("]"))["steps"]


def settled(pairs: pl.DataFrame, settings: Settings) -> pl.DataFrame:
    """`pairs` with `is_link`: in the auto band once groups of like names are known; a link by the name has its rule.

    `pairs` must hold every pair of the groups that its links lie in.
    """
    numbers = np.unique(np.concatenate([pairs[key].to_numpy() for key in _KEYS])) if len(pairs) else np.zeros(0)
    left, right = (np.searchsorted(numbers, pairs[key].to_numpy()).astype(np.int64) for key in _KEYS)
    marks = alone.Marks(
        *(pairs[f"is_{name}"].to_numpy() for name in ("alike", "contradiction", "promotable", "demotable"))
    )
    rule = pairs["rule"].replace(RULE, "").to_list()
    judged = alone.settle(
        len(numbers), left, right, Judged(pairs["base"].to_numpy(), rule, [""] * len(pairs)), marks, settings
    )
    return pairs.with_columns(
        is_link=pl.Series(judged.band == AUTO, dtype=pl.Boolean), rule=pl.Series(judged.rule, dtype=pl.String)
    )
