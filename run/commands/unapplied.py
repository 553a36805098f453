"""`c360 unapplied`: money that nobody allocated, and what it was probably for."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

COLUMNS = ["number", "received_on", "name", "currency", "left_amount", "payer_name", "suggestion", "score", "told"]


def command(
    context: typer.Context,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Receipts with something left to allocate and the best suggestion for each; finance allocates in the ERP."""
    state: Context = context.obj
    found = serve.unapplied(state.viewer, state.served, day(as_of, "--as-of"))
    if as_json:
        show_json(found)
        return
    rows = []
    for row in found:
        best = row["suggestions"][0] if row["suggestions"] else None
        numbers = ", ".join(str(item["invoice_number"]) for item in best["items"]) if best else None
        rows.append(row | {"suggestion": best and f"{best['reason']}: {numbers}", "score": best and best["score"],
                           "told": row["told"] and row["told"]["state"]})  # fmt: skip
    table(rows, COLUMNS, right=frozenset({"left_amount", "score"}))
