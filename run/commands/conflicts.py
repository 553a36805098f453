"""`c360 conflicts [list|settle|retract|history]`: fields in which a customer's records contradict each other."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from model.serve.field_conflicts import ORDERS, STATES
from run.context import Context, show_json, table

app = typer.Typer(help="Contradicting values of a customer's records, and which is right.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str | None, typer.Option(help="Why, for whoever asks later.")]


def _list(
    state: Context, as_json: bool, field: str | None, source: str | None, wanted: str, order: str, limit: int
) -> None:
    found = serve.field_conflicts(
        state.viewer, state.served, field=field, source=source, state=wanted, order=order, limit=limit
    )
    if as_json:
        show_json(found)
        return
    rows = [
        {**row, "gives": row["record_key"],
         "others": "; ".join(f"{one['record_key']} {one['value']}" for one in row["values"] if not one["agrees"])}
        for row in found["rows"]
    ]  # fmt: skip
    table(rows, ["customer_key", "name", "field", "value", "gives", "others", "revenue"], right=frozenset({"revenue"}))
    typer.echo(f"{found['total']} {wanted}: " + ", ".join(f"{name} {n}" for name, n in found["by_field"].items()))


@app.callback()
def default(context: typer.Context, as_json: Json = False) -> None:
    """List open conflicts (also: `conflicts list`), decide which value is right, or take a decision back."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json, None, None, "open", "priority", 20)


@app.command("list")
def list_(
    context: typer.Context,
    field: Annotated[str | None, typer.Option(help="Only this field.")] = None,
    source: Annotated[str | None, typer.Option(help="Only with a record of this source.")] = None,
    state: Annotated[str, typer.Option(help=f"{', '.join(STATES)}.")] = "open",
    order: Annotated[str, typer.Option(help=f"{', '.join(ORDERS)}.")] = "priority",
    limit: Annotated[int, typer.Option(help="At most this many.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List fields in which living records of one customer contradict each other."""
    _list(context.obj, as_json, field, source, state, order, limit)


@app.command()
def settle(
    context: typer.Context,
    record: Annotated[str, typer.Argument(help="The record that is right: source:id.")],
    field: Annotated[str, typer.Argument(help="The field it is right about.")],
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Say that a record's value of a field is right; the next build and every later one carry it out."""
    held: Context = context.obj
    done = serve.settle_field(held.viewer, held.served, record, field, reason)
    if as_json:
        show_json(done)
    else:
        typer.echo(f"{field} of {record} is right; run `c360 build` if no scheduler runs")


@app.command()
def retract(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(help="Customer key, code or name.")],
    field: Annotated[str, typer.Argument(help="The field about which decisions are taken back.")],
    reason: Reason = None,
    as_json: Json = False,
) -> None:
    """Take back what was decided on a field of a customer: the survivorship rule decides again."""
    held: Context = context.obj
    done = serve.retract_field(held.viewer, held.served, customer, field, reason)
    if as_json:
        show_json(done)
    else:
        typer.echo(f"{done['retracted']} decisions on {field} taken back")


@app.command()
def history(
    context: typer.Context,
    customer: Annotated[str | None, typer.Argument(help="Only this customer.")] = None,
    as_json: Json = False,
) -> None:
    """List decisions on fields, newest first."""
    held: Context = context.obj
    rows = serve.field_decisions(held.viewer, held.served, customer)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["at", "by", "name", "field", "decision", "record_key", "value", "holds", "reason"])
