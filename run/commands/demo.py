"""`c360 demo`: the demo company collected, built, published and served."""

from __future__ import annotations

from typing import Annotated

import typer

from model import delivery
from ops import clock
from run import demo, processes
from run.context import Context


def command(
    context: typer.Context,
    customers: Annotated[int, typer.Option(help="How many customers the demo company has.", min=10)] = 2000,
    seed: Annotated[int, typer.Option(help="Another seed is another company.")] = 20260101,
    serve: Annotated[bool, typer.Option(help="Serve the app at the end.")] = True,
    port: Annotated[int, typer.Option(help="Port of the app.")] = 8501,
) -> None:
    """Collect a fictional company's CRM, ERP, tickets and projects over HTTP, build, publish and serve."""
    state: Context = context.obj
    started = clock.monotonic()

    def progress(line: str) -> None:
        typer.echo(f"[{clock.monotonic() - started:5.1f} s] {line}")

    tick = 20 if serve else 0
    with demo.prepared(state.home, customers=customers, seed=seed, tick_seconds=tick, progress=progress) as made:
        instance, result, _ = made
        for problem in result.problems:
            typer.echo(f"problem: {problem}", err=True)
        _show_digest(state)
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.seconds.items())
        typer.echo(f"Collected, built and published in {clock.monotonic() - started:.1f} s ({steps}).")
        typer.echo("Try next:")
        for line in ("search 北辰", "customer C-01187", "aging", "status", "alerts"):
            typer.echo(f"  .venv/bin/c360 --home {state.home} {line}")
        if result.problems:
            raise typer.Exit(1)
        if serve:
            processes.up(instance, port=port, schedule=True)
        else:
            typer.echo("To see it in the browser: make demo")


def _show_digest(state: Context) -> None:
    person = delivery.demo_recipient(state.instance)
    if person is None:
        typer.echo("No alert is due to anybody, so there is no digest to show.")
        return
    message = delivery.preview(state.instance, person)
    typer.echo("The digest mail as it would be sent (nothing is sent anywhere in a demo):")
    for header in ("From", "To", "Subject", "Message-ID"):
        typer.echo(f"  | {header}: {message[header]}")
    body = message.get_body(preferencelist=("plain",))
    for line in (body.get_content() if body else "").splitlines()[:24]:
        typer.echo(f"  | {line}")
