"""`c360 status`: is every source fresh, and which build is served."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.context import Context, show_json, table


def command(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the served build and every source: state, last success, rows, rejects, next run."""
    state: Context = context.obj
    answer = serve.status(state.viewer, state.served)
    if as_json:
        show_json(answer)
        return
    build = answer["build"]
    typer.echo(f"Build {build['version']}, published {build['published_at']}")
    columns = [
        "source",
        "state",
        "last_success_at",
        "age_s",
        "rows_landed",
        "rows_staged",
        "rejected",
        "next_run_at",
    ]
    numbers = frozenset({"age_s", "rows_landed", "rows_staged", "rejected"})
    table(answer["sources"], columns, right=numbers)
