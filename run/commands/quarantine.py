"""`c360 quarantine`: records set aside, with reason, field and value."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.context import Context, show_json, table


def command(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """List what was rejected and why; fix it in the source or the mapping, then `c360 replay`."""
    state: Context = context.obj
    rows = serve.quarantine(state.viewer, state.served)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["source", "stream", "record_id", "entity", "field", "value", "reason"])
