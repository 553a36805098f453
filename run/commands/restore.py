"""`c360 restore BACKUP --home NEW`: an instance out of a backup."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ops.progress import quiet
from run import backup
from run.context import Context, show_json


def command(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(help="What `c360 backup` wrote.", metavar="BACKUP")],
    home: Annotated[Path | None, typer.Option(help="The new instance folder, as before the command.")] = None,
    store_url: Annotated[
        str | None, typer.Option(help="Another operational store than the backed-up one: a URL, or sqlite.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify every checksum, then make the new instance; the backed-up build is served at once."""
    state: Context = context.obj
    done = backup.restore(source, home or state.home, store_url=store_url, progress=quiet if as_json else typer.echo)
    if as_json:
        show_json(vars(done))
        return
    typer.echo(f"Restored {done.home}: {done.files} files, build {done.build or 'none'} is served.")
    typer.echo(
        f"Alerts and letters are held ({done.held_messages} wait): stop the old instance, "
        f"then c360 --home {done.home} alerts release"
    )
    if done.missing_secrets:
        typer.echo(f"Not in the backup, to be put into {done.home / 'secrets'}: {', '.join(done.missing_secrets)}")
    if done.landing:
        typer.echo(f"Landing is at {done.landing}. When the old instance is off: landing adopt, then landing sync")
    if not done.has_warehouse:
        typer.echo(f"Next: c360 --home {done.home} build --full")
