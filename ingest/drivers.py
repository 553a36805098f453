"""Connections to databases, read only: one to ask with, one that brings rows as Arrow batches of bounded size.

The one that asks signs in first, so that a wrong password is tried once. PostgreSQL: psycopg asks, ADBC streams one
snapshot. The others are in `ingest.drivers_paged`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa

from ingest.dialects import DIALECTS, Column, Dialect, Kind
from ingest.errors import ContractError, LoginError, SourceBusy, SpecError, StreamRefused

CONNECT_S = 15
AGAIN = "the next run goes on here"
RIGHTS = "give the role the right to read it (GRANT SELECT), or correct the name in source.toml"


@dataclass(frozen=True)
class Place:
    """Where a database is and who asks; `tls` and `row_security` as in the settings."""

    source: str
    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    tls: str
    ca: str
    row_security: str


@dataclass(frozen=True)
class Hidden:
    """A table whose rows are filtered for the role, and about how many it holds."""

    table: str
    rows: int


class Driver(ABC):
    """One database, signed in to."""

    page: int | None = None

    def __init__(self, place: Place, dialect: Dialect) -> None:
        self.place, self.dialect = place, dialect
        self.port = place.port or dialect.port

    @abstractmethod
    def now(self) -> datetime:
        """The server's clock, UTC."""

    @abstractmethod
    def describe(self, source: str, where: str) -> list[Column]:
        """The columns of what stands after FROM; StreamRefused when it is not there or may not be read."""

    @abstractmethod
    def batches(self, sql: str, where: str) -> Iterator[pa.RecordBatch]:
        """The rows of a query, in batches of bounded size."""

    def hidden(self, _source: str, _table: str) -> list[Hidden]:
        """The tables behind `source` (`table`, or a query) whose rows the server filters for this role."""
        return []

    def close(self) -> None:
        """End the connections."""
        return

    def no_login(self, error: Exception) -> LoginError | SourceBusy:
        """What a failed sign-in means: wrong credentials or database, or a server that cannot be reached."""
        at = f"source {self.place.source}: {self.place.host}:{self.port}"
        text = " ".join(str(error).split())
        if any(word in text.lower() for word in _REFUSALS):
            return LoginError(
                f"{at} refuses {self.place.user} on database {self.place.database}: {text}",
                remedy="check user, password, database and tls in the settings of this source, and who may connect",
            )
        return SourceBusy(f"{at}: {text}", remedy="check host, port and the network; " + AGAIN)


_REFUSALS = (
    "authentication", "access denied", "does not exist", "unknown database", "no pg_hba.conf", "permission denied",
    "ssl", "tls", "certificate", "login failed", "cannot open database",
)  # fmt: skip


_KINDS: dict[int, Kind] = {
    **dict.fromkeys((20, 21, 23, 26), "integer"),
    **dict.fromkeys((700, 701), "float"),
    **dict.fromkeys((18, 19, 25, 1042, 1043), "text"),
    **dict.fromkeys((1083, 1266), "time"),
    16: "boolean",
    17: "binary",
    1082: "date",
    1114: "datetime",
    1184: "instant",
    1700: "decimal",
}
"""By the number of the type (pg_type.oid); every other type is read as its text."""


