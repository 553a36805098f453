"""`c360 up`: scheduler daemon and web app as two processes."""

from __future__ import annotations

from typing import Annotated

import typer

from run import processes
from run.context import Context


def command(
    context: typer.Context,
    port: Annotated[int | None, typer.Option(help="Port; default from c360.toml.")] = None,
) -> None:
    """Run the scheduler daemon and the web app until stopped."""
    state: Context = context.obj
    processes.up(state.instance, port=port, schedule=True)
