"""Bucket sets of an aging: the default by days past due, 账龄 by years since recognition, and a company's own edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from model.receivables.items import BUCKETS, OVERDUE, bucket_sql
from ops.errors import FatalError

_YEARS = ((1, "within_1y"), (2, "1-2y"), (3, "2-3y"), (4, "3-4y"), (5, "4-5y"))


@dataclass(frozen=True)
class BucketSet:
    """Names of the buckets, oldest last except those without a date, and the expression that assigns them."""

    name: str
    names: tuple[str, ...]
    overdue: frozenset[str]
    sql: str


def default() -> BucketSet:
    """Not due, 1–30 … over 365, term not started, no due date."""
    return BucketSet("default", BUCKETS, OVERDUE, bucket_sql("days_past_due", "is_term_open"))


def years() -> BucketSet:
    """账龄: up to 1, 1–2, 2–3, 3–4, 4–5 and over 5 years since recognition; an anniversary still counts as within."""
    whens = " ".join(
        f"when recognised_on >= cast($as_of - interval {years} year as date) then '{name}'" for years, name in _YEARS
    )
    names = (*(name for _, name in _YEARS), "over_5y")
    return BucketSet("years", names, frozenset(), f"case {whens} else 'over_5y' end")


def own(edges: Sequence[int]) -> BucketSet:
    """Buckets by a company's own day edges, such as 15, 45, 90; FatalError unless they rise from at least 1."""
    if not edges or list(edges) != sorted(set(edges)) or edges[0] < 1:
        raise FatalError(f"bucket edges {list(edges)} do not rise from 1", valid="such as 30,60,90,180")
    lows = [1, *(edge + 1 for edge in edges[:-1])]
    ranges = [f"{low}-{high}" for low, high in zip(lows, edges, strict=True)]
    last = f"over_{edges[-1]}"
    whens = " ".join(f"when days_past_due <= {high} then '{name}'" for high, name in zip(edges, ranges, strict=True))
    sql = (
        "case when days_past_due is null and is_term_open then 'term_not_started' "
        "when days_past_due is null then 'no_due_date' when days_past_due <= 0 then 'not_due' "
        f"{whens} else '{last}' end"
    )
    names = ("not_due", *ranges, last, "term_not_started", "no_due_date")
    return BucketSet("own", names, frozenset({*ranges, last}), sql)


def choose(basis: str, edges: Sequence[int] | None) -> BucketSet:
    """The set for an aging: own edges where given, years for the recognition basis, else the default."""
    if edges:
        return own(edges)
    return years() if basis == "recognition" else default()
