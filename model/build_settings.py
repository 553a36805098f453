"""What a build is made under: the sources, their capabilities and the survivorship rules, and their signature."""

from __future__ import annotations

import json

import duckdb
import polars as pl

from model import build_run
from model.identity import crosswalks, survivorship
from model.identity.match_model import Matcher
from model.receivables.capability import gives_allocations
from ops.instance import Instance, SourceConfig


def write_sources(con: duckdb.DuckDBPyConnection, instance: Instance) -> None:
    """Replace meta.source, meta.source_capability and the survivorship rules; the next build is full."""
    rules = _survivorship(instance)
    con.execute("begin")
    con.execute("delete from meta.source")
    for source in instance.config.sources:
        con.execute(
            "insert into meta.source values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [*_about(source), *survivorship.order_of(rules, source.name, source.role)],
        )
    survivorship.write(con, rules, [(source.name, source.role) for source in instance.config.sources])
    crosswalks.write(con, _crosswalks(instance))
    con.execute("delete from meta.source_capability")
    for source in instance.config.sources:
        con.execute(
            "insert into meta.source_capability values (?, ?)", [source.name, gives_allocations(instance, source)]
        )
    con.execute("delete from meta.state where key = 'signature'")
    con.execute("commit")


def _about(source: SourceConfig) -> list[str]:
    return [source.name, source.role, source.connector, source.status]


def _survivorship(instance: Instance) -> survivorship.Rules:
    return survivorship.rules(instance.config_dir, [source.name for source in instance.config.sources])


def _crosswalks(instance: Instance) -> crosswalks.Crosswalks:
    return crosswalks.read(instance.config_dir, [source.name for source in instance.config.sources])


def signature(instance: Instance, matcher: Matcher | None) -> str:
    """What changes when every record has to be looked at again: sources, rules, models, identity parameters."""
    sources = [[s.name, s.connector, s.role, s.status, gives_allocations(instance, s)] for s in instance.config.sources]
    ranks = _survivorship(instance).described()
    # the numbers of records and keys come from polars
    parameters = [matcher.version, pl.__version__] if matcher else []
    said = _crosswalks(instance)
    return json.dumps(
        [sources, ranks, said.product, said.employee, build_run.fingerprint(), parameters], sort_keys=True
    )
