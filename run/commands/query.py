"""`c360 query SQL`: the read-only SQL console over the published build."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from model.serve import console
from model.serve.console_sql import Refused
from run.context import Context, plain, show_json, table


def command(
    context: typer.Context,
    sql: Annotated[str | None, typer.Argument(help="One SELECT over core.* and marts.*; - reads input.")] = None,
    user: Annotated[str | None, typer.Option("--as", help="Ask as this user, as before the command.")] = None,
    limit: Annotated[int, typer.Option(help="At most this many rows.")] = 1000,
    timeout: Annotated[float, typer.Option(help="Stop the statement after this many seconds.")] = 30.0,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables and columns you may query.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Ask the published build in SQL; your row rule and masks hold in it."""
    state: Context = replace(context.obj, user=user) if user else context.obj
    if tables:
        _tables(state, as_json=as_json)
        return
    if sql is None:
        raise Refused("no statement was given", valid="one SELECT, or --tables")
    text = typer.get_text_stream("stdin").read() if sql == "-" else sql
    answer = console.query(state.viewer, state.served, text, limit=limit, timeout_s=timeout)
    if as_json:
        show_json(answer)
        return
    names = [f"{i}" for i in range(len(answer["columns"]))]
    _print(names, answer["columns"], answer["rows"])
    if answer["truncated"]:
        typer.echo(f"Only the first {limit} rows. More: --limit", err=True)


def _print(names: list[str], columns: list[str], rows: list[list[object]]) -> None:
    """Aligned lines; two columns may have one name."""
    titled = dict(zip(names, columns, strict=True))
    table([dict(zip(names, row, strict=True)) for row in rows], names, titles=titled)


def _tables(state: Context, *, as_json: bool) -> None:
    found = console.tables(state.viewer, state.served)
    if as_json:
        show_json(plain(found))
        return
    for item in found:
        columns = ", ".join(c["name"] + (" (masked)" if c["masked"] else "") for c in item["columns"])
        typer.echo(f"{item['table']}: {columns}")
