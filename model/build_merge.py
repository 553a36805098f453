"""The models of an increment: which have to run, what their rows changed, and the merge of those rows.

A customer model runs when a column changed that it uses; rows that come out as they were are left alone. Models that
read staging, or a table that ties documents of several customers together, need all they read as slices; the others
read the affected customers' rows of the tables that did not change.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from model import build_run, parsed, warehouse
from model.build_delta import Changes, Increment
from model.build_slices import Slicer
from model.warehouse import ALL_COLUMNS, Model

# its rows stand under the customer of the invoice and name receipts and credit notes of any customer
LINKING = "core.fct_allocation"
_AFFECTED = "customer_key in (select customer_key from delta.main.affected)"


@dataclass
class Outcome:
    """What an increment's models did. `rows`: model → rows that are new or different; `gone`: rows that leave."""

    rows: dict[str, int] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    records: list[build_run.Record] = field(default_factory=list)


def touches(model: Model, changes: Changes) -> bool:
    """True when `changes` holds a column that the model uses."""
    return any(warehouse.is_touched(used, changes.get(table)) for table, used in model.uses.items())


def plan(changes: Changes) -> tuple[set[str], set[str], dict[str, frozenset[str]]]:
    """Models that must run over slices whatever comes out of others, and the staging entities that slices need.

    Last, table → the columns that the models that may run use of it.
    """
    ordered = [model for model in warehouse.models() if model.grain == "customer"]
    possible: set[str] = set()
    linking = {LINKING}
    for model in ordered:
        if model.reads & linking:
            linking.add(model.name)
        if touches(model, changes) or model.reads & possible:
            possible.add(model.name)
    columns: dict[str, frozenset[str]] = {}
    forced: set[str] = set()
    entities: set[str] = set()
    for model in reversed(ordered):
        staged = {table.removeprefix("staging.") for table in model.reads if table.startswith("staging.")}
        if model.name in forced or (model.name in possible and (staged or model.reads & linking)):
            forced |= model.reads
            entities |= staged
        if model.name in forced | possible:
            for table, used in model.uses.items():
                columns[table] = columns.get(table, frozenset()) | used
    return {model.name for model in ordered if model.name in forced}, entities, columns


def run(con: duckdb.DuckDBPyConnection, inc: Increment) -> Outcome:
    """Run the customer models that the increment concerns, into delta, and find the rows that differ.

    Adds their changes to `inc.changes`. FatalError when a model's test fails.
    """
    must, entities, columns = plan(inc.changes)
    tables = Slicer(con, inc, entities).tables()
    filled = _filled(con)
    outcome = Outcome()
    for model in warehouse.models():
        if model.grain != "customer":
            continue
        is_dirty = touches(model, inc.changes)
        if not is_dirty and model.name not in must:
            continue
        watch = build_run.Watch()
        for table in sorted((model.reads - tables.keys()) & filled):
            if table.startswith(("core.", "marts.")):
                used = columns[table]
                listed = "*" if "*" in used else ", ".join(sorted(used | {"customer_key"}))
                cut = f"create or replace table delta.{table} as select {listed} from {table} where {_found(table)}"
                parsed.execute(con, cut)
                tables[table] = f"delta.{table}"
        target = f"delta.{model.name}"
        parsed.execute(con, f"create or replace table {target} as {warehouse.redirect(model.sql, tables)}")
        tables[model.name] = target
        if is_dirty:
            _compare(con, model, inc.changes, outcome)
            outcome.records.append((model.name, "incremental", outcome.rows.get(model.name, 0), *watch.read()))
    return outcome


def _filled(con: duckdb.DuckDBPyConnection) -> set[str]:
    """The tables of the warehouse that hold anything; models read an empty one as it is."""
    rows = con.execute("""
        select schema_name || '.' || table_name from duckdb_tables()
        where database_name = 'warehouse' and estimated_size > 0
    """).fetchall()
    return {str(row[0]) for row in rows}


def _found(table: str) -> str:
    # the keys are looked through first: other columns are then read only where there is something to read
    return f"rowid in (select rowid from {table} where {_AFFECTED})"


def _diff(model: Model) -> str:
    return f"delta.diff.{model.name.replace('.', '_')}"


def _compare(con: duckdb.DuckDBPyConnection, model: Model, changes: Changes, outcome: Outcome) -> None:
    """delta.diff.<model>: row_id of rows that leave the table, new_id of rows of delta.<model> that come in."""
    new = f"(select rowid as new_id, * from delta.{model.name} where {_AFFECTED})"
    old = f"(select rowid as row_id, * from {model.name} where {_found(model.name)})"
    columns = con.table(f"delta.{model.name}").columns
    keys = list(dict.fromkeys(("customer_key", *model.key)))
    same = " and ".join(f'o."{key}" is not distinct from n."{key}"' for key in keys)
    others = [column for column in columns if column not in keys]
    marks = "".join(f', o."{column}" is distinct from n."{column}" as "{column}"' for column in others)
    differs = " or ".join(["row_id is null", "new_id is null", *(f'"{column}"' for column in others)])
    pairs = f"select o.row_id, n.new_id{marks} from {old} as o full join {new} as n on {same}"
    parsed.execute(
        con,
        f"create or replace table {_diff(model)} as with pair as ({pairs}) select * from pair where {differs}",
    )
    moved = "".join(f', bool_or("{column}")' for column in others)
    counts = f"count(row_id), count(new_id), count(*) filter (row_id is null or new_id is null){moved}"
    gone, came, lonely, *flags = parsed.execute(con, f"select {counts} from {_diff(model)}").fetchall()[0]
    if not gone and not came:
        return
    build_run.check(con, model, new)
    changes[model.name] = ALL_COLUMNS if lonely else frozenset(c for c, flag in zip(others, flags, strict=True) if flag)
    outcome.rows[model.name], outcome.gone[model.name] = came, gone


def merge(con: duckdb.DuckDBPyConnection, build_id: str, inc: Increment, outcome: Outcome) -> None:
    """Replace the rows that differ and rebuild the global models that read a changed column.

    Runs inside the caller's transaction. FatalError when a model's test fails.
    """
    hidden = {f"staging.{entity}": relation for entity, relation in inc.shown.items()}
    records = list(outcome.records)
    for model in warehouse.models():
        if model.grain == "customer":
            _replace(con, model, outcome)
        elif touches(model, inc.changes):
            watch = build_run.Watch()
            rows = build_run.create(con, model, hidden)
            inc.changes[model.name] = ALL_COLUMNS
            records.append((model.name, "incremental", rows, *watch.read()))
    build_run.write_records(con, build_id, records)
    unsorted = {name: rows for name, rows in outcome.rows.items() if rows}
    if unsorted:
        values = ", ".join(f"('{name}', {rows})" for name, rows in unsorted.items())
        con.execute(f"insert into meta.table_state values {values}")


def _replace(con: duckdb.DuckDBPyConnection, model: Model, outcome: Outcome) -> None:
    if outcome.gone.get(model.name):
        con.execute(f"delete from {model.name} where rowid in (select row_id from {_diff(model)})")
    if outcome.rows.get(model.name):
        con.execute(f"""
            insert into {model.name} select * from delta.{model.name}
            where rowid in (select new_id from {_diff(model)}) order by {", ".join(model.cluster)}
        """)
