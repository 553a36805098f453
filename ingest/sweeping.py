"""Deletes that leave no trace: what a full list of ids lacks is suspected once, deleted the second time."""

from __future__ import annotations

from ingest.index import Index
from ingest.spec import StreamSpec
from ingest.writing import Outcome, Writing

FEW = 5


def settle_missing(stream: StreamSpec, index: Index, writing: Writing, outcome: Outcome) -> list[str] | None:
    """Bury what was missed twice running; the ids missed for the first time. None: stopped, nothing was marked.

    A lost permission looks exactly like a delete, hence the safety stop: more missing than the stream's max_percent
    (and more than a handful), or everything missing.
    """
    missing, alive = index.missing(), index.alive()
    if not missing:
        return []
    allowed = max(FEW, alive * stream.deletes.max_percent / 100)
    if len(missing) > allowed or (len(missing) == alive and alive > 1):
        outcome.warnings.append(
            f"the list of ids lacks {len(missing)} of {alive} known records, more than"
            f" {stream.deletes.max_percent:g} %: nothing was marked deleted."
            " To do: check the integration user's rights; if they are really gone, raise deletes.max_percent"
        )
        return None
    writing.bury(sorted(row_id for row_id, times in missing.items() if times))
    return sorted(row_id for row_id, times in missing.items() if not times)
