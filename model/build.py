"""Build: stage what landed, resolve identities, run the models, publish.

One transaction changes core, marts and identity together, so that a crash leaves the warehouse as the last build
left it; what staging changed since stays noted in meta.changes until a build has taken it up. A build is full when
asked, the first time, when models, sources or survivorship changed, or when a fifth of the customers changed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
from sqlalchemy import func, select

from model import (
    build_delta,
    build_merge,
    build_profile,
    build_run,
    build_settings,
    conform,
    publish,
    search,
    staging,
    warehouse,
    written,
)
from model.identity import (
    crosswalks,
    customers,
    field_pins,
    groups,
    match_build,
    match_model,
    people,
    projects,
    survivorship,
)
from model.identity.match_model import Matcher
from ops import clock, tables
from ops.instance import Instance
from ops.leases import lease
from ops.progress import Progress, quiet
from ops.store import Store

if TYPE_CHECKING:
    from model.conform.stage import StageResult

LEASE = "build"
FULL_SHARE = 0.2


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
    changes: build_delta.Changes = field(default_factory=dict)


def build(
    instance: Instance,
    *,
    full: bool = False,
    progress: Progress | None = None,
    stage: bool = True,
    release: bool = True,
    early: conform.Early | None = None,
) -> BuildResult:
    """Bring the warehouse up to what has landed and publish it.

    Raises LeaseHeld while another build runs, FatalError when a model's test fails; in both cases the last
    published build stays in use. Without changes nothing is rebuilt, and the published version stays.
    """
    with lease(instance.store, LEASE):
        build_run.remove_spill(instance.warehouse)
        path = warehouse.warehouse_path(instance.warehouse)
        con = warehouse.connect(path)
        try:
            result = _build(instance, con, full=full, progress=progress, stage=stage, early=early)
            if not release or not _release(instance, con, result, progress):
                written.close(con, path)
        finally:
            con.close()
    return result


def _release(
    instance: Instance, con: duckdb.DuckDBPyConnection, result: BuildResult, progress: Progress | None
) -> bool:
    """Publish, which closes `con`, unless this build was published before: a rollback holds until something changes."""
    now = publish.current_or_none(instance)
    if result.mode == "none" and now is not None and publish.knows(instance, result.build_id):
        result.version = now.version
        return False
    started = clock.monotonic()
    parts = search.touched_parts(result.changes)
    result.version = publish.publish(
        instance,
        con=con,
        changed_keys=_affected(con, result, parts),
        changed_parts=parts,
        base_build_id=result.base_build_id,
        progress=progress,
    )
    result.seconds["publish"] = clock.monotonic() - started
    return True


def _build(
    instance: Instance,
    con: duckdb.DuckDBPyConnection,
    *,
    full: bool,
    progress: Progress | None,
    stage: bool,
    early: conform.Early | None,
) -> BuildResult:
    say = progress or quiet
    seconds: dict[str, float] = {}
    started = clock.monotonic()
    _prepare(con)
    staged = conform.stage(instance, con=con, early=early) if stage else None
    seconds["stage"] = clock.monotonic() - started
    started = clock.monotonic()
    matcher = match_model.current(instance)
    signature = build_settings.signature(instance, matcher)
    if matcher is None:
        say("no identity parameters: records are linked by identifiers alone; `c360 identity train` makes them")
    decision = _last_decision(instance.store)
    state = _state(con)
    whole = full or state.get("signature") != signature
    if whole:
        build_settings.write_sources(con, instance)
    build_delta.attach(con)
    entities = build_delta.take_changes(con)
    base, build_id = state.get("build_id"), uuid.uuid4().hex
    result: BuildResult | None = None
    if not whole:
        pinned = field_pins.last(instance.store) == int(state.get("field_decision", 0))
        if not entities and pinned and decision == int(state.get("decision", 0)):
            return BuildResult(None, "none", 0, 0, seconds, staged, build_id=base, base_build_id=base)
        result = _attempt(con, instance.store, matcher, build_id, entities, decision, say)
    if result is None:
        result = _full(con, instance.store, matcher, build_id, decision, signature, say)
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


def _prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Create the tables that are missing, unless the warehouse was laid out by this very code."""
    identity = (warehouse.ROOM / "identity" / "schema.sql").read_text(encoding="utf-8")
    layout = staging.layout(identity, survivorship.ddl(), crosswalks.ddl())
    try:
        if _state(con).get("layout") == layout:
            return
    except duckdb.CatalogException:
        pass  # an empty warehouse
    warehouse.prepare(con)
    staging.create(con)
    con.execute(identity)
    con.execute(survivorship.ddl())
    con.execute(crosswalks.ddl())
    _set_state(con, {"layout": layout})


def _attempt(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    matcher: Matcher | None,
    build_id: str,
    entities: set[str],
    decision: int,
    say: Progress,
) -> BuildResult | None:
    """An increment, or None when a full build has to take its place; then `delta` is as it was before."""
    result = None
    try:
        result = _incremental(con, store, matcher, build_id, entities, decision, say)
    except build_run.CountMismatchError as error:
        say(f"the increment does not add up and is rebuilt in full: {error.what}")
    if result is None:
        con.execute("detach delta")
        build_delta.attach(con)
        build_delta.take_changes(con)
    return result


