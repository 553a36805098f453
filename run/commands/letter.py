"""`c360 letter`: a payment reminder or a demand for payment (催款函) as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context


def command(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(help="Customer key, code or name.")],
    kind: Annotated[str, typer.Argument(help="reminder or demand_letter.")],
    output: Annotated[Path, typer.Option(help="The .pdf file to write.")],
    language: Annotated[str | None, typer.Option(help="zh or en; default the company's.")] = None,
    pay_by: Annotated[str | None, typer.Option(help="Pay by this day, ISO; default in ten days.")] = None,
    sent: Annotated[bool, typer.Option("--sent", help="Record that it was sent: stage, history, a copy kept.")] = False,
) -> None:
    """A letter over what is overdue, without what is disputed and what waiting money covers."""
    state: Context = context.obj
    made = serve.letter(state.viewer, state.served, customer, kind, language=language, pay_by=day(pay_by, "--pay-by"))
    output.write_bytes(made.content)
    totals = ", ".join(f"{amount} {currency}" for currency, amount in sorted(made.facts["totals"].items()))
    typer.echo(f"{output}: {len(made.item_keys)} items, {totals}")
    if sent:
        typer.echo(f"recorded as sent; kept as {serve.record_letter(state.viewer, state.served, made)}")
