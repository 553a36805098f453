"""`c360 statement`: a customer's statement of account as figures, PDF or Excel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from model import serve
from ops.errors import FatalError
from run.commands.aging import day
from run.commands.letter import confirm_mail
from run.context import Context, show_json, table

COLUMNS = ["moved_on", "kind", "number", "amount", "balance_amount"]


def command(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(help="Customer key, code or name.")],
    start: Annotated[str | None, typer.Option("--from", help="First day, ISO; default the first of the month.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day, ISO; default today.")] = None,
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    language: Annotated[str | None, typer.Option(help="zh or en; default the company's.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write a .pdf or .xlsx file.")] = None,
    mail: Annotated[bool, typer.Option("--mail", help="Mail it to the finance contact, once you confirm.")] = False,
    contact: Annotated[str | None, typer.Option(help="Which finance contact: a mail address or contact key.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm without being asked.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Opening balance, every movement and closing balance per currency; the closing balance is the ledger's."""
    state: Context = context.obj
    since, until = day(start, "--from"), day(end, "--to")
    if mail and (output is None or currency is None):
        raise FatalError("what is mailed is a file of one currency", valid="--output and --currency")
    if output is not None:
        made = serve.statement_document(
            state.viewer, state.served, customer, since, until, file=output.suffix.lstrip(".").lower(),
            currency=currency, language=language,
        )  # fmt: skip
        output.write_bytes(made.content)
        typer.echo(f"{output}: {len(made.content)} bytes")
        if mail:
            confirm_mail(state, made, contact, serve.mail_statement, yes=yes)
        return
    answer = serve.statement(state.viewer, state.served, customer, since, until, currency)
    if as_json:
        show_json(answer)
        return
    typer.echo(f"{answer['name']}, {answer['from_on']} to {answer['to_on']}")
    for part in answer["currencies"]:
        typer.echo(f"\n{part['currency']}: opening {part['opening_amount']}")
        table(part["lines"], COLUMNS, right=frozenset({"amount", "balance_amount"}))
        typer.echo(f"closing {part['closing_amount']} (open {part['open_amount']}, overdue {part['overdue_amount']}, "
                   f"unallocated {part['unallocated_amount']}, credits {part['credits_amount']})")  # fmt: skip
