"""The SQL that a database is asked in: quoting, values as text that keeps every digit, windows and pages by key.

Integers, floating numbers and booleans stay what they are; every other value is made text by the server itself. So no
driver rounds a decimal, stumbles over a date such as 0000-00-00 or moves an instant into another zone.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.errors import ContractError

Kind = Literal[
    "integer", "float", "boolean", "decimal", "text", "date", "time", "datetime", "instant", "binary", "bits", "other"
]
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FLOAT = re.compile(r"-?\d+(\.\d+)?[eE][+-]?\d+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_MOMENT = re.compile(r"[0-9T:. +-]+Z?")


@dataclass(frozen=True)
class Column:
    """A column of a table or query, by what its values are."""

    name: str
    kind: Kind


class Dialect(ABC):
    """How one kind of database wants to be asked."""

    name: str
    port: int
    marks = ('"', '"')

    def quoted(self, name: str) -> str:
        """An identifier in quotes."""
        left, right = self.marks
        return left + name.replace(right, right + right) + right

    def source(self, table: str, query: str) -> str:
        """What stands after FROM, known as q: a table ("schema.table") or a query in brackets."""
        if query:
            return f"({query.strip().rstrip(';')}) q"
        return ".".join(map(self.quoted, table.split("."))) + " q"

    def column(self, name: str) -> str:
        """A column of q."""
        return f"q.{self.quoted(name)}"

    def literal(self, value: str, column: Column) -> str:
        """A value (as `shown` writes it) to compare the column with; ContractError when it has no such form."""
        if column.kind in {"integer", "decimal", "float", "bits"} and _NUMBER.fullmatch(value):
            return value
        if column.kind == "float" and _FLOAT.fullmatch(value):
            return value
        if column.kind == "boolean" and value.lower() in _BOOLEANS:
            return self.boolean(value=_BOOLEANS[value.lower()])
        if column.kind in {"date", "time", "datetime", "instant"} and _MOMENT.fullmatch(value):
            return f"'{self.moment(value, column)}'"
        if column.kind == "binary" and re.fullmatch(r"[0-9a-fA-F]*", value):
            return self.bytes(value)
        if column.kind in {"text", "other"}:
            return self.text(value)
        raise ContractError(
            f"{value!r} cannot be compared with column {column.name}, which holds {column.kind} values",
            remedy="set incremental.format to what the column holds, or choose another column",
        )

    def moment(self, value: str, _column: Column) -> str:
        """A date or time as this database reads it."""
        return value

    def boolean(self, *, value: bool) -> str:
        """Yes or no."""
        return "true" if value else "false"

    @abstractmethod
    def text(self, value: str) -> str:
        """A text as a literal that nothing can break out of."""

    @abstractmethod
    def bytes(self, digits: str) -> str:
        """Bytes, given in hex, as a literal."""

    @abstractmethod
    def shown(self, column: Column) -> str:
        """The expression that gives the column's values as a document holds them."""

    def select(
        self, source: str, columns: Sequence[Column], where: Sequence[str], keys: Sequence[Column], limit: int | None
    ) -> str:
        """The rows of `source` that meet every condition, in the order of `keys`."""
        listed = ", ".join(f"{self.shown(one)} as {self.quoted(one.name)}" for one in columns)
        only = " where " + " and ".join(f"({text})" for text in where) if where else ""
        order = ", ".join(self.column(one.name) for one in keys)
        return self.limited(f"{listed} from {source}{only} order by {order}", limit)

    def limited(self, rest: str, limit: int | None) -> str:
        """A select with at most so many rows."""
        return f"select {rest}" + (f" limit {limit}" if limit else "")

    def after(self, keys: Sequence[Column], values: Sequence[str]) -> str:
        """The condition "this key or a later one"; a key read twice is left out by the reader.

        `>=` and not `>`: keys that are equal for the database's collation stay together.
        """
        terms = []
        for place, (key, value) in enumerate(zip(keys, values, strict=True)):
            same = [
                f"{self.column(one.name)} = {self.literal(other, one)}"
                for one, other in zip(keys[:place], values[:place], strict=True)
            ]
            last = ">=" if place == len(keys) - 1 else ">"
            terms.append(" and ".join([*same, f"{self.column(key.name)} {last} {self.literal(value, key)}"]))
        return " or ".join(f"({term})" for term in terms) if len(terms) > 1 else terms[0]

    def changed(self, column: Column, start: str) -> str:
        """The condition "changed at or after `start`"; a row without a stamp is always read."""
        name = self.column(column.name)
        return f"{name} >= {self.literal(start, column)} or {name} is null"


