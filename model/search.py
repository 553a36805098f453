"""The search sidecar of a published build: a SQLite file with names, people, codes and numbers of every customer.

    customer(customer_key, name, owner_key)             who may see it
    entry(id, customer_key, kind, value, folded, mask)  what can be found, one row per value; ids carry the rank
    words                                               FTS5 over own tokens by entry id; scope and mask too
    document(customer_key, kind, value, folded)         numbers of orders, invoices, tickets, devices …, by prefix

Ids are rank first: the kind's weight, then the shorter value, then a running number. The index lists matches by id,
so a reader that stops early has read the best. The scope filters inside the index, before any limit. A value of a kind
that is masked for the viewer matches only when it is typed in full.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from model import warehouse
from model.search_query import OTHER_WEIGHT, WEIGHT
from model.search_tokens import key, name_tokens, number_tokens, query_terms

_TOKENS = 3  # raise it when tokens change: an older sidecar is then written anew, not carried forward
_NUMBER_BITS = 40
PARTS = ("customer", "entry", "document")
_NAMES = {"name", "short_name", "english_name", "former_name", "contact"}
_SCHEMA = """
create table customer (customer_key text primary key, name text not null, owner_key text) without rowid;
create table employee (employee_key text primary key, manager_key text, team text) without rowid;
create table entry (id integer primary key, customer_key text not null, kind text not null, value text not null,
                    folded text not null, mask text, owner_key text);
create table document (customer_key text not null, kind text not null, value text not null, folded text not null);
create table counter (last integer not null);
insert into counter values (0);
create virtual table words using fts5 (tokens, content='', detail='none', tokenize="unicode61 remove_diacritics 0");
"""
_INDEXES = """
create index if not exists entry_folded on entry (folded);
create index if not exists entry_customer on entry (customer_key);
create index if not exists document_folded on document (folded);
create index if not exists document_customer on document (customer_key);
create index if not exists customer_owner on customer (owner_key);
"""
_ENTRIES = """
with record as (
    select customer_key, name, short_name, former_name, phone, email from core.dim_customer_record where not is_deleted
),
owner as (select customer_key, owner_key from core.dim_customer),
found as (
    select customer_key, 'name' as kind, name as value, null as mask from core.dim_customer
    union select customer_key, 'short_name', short_name, null from core.dim_customer
    union select customer_key, 'english_name', english_name, null from core.dim_customer
    union select customer_key, 'name', name, null from record
    union select customer_key, 'short_name', short_name, null from record
    union select customer_key, 'former_name', former_name, null from record
    union select customer_key, 'phone', phone, 'phone' from record
    union select customer_key, 'email', email, null from record
    union select customer_key, kind, code, null from core.dim_customer_code
    union select customer_key, 'code', customer_key, null from core.dim_customer
    union select customer_key, 'contact', name, null from core.dim_contact
    union select customer_key, 'email', email, null from core.dim_contact
    union select customer_key, 'phone', phone, 'phone' from core.dim_contact
    union select customer_key, 'phone', mobile, 'phone' from core.dim_contact
    union select customer_key, 'project', code, null from core.dim_project
    union select customer_key, 'project', name, null from core.dim_project
)
select customer_key, found.kind, value, mask, owner.owner_key,
       case found.kind {ranks} else {other} end * 256 + least(length(value), 255) as rank
