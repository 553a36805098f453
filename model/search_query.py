"""Answers from a search sidecar, best first: the whole value, its beginning, then words, pinyin and endings in it.

Each of the three is read in the order of rank that the sidecar's ids carry and only as far as a page needs, so no
number of weaker hits can push a better one out. A better one is asked for before a weaker one.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from model.policy import Viewer
from model.search_tokens import HAN, START, WORD, fold, han, key, number_forms, query_terms

EXACT, PREFIX, WORDS = 3.0, 2.0, 1.0
WEIGHT = {
    "name": 0.9, "short_name": 0.85, "code": 0.8, "id": 0.8, "uscc": 0.8, "tax_number": 0.8, "phone": 0.7,
    "ticket": 0.75, "project": 0.6, "english_name": 0.6, "former_name": 0.5, "contact": 0.5, "email": 0.5,
}  # fmt: skip
OTHER_WEIGHT = 0.4
_CODES = ("id", "code", "uscc", "tax_number", "registration_number")
_LONGEST = 200
_SCANNED = 5_000
_KEPT = 4
_COLUMNS = "entry.customer_key, entry.kind, entry.value, entry.folded, entry.mask"
Row = tuple[str, str, str, str, str | None]
_local = threading.local()


def query(viewer: Viewer, path: Path, text: str, limit: int = 10) -> list[dict[str, Any]]:
    """Customers that `text` finds, best first: {customer_key, name, matched{kind, value, mask}, score, is_masked}."""
    text = text[:_LONGEST]
    wanted = key(text)
    if not wanted:
        return []
    connection = _connection(path)
    owners = _owners(viewer, connection)
    if owners == []:
        return []
    best: dict[str, tuple[float, Row]] = {}
    for base, rows in (
        (EXACT, _exact(connection, wanted, owners)),
        (PREFIX, _prefix(connection, text, wanted, viewer, owners)),
        (WORDS, _words(connection, text, wanted, viewer, owners)),
    ):
        _take(best, base, rows, wanted, limit)
        if len(best) >= limit:
            break
    return _hits(connection, best, viewer, limit)


def has(viewer: Viewer, path: Path, customer_key: str) -> bool:
    """Whether there is a customer with this key that the viewer may see."""
    connection = _connection(path)
    rule, values = _among(_owners(viewer, connection), "owner_key")
    sql = f"select 1 from customer where customer_key = ? and {rule}"
    return connection.execute(sql, [customer_key, *values]).fetchone() is not None


def codes(viewer: Viewer, path: Path, text: str) -> list[str]:
    """Keys of the viewer's customers with exactly the code, id or registered number `text`."""
    connection = _connection(path)
    owners = _owners(viewer, connection)
    rule, values = _among(owners, "owner_key")
    kinds = ", ".join(f"'{kind}'" for kind in _CODES)
    sql = f"select distinct customer_key from entry where folded = ? and value = ? and kind in ({kinds}) and {rule}"
    return sorted(row[0] for row in connection.execute(sql, [key(text), text, *values]))


def _connection(path: Path) -> sqlite3.Connection:
    """This thread's connection; a published sidecar never changes, so it is read without locks."""
    opened: dict[Path, sqlite3.Connection] = _local.__dict__.setdefault("opened", {})
    if path not in opened:
        while len(opened) >= _KEPT:
            opened.pop(next(iter(opened))).close()
        opened[path] = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        opened[path].execute("pragma mmap_size=2147483648")
    return opened[path]


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


def _take(best: dict[str, tuple[float, Row]], base: float, rows: Iterable[Row], wanted: str, limit: int) -> None:
    """Read `rows`, which come in order of rank, until a page is full; a customer keeps the best of its values."""
    for row in rows:
        share = len(wanted) / (len(row[2]) + 1)
        score = base + WEIGHT.get(row[1], OTHER_WEIGHT) + min(share, 1.0) * 0.045
        if row[0] not in best or score > best[row[0]][0]:
            best[row[0]] = (score, row)
        if len(best) >= limit:
            return


def _hits(
    connection: sqlite3.Connection, best: dict[str, tuple[float, Row]], viewer: Viewer, limit: int
) -> list[dict[str, Any]]:
    ordered = sorted(best.items(), key=lambda item: (-item[1][0], item[0]))[:limit]
    marks = ", ".join("?" * len(ordered))
    sql = f"select customer_key, name from customer where customer_key in ({marks})"
    names = dict(connection.execute(sql, [found for found, _ in ordered]).fetchall())
    return [
        {
            "customer_key": customer_key,
            "name": names[customer_key],
            "matched": {"kind": row[1], "value": row[2], "mask": row[4]},
            "score": round(score, 3),
            "is_masked": row[4] is not None and row[4] in viewer.masks,
        }
        for customer_key, (score, row) in ordered
        if customer_key in names
    ]


def _among(owners: list[str] | None, column: str) -> tuple[str, list[str]]:
    """The scope as a condition inside the query, before any limit."""
    if owners is None:
        return "true", []
    return f"{column} in ({', '.join('?' * len(owners))})", owners


