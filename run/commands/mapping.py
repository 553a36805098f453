"""`c360 mapping`: which canonical field comes from where, as a workbook that can be edited, signed and imported."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model import conform, mapping_export, mapping_import, signatures
from ops.errors import FatalError
from run import chain
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


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A workbook of `mapping export`, edited or signed.")],
    write: Annotated[bool, typer.Option("--apply", help="Apply what changed, replay the sources and build.")] = False,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Compare with the shipped mappings; nothing to apply.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what an edited workbook changes, cell by cell; 1 when a cell cannot be applied."""
    state: Context = context.obj
    found = mapping_import.difference(state.instance, file, shipped=shipped)
    if as_json:
        show_json(
            {
                "changes": [vars(one) for one in found.changes],
                "problems": found.problems,
                "signatures": [vars(one) for one in found.signatures],
            }
        )
    else:
        rows = [{**vars(one), "cell": f"{one.sheet}!{one.cell}"} for one in found.changes]
        table(rows, ["source", "key", "column", "before", "after", "cell"])
        for problem in found.problems:
            typer.echo(f"cannot be applied: {problem}")
    if not write:
        if not as_json:
            typer.echo(f"{len(found.changes)} change(s), {len(found.problems)} problem(s). Nothing was changed.")
        raise typer.Exit(1 if found.problems else 0)
    if shipped:
        raise FatalError("shipped mappings are not changed", remedy="import without --shipped")
    _apply(state, found)


def _apply(state: Context, found: mapping_import.Difference) -> None:
    changed = mapping_import.apply(state.instance, found, state.user)
    for one in found.signatures:
        typer.echo(f"{one.source}: signed for {one.side} by {one.name} on {one.signed_on}, version {one.version}")
    if not changed:
        typer.echo("No mapping has changed.")
        return
    for name in changed:
        typer.echo(f"{name}: {conform.replay(state.instance, name).counts}")
    result = chain.ChainResult()
    chain.after_collection(state.instance, result, progress=typer.echo)
    raise typer.Exit(1 if result.problems else 0)


@app.command("signed")
def signed(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Tell which version of each source's mapping is in use, who signed it, and what has changed since."""
    state: Context = context.obj
    rows = signatures.rows(state.instance, state.instance.config.sources)
    if as_json:
        show_json(rows)
    else:
        sides = [f"{side}_{part}" for side in signatures.SIDES for part in ("name", "signed_on")]
        table(rows, ["source", "version", *sides, "signed_before"])
