"""`c360 builds`: the published builds that are kept."""

from __future__ import annotations

from typing import Annotated

import typer

from model import publish
from run.context import Context, show_json, table


def command(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List kept builds; the current one is what everybody sees."""
    state: Context = context.obj
    rows = publish.builds(state.instance)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["version", "published_at", "current", "rows"], right=frozenset({"rows"}))
