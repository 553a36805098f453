"""`c360 backup FILE_OR_FOLDER`: a consistent copy of the instance while it works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.progress import quiet
from run import backup
from run.context import Context, show_json


def command(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="A new folder, or a new file ending in .tar, .tar.gz or .tgz.")],
    with_secrets: Annotated[bool, typer.Option("--with-secrets", help="Include the secrets folder.")] = False,
    with_warehouse: Annotated[
        bool, typer.Option("--with-warehouse", help="Include the warehouse; `c360 build --full` makes it anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Copy configuration, store, landing and the served build, with checksums; collecting goes on meanwhile."""
    state: Context = context.obj
    state.need_everything("a backup")
    made = backup.back_up(
        state.instance,
        target,
        with_secrets=with_secrets,
        with_warehouse=with_warehouse,
        progress=quiet if as_json else typer.echo,
    )
    if as_json:
        show_json(vars(made))
        return
    typer.echo(f"Wrote {made.path}: {made.files} files, {made.bytes / 1e6:,.1f} MB, build {made.build or 'none'}.")
    if not with_secrets:
        typer.echo("Secrets are not in it (--with-secrets). Keep them elsewhere.")
