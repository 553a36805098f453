"""`c360 employees [list|proposals]`: who is one person in which system."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.context import Context, show_json, table

app = typer.Typer(help="Employees across systems.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _list(state: Context, as_json: bool) -> None:
    rows = serve.employees(state.viewer, state.served)
    if as_json:
        show_json(rows)
        return
    shown = [{**row, "records": ", ".join(f"{one['source']}:{one['source_id']}" for one in row["records"])}
             for row in rows]  # fmt: skip
    table(shown, ["employee_key", "code", "name", "is_active", "customers", "manager", "records"])


@app.callback()
def default(context: typer.Context, as_json: Json = False) -> None:
    """List employees (also: `employees list`) with their records in every system."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List employees with their records in every system and how many customers they look after."""
    _list(context.obj, as_json)


@app.command()
def proposals(context: typer.Context, as_json: Json = False) -> None:
    """List people of one name in one department whom nothing links; config/employees.csv makes them one."""
    state: Context = context.obj
    rows = serve.employee_proposals(state.viewer, state.served)
    if as_json:
        show_json(rows)
    else:
        sides = [f"{side}_{name}" for side in ("left", "right") for name in ("key", "email", "code")]
        table(rows, ["name", "department", *sides])
