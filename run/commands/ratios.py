"""`c360 ratios`: DSO, CEI and the other receivables figures per currency."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    start: Annotated[str | None, typer.Option("--from", help="First day, ISO; default three months back.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """DSO (ratio, count-back, best possible), ADD, CEI, overdue ratio, NRR and GRR; null where undefined."""
    state: Context = context.obj
    rows = serve.ratios(state.viewer, state.served, day(start, "--from"), day(end, "--to"))
    if as_json:
        show_json(rows)
        return
    columns = [
        "currency",
        "dso_ratio",
        "dso_countback",
        "best_possible_dso",
        "add",
        "cei",
        "overdue_ratio",
        "nrr",
        "grr",
    ]
    table(rows, columns, right=frozenset(columns[1:]))
