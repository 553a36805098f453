"""`c360 letter`: a payment reminder or a demand for payment (催款函) as PDF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from model import serve
from ops.errors import FatalError
from run.commands.aging import day
from run.context import Context


def command(
    context: typer.Context,
    customer: Annotated[str, typer.Argument(help="Customer key, code or name.")],
    kind: Annotated[str, typer.Argument(help="reminder or demand_letter.")],
    output: Annotated[Path, typer.Option(help="The .pdf file to write.")],
    language: Annotated[str | None, typer.Option(help="zh or en; default the company's.")] = None,
    pay_by: Annotated[str | None, typer.Option(help="Pay by this day, ISO; default in ten days.")] = None,
    sent: Annotated[bool, typer.Option("--sent", help="Record that it was sent: stage, history, a copy kept.")] = False,
    mail: Annotated[bool, typer.Option("--mail", help="Mail it to the finance contact, once you confirm.")] = False,
    to: Annotated[str | None, typer.Option(help="Which finance contact: a mail address or contact key.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Confirm without being asked.")] = False,
) -> None:
    """A letter over what is overdue, without what is disputed and what waiting money covers."""
    state: Context = context.obj
    if sent and mail:
        raise FatalError("a letter is either mailed from here or was sent otherwise", valid="--mail or --sent")
    made = serve.letter(state.viewer, state.served, customer, kind, language=language, pay_by=day(pay_by, "--pay-by"))
    output.write_bytes(made.content)
    totals = ", ".join(f"{amount} {currency}" for currency, amount in sorted(made.facts["totals"].items()))
    typer.echo(f"{output}: {len(made.item_keys)} items, {totals}")
    if sent:
        typer.echo(f"recorded as sent; kept as {serve.record_letter(state.viewer, state.served, made)}")
    if mail:
        confirm_mail(state, made, to, serve.mail_letter, yes=yes)


def confirm_mail(
    state: Context, made: serve.letters.Document, to: str | None, send: Callable[..., dict[str, Any]], *, yes: bool
) -> None:
    """Show the mail that `send` (serve.mail_letter, serve.mail_statement) would write, ask, and write it."""
    shown = send(state.viewer, state.served, made, contact=to)
    if shown["to"] is None:
        names = ", ".join(f"{one['name']} <{one['email']}>" for one in shown["choices"])
        raise FatalError("there are several finance contacts", valid=names, remedy="choose one with --to")
    typer.echo(f"To {shown['to']['name']} <{shown['to']['email']}>: {shown['subject']}")
    typer.echo(shown["text"])
    if not shown["leaves"]:
        typer.echo("This is a demo: nothing leaves, the mail is kept as a file.")
    if not yes and not typer.confirm("Send it?"):
        raise typer.Exit(1)
    done = send(state.viewer, state.served, made, contact=to, confirmed=True)
    typer.echo(f"{done['state']}; see `c360 letters`")
