"""`c360 exposure`: what customers could cost, by component, against their credit limits."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

_PARTS = (
    "invoiced_open", "delivered_not_invoiced", "undelivered_orders", "unmatured_bills", "advances", "exposure",
)  # fmt: skip


def command(
    context: typer.Context,
    customer: Annotated[str | None, typer.Argument(help="A code, a name or a customer key; default all.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Credit exposure: invoiced, delivered, ordered, bills less advances, with limits, holds and hold proposals."""
    state: Context = context.obj
    key = serve.resolve(state.viewer, state.served, customer) if customer else None
    found = serve.exposure(state.viewer, state.served, key, day(as_of, "--as-of"))
    if as_json:
        show_json(found)
        return
    typer.echo(f"As of {found['as_of']}, by {found['order_state']}")
    rows = [
        {"name": row["name"], "limit": (row["limit"] or {}).get("amount"), "percent": row["percent"],
         "is_on_hold": "hold" if row["is_on_hold"] else None, **part}
        for row in found["rows"] for part in row["by_currency"]
    ]  # fmt: skip
    columns = ["name", "currency", *_PARTS, "limit", "percent", "is_on_hold"]
    table(rows[:50], columns, right=frozenset({*_PARTS, "limit", "percent"}))
    if isinstance(found["proposals"], list) and found["proposals"]:
        typer.echo("Proposals:")
        table(found["proposals"], ["action", "name", "percent", "exposure", "currency"])