from found join owner using (customer_key)
where value is not null and value <> '' and customer_key <> 'C000000'
order by rank, value, customer_key, found.kind"""
_CUSTOMERS = "select customer_key, coalesce(name, '?'), owner_key from core.dim_customer"
_DOCUMENTS = """
select customer_key, kind, number from (
    select customer_key, 'order' as kind, number from core.fct_order
    union select customer_key, 'invoice', number from core.fct_invoice
    union select customer_key, 'tax_invoice', tax_invoice_number from core.fct_invoice
    union select customer_key, 'contract', number from core.fct_contract
    union select customer_key, 'shipment', number from core.fct_shipment
    union select customer_key, 'ticket', number from core.fct_ticket
    union select customer_key, 'serial', serial_number from core.dim_asset
) where number is not null and number <> '' and customer_key <> 'C000000'"""


@cache
def _parts() -> dict[str, str]:
    """Table of a sidecar → the query for its rows; employees are written whole each time."""
    return dict(zip(PARTS, (_CUSTOMERS, _ENTRIES.format(**_ranks()), _DOCUMENTS), strict=True))


@cache
def _uses(part: str) -> dict[str, frozenset[str]]:
    return warehouse.uses(_parts()[part], "search")


def touched_parts(changes: Mapping[str, frozenset[str]]) -> list[str]:
    """The parts of a sidecar that `changes` (table → columns in which rows changed) may have changed."""
    return [
        part
        for part in PARTS
        if any(warehouse.is_touched(used, changes.get(table)) for table, used in _uses(part).items())
    ]


def build_sidecar(
    build: Path | duckdb.DuckDBPyConnection,
    out_path: Path,
    previous: Path | None = None,
    changed_keys: Sequence[str] | None = None,
    changed_parts: Collection[str] | None = None,
) -> None:
    """Write the sidecar of `build`, a file or a connection whose present catalogue it is, to `out_path`.

    With `previous` and `changed_keys` the former sidecar is copied and only those customers are replaced; in place,
    where `previous` is `out_path`. `changed_parts`: see touched_parts; the others are left as they are.
    """
    takes_forward = previous is not None and changed_keys is not None and _tokens_of(previous) == _TOKENS
    if previous != out_path or not takes_forward:
        out_path.unlink(missing_ok=True)
    if takes_forward and previous is not None and previous != out_path:
        shutil.copyfile(previous, out_path)
    source = duckdb.connect(str(build), read_only=True) if isinstance(build, Path) else build
    target = sqlite3.connect(out_path, isolation_level=None)
    try:
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
            target.execute(f"pragma {pragma}")
        if not takes_forward:
            target.executescript(_SCHEMA)
            target.execute(f"pragma user_version={_TOKENS}")
        target.execute("begin")
        _write_employees(source, target)
        if takes_forward:
            _replace(source, target, list(changed_keys or []), PARTS if changed_parts is None else changed_parts)
        else:
            _fill(source, target)
        target.execute("commit")
        target.executescript(_INDEXES)
        if not takes_forward:
            target.execute("insert into words (words) values ('optimize')")
    finally:
        target.close()
        if isinstance(build, Path):
            source.close()


def _tokens_of(sidecar: Path) -> int:
    """By which version of the tokens a sidecar was written."""
    connection = sqlite3.connect(f"file:{sidecar}?mode=ro", uri=True)
    try:
        return int(connection.execute("pragma user_version").fetchone()[0])
    finally:
        connection.close()


def _write_employees(source: duckdb.DuckDBPyConnection, target: sqlite3.Connection) -> None:
    target.execute("delete from employee")
    target.executemany(
        "insert into employee values (?, ?, ?)",
        source.execute("select employee_key, manager_key, team from core.dim_employee").fetchall(),
    )


def _fill(source: duckdb.DuckDBPyConnection, target: sqlite3.Connection) -> None:
    """Every customer, entry and document of the build."""
    people = source.execute(_CUSTOMERS)
    target.executemany("insert into customer values (?, ?, ?)", people.fetchall())
    found = source.execute(_parts()["entry"])
    while rows := found.fetchmany(50_000):
        _insert_entries(target, rows)
    found = source.execute(_DOCUMENTS)
    while rows := found.fetchmany(50_000):
        _insert_documents(target, rows)


def _replace(
    source: duckdb.DuckDBPyConnection, target: sqlite3.Connection, keys: list[str], parts: Collection[str]
) -> None:
    """Of the customers `keys`, write what is new in `parts` and remove what is gone: most of it stays as it was."""
    if not keys or not parts:
        return
    slices = _slices(source, keys, parts)
    target.execute("create temp table changed (customer_key text primary key)")
    target.executemany("insert or ignore into changed values (?)", [(item,) for item in keys])
    among = "customer_key in (select customer_key from changed)"
    if "customer" in parts:
        kept = f"select customer_key, name, owner_key from customer where {among}"
        had, has = _difference(source, target, slices, "customer", kept)
        target.executemany("delete from customer where customer_key = ?", [row[:1] for row in had])
        target.executemany("insert into customer values (?, ?, ?)", list(has))
    if "entry" in parts:
        kept = f"select customer_key, kind, value, mask, owner_key, id >> {_NUMBER_BITS}, id from entry where {among}"
        had, has = _difference(source, target, slices, "entry", kept)
        words = [(row[-1], _tokens(*row[1:5])) for row in had]
        target.executemany("insert into words (words, rowid, tokens) values ('delete', ?, ?)", words)
        target.executemany("delete from entry where id = ?", [row[-1:] for row in had])
        _insert_entries(target, sorted(has, key=lambda row: (row[5], row[2], row[0], row[1])))
    if "document" in parts:
        kept = f"select customer_key, kind, value, rowid from document where {among}"
        had, has = _difference(source, target, slices, "document", kept)
        target.executemany("delete from document where rowid = ?", [row[-1:] for row in had])
        _insert_documents(target, sorted(has))


def _slices(source: duckdb.DuckDBPyConnection, keys: list[str], parts: Collection[str]) -> dict[str, str]:
    """Table → a temporary one with the rows of the customers `keys`, as far as `parts` read its columns."""
    source.execute("create or replace temp table changed (customer_key varchar)")
    source.execute("insert into changed select unnest(?)", [keys])
    used: dict[str, frozenset[str]] = {}
    for part in parts:
        for table, columns in _uses(part).items():
            used[table] = used.get(table, frozenset()) | columns
    found = {}
    for table, columns in used.items():
        found[table] = "changed_" + table.partition(".")[2]
        source.execute(f"""
            create or replace temp table {found[table]} as select {", ".join(sorted(columns))} from {table}
            where customer_key in (select customer_key from changed)
        """)
    return found


def _difference(
    source: duckdb.DuckDBPyConnection, target: sqlite3.Connection, slices: dict[str, str], part: str, kept: str
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Rows of `kept` that the part's query no longer gives, and rows of the query that `kept` lacks.

    A row of `kept` may end in a number that the query does not have: by that number it can be removed.
    """
    new = set(source.execute(warehouse.redirect(_parts()[part], slices)).fetchall())
    width = len(source.description)
    old = {row[:width]: row for row in target.execute(kept).fetchall()}
    return [row for key_, row in old.items() if key_ not in new], [row for row in new if row not in old]


