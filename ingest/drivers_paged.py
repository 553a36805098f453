"""Databases whose driver holds a whole answer in memory and is therefore asked a page at a time: ConnectorX.

MySQL and MariaDB: PyMySQL asks and signs in first. SQL Server: ConnectorX alone; not tried against a server.
"""

from __future__ import annotations

import socket
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pyarrow as pa

from ingest.dialects import DIALECTS, Column, Kind
from ingest.drivers import AGAIN, CONNECT_S, RIGHTS, Driver, Place, first_line
from ingest.errors import ContractError, SourceBusy, StreamRefused

PAGE_ROWS = 20_000


class Paged(Driver):
    """Rows by ConnectorX, a page at a time."""

    page = PAGE_ROWS
    _first: Sequence[str] = ()

    @abstractmethod
    def address(self) -> str:
        """The URL of the database as ConnectorX wants it."""

    def _url(self, scheme: str, **options: str) -> str:
        place = self.place
        who = f"{quote(place.user, safe='')}:{quote(place.password, safe='')}"
        host = f"[{place.host}]" if ":" in place.host else place.host
        base = f"{scheme}://{who}@{host}:{self.port}/{quote(place.database, safe='')}"
        return base + ("?" + urlencode(options, quote_via=quote) if options else "")

    def batches(self, sql: str, where: str) -> Iterator[pa.RecordBatch]:
        """The answer; the caller limits it to a page."""
        yield from self._table(sql, where).to_batches()

    def _table(self, sql: str, where: str) -> pa.Table:
        import connectorx

        first = list(self._first) or None
        try:
            return connectorx.read_sql(self.address(), sql, return_type="arrow", pre_execution_query=first)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # its panics are no Exception
            raise self._failed(error, where) from error

    def _failed(self, error: BaseException, where: str) -> Exception:
        text = first_line(error)
        if isinstance(error, Exception) and "timed out waiting for connection" in text:
            return SourceBusy(f"{where}: {text}", remedy=AGAIN)
        if "denied" in text or "doesn't exist" in text or "Invalid object name" in text:
            return StreamRefused(f"{where}: {text}", remedy=RIGHTS)
        return ContractError(f"{where}: {text}")


class MySqlDriver(Paged):
    """MySQL and MariaDB."""

    _first = ("SET SESSION time_zone = '+00:00'", "SET SESSION TRANSACTION READ ONLY")

    def __init__(self, place: Place) -> None:
        super().__init__(place, DIALECTS["mysql"])
        import pymysql

        try:
            self._control = self._sign_in()
        except (pymysql.MySQLError, OSError, RuntimeError) as error:
            raise self.no_login(error) from error

    def _sign_in(self) -> Any:
        import pymysql

        place = self.place
        ways: dict[str, dict[str, Any]] = {
            "off": {"ssl_disabled": True},
            "prefer": {},
            "require": {"ssl": {"check_hostname": False}},
            "verify": {"ssl_ca": place.ca or None, "ssl_verify_cert": True, "ssl_verify_identity": True},
        }
        return pymysql.connect(
            host=place.host, port=self.port, user=place.user, password=place.password, database=place.database,
            charset="utf8mb4", connect_timeout=CONNECT_S, autocommit=True, init_command=self._first[0],
            **ways[place.tls],
        )  # fmt: skip

    def address(self) -> str:
        """With the TLS mode and certificate authority of the settings."""
        mode = {"off": "DISABLED", "prefer": "PREFERRED", "require": "REQUIRED", "verify": "VERIFY_IDENTITY"}
        more = {"ssl-ca": self.place.ca} if self.place.ca and self.place.tls == "verify" else {}
        return self._url("mysql", **{"ssl-mode": mode[self.place.tls]}, **more)

    def now(self) -> datetime:
        """The server's clock, UTC."""
        with self._control.cursor() as cursor:
            cursor.execute("select utc_timestamp(3)")
            moment: datetime = cursor.fetchone()[0]
        return moment.replace(tzinfo=UTC)

    def describe(self, source: str, where: str) -> list[Column]:
        """The columns; texts and bytes have one type here and differ by their character set."""
        import pymysql

        self._control.ping()
        try:
            with self._control.cursor() as cursor:
                cursor.execute(f"select * from {source} limit 0")
                found = [(name, code) for name, code, *_ in cursor.description]
                letters = [name for name, code in found if _mysql_kind(code) == "text"]
                sets: dict[str, str] = {}
                if letters:
                    asked = ", ".join(f"charset({self.dialect.column(name)})" for name in letters)
                    cursor.execute(f"select {asked} from (select 1) one left join {source} on false")
                    sets = dict(zip(letters, cursor.fetchone(), strict=True))
        except pymysql.MySQLError as error:
            text = str(error.args[-1])
            if error.args and error.args[0] in {2006, 2013}:
                raise SourceBusy(f"{where}: {text}", remedy=AGAIN) from error
            raise StreamRefused(f"{where}: {text}", remedy=RIGHTS) from error
        return [Column(name, "binary" if sets.get(name) == "binary" else _mysql_kind(code)) for name, code in found]

    def close(self) -> None:
        """End the connection that asks."""
        self._control.close()


