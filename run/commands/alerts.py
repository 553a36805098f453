"""`c360 alerts [list|rules|try|send|release|deliveries]`: what asks for attention, what would, who was told."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from model import delivery, serve
from model.alerts import rule as rules_of
from model.alerts.machine import STATES
from ops.errors import FatalError
from run.context import Context, show_json, table

app = typer.Typer(help="Alerts about customers, and their delivery.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _list(state: Context, as_json: bool, wanted: str | None = None) -> None:
    rows = serve.alerts(state.viewer, state.served, wanted)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["severity", "rule", "customer", "document", "state", "owner", "fired_at"])


@app.callback()
def default(context: typer.Context, as_json: Json = False) -> None:
    """List alerts (also: `alerts list`), list and try rules, send what is due."""
    if context.invoked_subcommand is None:
        _list(context.obj, as_json)


@app.command("list")
def list_(
    context: typer.Context,
    state: Annotated[str | None, typer.Option(help=f"Only this state: {', '.join(STATES)}.")] = None,
    as_json: Json = False,
) -> None:
    """List open alerts of the customers you may see, most severe first."""
    _list(context.obj, as_json, state)


@app.command()
def rules(context: typer.Context, as_json: Json = False) -> None:
    """List the alert rules, switched on or not, with how many alerts each has open."""
    state: Context = context.obj
    rows = serve.alert_rules(state.viewer, state.served)
    if as_json:
        show_json(rows)
    else:
        shown = [{**row, "on": "yes" if row["enabled"] else "no", "steps": _plain(row["steps"])} for row in rows]
        table(shown, ["rule", "label", "kind", "on", "steps", "cadence_days", "escalate_after_days", "open"])


@app.command("try")
def try_(
    context: typer.Context,
    rule: Annotated[str, typer.Argument(help="A rule's id, or the path of a rule file that is not switched on yet.")],
    start: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day.")] = None,
    as_json: Json = False,
) -> None:
    """Say how often a rule would have fired in the past (default: the last quarter), by week and with examples.

    The past is asked as known now. Nothing is stored or sent.
    """
    state: Context = context.obj
    found = serve.try_alert(state.viewer, state.served, _rule(rule), _day(start), _day(end))
    if as_json:
        show_json(found)
    else:
        _show_trial(found)


def _rule(given: str) -> str | rules_of.Rule:
    if not given.endswith(".toml"):
        return given
    if not Path(given).is_file():
        raise FatalError(f"there is no rule file {given}", remedy="give the path of a rule's TOML file")
    return rules_of.parse(Path(given))


def _day(given: datetime | None) -> date | None:
    return given.date() if given else None


def _plain(steps: list[float]) -> str:
    return ", ".join(f"{step:g}" for step in steps)


def _show_trial(found: dict[str, Any]) -> None:
    typer.echo(
        f"{found['rule']} would have fired {found['fires']} times from {found['start']} to {found['end']} "
        f"({found['knowledge']}); {found['already']} were true on the first day."
    )
    typer.echo(
        f"Reached a higher step {found['steps']} times, ended {found['cures']} times, {found['active']} open at the "
        f"end; {found['held']} subjects were held (covered, promised or disputed)."
    )
    table(found["weeks"], ["week", "fired", "stepped"], right=frozenset({"fired", "stepped"}))
    owners = [{"owner": name, "fired": count} for name, count in found["owners"].items()]
    table(owners, ["owner", "fired"], right=frozenset({"fired"}))
    right = frozenset({"amount", "days"})
    table(found["examples"], ["on", "customer", "document", "currency", "amount", "days", "owner"], right=right)


@app.command()
def send(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option(help="Say what would be sent, send nothing.")] = False,
) -> None:
    """Compose what has to be told now and hand it to the mail server and the channels."""
    state: Context = context.obj
    state.need_everything("delivery")
    show_json(delivery.deliver(state.instance, dry_run=dry_run))


@app.command()
def release(
    context: typer.Context,
    drop: Annotated[bool, typer.Option("--drop", help="Never send what waited when the backup was made.")] = False,
) -> None:
    """Let messages leave again after a restore, which holds the outbox until a person says so."""
    state: Context = context.obj
    state.need_everything("delivery")
    ended = delivery.release(state.instance.store, state.viewer.user, drop=drop)
    typer.echo(
        f"Released, held since {ended.since}: {ended.messages} message(s) {'dropped' if drop else 'go out now'}."
    )


@app.command()
def deliveries(
    context: typer.Context,
    outcome: Annotated[str | None, typer.Option(help="Only sent, failed, uncertain, dead or dropped.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List the delivery ledger: every attempt with its outcome, newest first."""
    state: Context = context.obj
    state.need_everything("the delivery ledger")
    rows = delivery.ledger(state.instance, outcome, limit)
    if as_json:
        show_json(rows)
    else:
        table(rows, ["at", "outcome", "channel", "recipient", "attempts", "detail"])
