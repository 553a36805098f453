"""`c360 customer QUERY`: everything about one customer."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from model import serve
from run.context import Context, plain, show_json, table


def command(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Customer key, any source's code or id, or anything search finds.")],
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show one customer: who they are, what is open, what is owed, what was said last."""
    from datetime import date

    state: Context = context.obj
    day = date.fromisoformat(as_of) if as_of else None
    card = serve.customer(state.viewer, state.served, query, as_of=day)
    if as_json:
        origin = serve.provenance(state.viewer, state.served, card["customer_key"])
        card["provenance"] |= {name: origin[name] for name in ("state", "confirmed_on", "fields")}
        show_json(card)
        return
    _print(card)
    for other in serve.resolution(state.viewer, state.served, query)["others"]:
        typer.echo(f"Records once under {query} are now with {other['customer_key']}  {other['name']}")
    if state.viewer.user != "operator":
        _changes(serve.changes_since(state.viewer, state.served, card["customer_key"]))
        serve.seen(state.viewer, state.served, card["customer_key"])


def _changes(found: dict[str, Any]) -> None:
    """What a person has not seen yet; the operator is nobody in particular."""
    last = "your last visit" if found["basis"] == "visit" else "30 days ago; this is your first visit"
    count = f"{found['count']}{' or more' if found['has_more'] else ''}"
    typer.echo(f"New since {found['since']:%Y-%m-%d %H:%M} UTC ({last}): {count}")
    table(found["events"][:10], ["happened_at", "kind", "title", "detail"])


def _print(card: dict[str, Any]) -> None:
    typer.echo(f"{card['customer_key']}  {card['name']}  owner: {plain(card.get('owner')) or '—'}")
    for source, codes in card["codes"].items():
        typer.echo(f"  {source}: {', '.join(map(str, codes))}")
    for line in card["receivables"]["by_currency"]:
        typer.echo(f"  {line['currency']}: open {plain(line['open'])}, overdue {plain(line['overdue'])}")
    number = frozenset({"open_amount", "days_past_due"})
    typer.echo("Open items")
    table(
        card["receivables"].get("items", [])[:10],
        ["invoice_number", "due_on", "days_past_due", "open_amount", "currency"],
        right=number,
    )
    typer.echo("Tickets")
    table(card["tickets"][:10], ["number", "subject", "status", "priority"])
    typer.echo("Projects")
    table(card["projects"][:10], ["code", "name", "status"])
    typer.echo("Timeline")
    table(card["timeline"][:10], ["happened_at", "kind", "title"])
