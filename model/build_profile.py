"""What a build notes of the staging tables before its models run: their profiles and the first run of each ledger."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from model import parsed, warehouse
from model.build_delta import Changes

_LEDGER_ENTITIES = ("invoice", "receipt", "credit_note", "allocation")


def write(con: duckdb.DuckDBPyConnection, shown: dict[str, str]) -> Changes:
    """Profiles of staging tables (entity → relation) and first runs of ledger entities; the tables that changed."""
    if not shown:
        return {}
    profiles = [
        f"select source, '{entity}', count(*) filter (where seen_to is null and not is_deleted), count(*), "
        f"max(seen_from) from {relation} group by source"
        for entity, relation in sorted(shown.items())
    ]
    con.execute(f"delete from meta.staging_profile where entity in ({_quoted(shown)})")
    parsed.execute(con, f"insert into meta.staging_profile {' union all '.join(profiles)}")
    changes = {"meta.staging_profile": warehouse.ALL_COLUMNS}
    ledger = [entity for entity in _LEDGER_ENTITIES if entity in shown]
    if not ledger:
        return changes
    first = " union all ".join(
        f"select '{entity}' as entity, source, min(run_id) as run_id from staging.{entity} group by source"
        for entity in ledger
    )
    parsed.execute(con, f"create or replace temp table first_run_now as {first}")
    known = f"select * from meta.first_run where entity in ({_quoted(ledger)})"
    differs = con.execute(f"""
        select count(*) from (
            (select * from first_run_now except {known}) union all
            ({known} except select * from first_run_now)
        )
    """).fetchall()
    if differs[0][0]:
        con.execute(f"delete from meta.first_run where entity in ({_quoted(ledger)})")
        con.execute("insert into meta.first_run select * from first_run_now")
        changes["meta.first_run"] = warehouse.ALL_COLUMNS
    return changes


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
