"""What a command knows: the instance folder and who is asking; and how it prints."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ops.errors import FatalError

if TYPE_CHECKING:
    from model.policy import Viewer
    from model.serve import Served
    from ops.instance import Instance


@dataclass
class Context:
    """The instance folder and the user of this call; both are opened on first use."""

    home: Path
    user: str

    @cached_property
    def instance(self) -> Instance:
        """The opened instance."""
        # imported here as below: most of a command's start is imports, and many commands need none of these
        from ops.instance import Instance

        return Instance.load(self.home)

    @cached_property
    def viewer(self) -> Viewer:
        """Whose rows and masks hold for this call."""
        from model import serve

        return serve.sign_in(self.instance, self.user)

    def need_everything(self, what: str) -> None:
        """FatalError unless this call's user sees all customers: `what` is not kept apart by owner."""
        if self.viewer.scope != "all":
            raise FatalError(f"{what} is about all customers, and {self.user} does not see all", valid="operator")

    @cached_property
    def served(self) -> Served:
        """The published build."""
        from model import serve

        return serve.open_published(self.instance)


def plain(value: Any) -> Any:
    """`value` ready for JSON: decimals as plain strings, dates and instants as ISO text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def show_json(value: Any) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2, default=str))


def table(
    rows: list[dict[str, Any]],
    columns: list[str],
    *,
    right: frozenset[str] = frozenset(),
    titles: dict[str, str] | None = None,
) -> None:
    """Print rows as an aligned table, `titles` (default: the columns) above; a Han character is two columns wide.

    Columns of numbers stand right, like those named in `right`; a decimal keeps two places and any that say something.
    """
    if not rows:
        typer.echo("(nothing)")
        return
    right = right | {column for column in columns if _is_numeric([row.get(column) for row in rows])}
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heads = [(titles or {}).get(column, column) for column in columns]
    widths = [max(_width(head), *(_width(line[i]) for line in cells)) for i, head in enumerate(heads)]
    for line in [heads, *cells]:
        parts = [_pad(text, widths[i], right=columns[i] in right and line is not heads) for i, text in enumerate(line)]
        typer.echo("  ".join(parts).rstrip())


def _is_numeric(values: list[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(value, int | float | Decimal) and value is not True and value is not False for value in known
    )


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        whole, _, places = f"{value:f}".partition(".")
        return f"{whole}.{places[:2]}{places[2:].rstrip('0')}" if places else whole
    return "—" if value is None else str(plain(value))


def _width(text: str) -> int:
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)


def _pad(text: str, width: int, *, right: bool) -> str:
    gap = " " * (width - _width(text))
    return gap + text if right else text + gap
