"""`c360 source …`: list connectors, scaffold a new one, add a source, try it, promote it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ingest import configuring, probe, scaffold, settings
from ingest.spec import SourceSpec, discover
from model import conform, control_totals, source_status
from model.conform import held
from ops import secrets
from ops.errors import FatalError
from ops.instance import SourceConfig
from ops.progress import quiet
from run import chain
from run.context import Context, show_json, table

app = typer.Typer(help="Connectors and the sources of this instance.", no_args_is_help=True)


@app.command("list")
def list_(context: typer.Context) -> None:
    """List every connector, the company's own among them, and its settings."""
    state: Context = context.obj
    config_dir = state.home / "config"
    rows = []
    for name in sorted(discover(config_dir)):
        spec = SourceSpec.load(name, config_dir)
        settings = ", ".join(key + ("*" if item.required else "") for key, item in spec.settings.items())
        rows.append(
            {
                "connector": name,
                "role": spec.connector.role,
                "label": spec.connector.label,
                "settings": settings,
            }
        )
    table(rows, ["connector", "role", "label", "settings"])


@app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the connector: lower case letters, digits, _.")],
    kind: Annotated[str, typer.Option(help="http, or sql for the tables of a database.")] = "http",
    role: Annotated[str, typer.Option(help="crm, erp, tickets, projects or files.")] = "crm",
    folder: Annotated[Path | None, typer.Option(help="Where; default: the instance's config folder.")] = None,
) -> None:
    """Scaffold a connector of the company's own: its folder, a commented spec, a mapping and a test."""
    state: Context = context.obj
    for path in scaffold.new_source(name, folder or state.instance.config_dir, role, kind=kind):
        typer.echo(f"made {path}")


@app.command()
def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the source in this instance.")],
    connector: Annotated[str, typer.Argument(help="A connector that `c360 source list` shows.")],
    setting: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE; secrets are stored apart.")] = None,
    schedule: Annotated[str, typer.Option(help="Five cron fields, or 'every 15m'.")] = "every 15m",
) -> None:
    """Add a source to c360.toml; secret settings go into the secrets folder."""
    state: Context = context.obj
    instance = state.instance
    spec = SourceSpec.load(connector, instance.config_dir)
    if any(source.name == name for source in instance.config.sources):
        raise FatalError(f"there is a source {name!r} already", remedy="choose another name")
    values = {key: value for key, value in _settings(state, name, spec, setting).items() if value is not None}
    missing = [key for key, item in spec.settings.items() if item.required and key not in values]
    if missing:
        raise FatalError(f"{connector} needs {', '.join(missing)}", remedy="give them with --set KEY=VALUE")
    source = SourceConfig(name=name, connector=connector, role=spec.connector.role, settings=values, schedule=schedule)
    configuring.add(instance, source, state.user)
    typer.echo(f"Added {name}. Next: `c360 source test {name}`, then `c360 sync {name}`.")


@app.command("set")
def set_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of this instance.")],
    setting: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE; KEY= takes the default.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Five cron fields, 'every 15m', or 'manual'.")] = None,
    max_age: Annotated[int | None, typer.Option(help="Minutes after which it is late.")] = None,
    stream_max_age: Annotated[list[str] | None, typer.Option(help="STREAM=MINUTES; 0 takes the limit away.")] = None,
    keep_days: Annotated[int | None, typer.Option(help="Days superseded versions are kept; 0 keeps all.")] = None,
    legal_hold: Annotated[bool | None, typer.Option(help="Whether nothing of it leaves landing.")] = None,
    status: Annotated[str | None, typer.Option(help="off, or on: what it was before.")] = None,
    note: Annotated[str | None, typer.Option(help="Why; it is kept with the change.")] = None,
) -> None:
    """Change a source in c360.toml, whose comments stay; schedulers and pages at work take it up. Audited."""
    state: Context = context.obj
    one = state.instance.config.source(name)
    spec = SourceSpec.load(one.connector, state.instance.config_dir)
    given = {"schedule": schedule, "max_age_minutes": max_age, "legal_hold": legal_hold}
    wanted: dict[str, object] = {key: value for key, value in given.items() if value is not None}
    if keep_days is not None:
        wanted["keep_versions_days"] = keep_days or None
    if setting:
        wanted["settings"] = _settings(state, name, spec, setting)
    if stream_max_age:
        wanted["stream_max_age_minutes"] = one.stream_max_age_minutes | dict(map(_minutes, stream_max_age))
    if status is not None:
        if status not in {"on", "off"}:
            raise FatalError(f"--status {status!r}", valid="on, off", remedy="promote and demote for the rest")
        if (status == "on") == (one.status == "off"):
            was = configuring.status_before(state.instance.store, name)
            wanted["status"] = "off" if status == "off" else was
    changed = configuring.change(state.instance, name, wanted, state.user, note=note)
    for key, (before, after) in changed.items():
        typer.echo(f"{key}: {before} -> {after}")
    typer.echo(f"{name}: {len(changed)} change(s)." + (" Next: `c360 build`." if "status" in changed else ""))


def _settings(state: Context, name: str, spec: SourceSpec, given: list[str] | None) -> dict[str, object]:
    """KEY=VALUE as the connector's types; a secret given by value is stored apart and named by reference."""
    found: dict[str, object] = {}
    for item in given or []:
        key, separator, value = item.partition("=")
        if not separator or key not in spec.settings:
            raise FatalError(f"--set {key}: not a setting of {spec.connector.name}", valid=", ".join(spec.settings))
        if spec.settings[key].secret and value and not secrets.is_ref(value):
            secrets.write(f"{name}_{key}", value, state.instance.secrets)
            value = f"file:{name}_{key}"
        found[key] = settings.typed(key, spec.settings[key], value)
    return found


