"""`c360 notices [list|close]`: what other systems have to do about customers that were merged or left one system."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from model.serve.notices import STATES
from run.context import Context, show_json, table

app = typer.Typer(help="Notices to the owners of other systems' records.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _list(state: Context, as_json: bool, wanted: str | None, source: str | None, kind: str | None, mine: bool) -> None:
    chosen = None if wanted == "all" else wanted
    found = serve.notices(state.viewer, state.served, state=chosen, source=source, kind=kind, mine=mine)
    if as_json:
        show_json(found)
        return
    rows = [
        {
            **row,
            "told": row["told"]["name"] or "integration owner",
            "happened_at": f"{row['event']['happened_at']:%Y-%m-%d}",
        }
        for row in found["rows"]
    ]  # fmt: skip
    table(rows, ["happened_at", "kind", "name", "what", "told", "state", "notice_key"])


@app.callback()
def default(context: typer.Context, as_json: Json = False) -> None:
    """List open notices (also: `notices list`), or close one."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json, "open", None, None, mine=False)


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str, typer.Option(help=f"Only this state: {', '.join(STATES)}, all.")] = "open",
    source: Annotated[str | None, typer.Option(help="Only records of this source.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only merged, deleted, deactivated or blocked.")] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only those told to this user.")] = False,
    as_json: Json = False,
) -> None:
    """List notices, newest event first: what happened where, and what the other system has to do."""
    _list(context.obj, as_json, state, source, kind, mine=mine)


@app.command()
def close(
    context: typer.Context,
    notice: Annotated[str, typer.Argument(help="The notice's key.")],
    state: Annotated[str, typer.Option(help=f"{', '.join(STATES)} (open: opened again).")] = "done",
    note: Annotated[str | None, typer.Option(help="Why, for whoever asks later.")] = None,
    as_json: Json = False,
) -> None:
    """Say that a notice is done, not needed, or open again."""
    held: Context = context.obj
    row = serve.close_notice(held.viewer, held.served, notice, state, note)
    if as_json:
        show_json(row)
    else:
        typer.echo(f"{row['notice_key']}: {row['state']}")
