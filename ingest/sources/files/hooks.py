"""Files: every row of every table is a record, known by its key columns or by its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from ingest import files
from ingest.errors import ContractError
from ingest.hooks import Call
from ingest.writing import Batch


def pages(call: Call, _state: Any) -> Iterator[Batch]:
    """All rows, in pages; then the ids that are no longer there. Reading starts over after a kill."""
    known = files.living(call.home, call.source, "rows")
    yield from files.batches(_tables(call), call.settings["key"], known)


def _tables(call: Call) -> Iterator[tuple[Path, pl.DataFrame]]:
    settings = call.settings
    for path in files.tables(Path(settings["path"])):
        frame = files.read_table(path, separator=settings["separator"], sheet=settings["sheet"] or None)
        missing = [name for name in settings["key"] if name not in frame.columns]
        if missing:
            raise ContractError(
                f"{path.name}: key column(s) missing: {', '.join(missing)}",
                valid=", ".join(frame.columns),
                remedy="correct the file or the setting `key` of the source",
            )
        yield path, frame
