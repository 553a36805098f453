"""`c360 sync [SOURCE[/STREAM]]`: collect now."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest import collect
from model import conform
from ops.progress import quiet
from run import chain
from run.context import Context, show_json


def command(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(help="SOURCE or SOURCE/STREAM; all sources without it.")] = None,
    full: Annotated[bool, typer.Option(help="Read everything again instead of what changed.")] = False,
    build: Annotated[bool, typer.Option(help="Build, publish and judge alerts afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Collect one source, one stream or everything; then build and publish."""
    state: Context = context.obj
    progress = quiet if as_json else typer.echo
    result = chain.ChainResult()
    source, _, stream = (target or "").partition("/")
    with conform.Early(state.instance) as early:
        watch = early if build else None
        if stream:
            result.runs = collect.sync(state.instance, source, stream, full=full, watch=watch)
        else:
            sources = [source] if source else None
            result.runs = chain.gather(state.instance, sources, full=full, progress=progress, watch=watch)
        result.problems = chain.problems(result.runs)
        if build:
            chain.after_collection(state.instance, result, progress=progress, early=early)
    if as_json:
        show_json({"runs": [vars(run) for run in result.runs], "problems": result.problems})
    else:
        for problem in result.problems:
            typer.echo(f"problem: {problem}", err=True)
    raise typer.Exit(1 if result.problems else 0)
