"""`c360 aging`: open items by how late they are, as of any date and as known at any date."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from model import serve
from ops.errors import FatalError
from run.context import Context, show_json, table


def day(text: str | None, option: str) -> date | None:
    """An ISO date given on the command line; FatalError names the option."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FatalError(f"{option} {text!r} is not a date", valid="YYYY-MM-DD") from error


def command(
    context: typer.Context,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    known_at: Annotated[str | None, typer.Option(help="Ignore what was entered after this date; default now.")] = None,
    by: Annotated[str | None, typer.Option(help="customer, owner, region or organisation.")] = None,
    basis: Annotated[str, typer.Option(help="due or invoice.")] = "due",
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Receivables aging per currency, with unallocated cash and credits apart."""
    state: Context = context.obj
    answer = serve.aging(
        state.viewer,
        state.served,
        as_of=day(as_of, "--as-of"),
        known_at=day(known_at, "--known-at"),
        by=by,
        basis=basis,
        currency=currency,
    )
    if as_json:
        show_json(answer)
        return
    typer.echo(f"As of {answer['as_of']}, known at {answer['known_at']}, basis {answer['basis']}")
    rows: list[dict[str, Any]] = [{**total, **total["buckets"]} for total in answer["totals"]]
    buckets = list(answer["totals"][0]["buckets"]) if answer["totals"] else []
    columns = ["currency", "open", *buckets, "overdue", "unallocated", "credits"]
    table(rows, columns, right=frozenset(columns[1:]))
