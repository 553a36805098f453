"""Files: every row of every table is a record, known by its key columns or by its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from ingest import deliveries, files, folders
from ingest.hooks import Call
from ingest.writing import Batch


def pages(call: Call, _state: Any) -> Iterator[Batch]:
    """The rows, in pages; the ids that are no longer there. Reading starts over after a kill."""
    named = str(call.settings["pattern"]) != "*"
    suffixes = files.SUFFIXES + files.OTHERS + ((".txt",) if named else ())
    folder, pattern = folders.open_folder(call, suffixes)
    with closing(folder):
        yield from deliveries.batches(call, folder, pattern, suffixes)
