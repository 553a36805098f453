"""The warehouse file and the models that fill it.

A model is one SELECT in model/core or model/marts that creates the table of its file's name. Comment lines at its
top are its description; `-- grain|key|not_null|cluster: …` lines are its contract.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Literal

import duckdb
import sqlglot
from sqlglot import exp

from model import written
from ops.errors import FatalError, unknown_keys

ROOM = Path(__file__).parent
FOLDERS = ("core", "marts")
SCHEMAS = ("staging", "identity", "core", "marts", "meta")
STORAGE_VERSION = "v1.5.0"
# A reader of one customer decodes a whole group per table, and threads that insert compress groups of their own, where
# DuckDB's 122,880 rows would be left to the commit.
ROW_GROUP = 30_720
ALL_COLUMNS = frozenset({"*"})
_CONTRACT_KEYS = ("grain", "key", "not_null", "cluster")

META_DDL = """
create table if not exists meta.source (
    source varchar, role varchar, connector varchar, status varchar,
    rank_name integer, rank_tax integer, rank_credit integer, rank_owner integer, rank_contact integer
);
create table if not exists meta.source_capability (source varchar, gives_allocations boolean);
create table if not exists meta.first_run (entity varchar, source varchar, run_id varchar);
create table if not exists meta.staging_profile (
    source varchar, entity varchar, current_count bigint, version_count bigint, last_seen_at timestamptz
);
create table if not exists meta.model_runs (
    build_id varchar, model varchar, mode varchar, row_count bigint, seconds double, started_at timestamptz
);
create table if not exists meta.table_state (table_name varchar, unsorted_rows bigint);
create table if not exists meta.state (key varchar, value varchar);
"""


@dataclass(frozen=True)
class Model:
    """One SQL file: the table it makes, its contract, and `uses`: table → columns it reads, {"*"} for any."""

    name: str
    sql: str
    description: str
    grain: Literal["customer", "global"]
    key: tuple[str, ...]
    not_null: tuple[str, ...]
    cluster: tuple[str, ...]
    uses: dict[str, frozenset[str]]

    @property
    def reads(self) -> frozenset[str]:
        """The schema-qualified tables this model reads."""
        return frozenset(self.uses)


def warehouse_path(folder: Path) -> Path:
    """The DuckDB file inside an instance's warehouse folder."""
    return folder / "warehouse.duckdb"


