"""Files: every row of every table is a record, known by its key columns or by its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest import files
from ingest.errors import ContractError
from ingest.hooks import Call


def pages(call: Call, _state: Any) -> Iterator[list[dict[str, Any]]]:
    """All rows, in pages; then the ids that are no longer there. Reading starts over after a kill."""
    known = files.living(call.home, call.source, "rows")
    yield from files.paged(_rows(call), known)


def _rows(call: Call) -> Iterator[dict[str, Any]]:
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
        for row in files.records(frame, path):
            parts = [row[name] for name in settings["key"]] or [row["_file"], row["_row"]]
            yield {"_id": ":".join(str(part) for part in parts), **row}
