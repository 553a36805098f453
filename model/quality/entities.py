"""What quality rules are about: a SELECT per canonical entity, as entities.toml has it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

import sqlglot
from sqlglot import exp

KEYS = ("customer_key", "source", "source_id")
# the check of a credit code (GB 32100): the weighted sum of its characters' values is a multiple of 31
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28, 1)


@cache
def relations() -> dict[str, str]:
    """Entity → SELECT of its living records: KEYS and the columns that rules may name."""
    raw = tomllib.loads(Path(__file__).with_name("entities.toml").read_text(encoding="utf-8"))
    terms = " +\n            ".join(
        f"(strpos('{_ALPHABET}', substr(living.uscc, {place}, 1)) - 1) * {weight}"
        for place, weight in enumerate(_WEIGHTS, start=1)
    )
    return {name: entry["sql"].strip().replace("{uscc_sum}", terms) for name, entry in raw.items()}


@cache
def columns(entity: str) -> tuple[str, ...]:
    """The columns of the entity's SELECT, KEYS included."""
    tree = sqlglot.parse_one(relations()[entity], read="duckdb")
    if not isinstance(tree, exp.Query):
        raise TypeError(f"entities.toml: {entity} is not a SELECT")
    return tuple(tree.named_selects)
