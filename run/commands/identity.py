"""`c360 identity`: which source records are one customer, what stewards say to it, and how well it is found."""

from __future__ import annotations

from math import log2
from pathlib import Path
from typing import Annotated, Any

import typer

from model.identity import evaluate as labelled
from model.identity import match_train
from ops.errors import FatalError
from run import stewarding
from run.context import Context, show_json, table

app = typer.Typer(help="Which source records are one customer.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Identity."""


for _command in (
    stewarding.review,
    stewarding.decide,
    stewarding.unmerge,
    stewarding.take_apart,
    stewarding.decisions,
    stewarding.import_list,
    stewarding.history,
):
    app.command()(_command)


@app.command()
def train(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Estimate the matcher's parameters on the customer records at hand; the next build is full and uses them.

    Weights, frequencies of words and values, limits of shared values and sources free of duplicates become a new
    version. From 50 decisions "same" on, the weights are learned from them.
    """
    state: Context = context.obj
    found = match_train.train(state.instance)
    if found is None:
        raise FatalError("there is no customer record to train on", remedy="run `c360 sync` first")
    if as_json:
        show_json(found.card)
        return
    card = found.card
    typer.echo(f"{found.version}: {card['records']:,} records, {card['labels']:,} decisions")
    typer.echo(f"one pair in {1 / card['share']:,.0f} is one organisation")
    free = ", ".join(card["duplicate_free"])
    typer.echo(f"free of duplicates: {free or 'no source'}")
    rows = [{"comparison": name, **dict(zip("01234", _ratios(card, name), strict=False))} for name in card["m"]]
    table(rows, ["comparison", *"01234"], right=frozenset("01234"))


def _ratios(card: dict[str, Any], name: str) -> list[str]:
    """Bits per level, lowest first."""
    return [f"{log2(m / u):+.1f}" for m, u in zip(card["m"][name], card["u"][name], strict=True)]


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