def _insert_entries(target: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows`: customer_key, kind, value, mask, owner_key, rank, in the order in which they are numbered."""
    (last,) = target.execute("select last from counter").fetchone()
    entries, words = [], []
    for number, (customer_key, kind, value, mask, owner, rank) in enumerate(rows, start=last + 1):
        entry_id = rank << _NUMBER_BITS | number
        entries.append((entry_id, customer_key, kind, value, key(value), mask, owner))
        words.append((entry_id, _tokens(kind, value, mask, owner)))
    target.executemany("insert into entry values (?, ?, ?, ?, ?, ?, ?)", entries)
    target.executemany("insert into words (rowid, tokens) values (?, ?)", words)
    target.execute("update counter set last = last + ?", [len(rows)])


def _insert_documents(target: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """`rows`: customer_key, kind, number."""
    target.executemany("insert into document values (?, ?, ?, ?)", [(*row, key(row[2])) for row in rows])


def _ranks() -> dict[str, str]:
    """Kinds by weight, heaviest first, as the cases of an SQL expression."""
    order = sorted({*WEIGHT.values(), OTHER_WEIGHT}, reverse=True)
    cases = " ".join(f"when '{kind}' then {order.index(weight)}" for kind, weight in WEIGHT.items())
    return {"ranks": cases, "other": str(order.index(OTHER_WEIGHT))}


def _tokens(kind: str, value: str, mask: str | None, owner: str | None) -> str:
    if kind in _NAMES or kind == "project":
        tokens = name_tokens(value)
    elif kind in {"phone", "uscc", "tax_number", "registration_number"}:
        tokens = number_tokens(value)
    else:
        tokens = [key(value), *query_words(value)]
    return " ".join([*tokens, f"own{key(owner or 'none')}", *([f"mask{mask}"] if mask else [])])


def query_words(text: str) -> list[str]:
    """The plain words of a code or an address, for prefix search on its parts."""
    return [term.strip('"*') for term in query_terms(text)]
