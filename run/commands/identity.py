"""`c360 identity [history|evaluate|compare]`: which source records are one customer, and how well that is found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import select

from model.identity import evaluate as labelled
from ops.errors import FatalError
from ops.tables import registry_history
from run.context import Context, show_json, table

app = typer.Typer(help="Which source records are one customer.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Identity."""


@app.command()
def history(
    context: typer.Context,
    limit: Annotated[int, typer.Option(help="At most this many events.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Golden ids created, merged, split and retired, newest first."""
    state: Context = context.obj
    statement = select(registry_history).order_by(registry_history.c.event_id.desc()).limit(limit)
    with state.instance.store.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(statement)]  # noqa: SLF001 - SQLAlchemy's public row view
    if as_json:
        show_json(rows)
    else:
        table(rows, ["at", "kind", "event", "golden_key", "other_key"])


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of organisations with a column of the truth.")],
    identifier: Annotated[str, typer.Option("--id", help="Column that names the record.")],
    truth: Annotated[str, typer.Option(help="Column that is equal for records of one organisation.")],
    source: Annotated[str | None, typer.Option(help="Column of the system a record comes from.")] = None,
    mapping: Annotated[
        str | None,
        typer.Option("--map", help="Columns to compare, name=COL,tax_id=COL,…; guessed by their names without it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the matcher, with shipped settings and no labels, on a labelled file and say how right it is."""
    result = labelled.evaluate(labelled.read(file), identifier, truth, source, _fields(mapping))
    if as_json:
        show_json(result)
        return
    rows = [
        {"measure": measure, **{key: f"{value:.4f}" for key, value in result[measure].items()}}
        for measure in ("pair", "cluster", "b_cubed")
    ]
    typer.echo(f"{result['records']} records of {result['entities']} organisations, {result['seconds']} s")
    typer.echo("compared: " + ", ".join(f"{field}={column}" for field, column in result["columns"].items()))
    table(rows, ["measure", "precision", "recall", "f1"], right=frozenset({"precision", "recall", "f1"}))
    table([result["bands"]], ["auto", "review", "reject"])
    typer.echo(f"right in the auto band: {_share(result['auto_precision'])}")


@app.command()
def compare(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet of pairs of names.")],
    left: Annotated[str, typer.Option(help="Column of the one name.")],
    right: Annotated[str, typer.Option(help="Column of the other name.")],
    truth: Annotated[str, typer.Option(help="Column that says whether both are one organisation: 1 or 0.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Score pairs of names and say how well the score parts matches from others: AUC, best F1, its threshold."""
    result = labelled.compare(labelled.read(file), left, right, truth)
    if as_json:
        show_json(result)
    else:
        table([result], list(result))


def _fields(mapping: str | None) -> dict[str, str]:
    """`name=COL,phone=COL` as a dictionary. Raises FatalError for parts that are no pair."""
    fields: dict[str, Any] = {}
    for part in filter(None, (mapping or "").split(",")):
        field, found, column = part.partition("=")
        if not found or not column.strip():
            raise FatalError(f"--map: {part!r} is no pair", valid="name=COL,tax_id=COL,phone=COL,…")
        fields[field.strip()] = column.strip()
    return fields


def _share(value: float | None) -> str:
    return "no pair in it" if value is None else f"{value:.4f}"
