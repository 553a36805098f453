"""`c360 expected`: cash expected by week, from promises, bills and how customers pay."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

_AMOUNTS = ("expected", "low", "high", "promised", "bills")


def command(
    context: typer.Context,
    customer: Annotated[str | None, typer.Argument(help="Its open items, each with its expected day.")] = None,
    weeks: Annotated[int, typer.Option(help="Weeks ahead.", min=1, max=52)] = 13,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    backtest: Annotated[bool, typer.Option(help="How far expected days were off over the last year.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Expected cash by week with an 80 % interval, or the expected day of every open item of a customer."""
    state: Context = context.obj
    chosen = day(as_of, "--as-of")
    if backtest:
        show_json(serve.expected_backtest(state.viewer, state.served))
        return
    if customer is not None:
        key = serve.resolve(state.viewer, state.served, customer)
        items = serve.expected_days(state.viewer, state.served, key, chosen)
        if as_json:
            show_json(items)
            return
        columns = ["invoice_number", "currency", "amount", "due_on", "expected_on", "low_on", "high_on", "level"]
        table(items, [*columns, "left_out"], right=frozenset({"amount"}))
        return
    found = serve.expected_cash(state.viewer, state.served, weeks, chosen)
    if as_json:
        show_json(found)
        return
    for entry in found["currencies"]:
        typer.echo(f"{entry['currency']}: later {entry['later']}; left out " + ", ".join(
            f"{name} {amount}" for name, amount in entry["left_out"].items()))  # fmt: skip
        table(entry["weeks"], ["from", "to", *_AMOUNTS], right=frozenset(_AMOUNTS))
