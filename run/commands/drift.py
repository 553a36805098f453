"""`c360 drift`: what changed at the sources, what was announced, and saying that somebody has seen to it."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

app = typer.Typer(help="Changes of the sources' fields, types, values and contracts.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_COLUMNS = ["drift_id", "source", "stream", "field", "kind", "before", "after", "touches", "state", "found_at"]


@app.callback()
def default(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only this source.")] = None,
    state: Annotated[str, typer.Option(help="open, acknowledged, ended, or all.")] = "open",
    as_json: Json = False,
) -> None:
    """List drift, newest first, with the mapping rows that read the field."""
    if context.invoked_subcommand is not None:
        return
    held: Context = context.obj
    rows = serve.drifts(held.viewer, held.served, state=None if state == "all" else state, source=source)
    if as_json:
        show_json(rows)
        return
    shown = [{**row, "touches": ", ".join(f"{one['entity']}.{one['field']}" for one in row["touches"])} for row in rows]
    table(shown, _COLUMNS)


@app.command()
def acknowledge(
    context: typer.Context,
    drift: Annotated[int, typer.Argument(help="The drift's id.")],
    note: Annotated[str | None, typer.Option(help="What was done about it.")] = None,
) -> None:
    """Say that a drift has been seen to; it is told again only if it ends and comes back."""
    held: Context = context.obj
    serve.acknowledge_drift(held.viewer, held.served, drift, note)
    typer.echo(f"{drift}: acknowledged")


@app.command()
def announce(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="The source that will change.")],
    title: Annotated[str, typer.Argument(help="What will change.")],
    on: Annotated[str, typer.Option(help="The day, ISO.")],
    owner: Annotated[str, typer.Option(help="Who answers for it.")],
    check: Annotated[str, typer.Option(help="How one sees that it went well.")],
    rollback: Annotated[str, typer.Option(help="What is done if it did not.")],
    stream: Annotated[str | None, typer.Option(help="Only this stream changes.")] = None,
    field: Annotated[str | None, typer.Option(help="Only this field (and what is inside it) changes.")] = None,
) -> None:
    """Enter a change that a source has announced; drift within 7 days of its day names it."""
    held: Context = context.obj
    made = serve.announce_change(
        held.viewer, held.served, source, title, expected_on=day(on, "--on") or held.served.today(), owner=owner,
        check=check, rollback=rollback, stream=stream, field=field,
    )  # fmt: skip
    typer.echo(f"announced change {made}")


@app.command()
def announced(context: typer.Context, as_json: Json = False) -> None:
    """List announced changes: the day, who answers, the check, the rollback, and what then happened."""
    held: Context = context.obj
    rows = serve.announced_changes(held.viewer, held.served)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["planned_id", "expected_on", "source", "stream", "field", "title", "owner", "state", "happened"])


@app.command()
def settle(
    context: typer.Context,
    change: Annotated[int, typer.Argument(help="The announced change's id.")],
    state: Annotated[str, typer.Argument(help="done, cancelled or rolled_back.")],
    note: Annotated[str | None, typer.Option(help="What happened.")] = None,
) -> None:
    """Say how an announced change ended."""
    held: Context = context.obj
    serve.settle_change(held.viewer, held.served, change, state, note)
    typer.echo(f"{change}: {state}")