class PostgreSqlDriver(Driver):
    """PostgreSQL: one query is one snapshot, streamed by COPY."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, DIALECTS["postgresql"])
        import psycopg

        if place.tls == "verify" and not place.ca:
            raise SpecError(
                f"source {place.source}: tls = verify needs `ca` here",
                remedy="set `ca` to the file with the authority's certificate; public ones are often in"
                " /etc/ssl/certs/ca-certificates.crt",
            )

        self._url = self._address()
        try:
            self._control = psycopg.connect(self._url, autocommit=True)
        except psycopg.Error as error:
            raise self.no_login(error) from error

    def _address(self) -> str:
        place = self.place
        # off: a table whose rows would be filtered raises an error, instead of seeming to hold fewer
        security = "on" if place.row_security == "accept" else "off"
        session = {
            "default_transaction_read_only": "on", "datestyle": "ISO", "timezone": "UTC", "row_security": security,
            "standard_conforming_strings": "on", "lock_timeout": "60s",
        }  # fmt: skip
        modes = {"off": "disable", "verify": "verify-full"}
        values = {
            "host": place.host,
            "port": self.port,
            "dbname": place.database,
            "user": place.user,
            "password": place.password,
            "sslmode": modes.get(place.tls, place.tls),
            "sslrootcert": place.ca if place.tls == "verify" else "",
            "connect_timeout": CONNECT_S,
            "application_name": "customer360",
            "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        }
        return "postgresql:///?" + urlencode({k: v for k, v in values.items() if v != ""}, quote_via=quote)

    def now(self) -> datetime:
        """The server's clock, UTC."""
        ((moment,),) = self._asked("select clock_timestamp()")
        return moment.astimezone(UTC)  # type: ignore[no-any-return]

    def _asked(self, sql: str, given: tuple[str, ...] | None = None) -> list[tuple[Any, ...]]:
        """The answer to one of our own questions; SourceBusy when the connection broke, StreamRefused otherwise."""
        import psycopg

        at = f"source {self.place.source}: {self.place.host}:{self.port}"
        try:
            return self._control.execute(sql.encode(), given).fetchall()
        except psycopg.OperationalError as error:
            raise SourceBusy(f"{at}: {first_line(error)}", remedy=AGAIN) from error
        except psycopg.Error as error:
            raise StreamRefused(f"{at}: {first_line(error)}", remedy=RIGHTS) from error

    def describe(self, source: str, where: str) -> list[Column]:
        """The columns; a table with row-level security is refused unless that is accepted."""
        import psycopg

        try:
            found = self._control.execute(f"select * from {source} limit 0".encode()).description or []
        except psycopg.errors.InsufficientPrivilege as error:
            if "row-level security" in str(error):
                raise self._filtered(str(error), where) from error
            raise StreamRefused(f"{where}: {first_line(error)}", remedy=RIGHTS) from error
        except psycopg.OperationalError as error:
            raise SourceBusy(f"{where}: {first_line(error)}", remedy=AGAIN) from error
        except psycopg.Error as error:
            raise StreamRefused(f"{where}: {first_line(error)}", remedy=RIGHTS) from error
        return [Column(one.name, _KINDS.get(one.type_code, "other")) for one in found]

    def _filtered(self, said: str, where: str) -> ContractError:
        return ContractError(
            f"{where}: {said.splitlines()[0]}: the role {self.place.user} would see some rows or none,"
            " and nothing would tell",
            remedy=f"ALTER ROLE {self.place.user} BYPASSRLS; or, where its policies let it see every row,"
            ' set row_security = "accept" for this source',
        )

    def hidden(self, source: str, table: str) -> list[Hidden]:
        """By the plan of the query: also the tables behind a view."""
        plans = self._asked(f"explain (format json, verbose) select * from {source}")
        names = {name for (plan,) in plans for name in _relations(plan)}
        if table:
            quoted = ".".join(map(self.dialect.quoted, table.split(".")))
            sql = "select relnamespace::regnamespace::text, relname from pg_class where oid = to_regclass(%s)"
            names.update((str(schema), str(name)) for schema, name in self._asked(sql, (quoted,)))
        found = []
        for schema, name in sorted(names):
            facts = self._asked(
                "select c.oid::regclass::text, greatest(c.reltuples::bigint, coalesce(s.n_live_tup, 0), 0)"
                " from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                " left join pg_stat_all_tables s on s.relid = c.oid"
                " where n.nspname = %s and c.relname = %s and row_security_active(c.oid)",
                (schema, name),
            )
            found += [Hidden(*one) for one in facts[:1]]
        return found

    def batches(self, sql: str, where: str) -> Iterator[pa.RecordBatch]:
        """One snapshot, in batches of some megabytes."""
        import adbc_driver_manager
        from adbc_driver_postgresql import dbapi

        try:
            with closing(dbapi.connect(self._url)) as connection, closing(connection.cursor()) as cursor:
                cursor.execute(sql)
                yield from cursor.fetch_record_batch()
        except adbc_driver_manager.OperationalError as error:
            raise SourceBusy(f"{where}: {first_line(error)}", remedy=AGAIN) from error
        except adbc_driver_manager.Error as error:
            raise ContractError(f"{where}: {first_line(error)}") from error

    def close(self) -> None:
        """End the connection that asks."""
        self._control.close()


def _relations(plan: Any) -> Iterator[tuple[str, str]]:
    """(schema, table) of every scan in a plan."""
    if isinstance(plan, list):
        for part in plan:
            yield from _relations(part)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield plan.get("Schema", "public"), plan["Relation Name"]
        for part in plan.values():
            yield from _relations(part)


def first_line(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
