"""`c360 aging`: open items by how late they are, as of any date and as known at any date; reports on the ledger."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from model import serve
from ops.errors import FatalError
from run.context import Context, show_json, table


def day(text: str | None, option: str) -> date | None:
    """An ISO date given on the command line; FatalError names the option."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FatalError(f"{option} {text!r} is not a date", valid="YYYY-MM-DD") from error


def edges(text: str | None) -> list[int] | None:
    """Bucket edges given on the command line as "15,45,90"; FatalError when they are no numbers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise FatalError(f"--buckets {text!r} are not day edges", valid="such as 15,45,90") from error


def command(
    context: typer.Context,
    as_of: Annotated[str | None, typer.Option(help="Business date, ISO; default today.")] = None,
    known_at: Annotated[str | None, typer.Option(help="Ignore what was entered after this date; default now.")] = None,
    by: Annotated[
        str | None, typer.Option(help="customer, group, owner, region, organisation or product_line.")
    ] = None,
    basis: Annotated[str, typer.Option(help="due, invoice, business or recognition (账龄).")] = "due",
    currency: Annotated[str | None, typer.Option(help="Only this currency.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer: a code, a name or a key.")] = None,
    buckets: Annotated[str | None, typer.Option(help="Own day edges, such as 15,45,90.")] = None,
    net: Annotated[str, typer.Option(help="credits, unallocated or both with a comma, off the oldest buckets.")] = "",
    company: Annotated[bool, typer.Option(help="In three currencies, with rates and unrealised differences.")] = False,
    late: Annotated[bool, typer.Option(help="What was entered after --as-of and changes it.")] = False,
    terms: Annotated[bool, typer.Option(help="Due dates that differ from the terms, derived, or not started.")] = False,
    faults: Annotated[bool, typer.Option(help="What does not fit in the ledger.")] = False,
    control: Annotated[bool, typer.Option(help="The ledger's documents against the source's, by class.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Receivables aging per currency, with unallocated cash and credits apart; or a report on the ledger."""
    state: Context = context.obj
    chosen = day(as_of, "--as-of")
    name = next((name for name, given in (("company", company), ("late", late), ("terms", terms), ("faults", faults),
                                          ("control", control)) if given), None)  # fmt: skip
    if name is not None:
        _report(state, name, chosen, as_json=as_json)
        return
    viewer, served = state.viewer, state.served
    answer = serve.aging(
        viewer, served, as_of=chosen, known_at=day(known_at, "--known-at"), by=by, basis=basis, currency=currency,
        customer_key=serve.resolve(viewer, served, customer) if customer else None, edges=edges(buckets),
        net=[part for part in net.split(",") if part],
    )  # fmt: skip
    if as_json:
        show_json(answer)
        return
    netted = f", net of {', '.join(answer['net'])}" if answer["net"] else ""
    typer.echo(f"As of {answer['as_of']}, known at {answer['known_at']}, basis {answer['basis']}{netted}")
    if by in {"owner", "group", "region"} and answer["as_of"] < answer["members_on"]:
        typer.echo(f"Groups and regions are those of {answer['members_on']}")
    if assumed := [f"{row['owner_assumed']} {row['currency']}" for row in answer["totals"] if row["owner_assumed"]]:
        typer.echo(f"Not collected yet on that day, under the first known owner: {', '.join(assumed)}")
    found = answer["rows"] if by else answer["totals"]
    rows: list[dict[str, Any]] = [{**row, **row["buckets"]} for row in found]
    label = [] if not by else ["owner" if by == "owner" else "name"]
    columns = ["currency", "open", *answer["buckets"], "overdue", "unallocated", "credits"]
    table(rows, [*label, *columns], right=frozenset(columns[1:]))


def _report(state: Context, name: str, chosen: date | None, *, as_json: bool) -> None:
    """Print one of the reports on the ledger."""
    viewer, served = state.viewer, state.served
    if name == "faults":
        _show(
            serve.ledger_faults(viewer, served), "fault name record_key field value amount currency treatment", as_json
        )
    elif name == "control":
        found = serve.ledger_control(viewer, served, chosen)
        _show(found, "source currency document class documents amount", as_json)
    elif name == "company":
        report = serve.currency_report(viewer, served, chosen)
        columns = "currency open rate rate_on rate_source company_amount carried_amount unrealised group_amount"
        _show(report if as_json else report["rows"], columns, as_json)
    elif name == "late":
        changed = serve.entered_late(viewer, served, chosen or served.today())
        columns = "entity number name dated_on known_from amount currency"
        _show(changed if as_json else changed["documents"], columns, as_json)
    else:
        due = serve.terms_report(viewer, served, chosen)
        rows = [{"report": part, **row} for part in ("differs", "derived", "not_started") for row in due[part]]
        columns = "report name invoice_number payment_terms invoice_on source_due_on derived_due_on due_on open_amount"
        _show(due if as_json else rows, columns, as_json)


def _show(found: Any, columns: str, as_json: bool) -> None:
    if as_json:
        show_json(found)
        return
    table(found, columns.split(), right=frozenset({"amount", "open", "open_amount", "unrealised", "company_amount"}))
