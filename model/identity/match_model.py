"""The matcher's parameters as versions: kept below the instance's models/, listed in the operational store.

A version is named after its content, so that training again on the same records changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy import select, update

from model.identity.matching.parameters import Parameters
from model.identity.matching.settings import shipped
from model.identity.matching.statistics import restore
from model.identity.matching.weights import Weights
from ops.errors import FatalError
from ops.instance import Instance
from ops.store import stamp
from ops.tables import model_versions

MODEL = "identity"
_REFUSED = "refused "  # begins the kind of the refused values, before their rule


@dataclass(frozen=True)
class Matcher:
    """One version: `card` as stored, and its parameters, read when first needed."""

    version: str
    path: Path
    card: dict[str, Any]

    @cached_property
    def parameters(self) -> Parameters:
        """The parameters; FatalError where their file is missing."""
        if not self.path.is_file():
            raise FatalError(
                f"the file of the identity parameters {self.path} is missing", remedy="run `c360 identity train` again"
            )
        frame = pl.read_parquet(self.path)
        return Parameters(
            Weights(_arrays(self.card["m"]), _arrays(self.card["u"]), float(self.card["share"])),
            restore(int(self.card["records"]), frame),
            {str(rule): int(cap) for rule, cap in self.card["caps"].items()},
            frozenset(self.card["duplicate_free"]),
            _refused(frame),
        )


def _arrays(values: dict[str, list[float]]) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    return {name: np.array(levels, dtype=np.float64) for name, levels in values.items()}


def _refused(frame: pl.DataFrame) -> pl.DataFrame:
    """The refused values in the file of a version; none in those of versions that held lowered caps instead."""
    found = frame.filter(pl.col("kind").str.starts_with(_REFUSED))
    return found.select(rule=pl.col("kind").str.strip_prefix(_REFUSED), value="value", count="count")


def current(instance: Instance) -> Matcher | None:
    """The version in use; None where none was trained, or only one by a version of the product with other fields."""
    with instance.store.read() as connection:
        row = connection.execute(
            select(model_versions).where(model_versions.c.model == MODEL, model_versions.c.is_current)
        ).first()
    if row is None:
        return None
    card = json.loads(row.card)
    levels = {name: len(comparison.levels) for name, comparison in shipped().comparison.items()}
    if {name: len(values) for name, values in card["m"].items()} != levels:
        return None
    return Matcher(str(row.version), instance.models / str(row.path), card)


def keep(instance: Instance, parameters: Parameters, labels: int, sources: Sequence[str]) -> Matcher:
    """Store `parameters` as the current version; `labels`: steward decisions that went into them; `sources`: whose
    records they were estimated on."""
    refused = parameters.refused.select(kind=_REFUSED + pl.col("rule"), value="value", count="count")
    frame = pl.concat([parameters.statistics.frame(), refused])
    card: dict[str, Any] = {
        "records": parameters.statistics.size,
        "labels": labels,
        "sources": [*sources],
        "share": parameters.weights.share,
        "m": {name: values.tolist() for name, values in parameters.weights.m.items()},
        "u": {name: values.tolist() for name, values in parameters.weights.u.items()},
        "caps": parameters.caps,
        "duplicate_free": sorted(parameters.duplicate_free),
    }
    digest = hashlib.blake2b(json.dumps(card, sort_keys=True).encode(), digest_size=8)
    for column in frame.columns:
        digest.update("\n".join(map(str, frame[column].to_list())).encode())
    version = f"{MODEL}-{digest.hexdigest()}"
    card["model_version"] = version
    instance.models.mkdir(parents=True, exist_ok=True)
    path = instance.models / f"{version}.parquet"
    temporary = path.with_suffix(".tmp")
    frame.write_parquet(temporary, compression="zstd")
    temporary.replace(path)
    row = {
        "model": MODEL,
        "version": version,
        "trained_at": stamp(),
        "is_current": True,
        "card": json.dumps(card, ensure_ascii=False),
        "path": path.name,
    }
    with instance.store.begin() as connection:
        connection.execute(update(model_versions).where(model_versions.c.model == MODEL).values(is_current=False))
        instance.store.upsert(connection, model_versions, row, ["model", "version"])
    return Matcher(version, path, card)
