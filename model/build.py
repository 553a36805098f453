"""Build: stage what landed, resolve identities, run the models, publish.

One transaction changes core, marts and identity together, so that a crash leaves the warehouse as the last build
left it; what staging changed since stays noted in meta.changes until a build has taken it up. A build is full when
asked, the first time, when models, sources or survivorship changed, or when a fifth of the customers changed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
from sqlalchemy import func, select

from model import build_delta, build_run, conform, publish, staging, warehouse
from model.identity import customers, groups, people, projects, survivorship
from ops import clock, tables
from ops.instance import Instance
from ops.leases import lease
from ops.store import Store

if TYPE_CHECKING:
    from model.conform.stage import StageResult

Progress = Callable[[str], None]
LEASE = "build"
FULL_SHARE = 0.2
_LEDGER_ENTITIES = ("invoice", "receipt", "credit_note", "allocation")


@dataclass
class BuildResult:
    """What a build did. `rows`: rows of all tables (full) or rows replaced (incremental); `seconds` by step."""

    version: str | None
    mode: str
    rows: int
    affected: int
    seconds: dict[str, float] = field(default_factory=dict)
    staged: StageResult | None = None
    build_id: str | None = None
    base_build_id: str | None = None


def build(
    instance: Instance,
    *,
    full: bool = False,
    progress: Progress | None = None,
    stage: bool = True,
    release: bool = True,
) -> BuildResult:
    """Bring the warehouse up to what has landed and publish it.

    Raises LeaseHeld while another build runs, FatalError when a model's test fails; in both cases the last
    published build stays in use. Without changes nothing is rebuilt, and the published version stays.
    """
    with lease(instance.store, LEASE):
        build_run.remove_spill(instance.warehouse)
        con = warehouse.connect(warehouse.warehouse_path(instance.warehouse))
        try:
            result = _build(instance, con, full=full, progress=progress, stage=stage)
            keys = _affected(con, result.mode)
        finally:
            con.close()
        if release:
            _release(instance, result, keys, progress)
    return result


def _release(instance: Instance, result: BuildResult, keys: list[str] | None, progress: Progress | None) -> None:
    """Publish, unless this build was published before: a rollback holds until something changes."""
    now = publish.current_or_none(instance)
    if result.mode == "none" and now is not None and publish.knows(instance, result.build_id):
        result.version = now.version
        return
    started = clock.monotonic()
    result.version = publish.publish(instance, changed_keys=keys, base_build_id=result.base_build_id, progress=progress)
    result.seconds["publish"] = clock.monotonic() - started


def _build(
    instance: Instance,
    con: duckdb.DuckDBPyConnection,
    *,
    full: bool,
    progress: Progress | None,
    stage: bool,
) -> BuildResult:
    say = progress or (lambda _text: None)
    seconds: dict[str, float] = {}
    started = clock.monotonic()
    warehouse.prepare(con)
    staging.create(con)
    con.execute((warehouse.ROOM / "identity" / "schema.sql").read_text(encoding="utf-8"))
    staged = conform.stage(instance, con=con) if stage else None
    seconds["stage"] = clock.monotonic() - started
    started = clock.monotonic()
    signature = _signature(instance)
    decision = _last_decision(instance.store)
    whole = full or _state(con, "signature") != signature
    if whole:
        _write_sources(con, instance)
    build_delta.attach(con)
    entities = build_delta.take_changes(con)
    base, build_id = _state(con, "build_id"), uuid.uuid4().hex
    result: BuildResult | None = None
    if not whole:
        if not entities and decision == int(_state(con, "decision") or 0):
            return BuildResult(None, "none", 0, 0, seconds, staged, build_id=base, base_build_id=base)
        try:
            result = _incremental(con, instance.store, build_id, entities, decision, say)
        except build_run.CountMismatchError as error:
            say(f"the increment does not add up and is rebuilt in full: {error.what}")
            con.execute("detach delta")
            build_delta.attach(con)
            build_delta.take_changes(con)
    if result is None:
        result = _full(con, instance.store, build_id, decision, signature, say)
    seconds["models"] = clock.monotonic() - started
    started = clock.monotonic()
    sorted_again = build_run.recluster(con)
    if sorted_again:
        say(f"sorted again: {', '.join(sorted_again)}")
    con.execute("checkpoint warehouse")
    seconds["checkpoint"] = clock.monotonic() - started
    result.seconds, result.staged = seconds, staged
    result.build_id, result.base_build_id = build_id, base
    return result


def _full(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    build_id: str,
    decision: int,
    signature: str,
    say: Progress,
) -> BuildResult:
    say("identity: all records")
    customers.resolve_all(con, store)
    con.execute("""
        create or replace table delta.identity.crosswalk_now as
        select source, source_id, customer_key, rule, evidence from delta.identity.resolved
    """)
    people.resolve_employees(con, store)
    people.resolve_products(con, store)
    groups.resolve_groups(con, only_affected=False)
    projects.resolve_projects(con)
    con.execute("begin")
    try:
        con.execute(f"""
            create or replace table identity.customer_crosswalk as
            select source, source_id, customer_key, rule, evidence from (
                select source, source_id, customer_key, rule, evidence from delta.identity.resolved
                union all
                select source, '', '{customers.UNKNOWN}', 'none', null from meta.source where status <> 'shadow'
            ) order by customer_key, source, source_id
        """)
        for name, rows in (
            ("customer_identifier", "identifiers"),
            ("customer_conflict", "conflicts"),
            ("customer_group", "customer_group"),
            ("project_crosswalk", "projects"),
            *((name, name) for name in _PEOPLE),
        ):
            _replace(con, name, rows)
        _write_meta(con, None)
        total = build_run.run_full(con, build_id, say)
        con.execute("delete from meta.changes")
        _set_state(con, {"signature": signature, "decision": str(decision), "build_id": build_id})
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return BuildResult(None, "full", total, 0)


_PEOPLE = ("employee_crosswalk", "employee_golden", "product_crosswalk", "product_golden")


def _incremental(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    build_id: str,
    entities: set[str],
    decision: int,
    say: Progress,
) -> BuildResult | None:
    """An increment, or None when so much changed that a full build costs less."""
    _write_meta(con, entities)
    build_delta.resolve(con, store, entities, int(_state(con, "decision") or 0))
    affected = con.execute("select count(*) from delta.main.affected").fetchall()[0][0]
    everyone = con.execute("select count(*) from core.dim_customer").fetchall()[0][0]
    if affected > max(100, FULL_SHARE * everyone):
        return None
    say(f"{affected:,} customers changed")
    counts = build_run.run_slices(con, build_delta.slices(con))
    con.execute("begin")
    try:
        changed = _merge_identity(con, entities)
        build_run.merge(con, build_id, counts, changed)
        build_run.check_counts(con)
        con.execute("delete from meta.changes")
        _set_state(con, {"decision": str(decision), "build_id": build_id})
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return BuildResult(None, "incremental", sum(counts.values()), affected)


def _merge_identity(con: duckdb.DuckDBPyConnection, entities: set[str]) -> set[str]:
    """Commit the increment's identity tables; returns the tables whose rows may have changed."""
    for target, rows in (
        ("customer_crosswalk", "resolved"),
        ("customer_identifier", "identifiers"),
        ("customer_conflict", "conflicts"),
    ):
        con.execute(f"""
            delete from identity.{target} as t using delta.main.touched as k
            where k.source = t.source and k.source_id = t.source_id
        """)
        con.execute(f"insert into identity.{target} by name select * from delta.identity.{rows}")
    con.execute("""
        delete from identity.customer_group
        where customer_key in (select customer_key from delta.main.affected)
    """)
    con.execute("insert into identity.customer_group by name select * from delta.identity.customer_group")
    con.execute("""
        delete from identity.project_crosswalk as t using delta.main.project_todo as k
        where k.source = t.source and k.source_id = t.source_id
    """)
    con.execute("insert into identity.project_crosswalk by name select * from delta.identity.projects")
    changed = {f"staging.{entity}" for entity in entities} | {"meta.staging_profile"}
    for entity in ("employee", "product"):
        if entity in entities:
            for name in (f"{entity}_crosswalk", f"{entity}_golden"):
                _replace(con, name, name)
                changed.add(f"identity.{name}")
    return changed


