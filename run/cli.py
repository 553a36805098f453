"""The `c360` command. Every file of `run/commands/` is one command: a function `command` or a typer group `app`.

Exit status: 0 fine, 1 failed, 2 misuse.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.errors import C360Error, FatalError
from run.context import Context
from run.lazy import LazyGroup

app = typer.Typer(
    name="c360",
    cls=LazyGroup,
    help="Customer 360: collect, build, publish and show what is going on with every customer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[Path, typer.Option(help="The instance folder.", envvar="C360_HOME")] = Path("instance"),
    user: Annotated[
        str, typer.Option("--as", help="Act as this user: rows and masks are theirs.", envvar="C360_USER")
    ] = "operator",
) -> None:
    """Options that every command understands."""
    context.obj = Context(home=home, user=user)


def main() -> None:
    """Run the command line; a C360Error becomes one readable line and exit status 1 (2 for misuse)."""
    try:
        app()
    except C360Error as error:
        typer.echo(f"c360: {error}", err=True)
        sys.exit(2 if isinstance(error, FatalError) and error.valid else 1)
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
