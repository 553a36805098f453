"""`c360 template export FOLDER`: one CSV and one Excel template per canonical entity."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model import templates

app = typer.Typer(help="Start with spreadsheets.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Templates."""


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="Where the templates go.")],
    language: Annotated[str, typer.Option(help="zh or en, for the documentation sheets.")] = "zh",
) -> None:
    """Write the templates; a folder of them, filled in, is a source with no mapping."""
    paths = templates.export(folder, language=language)
    typer.echo(f"Wrote {len(paths)} files to {folder}.")
    typer.echo(f"Fill in what you have, then: c360 source add books template --set folder={folder}")
