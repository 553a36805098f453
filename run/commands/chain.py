"""`c360 chain`: contract, order, shipment, invoice and receipt of one customer, with what is still to come."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

_AMOUNTS = (
    "contract_amount", "ordered", "shipped", "invoiced", "collected", "not_yet_invoiced", "not_yet_paid", "retention",
)  # fmt: skip


def command(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(help="A code, a name or a customer key.")],
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Per contract and order: ordered, shipped, invoiced, collected, not yet invoiced, not yet paid, retention."""
    state: Context = context.obj
    key = serve.resolve(state.viewer, state.served, customer)
    found = serve.chain(state.viewer, state.served, key, day(as_of, "--as-of"))
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['name']}, as of {found['as_of']}")
    table(found["chains"], ["contract_number", "order_number", "currency", *_AMOUNTS], right=frozenset(_AMOUNTS))