class PostgreSql(Dialect):
    """PostgreSQL and what speaks like it."""

    name = "postgresql"
    port = 5432

    def text(self, value: str) -> str:
        """standard_conforming_strings is on in our sessions."""
        return "'" + value.replace("'", "''") + "'"

    def bytes(self, digits: str) -> str:
        """Bytes in hex."""
        return f"'\\x{digits}'::bytea"

    def shown(self, column: Column) -> str:
        """Instants in UTC, ending in Z."""
        name = self.column(column.name)
        if column.kind in {"integer", "float", "boolean"}:
            return name
        if column.kind == "instant":
            return f"({name} at time zone 'UTC')::text || 'Z'"
        return f"encode({name}, 'hex')" if column.kind == "binary" else f"{name}::text"


class MySql(Dialect):
    """MySQL and MariaDB."""

    name = "mysql"
    port = 3306
    marks = ("`", "`")

    def text(self, value: str) -> str:
        """In hex: no setting of the server changes what it means."""
        return f"_utf8mb4 x'{value.encode().hex()}'" if value else "''"

    def bytes(self, digits: str) -> str:
        """Bytes in hex."""
        return f"x'{digits}'"

    def moment(self, value: str, column: Column) -> str:
        """Our sessions are in UTC; the server reads no Z."""
        return value.removesuffix("Z").replace("T", " ")

    def shown(self, column: Column) -> str:
        """Dates such as 0000-00-00 are none."""
        name = self.column(column.name)
        if column.kind in {"integer", "float", "boolean", "text"}:
            return name
        if column.kind == "binary":
            return f"lower(hex({name}))"
        if column.kind == "bits":
            return f"({name} + 0)"
        text = f"cast({name} as char)"
        if column.kind in {"date", "datetime", "instant"}:
            value = f"concat({text}, 'Z')" if column.kind == "instant" else text
            return f"case when {text} like '0000-00-00%' then null else {value} end"
        return text


class SqlServer(Dialect):
    """Microsoft SQL Server."""

    name = "sqlserver"
    port = 1433
    marks = ("[", "]")

    def boolean(self, *, value: bool) -> str:
        """A bit: there is no other yes and no."""
        return "1" if value else "0"

    def text(self, value: str) -> str:
        """N'…': Unicode."""
        return "N'" + value.replace("'", "''") + "'"

    def bytes(self, digits: str) -> str:
        """Bytes in hex."""
        return f"0x{digits}"

    def moment(self, value: str, column: Column) -> str:
        """ISO 8601 with a T is the form that no language setting of the session changes."""
        return value.replace(" ", "T") if column.kind in {"datetime", "instant"} else value

    def shown(self, column: Column) -> str:
        """By the styles of CONVERT that lose nothing."""
        name = self.column(column.name)
        forms = {
            "decimal": f"convert(varchar(60), {name}, 2)",
            "date": f"convert(varchar(10), {name}, 23)",
            "time": f"convert(varchar(16), {name})",
            "datetime": f"convert(varchar(30), {name}, 126)",
            "instant": f"convert(varchar(40), {name} at time zone 'UTC', 127)",
            "binary": f"lower(convert(varchar(max), {name}, 2))",
        }
        if column.kind in {"integer", "float", "boolean"}:
            return name
        return forms.get(column.kind, f"convert(nvarchar(max), {name})")

    def limited(self, rest: str, limit: int | None) -> str:
        """TOP stands before the columns."""
        return f"select top ({limit}) {rest}" if limit else f"select {rest}"


DIALECTS: dict[str, Dialect] = {one.name: one for one in (PostgreSql(), MySql(), SqlServer())}
