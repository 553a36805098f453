"""`c360 identity [history]`: which source records are one customer, and why."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import select

from ops.tables import registry_history
from run.context import Context, show_json, table

app = typer.Typer(help="Which source records are one customer.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Identity."""


@app.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many events.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Golden ids created, merged, split and retired, newest first."""
    state: Context = context.obj
    statement = select(registry_history).order_by(registry_history.c.event_id.desc()).limit(limit)
    with state.instance.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public row view
    if as_json:
        show_json(rows)
    else:
        table(rows, ["at", "kind", "event", "golden_key", "other_key"])
