"""`c360 health`: the monthly integration health report and its trend."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from model import serve
from run.context import Context, show_json, table

_SHARES = ("fresh_share", "failed_share", "error_rate")
_COLUMNS = ["runs", "failed", "failed_share", "fresh_share", "recovery_hours", "rows", "rejects", "error_rate",
            "open_rejects", "drift", "interventions"]  # fmt: skip


def command(
    context: typer.Context,
    month: Annotated[str | None, typer.Option(help="A month as 2026-11; default the present one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """How the sources did in a month: freshness, failures, errors, drift, interventions; and the last six months."""
    state: Context = context.obj
    found = serve.integration_report(state.viewer, state.served, month)
    if as_json:
        show_json(found)
        return
    typer.echo(f"{found['month']}: until {found['until']:%Y-%m-%d %H:%M} UTC\n")
    rows = [*found["sources"], {"source": "all", **found["total"]}]
    table([_shown(row) for row in rows], ["source", *_COLUMNS], right=frozenset(_COLUMNS))
    typer.echo("")
    table([_shown(row) for row in found["trend"]], ["month", *_COLUMNS], right=frozenset(_COLUMNS))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    shares = {name: None if row[name] is None else f"{row[name]:.2%}" for name in _SHARES}
    hours = row["recovery_hours"]
    return {**row, **shares, "recovery_hours": None if hours is None else f"{hours:.1f}"}
