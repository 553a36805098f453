"""`c360 check`: what is wrong with configuration, connector settings, secrets and mappings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from ingest import max_age, probe, settings
from ingest.spec import SourceSpec
from model.alerts import rule as alert_rules
from model.alerts.calendar import Calendar
from model.conform.sources import mapping_of
from model.identity import crosswalks, survivorship
from model.quality import rule as quality_rules
from model.receivables import codes, letterhead
from model.reconcile import rule as reconcile_rules
from ops.errors import C360Error
from ops.instance import Instance
from ops.secrets import Redactor
from run.context import Context
from run.scheduler import next_due

# what an instance's config folder may hold
KNOWN = frozenset({
    "calendar", "calendar.toml", "conform", "fonts", "reconcile", "rules", "sources", "tests",
    codes.OWN, letterhead.OWN, quality_rules.OWN, "survivorship.toml", *(name for name, _ in crosswalks.FILES.values()),
})  # fmt: skip


def problems(instance: Instance) -> list[str]:
    """Every problem found in the instance's configuration, as readable sentences."""
    found: list[str] = []
    for source in instance.config.sources:
        for verify in (_check_settings, _check_mapping, _check_schedule):
            try:
                verify(instance, source.name)
            except C360Error as error:
                found.append(f"{source.name}: {error}")
    for read in _own_files(instance):
        try:
            read()
        except C360Error as error:
            found.append(str(error))
    strangers = sorted(path.name for path in instance.config_dir.glob("[!.]*") if path.name not in KNOWN)
    return found + [f"config/{name}: nothing reads it. Valid: {', '.join(sorted(KNOWN))}" for name in strangers]


def _own_files(instance: Instance) -> list[Callable[[], object]]:
    """One reader for each file that an instance may have: rules, codes, calendar, field rules, crosswalks."""
    folder, sources = instance.config_dir, [source.name for source in instance.config.sources]
    return [
        lambda: survivorship.rules(folder, sources),
        lambda: crosswalks.read(folder, sources),
        lambda: alert_rules.load(folder, everything=True),
        lambda: reconcile_rules.load(folder, everything=True),
        lambda: quality_rules.load(folder, everything=True),
        lambda: codes.load(folder),
        lambda: letterhead.load(folder),
        lambda: Calendar.load(folder),
    ]


def _check_settings(instance: Instance, name: str) -> None:
    source = instance.config.source(name)
    spec = SourceSpec.load(source.connector, instance.config_dir)
    settings.resolve(spec, source, instance.secrets, Redactor())
    max_age.verify(instance, source)


def _check_mapping(instance: Instance, name: str) -> None:
    mapping_of(instance, instance.config.source(name))


def _check_schedule(instance: Instance, name: str) -> None:
    next_due(instance.config.source(name), None, instance.config.zone)


def command(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(help="Also sign in to this source and read the first page of each stream.")
    ] = None,
) -> None:
    """Validate c360.toml and the instance's other files, every source's settings, secrets, mapping and schedule.

    On request try one source.
    """
    state: Context = context.obj
    found = problems(state.instance)
    if source and not found:
        tried = probe.probe(state.instance, source, progress=lambda one: typer.echo(probe.told(one)))
        found = [f"{source}/{one.stream}: {one.message}" for one in tried if one.state in {"failed", "refused"}]
    for problem in found:
        typer.echo(f"problem: {problem}")
    count = len(state.instance.config.sources)
    typer.echo(f"{count} source(s) checked, {len(found)} problem(s)." + ("" if found else " Next: c360 sync"))
    raise typer.Exit(1 if found else 0)
