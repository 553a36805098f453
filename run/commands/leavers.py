"""`c360 leavers`: customers whose account manager has left or is unknown, with what is at stake."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from model.serve.leavers import WHY
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    why: Annotated[str | None, typer.Option(help=f"Only one reason: {', '.join(WHY)}.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many customers.", min=1)] = 500,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Customers without an account manager who still works here, most money first, with a suggested successor."""
    state: Context = context.obj
    found = serve.leavers(state.viewer, state.served, why=why, limit=limit)
    if as_json:
        show_json(found)
        return
    rows = [
        {**row, "owner": row["owner"]["name"] or row["owner"]["id"],
         "successor": f"{row['successor']['name']} ({row['successor']['basis']})" if row["successor"] else None}
        for row in found["rows"]
    ]  # fmt: skip
    amounts = frozenset({"open_amount", "overdue_amount", "contracts_due"})
    columns = ["customer_key", "name", "why", "owner", "open_amount", "overdue_amount", "contracts_due", "successor"]
    table(rows, columns, right=amounts)
    typer.echo(f"{found['total']} customers; amounts in {found['currency']}")
