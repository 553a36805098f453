"""`c360 ratios`: DSO, CEI and the other receivables figures per currency."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

_COLUMNS = (
    "dso_ratio", "dso_countback", "best_possible_dso", "add", "cei", "overdue_ratio", "largest_10_percent",
    "herfindahl", "weighted_days_late", "write_offs", "recoveries", "nrr", "grr",
)  # fmt: skip


def command(
    context: typer.Context,
    start: Annotated[str | None, typer.Option("--from", help="First day, ISO; default three months back.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, ISO; default today.")] = None,
    include: Annotated[
        str, typer.Option(help="Switch into the basis: bills, retention, provisional, unallocated, credits, prepaid.")
    ] = "",
    rows: Annotated[
        str | None, typer.Option(help="The documents behind an input: receivables, not_due, overdue, sales …")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of --rows; default the company's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """DSO (ratio, count-back, best possible), ADD, CEI, overdue ratio, concentration, days late; null if undefined."""
    state: Context = context.obj
    chosen = [name for name in include.split(",") if name]
    found = serve.ratios(state.viewer, state.served, day(start, "--from"), day(end, "--to"), chosen)
    if rows is not None:
        first, last = found[0]["period"] if found else (state.served.today(), state.served.today())
        code = currency or state.instance.config.base_currency
        listed = serve.ratio_rows(state.viewer, state.served, rows, code, first, last, chosen)
        if as_json:
            show_json(listed)
            return
        table(listed, ["number", "name", "dated_on", "due_on", "amount", "currency"], right=frozenset({"amount"}))
        return
    if as_json:
        show_json(found)
        return
    if found:
        typer.echo("Basis: " + ", ".join(f"{name} {how}" for name, how in found[0]["basis"].items()))
    table([_printed(row) for row in found], ["currency", *_COLUMNS], right=frozenset(_COLUMNS))


def _printed(row: dict[str, Any]) -> dict[str, Any]:
    beyond = row["dso_countback_is_beyond_history"] and row["dso_countback"] is not None
    return {**row, "dso_countback": f"> {row['dso_countback']}" if beyond else row["dso_countback"]}
