"""Landed runs by hand, and what readers meet of them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from ingest import landing
from ops.instance import Instance, InstanceConfig

SOURCE, STREAM = "src", "things"


def fill(home: Path, runs: int, *, seed: int = 1, parts: int = 2, **config: Any) -> Instance:
    """An instance whose source has landed `runs` runs of a few rows: new ones, changed ones, deleted ones."""
    source = {"name": SOURCE, "connector": "template", "role": "files"}
    made = Instance.create(home, InstanceConfig.model_validate({"source": [source], **config}))
    dice = random.Random(seed)
    for number in range(runs):
        add_run(made, dice, f"20260101T{number:012d}Z-0000-aaaaaa", parts)
    return made


def add_run(made: Instance, dice: random.Random, run_id: str, parts: int = 2) -> None:
    """One committed run."""
    writer = begun(made, dice, run_id, parts)
    writer.commit({"cursor": {"watermark": run_id}, "merges": [["r1", run_id]], "suspected": None})
    writer.close()


def begun(made: Instance, dice: random.Random, run_id: str, parts: int = 2) -> landing.RunWriter:
    """A run with its parts, not yet committed."""
    writer = landing.RunWriter(made.landing, SOURCE, STREAM, run_id)
    for _ in range(parts):
        rows: list[landing.Row] = []
        for _ in range(dice.randrange(1, 6)):
            is_gone = dice.random() < 0.2
            text = b"{}" if is_gone else f'{{"v":"{dice.random()} 北辰"}}'.encode()
            rows.append((f"r{dice.randrange(20)}", text, f"{dice.random()}", is_gone))
        writer.add(rows, dice.choice([None, "p1"]))
        writer.flush({})
    writer.settle()
    return writer


def rows(made: Instance) -> list[tuple[str, int, list[tuple[Any, ...]]]]:
    """Every row of every part of every run, in the order in which readers meet them."""
    found = []
    for run_id in landing.runs(made.landing, SOURCE, STREAM):
        parts = landing.parts(made.landing, SOURCE, STREAM, run_id)
        found += [(f"{run_id}/{part.name}", part.rows, part.read().rows()) for part in parts]
    return found


def told(made: Instance) -> list[dict[str, Any]]:
    """The manifests without where their parts stand."""
    every = [landing.manifest(made.landing, SOURCE, STREAM, one) for one in landing.runs(made.landing, SOURCE, STREAM)]
    return [{**one, "parts": [part["name"] for part in one["parts"]]} for one in every]


def files(made: Instance) -> list[str]:
    """The files of rows."""
    folder = made.landing / SOURCE / STREAM
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet*"))
