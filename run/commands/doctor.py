"""`c360 check` and `c360 doctor` look at an instance from outside."""

from __future__ import annotations

import typer

from model import delivery, publish
from model.identity import match_due
from ops.errors import C360Error
from run.commands import check
from run.context import Context


def command(context: typer.Context) -> None:
    """Check configuration, store, landing and the served build; say what to do about each problem."""
    state: Context = context.obj
    problems = check.problems(state.instance)
    try:
        current = publish.current(state.instance)
        typer.echo(f"served build: {current.version}")
        problems += delivery.problems(state.instance)
        for note in delivery.notes(state.instance) + match_due.notes(state.instance, current):
            typer.echo(f"note: {note}")
    except C360Error as error:
        problems.append(str(error))
    for problem in problems:
        typer.echo(f"problem: {problem}")
    typer.echo("Nothing to do." if not problems else f"{len(problems)} problem(s).")
    raise typer.Exit(1 if problems else 0)