def _full(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    matcher: Matcher | None,
    build_id: str,
    decision: int,
    signature: str,
    say: Progress,
) -> BuildResult:
    say("identity: all records")
    customers.resolve_all(con, store, matcher)
    con.execute("""
        create or replace table delta.identity.crosswalk_now as
        select source, source_id, customer_key, rule, evidence from delta.identity.resolved
    """)
    people.resolve_employees(con, store)
    people.resolve_products(con, store)
    pinned = field_pins.resolve_pins(con, store)
    groups.resolve_groups(con, only_affected=False)
    projects.resolve_projects(con)
    is_filtered = build_delta.has_hidden(con, build_delta.staged_sources())
    shown = build_delta.shown(con, is_filtered=is_filtered)
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
            ("customer_input", "inputs"),
            ("customer_group", "customer_group"),
            ("project_crosswalk", "projects"),
            *((name, name) for name in _PEOPLE),
        ):
            _replace(con, name, rows)
        match_build.replace(con)
        build_profile.write(con, shown)
        total = build_run.run_full(con, build_id, shown, say)
        con.execute("delete from meta.changes")
        values = {"signature": signature, "decision": str(decision), "build_id": build_id}
        values |= {"field_decision": str(pinned)}
        _set_state(con, values | {"is_filtered": str(int(is_filtered))})
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return BuildResult(None, "full", total, 0)


_PEOPLE = (*people.TABLES["employee"], *people.TABLES["product"], "field_pin")


def _incremental(
    con: duckdb.DuckDBPyConnection,
    store: Store,
    matcher: Matcher | None,
    build_id: str,
    entities: set[str],
    decision: int,
    say: Progress,
) -> BuildResult | None:
    """An increment, or None when so much changed that a full build costs less."""
    state = _state(con)
    is_filtered = state.get("is_filtered") == "1" or build_delta.has_hidden(con, "select source from meta.changes")
    shown = build_delta.shown(con, is_filtered=is_filtered)
    changes: build_delta.Changes = {f"staging.{entity}": warehouse.ALL_COLUMNS for entity in entities}
    changes |= build_profile.write(con, {entity: shown[entity] for entity in entities})
    rows = con.execute("select distinct entity from meta.staging_profile").fetchall()
    inc = build_delta.Increment(set(entities), shown, {str(row[0]) for row in rows}, changes=changes)
    build_delta.resolve(con, store, inc, int(state.get("decision", 0)), matcher)
    affected, everyone = con.execute("""
        select (select count(*) from delta.main.affected), (select count(*) from core.dim_customer)
    """).fetchall()[0]
    if affected > max(100, FULL_SHARE * everyone):
        return None
    say(f"{affected:,} customers changed")
    outcome = build_merge.run(con, inc)
    con.execute("begin")
    try:
        _merge_identity(con, inc)
        build_merge.merge(con, build_id, inc, outcome)
        build_run.check_counts(con, inc.changes)
        con.execute("delete from meta.changes")
        values = {"decision": str(decision), "build_id": build_id, "is_filtered": str(int(is_filtered))}
        values |= {"field_decision": str(inc.pinned)}
        _set_state(con, values)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise
    return BuildResult(None, "incremental", sum(outcome.rows.values()), affected, changes=inc.changes)


def _merge_identity(con: duckdb.DuckDBPyConnection, inc: build_delta.Increment) -> None:
    """Commit the increment's identity tables."""
    if inc.is_moved:
        for target, rows in (
            ("customer_crosswalk", "resolved"),
            ("customer_identifier", "identifiers"),
            ("customer_conflict", "conflicts"),
            ("customer_input", "inputs"),
        ):
            con.execute(f"""
                delete from identity.{target} as t using delta.main.touched as k
                where k.source = t.source and k.source_id = t.source_id
            """)
            con.execute(f"insert into identity.{target} by name select * from delta.identity.{rows}")
        match_build.merge(con)
    if "identity.customer_group" in inc.changes:
        con.execute("""
            delete from identity.customer_group
            where customer_key in (select customer_key from delta.main.affected)
        """)
        con.execute("insert into identity.customer_group by name select * from delta.identity.customer_group")
    if "identity.project_crosswalk" in inc.changes:
        con.execute("""
            delete from identity.project_crosswalk as t using delta.main.project_todo as k
            where k.source = t.source and k.source_id = t.source_id
        """)
        con.execute("insert into identity.project_crosswalk by name select * from delta.identity.projects")
    for name in _PEOPLE:
        if f"identity.{name}" in inc.changes:
            _replace(con, name, name)


def _replace(con: duckdb.DuckDBPyConnection, name: str, rows: str) -> None:
    con.execute(f"delete from identity.{name}")
    con.execute(f"insert into identity.{name} by name select * from delta.identity.{rows}")


def _last_decision(store: Store) -> int:
    with store.read() as connection:
        row = connection.execute(select(func.max(tables.match_decisions.c.decision_id))).first()
    return int(row[0] or 0) if row else 0


def _state(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(con.execute("select key, value from warehouse.meta.state").fetchall())


def _set_state(con: duckdb.DuckDBPyConnection, values: dict[str, str]) -> None:
    listed = ", ".join("?" for _ in values)
    con.execute(f"delete from meta.state where key in ({listed})", list(values))
    rows = ", ".join("(?, ?)" for _ in values)
    con.execute(f"insert into meta.state values {rows}", [text for item in values.items() for text in item])


def _affected(con: duckdb.DuckDBPyConnection, result: BuildResult, parts: list[str]) -> list[str] | None:
    """The customers of whom an increment may have changed `parts` of the sidecar; None: make it anew."""
    if result.mode == "full":
        return None
    if not parts:
        return []
    return [str(row[0]) for row in con.execute("select customer_key from delta.main.affected").fetchall()]