def _minutes(item: str) -> tuple[str, int]:
    stream, separator, minutes = item.partition("=")
    if not separator or not minutes.isdecimal():
        raise FatalError(f"--stream-max-age {item!r}", valid="STREAM=MINUTES")
    return stream, int(minutes)


@app.command("test")
def try_(
    context: typer.Context,
    target: Annotated[str, typer.Argument(help="SOURCE, or SOURCE/STREAM.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Sign in and read the first page of each stream; nothing is landed."""
    state: Context = context.obj
    name, _, stream = target.partition("/")
    tell = quiet if as_json else typer.echo
    found = probe.probe(state.instance, name, stream or None, progress=lambda one: tell(probe.told(one)))
    bad = [one for one in found if one.state in {"failed", "refused"}]
    if as_json:
        show_json([vars(one) for one in found])
    else:
        typer.echo(
            f"{len(found)} stream(s) asked, {len(bad)} problem(s)." + ("" if bad else f" Next: c360 sync {name}")
        )
    raise typer.Exit(1 if bad else 0)


@app.command()
def promote(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of this instance whose status is shadow.")],
    note: Annotated[str | None, typer.Option(help="Why; it is kept with the change.")] = None,
) -> None:
    """Make a shadow source active: from the next build on it is part of what everybody sees."""
    _set_status(context.obj, name, "active", note)


@app.command()
def demote(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of this instance whose status is active.")],
    note: Annotated[str | None, typer.Option(help="Why; it is kept with the change.")] = None,
) -> None:
    """Put an active source back into the shadow: from the next build on nobody sees it."""
    _set_status(context.obj, name, "shadow", note)


@app.command()
def shadow(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of this instance whose status is shadow.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare a shadow source with the live ones: records, fields, money, and what it would do to the customers."""
    from model import serve

    state: Context = context.obj
    report = serve.shadow_report(state.viewer, state.served, name)
    if as_json:
        show_json(report)
        return
    counts = ("rows", "both", "only_here", "only_there")
    table(report["entities"], ["entity", "against", "key", *counts], right=frozenset(counts))
    fields = [
        {"entity": row["entity"], **one, "share": f"{one['share']:.1%}"}
        for row in report["entities"]
        for one in row["fields"]
        if one["share"] is not None and one["share"] < 1
    ]
    table(fields, ["entity", "field", "compared", "equal", "share"], right=frozenset({"compared", "equal", "share"}))
    sums = ("here_amount", "there_amount", "difference")
    money = [row for row in report["money"] if row["difference"]]  # of entities that a live source has too
    table(money, ["entity", "currency", "month", *sums], right=frozenset(sums))
    said = report["customers"]
    typer.echo(
        f"{said['records']} customer records would join {said['match']} customers, add {said['add']} and bring "
        f"together {said['merge']}. Next: c360 source promote {name}"
    )


@app.command()
def rollback(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A source of this instance.")],
    to: Annotated[
        str | None, typer.Option(help="A run's id, or an instant in ISO; without it states are listed.")
    ] = None,
    note: Annotated[str, typer.Option(help="Why; it is kept with the change.")] = "",
) -> None:
    """Show a source as it stood after an earlier run and hold it there until `resume`; others stay as they are."""
    state: Context = context.obj
    if to is None:
        rows = [{**row, "streams": len(row["streams"])} for row in held.points(state.instance, name)]
        table(rows, ["to", "at", "streams", "rows"], right=frozenset({"streams", "rows"}))
        return
    one = held.hold(state.instance, name, to, state.user, note)
    typer.echo(f"{name} is held at {one.instant:%Y-%m-%d %H:%M:%S} UTC: {conform.replay(state.instance, name).counts}")
    _build(state)


@app.command()
def resume(context: typer.Context, name: Annotated[str, typer.Argument(help="A source that is held.")]) -> None:
    """Let a source that was rolled back go on: what has landed meanwhile is staged, as if it had never been held."""
    state: Context = context.obj
    held.let_go(state.instance, name, state.user)
    typer.echo(f"{name} goes on.")
    _build(state)


@app.command()
def totals(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A source; all without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What sources say they hold against shown + rejected + excluded, as of their last run; 1 where there is a gap."""
    state: Context = context.obj
    if name is not None:
        state.instance.config.source(name)
    state.need_everything("a source's total")
    found = control_totals.newest(state.instance, name)
    if as_json:
        show_json(found)
    elif not found:
        typer.echo("No source has stated a total. To do: [[total]] in its source.toml, or control = for files.")
    else:
        figures = ["stated_count", "shown_count", "rejected_count", "gap_count", "stated_amount", "gap_amount"]
        table(found, ["source", "name", "currency", *figures, "state"], right=frozenset(figures))
    raise typer.Exit(1 if any(row["state"] == "gap" for row in found) else 0)


def _set_status(state: Context, name: str, status: str, note: str | None) -> None:
    said = {"active": "active", "shadow": "in shadow"}[status]
    if source_status.set_status(state.instance, name, status, state.user, note):
        typer.echo(f"{name} is {said}. Next: `c360 build`.")
    else:
        typer.echo(f"{name} is {said} already.")


def _build(state: Context) -> None:
    result = chain.ChainResult()
    chain.after_collection(state.instance, result, progress=typer.echo)
    raise typer.Exit(1 if result.problems else 0)
