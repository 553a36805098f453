"""`c360 letters`: letters that were confirmed for mailing, and what became of them."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help="Only queued, sent, dead, dropped or kept (a demo).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List letters of your customers that went by mail, or are about to, newest first."""
    current: Context = context.obj
    rows = serve.mailed_letters(current.viewer, current.served, state)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["confirmed_at", "name", "kind", "person", "recipient", "state", "ended_at", "confirmed_by"])
