"""The search sidecar of a published build: a SQLite file with names, people, codes and numbers of every customer.

    customer(customer_key, name, owner_key)             who may see it
    entry(customer_key, kind, value, folded, mask)      what can be found, one row per value
    words                                               FTS5 over own tokens by entry id; scope and mask too
    document(customer_key, kind, value, folded)         order, invoice, contract and ticket numbers, by prefix

The scope filters inside the index, before any limit. A value of a kind that is masked for the viewer matches only
when it is typed in full.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from model.policy import Viewer
from model.search_tokens import HAN, fold, han, key, name_tokens, number_forms, number_tokens, query_terms

EXACT, PREFIX, WORDS = 3.0, 2.0, 1.0
_CANDIDATES = 400
_LONGEST = 200
_TOKENS = 2  # raise it when tokens change: an older sidecar is then written anew, not carried forward
_NAMES = {"name", "short_name", "english_name", "former_name", "contact"}
_WEIGHT = {
    "name": 0.9, "short_name": 0.85, "code": 0.8, "id": 0.8, "uscc": 0.8, "tax_number": 0.8, "phone": 0.7,
    "ticket": 0.75, "project": 0.6, "english_name": 0.6, "former_name": 0.5, "contact": 0.5, "email": 0.5,
}  # fmt: skip
_SCHEMA = """
create table customer (customer_key text primary key, name text not null, owner_key text) without rowid;
create table employee (employee_key text primary key, manager_key text, team text) without rowid;
create table entry (id integer primary key, customer_key text not null, kind text not null, value text not null,
                    folded text not null, mask text, owner_key text);
