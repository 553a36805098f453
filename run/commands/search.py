"""`c360 search TEXT`: find a customer by anything."""

from __future__ import annotations

from typing import Annotated

import typer

from model import serve
from run.context import Context, show_json, table


def command(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="Name, pinyin or initials, phone, tax number, any code or number.")],
    limit: Annotated[int, typer.Option(help="At most this many.", min=1, max=100)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find customers, best first, and say what matched."""
    state: Context = context.obj
    hits = serve.search(state.viewer, state.served, text, limit)
    if as_json:
        show_json(hits)
        return
    rows = [{**hit, "kind": hit["matched"]["kind"], "value": hit["matched"]["value"]} for hit in hits]
    table(rows, ["customer_key", "name", "kind", "value"])
