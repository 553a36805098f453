"""`c360 serve`: the web app alone."""

from __future__ import annotations

from typing import Annotated

import typer

from run import processes
from run.context import Context


def command(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port; default from c360.toml.")] = None,
) -> None:
    """Serve the app (without collecting)."""
    state: Context = context.obj
    processes.up(state.instance, port=port, schedule=False)