def _exact(connection: sqlite3.Connection, wanted: str, owners: list[str] | None) -> Iterator[Row]:
    """Values equal to what was typed, by rank; then documents with that number."""
    forms = number_forms(wanted)
    marks = ", ".join("?" * len(forms))
    rule, values = _among(owners, "entry.owner_key")
    sql = f"select {_COLUMNS} from entry where folded in ({marks}) and {rule} order by entry.id"
    yield from connection.execute(sql, [*forms, *values])
    rule, values = _among(owners, "customer.owner_key")
    sql = f"""select document.customer_key, kind, value, folded, null
              from document cross join customer on customer.customer_key = document.customer_key
              where folded = ? and {rule} order by kind, document.customer_key, value"""
    yield from connection.execute(sql, [wanted, *values])


def _prefix(
    connection: sqlite3.Connection, text: str, wanted: str, viewer: Viewer, owners: list[str] | None
) -> Iterator[Row]:
    """Values that begin with what was typed; a name's pinyin counts where one or two letters were typed."""
    if not wanted[0].isascii() or (len(wanted) <= 2 and wanted.isalpha()):
        terms = [] if wanted.isascii() else _terms(text)[0]
        found = _matching(connection, " AND ".join([f'"{START}{wanted[:2]}"', *terms]), viewer, owners)
        yield from (row for row in found if wanted.isascii() or row[3].startswith(wanted))
    if wanted[0].isascii() and len(wanted) > 1:
        yield from _range(connection, "entry", wanted, viewer, owners)
    if len(wanted) >= 3 and "phone" not in viewer.masks:
        for form in number_forms(wanted)[1:]:
            found = _range(connection, "entry", form, viewer, owners)
            yield from (row for row in found if row[4] == "phone")
    if len(wanted) >= 3:
        yield from _range(connection, "document", wanted, viewer, owners)


def _range(
    connection: sqlite3.Connection, table: str, wanted: str, viewer: Viewer, owners: list[str] | None
) -> Iterator[Row]:
    """Rows of entry or document whose folded value begins with `wanted`, by value.

    A scoped viewer's are found by customer: a short beginning may be everybody's, and only few of them theirs.
    """
    mask = "f.mask" if table == "entry" else "null"
    shown = f"{mask} is not 'phone'" if "phone" in viewer.masks else "true"
    rule, values = _among(owners, "customer.owner_key")
    source = f"{table} as f"
    if owners is not None:
        source = f"customer cross join {table} as f on f.customer_key = customer.customer_key"
    sql = f"""select f.customer_key, f.kind, f.value, f.folded, {mask} from {source}
              where f.folded > ? and f.folded < ? and {rule} and {shown}
              order by f.folded, f.customer_key, f.kind, f.value limit {_SCANNED}"""
    return connection.execute(sql, [wanted, wanted + "\U0010ffff", *values])


def _words(
    connection: sqlite3.Connection, text: str, wanted: str, viewer: Viewer, owners: list[str] | None
) -> Iterator[Row]:
    """Values with every word of `text`, names whose pinyin or initials contain it, numbers that end in it."""
    alternatives, letters = _alternatives(text, wanted)
    if alternatives:
        runs = HAN.findall(fold(text))
        for row in _matching(connection, "(" + ") OR (".join(alternatives) + ")", viewer, owners):
            if _says(row, runs, letters):
                yield row


def _terms(text: str) -> tuple[list[str], list[str]]:
    """FTS5 terms that must all match, and single letters that are left to the check of each row.

    A letter begins a token of nearly every entry: merging those lists costs more than it saves.
    """
    terms = query_terms(text)
    short = [term for term in terms if len(term) == 4 and term.endswith("*") and term[1].isascii()]
    if len(short) == len(terms):
        return terms, []
    return [term for term in terms if term not in short], [term[1] for term in short]


def _alternatives(text: str, wanted: str) -> tuple[list[str], list[str]]:
    """FTS5 expressions of which one must hold, and the single letters to check."""
    terms, letters = _terms(text)
    found = [" AND ".join(terms)] if terms else []
    if wanted.isascii() and wanted.isdigit() and len(wanted) >= 4:
        found.append(f'"z{wanted[::-1]}"*')
    if wanted.isascii() and len(terms) + len(letters) > 1:
        found.append(f'"{wanted}"*')
    return found, letters


def _says(row: Row, runs: list[str], letters: list[str]) -> bool:
    """Every Chinese word stands in the value as typed (pairs alone would also match scattered), every letter too."""
    if runs:
        value = han(row[3])
        if not all(run in value for run in runs):
            return False
    if not letters:
        return True
    words = WORD.findall(fold(row[2]))
    return all(any(word.startswith(letter) for word in words) for letter in letters)


def _matching(connection: sqlite3.Connection, match: str, viewer: Viewer, owners: list[str] | None) -> Iterator[Row]:
    """Entries that an FTS5 expression finds, by rank, of the viewer's customers, without masked ones."""
    if owners is not None:
        match = f"({match}) AND (" + " OR ".join(f'"own{key(owner)}"' for owner in owners) + ")"
    if "phone" in viewer.masks:
        match = f'({match}) NOT "maskphone"'
    # a value may hold the very word that marks an owner or a mask, so the entry itself decides
    rule, values = _among(owners, "entry.owner_key")
    shown = "entry.mask is not 'phone'" if "phone" in viewer.masks else "true"
    sql = f"""select {_COLUMNS} from words cross join entry on entry.id = words.rowid
              where words match ? and {rule} and {shown} order by words.rowid limit {_SCANNED}"""
    return connection.execute(sql, [match, *values])
