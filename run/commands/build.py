"""`c360 build [--full]`: bring the warehouse up to the landing and publish it."""

from __future__ import annotations

from typing import Annotated

import typer

from ops.progress import quiet
from run import chain
from run.context import Context, show_json


def command(
    context: typer.Context,
    full: Annotated[bool, typer.Option(help="Rebuild everything instead of the customers that changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Stage what landed, rebuild what changed, publish a new build and judge the alert rules on it."""
    state: Context = context.obj
    result = chain.ChainResult()
    chain.after_collection(state.instance, result, full=full, progress=quiet if as_json else typer.echo)
    if as_json:
        show_json({"build": vars(result.build) if result.build else None, "problems": result.problems})
    elif result.build is not None:
        typer.echo(f"Published build {result.build.version}.")
    raise typer.Exit(1 if result.problems else 0)
