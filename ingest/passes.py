"""Further lists that hold deleted records only: believed unless they look like a filter that the source ignores."""

from __future__ import annotations

from ingest.index import Index
from ingest.spec import StreamSpec
from ingest.sweeping import FEW
from ingest.writing import Outcome, Writing


def settle_listed(stream: StreamSpec, index: Index, writing: Writing, outcome: Outcome, listed: list[str]) -> None:
    """Bury the records that such a list named; `listed` are those of them that are known and living.

    Nothing is buried when the stream's own list, read in the same run, names half of them too, or when they are more
    than the stream's max_percent (and more than a handful). A record that both lists name, because it was deleted
    while one read, waits for the next run.
    """
    both = index.seen(listed)
    allowed = max(FEW, index.alive() * stream.deletes.max_percent / 100)
    if listed and 2 * len(both) >= len(listed):
        outcome.warnings.append(
            f"a list of deleted records names {len(listed)} living ones, the stream's own list {len(both)} of them:"
            " nothing was marked deleted. To do: the source may ignore the filter of deletes.passes; look at its answer"
        )
    elif len(listed) > allowed:
        outcome.warnings.append(
            f"a list of deleted records names {len(listed)} of {index.alive()} known ones, more than"
            f" {stream.deletes.max_percent:g} %: nothing was marked deleted."
            " To do: if they are really gone, raise deletes.max_percent"
        )
    else:
        writing.bury(sorted(set(listed) - both))
