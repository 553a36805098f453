"""`c360 control`: the receivables shown here against the ERP's own balance."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    as_of: Annotated[str | None, typer.Option(help="Only balances up to this day, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Per currency: shown + quarantined + excluded by class against the ERP's control balance; 1 where they differ."""
    state: Context = context.obj
    state.need_everything("the control balance")
    found = serve.control_balances(state.viewer, state.served, day(as_of, "--as-of"))
    if as_json:
        show_json(found)
    elif not found:
        typer.echo("No source states a balance. To do: fill control_balance.csv, or set control_form (Kingdee).")
    else:
        rows = [
            {**row, **row["excluded"], "counts": ", ".join(row["includes"]) or None,
             "agrees": "yes" if row["agrees"] else "NO"} for row in found
        ]  # fmt: skip
        amounts = [
            "erp_amount", "shown_amount", "quarantined_amount", "not_approved", "void", "later", "provisional",
            "difference",
        ]  # fmt: skip
        table(rows, ["balance_on", "source", "currency", *amounts, "unreadable", "counts", "agrees"],
              right=frozenset({*amounts, "unreadable"}))  # fmt: skip
    raise typer.Exit(0 if all(row["agrees"] for row in found) else 1)
