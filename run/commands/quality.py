"""`c360 quality`: scores by source and dimension, the rules behind them, the trend, and what to correct first."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from model import serve
from model.quality import DIMENSIONS
from model.serve.quality_worklist import ORDERS
from run.commands.aging import day
from run.context import Context, show_json, table

_ROW = ["customer_key", "name", "rule", "field", "value", "record_key", "owner", "revenue", "action"]


def command(
    context: typer.Context,
    source: Annotated[str | None, typer.Option(help="Only records of this source.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer: a code, a name or a key.")] = None,
    rule: Annotated[str | None, typer.Option(help="Worklist: only this rule.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Day that freshness is judged on, ISO; default today.")] = None,
    worklist: Annotated[bool, typer.Option("--worklist", help="List broken records, worst customers first.")] = False,
    order: Annotated[str, typer.Option(help=f"Worklist: {', '.join(ORDERS)}.")] = "revenue x failures",
    limit: Annotated[int, typer.Option(help="Worklist: at most this many.", min=1)] = 50,
    trend: Annotated[bool, typer.Option("--trend", help="Scores of the published builds, oldest first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Data quality: scores from 0 to 100 by source and dimension, the rules, the trend and what to correct first."""
    state: Context = context.obj
    viewer, db, on = state.viewer, state.served, day(as_of, "--as-of")
    found: dict[str, Any]
    if trend:
        found, tell = serve.quality_trend(viewer, db, source=source), _trend
    elif worklist or rule:
        found = serve.quality_worklist(
            viewer, db, rule=rule, source=source, customer=customer, order=order, as_of=on, limit=limit
        )
        tell = _worklist
    else:
        found, tell = serve.quality(viewer, db, source=source, customer=customer, as_of=on), _scores
    if as_json:
        show_json(found)
    else:
        tell(found)


def _scores(found: dict[str, Any]) -> None:
    typer.echo(f"Score {_shown(found['score'])} of 100, as of {found['as_of']}: {found['failed']:,} of "
               f"{found['checked']:,} checks failed")  # fmt: skip
    columns = ["source", "score", *DIMENSIONS, "failed", "checked"]
    whole = {dimension: one["score"] for dimension, one in found["dimensions"].items()}
    rows = [{**row, **row["dimensions"]} for row in found["sources"]]
    rows.append({"source": "all", **whole, **{name: found[name] for name in ("score", "failed", "checked")}})
    table(rows, columns, right=frozenset(columns[1:]))
    typer.echo("")
    rules = [row for row in found["rules"] if row["failed"]]
    for row in rules:
        row["sample"] = ", ".join(one["record_key"] for one in row["samples"][:2])
    table(rules, ["rule", "label", "dimension", "weight", "failed", "checked", "score", "sample"],
          right=frozenset({"weight", "failed", "checked", "score"}))  # fmt: skip


def _worklist(found: dict[str, Any]) -> None:
    table(found["rows"], _ROW, right=frozenset({"revenue"}))
    typer.echo(f"{found['total']} broken: " + ", ".join(f"{name} {n}" for name, n in found["by_rule"].items()))


def _trend(found: dict[str, Any]) -> None:
    if found["is_hidden"]:
        typer.echo("the history is of all customers; you see only your own")
        return
    rows = [{**point, **point["dimensions"]} for point in found["points"]]
    columns = ["taken_at", "version", "score", *DIMENSIONS, "failed", "checked"]
    table(rows, columns, right=frozenset(columns[2:]))


def _shown(score: Any) -> str:
    return "—" if score is None else str(score)
