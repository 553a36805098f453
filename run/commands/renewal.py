"""`c360 renewal [train|scores|backtest|drift|evaluate]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from model import renewal as model
from model import serve
from run.context import Context, show_json, table

app = typer.Typer(help="Renewal likelihood: train, score, backtest, drift, evaluate.", no_args_is_help=True)


@app.command()
def train(context: typer.Context) -> None:
    """Train on this instance's contracts; keeps the model only with its figures and grade."""
    state: Context = context.obj
    show_json(model.train(state.instance))
    model.score(state.instance)


@app.command()
def scores(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Contracts due for renewal with their likelihood."""
    state: Context = context.obj
    rows = serve.renewals(state.viewer, state.served)
    _warn_of_drift(model.card(state.instance.store))
    if as_json:
        show_json(rows)
    else:
        table(
            rows,
            [
                "customer_key",
                "name",
                "contract_number",
                "end_on",
                "amount",
                "currency",
                "likelihood",
                "owner",
                "owner_forecast",
                "disagreement",
            ],
        )


def _warn_of_drift(card: dict[str, Any] | None) -> None:
    found = (card or {}).get("drift") or {}
    if found.get("verdict") == "shifted":
        moved = [one["feature"] for one in found.get("features", [])]
        rate = found.get("base_rate", {})
        if rate.get("is_significant"):
            moved.insert(0, f"renewal rate {rate['before']:.0%} → {rate['recent']:.0%}")
        typer.echo(f"since training the contracts have drifted: {', '.join(moved)}; see `c360 renewal drift`", err=True)


@app.command()
def backtest(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Figures of the time-split backtest."""
    _ = as_json
    state: Context = context.obj
    show_json(model.backtest(state.instance))


@app.command()
def drift(context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Whether the contracts due now still look, and end, like those the model was trained on."""
    _ = as_json
    state: Context = context.obj
    show_json(model.drift(state.instance))


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="A table of features: CSV, Excel or Parquet.")],
    label: Annotated[str, typer.Option(help="The column to predict: yes/no, true/false, 1/0.")],
    id_: Annotated[str | None, typer.Option("--id", help="A column that only names the row.")] = None,
    date_: Annotated[str | None, typer.Option("--date", help="A date column: validate on later rows.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Put any table of features through the same pipeline and print the same figures."""
    _ = as_json
    notes: list[str] = []
    found = model.evaluate_file(file, label=label, id_column=id_, date_column=date_, notes=notes)
    for note in notes:
        typer.echo(note, err=True)
    show_json(found)
