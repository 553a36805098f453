"""`c360 worklist`: whom to call first about overdue money, and why."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from model import serve
from ops.errors import FatalError
from run.commands.aging import day
from run.context import Context, show_json, table

COLUMNS = ["score", "name", "currency", "overdue_amount", "chaseable_amount", "oldest_days", "state", "owner",
           "limitation_on"]  # fmt: skip
ITEM_COLUMNS = ["name", "invoice_number", "currency", "open_amount", "due_on", "days_past_due", "status",
                "chaseable_amount", "limitation_on"]  # fmt: skip
RIGHT = frozenset({"score", "overdue_amount", "chaseable_amount", "oldest_days", "open_amount", "days_past_due"})


def command(
    context: typer.Context,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    owner: Annotated[str | None, typer.Option(help="Employee key, or unowned.")] = None,
    state: Annotated[str | None, typer.Option(help="promise_broken, dispute, paid_check, not_contacted …")] = None,
    bucket: Annotated[str | None, typer.Option(help="1-30, 31-60 … over_365.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    min_amount: Annotated[str | None, typer.Option(help="Overdue at least this much, in its currency.")] = None,
    text: Annotated[str | None, typer.Option(help="Part of a name, number or note.")] = None,
    sort: Annotated[str | None, typer.Option(help="score, amount, days, name or limitation.")] = None,
    items: Annotated[bool, typer.Option("--items", help="One line per item (sorted by due date).")] = False,
    limit: Annotated[int, typer.Option(help="At most this many lines.")] = 50,
    offset: Annotated[int, typer.Option(help="Leave out this many lines.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Customers with overdue items by how pressing they are; promises, disputes and waiting money are counted."""
    context_: Context = context.obj
    options: dict[str, Any] = {
        "as_of": day(as_of, "--as-of"), "owner": owner, "state": state, "bucket": bucket, "currency": currency,
        "min_amount": amount(min_amount, "--min-amount"), "text": text,
    }  # fmt: skip
    if items:
        found = serve.work_items(context_.viewer, context_.served, **options, sort=sort or "due")
        answer: dict[str, Any] = {"total": len(found), "rows": found[offset : offset + limit]}
    else:
        answer = serve.worklist_page(
            context_.viewer, context_.served, **options, sort=sort or "score", limit=limit, offset=offset
        )
    if as_json:
        show_json(answer)
        return
    table(answer["rows"], ITEM_COLUMNS if items else COLUMNS, right=RIGHT)
    typer.echo(f"{len(answer['rows'])} of {answer['total']}")


def amount(text: str | None, option: str) -> Decimal | None:
    """An amount given on the command line; FatalError names the option."""
    if text is None:
        return None
    try:
        return Decimal(text.replace(",", ""))
    except InvalidOperation as error:
        raise FatalError(f"{option} {text!r} is not an amount", valid="a number such as 1200.50") from error