def _mysql_kind(code: int) -> Kind:
    from pymysql.constants import FIELD_TYPE as TYPE

    kinds: dict[Kind, tuple[int, ...]] = {
        "integer": (TYPE.TINY, TYPE.SHORT, TYPE.LONG, TYPE.INT24, TYPE.LONGLONG, TYPE.YEAR),
        "float": (TYPE.FLOAT, TYPE.DOUBLE),
        "decimal": (TYPE.DECIMAL, TYPE.NEWDECIMAL),
        "date": (TYPE.DATE, TYPE.NEWDATE),
        "time": (TYPE.TIME,),
        "datetime": (TYPE.DATETIME,),
        "instant": (TYPE.TIMESTAMP,),
        "binary": (TYPE.GEOMETRY,),
        "bits": (TYPE.BIT,),
        "other": (TYPE.JSON,),
    }
    return next((kind for kind, codes in kinds.items() if code in codes), "text")


_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("bigint", "int", "smallint", "tinyint"), "integer"),
    **dict.fromkeys(("float", "real"), "float"),
    **dict.fromkeys(("decimal", "numeric", "money", "smallmoney"), "decimal"),
    **dict.fromkeys(("datetime", "datetime2", "smalldatetime"), "datetime"),
    **dict.fromkeys(("binary", "varbinary", "image", "rowversion", "timestamp"), "binary"),
    **dict.fromkeys(("char", "varchar", "text", "nchar", "nvarchar", "ntext"), "text"),
    "bit": "boolean",
    "date": "date",
    "time": "time",
    "datetimeoffset": "instant",
}


class SqlServerDriver(Paged):
    """Microsoft SQL Server. Not tried against a server."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, DIALECTS["sqlserver"])
        try:
            socket.create_connection((place.host, self.port), timeout=CONNECT_S).close()
        except OSError as error:
            raise self.no_login(error) from error

    def address(self) -> str:
        """Encrypted unless tls is off; the certificate is checked with tls = verify."""
        if self.place.tls == "off":
            return self._url("mssql", encrypt="false")
        if self.place.tls == "verify":
            more = {"trust_server_certificate_ca": self.place.ca} if self.place.ca else {}
            return self._url("mssql", encrypt="true", **more)
        return self._url("mssql", encrypt="true", trust_server_certificate="true")

    def now(self) -> datetime:
        """The server's clock, UTC. The first question asked, so that it also signs in."""
        sql = "select convert(varchar(19), sysutcdatetime(), 126) as moment"
        try:
            moment = str(self._table(sql, f"source {self.place.source}")["moment"][0])
        except (ContractError, SourceBusy, StreamRefused) as error:
            raise self.no_login(error) from error
        return datetime.fromisoformat(moment).replace(tzinfo=UTC)

    def describe(self, source: str, where: str) -> list[Column]:
        """As the server describes the first row of the answer."""
        asked = self.dialect.text(f"select * from {source}")
        rows = self._table(
            "select name, system_type_name as type, error_message as error"
            f" from sys.dm_exec_describe_first_result_set({asked}, null, 0) order by column_ordinal",
            where,
        ).to_pylist()
        if wrong := next((row["error"] for row in rows if row["error"]), None):
            raise StreamRefused(f"{where}: {wrong}", remedy=RIGHTS)
        return [Column(row["name"], _KINDS.get(str(row["type"]).partition("(")[0], "other")) for row in rows]
