"""`c360 landing`: pack what landed in many small files, let superseded versions leave."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest import compacting, landing_remote
from run import tending
from run.context import Context, show_json, table

app = typer.Typer(help="The landed documents: pack small files, let superseded versions leave.", no_args_is_help=True)
Source = Annotated[str | None, typer.Argument(help="A source; all without it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_FILES = ["source", "stream", "runs", "files_before", "files_after", "bytes_before", "bytes_after"]
_ROWS = ["source", "stream", "before", "rows", "leaving", "document_bytes"]
_LATER = "A build or a backup is at work: superfluous files leave with the next call."


@app.command()
def compact(context: typer.Context, source: Source = None, as_json: Json = False) -> None:
    """Pack the small files of every stream into few; nothing that is read changes."""
    state: Context = context.obj
    state.need_everything("packing the landing")
    done = [one for name in tending.named(state.instance, source) for one in compacting.compact(state.instance, name)]
    if as_json:
        show_json([vars(one) for one in done])
        return
    table([vars(one) for one in done], _FILES, right=frozenset(_FILES[2:]))
    if done:
        whole = compacting.total(done)
        typer.echo(
            f"{whole.files_before:,} files, {whole.bytes_before / 1e6:,.1f} MB → "
            f"{whole.files_after:,} files, {whole.bytes_after / 1e6:,.1f} MB."
        )
        if not whole.is_tidy:
            typer.echo(_LATER)


@app.command()
def prune(
    context: typer.Context,
    source: Source = None,
    days: Annotated[int | None, typer.Option(help="Instead of the source's keep_versions_days.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would leave.")] = False,
    as_json: Json = False,
) -> None:
    """Let versions leave that a newer one of the same record has superseded for longer than they are kept."""
    state: Context = context.obj
    state.need_everything("pruning the landing")
    names = [source] if source else tending.prunable(state.instance, days)
    done = []
    for name in names:
        done += tending.prune(state.instance, name, days=days, dry_run=dry_run, actor=state.user)
    if as_json:
        show_json([vars(one) for one in done])
        return
    table([vars(one) for one in done], _ROWS, right=frozenset(_ROWS[3:]))
    for name in tending.held_back(state.instance) if source is None else []:
        typer.echo(f"{name}: legal hold, nothing leaves.")
    if dry_run:
        typer.echo("Nothing was removed (--dry-run).")
    elif not all(one.is_tidy for one in done):
        typer.echo(_LATER)


@app.command()
def sync(context: typer.Context) -> None:
    """Bring the working copy and the bucket of [landing] to the same runs, as every collection does for its streams."""
    state: Context = context.obj
    state.need_everything("synchronising the landing")
    learned, put = landing_remote.refresh_all(state.instance)
    typer.echo(f"{learned} run(s) learned from the bucket, {put} put there.")


@app.command()
def adopt(context: typer.Context) -> None:
    """Make this instance the one that writes to the bucket of [landing], when the former one is gone for good."""
    state: Context = context.obj
    state.need_everything("adopting a landing")
    address = landing_remote.adopt(state.instance, state.user)
    typer.echo(f"{address} is now written by this instance alone.")
