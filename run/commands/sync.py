"""`c360 sync [SOURCE[/STREAM]]`: collect now."""

from __future__ import annotations

from typing import Annotated

import typer

from ingest import collect
from ingest.targets import CUSTOMER, Cause, TargetResult, read_customer
from model import conform
from ops.errors import FatalError
from ops.leases import LeaseHeld
from ops.progress import quiet
from run import chain
from run.context import Context, show_json

WHY = {
    "off": "the source is off",
    "no_filter": "its connector cannot ask for the records of one customer",
    "no_record": "the customer has no record there",
}


def command(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(help="SOURCE or SOURCE/STREAM; all sources without it.")] = None,
    full: Annotated[bool, typer.Option(help="Read everything again instead of what changed.")] = False,
    customer: Annotated[
        str | None, typer.Option(help="Only what belongs to this customer: its key, a code, or a search.")
    ] = None,
    build: Annotated[bool, typer.Option(help="Build, publish and judge alerts afterwards.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Collect one source, one stream, one customer or everything; then build and publish."""
    state: Context = context.obj
    if customer is not None:
        if target or full:
            raise FatalError("--customer stands alone", remedy="leave the source and --full away")
        _customer(state, customer, build=build, as_json=as_json)
        return
    progress = quiet if as_json else typer.echo
    result = chain.ChainResult()
    source, _, stream = (target or "").partition("/")
    with conform.Early(state.instance) as early:
        watch = early if build else None
        if stream:
            result.runs = collect.sync(state.instance, source, stream, full=full, watch=watch)
        else:
            sources = [source] if source else None
            result.runs = chain.gather(state.instance, sources, full=full, progress=progress, watch=watch)
        result.problems = chain.problems(result.runs)
        if build:
            chain.after_collection(state.instance, result, progress=progress, early=early)
    if as_json:
        show_json({"runs": [vars(run) for run in result.runs], "problems": result.problems})
    else:
        for problem in result.problems:
            typer.echo(f"problem: {problem}", err=True)
    raise typer.Exit(1 if result.problems else 0)


def _customer(state: Context, query: str, *, build: bool, as_json: bool) -> None:
    """Read one customer's records wherever that can be asked for; name the sources where it cannot."""
    from model import serve

    tell = quiet if as_json else typer.echo
    plan = serve.customer_sources(state.viewer, state.served, query)
    result, reads = chain.ChainResult(), list[TargetResult]()

    def line(one: TargetResult) -> None:
        said = f"{one.rows_landed:>9,} rows landed" if one.state == "done" else f"{one.state}: {one.error}"
        tell(f"{one.source:9} {one.stream:28} {said}")

    for source in plan["sources"]:
        if source["reason"] is not None:
            tell(f"{source['source']:9} not read: {WHY[source['reason']]}")
            continue
        try:
            reads += read_customer(state.instance, source["source"], source["ids"], Cause(CUSTOMER), line)
        except LeaseHeld as held:
            result.problems.append(str(held))
    result.problems += [f"{one.source}/{one.stream}: {one.error}" for one in reads if one.state == "failed"]
    if build and any(one.rows_landed for one in reads):
        chain.after_collection(state.instance, result, progress=tell)
    if as_json:
        show_json({**plan, "reads": [vars(one) for one in reads], "problems": result.problems})
    for problem in result.problems if not as_json else []:
        typer.echo(f"problem: {problem}", err=True)
    raise typer.Exit(1 if result.problems else 0)
