"""`c360 replay [SOURCE]`: read the landing again with today's mapping, without asking the source."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from model import conform
from ops.store import stamp
from ops.tables import audit
from run import chain
from run.context import Context


def command(
    context: typer.Context,
    source: Annotated[str | None, typer.Argument(help="A source; all without it.")] = None,
) -> None:
    """Stage everything that landed again (after a mapping was changed), then build and publish."""
    state: Context = context.obj
    if source is not None:
        state.instance.config.source(source)
    names = [source] if source else [item.name for item in state.instance.config.sources]
    for name in names:
        typer.echo(f"{name}: {conform.replay(state.instance, name)}")
        _note(state, name)
    result = chain.ChainResult()
    chain.after_collection(state.instance, result, full=True, progress=typer.echo)
    raise typer.Exit(1 if result.problems else 0)


def _note(state: Context, source: str) -> None:
    values = {"at": stamp(), "actor": state.user, "action": "source.replay", "subject": source}
    with state.instance.store.begin() as connection:
        connection.execute(audit.insert().values(**values, details=json.dumps({"source": source})))
