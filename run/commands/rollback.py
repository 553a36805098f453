"""`c360 rollback VERSION`: serve an earlier build again."""

from __future__ import annotations

from typing import Annotated

import typer

from model import publish
from run.context import Context


def command(
    context: typer.Context,
    version: Annotated[str, typer.Argument(help="A version that `c360 builds` lists.")],
) -> None:
    """Move the pointer to an earlier build; alerts neither fire nor cure by it."""
    state: Context = context.obj
    publish.rollback(state.instance, version)
    typer.echo(f"Build {version} is served now.")