create table document (customer_key text not null, kind text not null, value text not null, folded text not null);
create virtual table words using fts5 (tokens, content='', detail='none', tokenize="unicode61 remove_diacritics 0");
"""
_INDEXES = """
create index if not exists entry_folded on entry (folded);
create index if not exists entry_customer on entry (customer_key);
create index if not exists document_folded on document (folded);
create index if not exists document_customer on document (customer_key);
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
select customer_key, found.kind, value, mask, customer.owner_key
from found join core.dim_customer as customer using (customer_key)
where value is not null and value <> '' and customer_key <> 'C000000'"""
_DOCUMENTS = """
select customer_key, kind, number from (
    select customer_key, 'order' as kind, number from core.fct_order where true {and_keys}
    union select customer_key, 'invoice', number from core.fct_invoice where true {and_keys}
    union select customer_key, 'tax_invoice', tax_invoice_number from core.fct_invoice where true {and_keys}
    union select customer_key, 'contract', number from core.fct_contract where true {and_keys}
    union select customer_key, 'shipment', number from core.fct_shipment where true {and_keys}
    union select customer_key, 'ticket', number from core.fct_ticket where true {and_keys}
) where number is not null and number <> '' and customer_key <> 'C000000'"""


def build_sidecar(
    db_path: Path, out_path: Path, previous: Path | None = None, changed_keys: Sequence[str] | None = None
) -> None:
    """Write the sidecar of the build at `db_path` to `out_path`.

    With `previous` and `changed_keys` the former sidecar is copied and only those customers are replaced.
    """
    out_path.unlink(missing_ok=True)
    takes_forward = previous is not None and changed_keys is not None and _tokens_of(previous) == _TOKENS
    if takes_forward and previous is not None:
        shutil.copyfile(previous, out_path)
    source = duckdb.connect(str(db_path), read_only=True)
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
        if keys is None or keys:
            _fill(source, target, keys)
        target.execute("commit")
        target.executescript(_INDEXES)
        if not takes_forward:
            target.execute("insert into words (words) values ('optimize')")
    finally:
        target.close()
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
        "select id, kind, value, mask, owner_key from entry where customer_key in (select customer_key from gone)"
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
        source.execute("create temp table changed (customer_key varchar)")
        source.execute("insert into changed select unnest(?)", [keys])
    target.execute("delete from employee")
    target.executemany(
        "insert into employee values (?, ?, ?)",
        source.execute("select employee_key, manager_key, team from core.dim_employee").fetchall(),
    )
    people = source.execute(f"select customer_key, name, owner_key from core.dim_customer where true {condition}")
    target.executemany("insert into customer values (?, coalesce(?, '?'), ?)", people.fetchall())
    number = target.execute("select coalesce(max(id), 0) from entry").fetchone()[0]
    found = source.execute(_ENTRIES.format(and_keys=condition))
    while rows := found.fetchmany(50_000):
        entries, words = [], []
        for customer_key, kind, value, mask, owner in rows:
            number += 1
            entries.append((number, customer_key, kind, value, key(value), mask, owner))
            words.append((number, _tokens(kind, value, mask, owner)))
        target.executemany("insert into entry values (?, ?, ?, ?, ?, ?, ?)", entries)
        target.executemany("insert into words (rowid, tokens) values (?, ?)", words)
    found = source.execute(_DOCUMENTS.format(and_keys=condition))
    while rows := found.fetchmany(50_000):
        target.executemany("insert into document values (?, ?, ?, ?)", [(*row, key(row[2])) for row in rows])


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


def query(viewer: Viewer, path: Path, text: str, limit: int = 10) -> list[dict[str, Any]]:
    """Customers that `text` finds, best first: {customer_key, name, matched{kind, value, mask}, score, is_masked}."""
    text = text[:_LONGEST]
    wanted = key(text)
    if not wanted:
        return []
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        owners = _owners(viewer, connection)
        rows = _exact(connection, wanted, owners) + _documents(connection, wanted, owners)
        if len(rows) < _CANDIDATES:
            rows += [row for row in _words(connection, text, wanted, viewer, owners) if _says(row, text)]
        return _ranked(connection, rows, wanted, viewer, owners, limit)
    finally:
        connection.close()


def _owners(viewer: Viewer, connection: sqlite3.Connection) -> list[str] | None:
    """Owner keys this viewer may see; None = all."""
    if viewer.scope == "all":
        return None
    if viewer.employee_key is None:
        return []
    if viewer.scope == "own":
        return [viewer.employee_key]
    rows = connection.execute(
        """select employee_key from employee
           where employee_key = ? or manager_key = ? or (team is not null and team = ?)""",
        [viewer.employee_key, viewer.employee_key, viewer.team],
    )
    return [row[0] for row in rows]


def _visible(owners: list[str] | None) -> tuple[str, list[str]]:
    """The scope as a condition on `customer_key`, inside the query and before its limit."""
    if owners is None:
        return "true", []
    marks = ", ".join("?" * len(owners))
    return f"customer_key in (select customer_key from customer where owner_key in ({marks}))", owners


def _says(row: tuple[Any, ...], text: str) -> bool:
    """Every Chinese word of `text` stands in the value as typed: bigrams alone would also match scattered pairs."""
    value = han(fold(row[2]))
    return all(run in value for run in HAN.findall(fold(text)))


def _exact(connection: sqlite3.Connection, wanted: str, owners: list[str] | None) -> list[tuple[Any, ...]]:
    forms = number_forms(wanted)
    marks = ", ".join("?" * len(forms))
    rule, values = _visible(owners)
    sql = f"""select customer_key, kind, value, folded, mask from entry
              where folded in ({marks}) and {rule} limit {_CANDIDATES}"""
    return connection.execute(sql, [*forms, *values]).fetchall()


def _documents(connection: sqlite3.Connection, wanted: str, owners: list[str] | None) -> list[tuple[Any, ...]]:
    if len(wanted) < 3:
        return []
    rule, values = _visible(owners)
    sql = f"""select customer_key, kind, value, folded, null from document
              where folded >= ? and folded < ? and {rule} order by folded limit {_CANDIDATES}"""
    return connection.execute(sql, [wanted, wanted + "\U0010ffff", *values]).fetchall()


def _words(
    connection: sqlite3.Connection, text: str, wanted: str, viewer: Viewer, owners: list[str] | None
) -> list[tuple[Any, ...]]:
    if owners == []:
        return []
    terms = query_terms(text)
    alternatives = [" AND ".join(terms)] if terms else []
    if wanted.isascii() and wanted.isdigit() and len(wanted) >= 4:
        alternatives += [f'"z{wanted[::-1]}"*', *(f'"{form}"*' for form in number_forms(wanted)[1:])]
    if wanted.isascii() and len(terms) > 1:
        alternatives.append(f'"{wanted}"*')
    if not alternatives:
        return []
    match = "(" + ") OR (".join(alternatives) + ")"
    if owners is not None:
        match = f"({match}) AND (" + " OR ".join(f'"own{key(owner)}"' for owner in owners) + ")"
    if "phone" in viewer.masks:
        match = f'({match}) NOT "maskphone"'
    sql = f"""select entry.customer_key, entry.kind, entry.value, entry.folded, entry.mask
              from words join entry on entry.id = words.rowid where words match ? limit {_CANDIDATES}"""
    return connection.execute(sql, [match]).fetchall()


def _ranked(
    connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]], wanted: str, viewer: Viewer,
    owners: list[str] | None, limit: int,
) -> list[dict[str, Any]]:  # fmt: skip
    best: dict[str, tuple[float, tuple[Any, ...]]] = {}
    for row in rows:
        score = _score(row, wanted)
        is_masked = row[4] is not None and row[4] in viewer.masks
        if is_masked and score < EXACT:
            continue
        if row[0] not in best or score > best[row[0]][0]:
            best[row[0]] = (score, row)
    hits = []
    for customer_key, (score, row) in sorted(best.items(), key=lambda item: (-item[1][0], item[0])):
        found = connection.execute(
            "select name, owner_key from customer where customer_key = ?", [customer_key]
        ).fetchone()
        if found is None or (owners is not None and found[1] not in owners):
            continue
        matched = {"kind": row[1], "value": row[2], "mask": row[4]}
        is_masked = row[4] is not None and row[4] in viewer.masks
        hits.append(
            {
                "customer_key": customer_key,
                "name": found[0],
                "matched": matched,
                "score": round(score, 3),
                "is_masked": is_masked,
            }
        )
        if len(hits) >= limit:
            break
    return hits


def _score(row: tuple[Any, ...], wanted: str) -> float:
    _, kind, value, folded, _ = row
    weight, forms = _WEIGHT.get(kind, 0.4), tuple(number_forms(wanted))
    if folded in forms:
        return EXACT + weight
    if folded.startswith(forms):
        return PREFIX + weight + len(wanted) / (len(folded) + 1) / 10
    inside = wanted in folded
    return WORDS + weight + (0.3 if inside else 0.0) + len(wanted) / (len(fold(value)) + 1) / 10
