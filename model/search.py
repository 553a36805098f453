"""The search sidecar of a published build: a SQLite file with names, people, codes and numbers of every customer.

    customer(customer_key, name, owner_key)             who may see it
    entry(id, customer_key, kind, value, folded, mask)  what can be found, one row per value; ids carry the rank
    words                                               FTS5 over own tokens by entry id; scope and mask too
    document(customer_key, kind, value, folded)         order, invoice, contract and ticket numbers, by prefix

Ids are rank first: the kind's weight, then the shorter value, then a running number. The index lists matches by id,
so a reader that stops early has read the best. The scope filters inside the index, before any limit. A value of a kind
that is masked for the viewer matches only when it is typed in full.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import duckdb

from model import warehouse
from model.search_query import OTHER_WEIGHT, WEIGHT
from model.search_tokens import key, name_tokens, number_tokens, query_terms

_TOKENS = 3  # raise it when tokens change: an older sidecar is then written anew, not carried forward
_NUMBER_BITS = 40
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
with record as (select * from core.dim_customer_record where not is_deleted {and_keys}),
found as (
    select customer_key, 'name' as kind, name as value, null as mask from core.dim_customer where true {and_keys}
    union select customer_key, 'short_name', short_name, null from core.dim_customer where true {and_keys}
    union select customer_key, 'english_name', english_name, null from core.dim_customer where true {and_keys}
    union select customer_key, 'name', name, null from record
    union select customer_key, 'short_name', short_name, null from record
    union select customer_key, 'former_name', former_name, null from record
    union select customer_key, 'phone', phone, 'phone' from record
    union select customer_key, 'email', email, null from record
    union select customer_key, kind, code, null from core.dim_customer_code where true {and_keys}
    union select customer_key, 'code', customer_key, null from core.dim_customer where true {and_keys}
    union select customer_key, 'contact', name, null from core.dim_contact where true {and_keys}
    union select customer_key, 'email', email, null from core.dim_contact where true {and_keys}
    union select customer_key, 'phone', phone, 'phone' from core.dim_contact where true {and_keys}
    union select customer_key, 'phone', mobile, 'phone' from core.dim_contact where true {and_keys}
    union select customer_key, 'project', code, null from core.dim_project where true {and_keys}
    union select customer_key, 'project', name, null from core.dim_project where true {and_keys}
)
select customer_key, found.kind, value, mask, customer.owner_key,
       case found.kind {ranks} else {other} end * 256 + least(length(value), 255) as rank
from found join core.dim_customer as customer using (customer_key)
where value is not null and value <> '' and customer_key <> 'C000000'
order by rank, value, customer_key, found.kind"""
_DOCUMENTS = """
select customer_key, kind, number from (
    select customer_key, 'order' as kind, number from core.fct_order where true {and_keys}
    union select customer_key, 'invoice', number from core.fct_invoice where true {and_keys}
    union select customer_key, 'tax_invoice', tax_invoice_number from core.fct_invoice where true {and_keys}
    union select customer_key, 'contract', number from core.fct_contract where true {and_keys}
    union select customer_key, 'shipment', number from core.fct_shipment where true {and_keys}
    union select customer_key, 'ticket', number from core.fct_ticket where true {and_keys}
) where number is not null and number <> '' and customer_key <> 'C000000'"""


@cache
def uses() -> dict[str, frozenset[str]]:
    """The tables a sidecar is made of, with the columns that it reads."""
    found = {"core.dim_employee": warehouse.ALL_COLUMNS}
    for sql in (_ENTRIES.format(and_keys="", **_ranks()), _DOCUMENTS.format(and_keys="")):
        for table, columns in warehouse.uses(sql, "search").items():
            found[table] = found.get(table, frozenset()) | columns
    return found


def build_sidecar(
    build: Path | duckdb.DuckDBPyConnection,
    out_path: Path,
    previous: Path | None = None,
    changed_keys: Sequence[str] | None = None,
) -> None:
    """Write the sidecar of `build`, a file or a connection whose present catalogue it is, to `out_path`.

    With `previous` and `changed_keys` the former sidecar is copied and only those customers are replaced; in place,
    where `previous` is `out_path`.
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
        keys = list(changed_keys or []) if takes_forward else None
        if keys is not None:
            _remove(target, keys)
        _fill(source, target, keys)
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


def _remove(target: sqlite3.Connection, keys: list[str]) -> None:
    target.execute("create temp table gone (customer_key text primary key)")
    target.executemany("insert or ignore into gone values (?)", [(item,) for item in keys])
    rows = target.execute(
        """select id, kind, value, mask, owner_key from entry
           where customer_key in (select customer_key from gone) order by id"""
    ).fetchall()
    target.executemany(
        "insert into words (words, rowid, tokens) values ('delete', ?, ?)",
        [(row[0], _tokens(row[1], row[2], row[3], row[4])) for row in rows],
    )
    for table in ("entry", "document", "customer"):
        target.execute(f"delete from {table} where customer_key in (select customer_key from gone)")


def _fill(source: duckdb.DuckDBPyConnection, target: sqlite3.Connection, keys: list[str] | None) -> None:
    condition = "" if keys is None else "and customer_key in (select customer_key from changed)"
    if keys is not None:
        source.execute("create or replace temp table changed (customer_key varchar)")
        source.execute("insert into changed select unnest(?)", [keys])
    target.execute("delete from employee")
    target.executemany(
        "insert into employee values (?, ?, ?)",
        source.execute("select employee_key, manager_key, team from core.dim_employee").fetchall(),
    )
    people = source.execute(f"select customer_key, name, owner_key from core.dim_customer where true {condition}")
    target.executemany("insert into customer values (?, coalesce(?, '?'), ?)", people.fetchall())
    if keys == []:
        return
    (number,) = target.execute("select last from counter").fetchone()
    found = source.execute(_ENTRIES.format(and_keys=condition, **_ranks()))
    while rows := found.fetchmany(50_000):
        entries, words = [], []
        for customer_key, kind, value, mask, owner, rank in rows:
            number += 1
            entry_id = rank << _NUMBER_BITS | number
            entries.append((entry_id, customer_key, kind, value, key(value), mask, owner))
            words.append((entry_id, _tokens(kind, value, mask, owner)))
        target.executemany("insert into entry values (?, ?, ?, ?, ?, ?, ?)", entries)
        target.executemany("insert into words (rowid, tokens) values (?, ?)", words)
    target.execute("update counter set last = ?", [number])
    found = source.execute(_DOCUMENTS.format(and_keys=condition))
    while rows := found.fetchmany(50_000):
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
