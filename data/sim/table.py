"""The data set of a simulated vendor: rows in the vendor's own shape, changed as its users would change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

Record = dict[str, Any]
Write = Callable[[datetime], Any]
START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
NOW = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)


def iso(moment: datetime) -> str:
    """2026-05-04T08:00:00Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def iso_ms(moment: datetime) -> str:
    """2026-05-04T08:00:00.000Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


class Clock:
    """The vendor's own clock; tests set it and the collector's together."""

    def __init__(self) -> None:
        self.now = NOW

    def advance(self, **span: float) -> datetime:
        """Let time pass (keywords of timedelta); the new instant."""
        self.now += timedelta(**span)
        return self.now


def get(row: Record, path: str) -> Any:
    """The value at a dotted path, None when it is not there."""
    value: Any = row
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def put(row: Record, path: str, value: Any) -> None:
    """Set the value at a dotted path; tables on the way must be there."""
    *way, last = path.split(".")
    for key in way:
        row = row[key]
    row[last] = value


class Table:
    """One object of the vendor.

    `stamps` are the paths that move with a change, `write` how the vendor writes an instant, `label` a text field that
    a user edits. `gone` holds what was deleted, as it last was.
    """

    def __init__(
        self,
        clock: Clock,
        rows: Iterable[Record],
        *,
        key: str = "id",
        stamps: tuple[str, ...] = (),
        label: str = "name",
        write: Write = iso,
    ) -> None:
        self.clock, self.key, self.stamps, self.label, self.write = clock, key, stamps, label, write
        self.rows: dict[str, Record] = {}
        self.gone: dict[str, Record] = {}
        self.changed: dict[str, datetime] = {}
        for place, row in enumerate(rows):
            self._stamp(row, START + timedelta(minutes=37 * place))
            self.rows[str(get(row, key))] = row

    def _stamp(self, row: Record, moment: datetime) -> None:
        for path in self.stamps:
            put(row, path, self.write(moment))
        self.changed[str(get(row, self.key))] = moment

    @property
    def made(self) -> int:
        """How many rows there ever were: no vendor gives an id twice."""
        return len(self.rows) + len(self.gone)

    def add(self, row: Record, *, late_s: float = 0) -> str:
        """A new row, stamped now (or `late_s` earlier: a transaction that was long in committing); its id."""
        row_id = str(get(row, self.key))
        if row_id in self.gone:
            raise ValueError(f"{row_id} was deleted: ids are given once")
        self._stamp(row, self.clock.now - timedelta(seconds=late_s))
        self.rows[row_id] = row
        return row_id

    def like(self, new_id: Any, **late: float) -> str:
        """A copy of the first row under another id, added as `add` does."""
        row = deepcopy(next(iter(self.rows.values())))
        put(row, self.key, new_id)
        return self.add(row, **late)

    def edit(self, row_id: str, *, late_s: float = 0, **changes: Any) -> None:
        """Change fields (the label when none is given) and move the stamps."""
        row = self.rows[row_id] = deepcopy(self.rows[row_id])
        for path, value in (changes or {self.label: f"{get(row, self.label)} (changed)"}).items():
            put(row, path.replace("__", "."), value)
        self._stamp(row, self.clock.now - timedelta(seconds=late_s))

    def quietly(self, row_id: str, **changes: Any) -> None:
        """Change fields and move no stamp, as a write-off or a recomputed field does."""
        row = self.rows[row_id] = deepcopy(self.rows[row_id])
        for path, value in changes.items():
            put(row, path.replace("__", "."), value)

    def remove(self, row_id: str) -> None:
        """Delete a row; the deletion is a change of its own."""
        row = self.gone[row_id] = deepcopy(self.rows.pop(row_id))
        self._stamp(row, self.clock.now)

    def restore(self, row_id: str) -> None:
        """Take a deletion back."""
        self.add(self.gone.pop(row_id))

    def since(self, moment: datetime, *, gone: bool = False) -> list[Record]:
        """Rows changed at or after `moment`, by stamp and then id."""
        rows = self.gone if gone else self.rows
        found = [row_id for row_id in rows if self.changed[row_id] >= moment]
        return [rows[row_id] for row_id in sorted(found, key=lambda row_id: (self.changed[row_id], _order(row_id)))]

    def ordered(self, *, gone: bool = False) -> list[Record]:
        """Rows by id; numbers in the order of numbers."""
        rows = self.gone if gone else self.rows
        return [rows[row_id] for row_id in sorted(rows, key=_order)]


def _order(row_id: str) -> tuple[int, str]:
    return (int(row_id), "") if row_id.isdigit() else (0, row_id)
