"""`c360 entitlement SERIAL`: whether a device is in warranty or in a service contract, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from model.serve.entitled_words import why
from run.commands.aging import day
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    serial: Annotated[
        str, typer.Argument(help="Serial number, in any spelling: case, blanks and hyphens do not count.")
    ],
    customer: Annotated[str | None, typer.Option(help="Asked by this customer: a code, a name or a key.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verdict on a serial number: in warranty, in contract, out of both, returned, another customer's, unknown."""
    from ops.texts import text

    state: Context = context.obj
    key = serve.resolve(state.viewer, state.served, customer) if customer else None
    found = serve.entitlement(state.viewer, state.served, serial, key, day(as_of, "--as-of"))
    if as_json:
        show_json(found)
        return
    typer.echo(f"{serial}, as of {found['as_of']}: {text('en', 'enum.entitled.' + found['verdict'])}")
    typer.echo(f"  {why('en', found)}")
    if found["device"]:
        named = [found["device"]["product_code"], found["device"]["product_name"]]
        typer.echo(f"  {' '.join(str(one) for one in named if one)}".rstrip())
    if found["customer"]:
        typer.echo(f"  {found['customer']['customer_key']}  {found['customer']['name']}")
    table(found["records"], ["entity", "source", "source_id", "number"])
