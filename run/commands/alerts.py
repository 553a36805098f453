"""`c360 alerts [list|send]`: overdue alerts per owner, and their delivery."""

from __future__ import annotations

from typing import Annotated

import typer

from model import delivery, serve
from run.context import Context, show_json, table

app = typer.Typer(help="Alerts about customers, and their delivery.", invoke_without_command=True)


def _list(state: Context, as_json: bool) -> None:
    rows = serve.alerts(state.viewer, state.served)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["severity", "rule", "customer", "subject", "state", "owner", "fired_at"])


@app.callback()
def default(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List alerts (also: `alerts list`, `alerts send`)."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List open alerts of the customers you may see."""
    _list(context.obj, as_json)


@app.command()
def send(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option(help="Say what would be sent, send nothing.")] = False,
) -> None:
    """Hand due messages to the mail server."""
    state: Context = context.obj
    show_json(delivery.deliver(state.instance, dry_run=dry_run))