def _begin(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the empty file beside its place and rename it: a kill leaves no half-written header under the name."""
    unnamed = path.with_name(f".{path.name}.{os.getpid()}")
    unnamed.unlink(missing_ok=True)
    quoted = str(unnamed).replace("'", "''")
    con.execute(f"attach '{quoted}' as beginning (storage_version '{STORAGE_VERSION}')")
    con.execute("detach beginning")
    unnamed.replace(path)


def connect(
    path: Path,
    *,
    read_only: bool = False,
    threads: int | None = None,
    memory_limit: str | None = None,
    row_group: int | None = ROW_GROUP,
) -> duckdb.DuckDBPyConnection:
    """Open the DuckDB file at `path` as catalogue `warehouse`, in a UTC session; the caller closes it.

    `row_group`: rows that this connection puts together where it adds to a table, DuckDB's own number where None.
    One that may write is better closed by written.close. Raises FatalError when another process holds the file.
    """
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.execute("set preserve_insertion_order = false")
    if threads:
        con.execute(f"set threads = {int(threads)}")
    if memory_limit:
        con.execute("set memory_limit = ?", [memory_limit])
    path.parent.mkdir(parents=True, exist_ok=True)
    con.execute("set temp_directory = ?", [str(path.parent / "spill")])
    if not read_only and not path.exists():
        _begin(con, path)
    quoted = str(path).replace("'", "''")
    option = "read_only" if read_only else f"storage_version '{STORAGE_VERSION}'"
    option += f", row_group_size {int(row_group)}" if row_group else ""
    is_watched = not read_only and written.is_noted(path)
    if is_watched:
        written.watch(con)
    try:
        con.execute(f"attach '{quoted}' as warehouse ({option})")
    except duckdb.IOException as error:
        con.close()
        raise FatalError(
            f"the warehouse {path} cannot be opened: {error}", remedy="wait for the build that holds it to end"
        ) from error
    if not read_only:
        written.take(path, is_watched=is_watched)
    con.execute("use warehouse")
    return con


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas and the meta tables that are missing."""
    for schema in SCHEMAS:
        con.execute(f"create schema if not exists {schema}")
    con.execute(META_DDL)


@cache
def models() -> list[Model]:
    """Every model under model/core and model/marts, each after the models it reads; FatalError on a bad contract."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOM / folder).glob("*.sql")):
            model = load_model(folder, path)
            found[model.name] = model
    graph = {name: sorted(model.reads & found.keys()) for name, model in sorted(found.items())}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise FatalError(f"models read each other in a circle: {error.args[1]}", remedy="break the circle") from error
    return [found[name] for name in order]


def load_model(folder: str, path: Path) -> Model:
    """Read one SQL file and its contract."""
    text = path.read_text(encoding="utf-8")
    contract: dict[str, str] = {}
    about: list[str] = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        found = re.fullmatch(r"-- ([a-z_]+): ([\w, ]+)", line)
        if found and found[1] in _CONTRACT_KEYS:
            contract[found[1]] = found[2]
        else:
            about.append(line[2:].strip())
    missing = [key for key in ("grain", "key", "cluster") if key not in contract]
    if missing or contract["grain"] not in ("customer", "global"):
        raise FatalError(
            f"{path.name}: contract incomplete: {', '.join(missing) or 'grain'}",
            valid="-- grain: customer | global, -- key: columns, -- not_null: columns, -- cluster: columns",
            remedy="write it into the comment at the top of the file",
        )
    error = unknown_keys(contract, _CONTRACT_KEYS, path.name)
    if error:
        raise error
    return Model(
        name=f"{folder}.{path.stem}",
        sql=text,
        description=" ".join(about),
        grain="customer" if contract["grain"] == "customer" else "global",
        key=_names(contract["key"]),
        not_null=_names(contract.get("not_null", "")),
        cluster=_names(contract["cluster"]),
        uses=uses(text, path.name),
    )


def uses(sql: str, where: str) -> dict[str, frozenset[str]]:
    """The schema-qualified tables a SELECT reads, with the columns it uses of each; {"*"}: any of them.

    Columns are told apart only where a SELECT reads one table and nothing else. FatalError when `sql` is not one
    SELECT of DuckDB SQL.
    """
    try:
        tree = sqlglot.parse_one(sql, read="duckdb")
    except sqlglot.errors.ParseError as error:
        raise FatalError(f"{where}: {error}", remedy="correct the SQL") from error
    if not isinstance(tree, exp.Query):
        raise FatalError(f"{where} is not a query", valid="one SELECT", remedy="remove the rest")
    found: dict[str, frozenset[str]] = {}
    for table in tree.find_all(exp.Table):
        if table.db:
            name = f"{table.db}.{table.name}"
            found[name] = found.get(name, frozenset()) | _columns(table)
    return found


def _columns(table: exp.Table) -> frozenset[str]:
    select = table.find_ancestor(exp.Select)
    if select is None:
        return ALL_COLUMNS
    others = [node for node in select.find_all(exp.Table, exp.Star, exp.Select) if node is not select]
    # count(*) needs no column: rows that come or go touch every reader of their table anyway
    if any(node is not table and not isinstance(node.parent, exp.Count) for node in others):
        return ALL_COLUMNS
    return frozenset(column.name for column in select.find_all(exp.Column))


def is_touched(used: frozenset[str], changed: frozenset[str] | None) -> bool:
    """True when one of the `changed` columns of a table is among the `used` ones; {"*"} stands for any."""
    return bool(changed and (changed & used or "*" in changed or "*" in used))


def redirect(sql: str, tables: dict[str, str]) -> str:
    """`sql` with every schema-qualified table that `tables` names replaced; the rest stays as written."""

    def swap(match: re.Match[str]) -> str:
        return tables.get(match[0], match[0])

    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return re.sub(rf"\b(?:{'|'.join(SCHEMAS)})\.[a-z_]+\b", swap, "\n".join(lines))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
