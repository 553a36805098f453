"""`c360 reconcile`: what the systems say differently, by rule and class, and the differences themselves."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from model import serve
from run.commands.aging import day
from run.context import Context, show_json, table

_CLASSES = ("currency", "duplicate", "missing", "amount", "timing")
_ITEM = [
    "rule", "number", "name", "currency", "left_amount", "right_amount", "difference", "class", "due_on", "days",
    "state", "item_id",
]  # fmt: skip


def command(
    context: typer.Context,
    rule: Annotated[str | None, typer.Option(help="Only this rule, with its differences.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer: a code, a name or a key.")] = None,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    item: Annotated[str | None, typer.Option(help="One difference by its id, with both sides' documents.")] = None,
    timing: Annotated[bool, typer.Option("--timing", help="List what is a matter of time, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Differences between contract, order, shipment, invoice, receipt and project, and colliding quotes and prices."""
    state: Context = context.obj
    on = day(as_of, "--as-of")
    if item is not None:
        _rows(state, serve.reconciliation_rows(state.viewer, state.served, item, on), as_json=as_json)
        return
    found = serve.reconciliation(state.viewer, state.served, rule=rule, as_of=on, customer=customer)
    if as_json:
        show_json(found)
        return
    typer.echo(f"As of {found['as_of']}")
    rows = [
        {"rule": one["rule"], **{name: one["classes"][name]["count"] or None for name in _CLASSES},
         "accepted": one["accepted"] or None, "before_history": one["before_history"] or None,
         "lacks": None if one["is_answerable"] else ", ".join(one["lacks"])}
        for one in found["rules"]
    ]  # fmt: skip
    columns = ["rule", *_CLASSES, "accepted", "before_history", "lacks"]
    table(rows, columns, right=frozenset(columns[1:-1]))
    if rule or customer:
        shown = [row for row in found["items"] if timing or row["class"] != "timing"]
        typer.echo("")
        table(shown, _ITEM, right=frozenset({"left_amount", "right_amount", "difference", "days"}))


def _rows(state: Context, found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    table([found["item"]], _ITEM[:-1])
    for side in ("left", "right"):
        typer.echo(f"\n{side}:")
        columns = ["dated_on", "entity", "number", "currency", "amount", "name", "record_key", "link"]
        table(found[side], columns, right=frozenset({"amount"}))