def _replace(con: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    con.execute(f"delete from identity.{name}")
    con.execute(f"insert into identity.{name} by name select * from delta.identity.{rows}")


def _write_sources(con: duckdb.DuckDBPyConnection, instance: Instance) -> None:
    ranks = survivorship.ranks(instance.config_dir)
    con.execute("begin")
    con.execute("delete from meta.source")
    for source in instance.config.sources:
        rank = ranks[source.role]
        con.execute(
            "insert into meta.source values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [source.name, source.role, source.connector, source.status]
            + [rank[group] for group in survivorship.GROUPS],
        )
    con.execute("delete from meta.state where key = 'signature'")
    con.execute("commit")


def _write_meta(con: duckdb.DuckDBPyConnection, entities: set[str] | None) -> None:
    """Profile of staging and the first run of each ledger entity, for the changed entities or for all."""
    shown = con.execute(
        "select view_name from duckdb_views() where database_name = 'delta' and schema_name = 'shown'"
    ).fetchall()
    for (entity,) in shown:
        if entities is not None and entity not in entities:
            continue
        con.execute("delete from meta.staging_profile where entity = ?", [entity])
        con.execute(f"""
            insert into meta.staging_profile
            select source, '{entity}', count(*) filter (where seen_to is null and not is_deleted), count(*),
                max(seen_from)
            from delta.shown.{entity} group by source
        """)
        if entity in _LEDGER_ENTITIES:
            con.execute("delete from meta.first_run where entity = ?", [entity])
            con.execute(f"""
                insert into meta.first_run
                select '{entity}', source, min(run_id) from staging.{entity} group by source
            """)


def _signature(instance: Instance) -> str:
    sources = [[s.name, s.connector, s.role, s.status] for s in instance.config.sources]
    ranks = survivorship.ranks(instance.config_dir)
    return json.dumps([sources, ranks, build_run.fingerprint()], sort_keys=True)


def _last_decision(store: Store) -> int:
    with store.read() as connection:
        row = connection.execute(select(func.max(tables.match_decisions.c.decision_id))).first()
    return int(row[0] or 0) if row else 0


def _state(con: duckdb.DuckDBPyConnection, key: str) -> str | None:
    row = con.execute("select value from meta.state where key = ?", [key]).fetchall()
    return str(row[0][0]) if row else None


def _set_state(con: duckdb.DuckDBPyConnection, values: dict[str, str]) -> None:
    for key, value in values.items():
        con.execute("delete from meta.state where key = ?", [key])
        con.execute("insert into meta.state values (?, ?)", [key, value])


def _affected(con: duckdb.DuckDBPyConnection, mode: str) -> list[str] | None:
    """The customers an increment changed; None where the whole sidecar has to be made anew."""
    if mode == "full":
        return None
    if mode == "none":
        return []
    return [str(row[0]) for row in con.execute("select customer_key from delta.main.affected").fetchall()]
