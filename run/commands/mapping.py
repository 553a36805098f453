"""`c360 mapping export`: which canonical field comes from where, and the inventory of integrations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model import mapping_export
from run.context import Context, show_json, table

app = typer.Typer(help="Mappings from the sources' fields to the canonical ones.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Mappings."""


@app.command()
def export(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="A new .xlsx file; without it the inventory is printed.")] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="Every shipped mapping, not this instance's.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write fields, entities, lookups and the integration inventory, from what staging itself runs on."""
    state: Context = context.obj
    make = mapping_export.shipped if shipped else mapping_export.document
    sheets = make(state.instance)
    if file is not None:
        mapping_export.write(sheets, file)
    if as_json:
        show_json(sheets)
    elif file is not None:
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in sheets.items())
        typer.echo(f"Wrote {file}: {counts}.")
    else:
        table(sheets["inventory"], ["source", "status", "object", "target", "trigger", "deletes"])
