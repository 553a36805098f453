"""The shipped settings of the matcher, validated."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bands(_Strict):
    """Probabilities from which a pair is linked, and from which a person sees it."""

    auto: float
    review: float
    name_in_town: float


class Estimation(_Strict):
    """How far the records at hand may move the shipped probabilities."""

    rounds: int
    prior_pairs: float
    prior_share: float
    sample_pairs: int
    least_matches_per_record: float
    most_matches_per_record: float


class Blocking(_Strict):
    """How many candidate pairs a rule may bring before values are refused."""

    all_pairs_up_to: int
    pairs_per_record: int
    pairs_at_least: int
    pairs_at_most: int
    standing_pairs_per_record: int
    largest_block: int


class Guards(_Strict):
    """What keeps clusters from growing over weak links."""

    largest_cluster: int
    cohesion: float
    names_per_identifier: int
    duplicate_free_below: float
    least_name_score: float
    largest_group_of_one_name: int


class Comparison(_Strict):
    """Levels of one field, lowest first, with m and u of each."""

    levels: list[str]
    m: list[float]
    u: list[float]
    u_fixed: bool = False
    tf: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Comparison:
        if not len(self.levels) == len(self.m) == len(self.u):
            raise ValueError("levels, m and u must have one entry per level")
        for name, values in (("m", self.m), ("u", self.u)):
            if min(values) <= 0 or abs(sum(values) - 1) > 0.001:
                raise ValueError(f"{name} must be positive and sum to 1, sums to {sum(values)}")
        return self


class Settings(_Strict):
    """settings.toml."""

    bands: Bands
    estimation: Estimation
    blocking: Blocking
    guards: Guards
    comparison: dict[str, Comparison]


@cache
def shipped() -> Settings:
    """The settings the product ships with."""
    path = Path(__file__).with_name("settings.toml")
    return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
