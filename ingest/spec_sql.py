"""What a connector of kind "sql" adds to a description: the settings every database needs, and what its streams say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ingest.spec_parts import Strict

if TYPE_CHECKING:
    from ingest.spec import StreamSpec

DIALECTS = ("postgresql", "mysql", "sqlserver")
TLS = ("off", "prefer", "require", "verify")

SETTINGS: dict[str, dict[str, Any]] = {
    "host": {"required": True, "help": "name or address of the database server"},
    "port": {"type": "integer", "default": 0, "help": "port of the server; 0: the usual one"},
    "database": {"required": True, "help": "name of the database"},
    "user": {"required": True, "help": "a role of its own that may read the tables and nothing else"},
    "password": {"required": True, "secret": True, "help": "password of that role"},
    "tls": {
        "default": "prefer",
        "choices": list(TLS),
        "help": "off; prefer: where the server offers it; require: always; verify: also check its certificate",
    },
    "ca": {"default": "", "help": "file with the certificate of the authority that signed the server's (tls = verify)"},
    "row_security": {
        "default": "refuse",
        "choices": ["refuse", "accept"],
        "help": "PostgreSQL: refuse tables whose rows are filtered for the role; accept what its policies show",
    },
}
"""Added to the settings of every connector of kind "sql"; a connector may describe one otherwise, with a default."""


class SqlSpec(Strict):
    """Which SQL the database speaks; may be a placeholder."""

    dialect: str = ""


def with_settings(raw: Any) -> Any:
    """The description `raw` with the settings that every database needs."""
    connector = raw.get("connector") if isinstance(raw, dict) else None
    if not isinstance(connector, dict) or connector.get("kind") != "sql":
        return raw
    own = raw.get("settings", {})
    return {**raw, "settings": {**SETTINGS, **own}} if isinstance(own, dict) else raw


def problem(kind: str, sql: SqlSpec, streams: Sequence[StreamSpec]) -> str | None:
    """What is wrong with the SQL of a description, None when nothing is."""
    if kind != "sql":
        named = [stream.name for stream in streams if stream.table or stream.query]
        return f'stream {named[0]!r}: table and query need connector.kind = "sql"' if named else None
    if "{" not in sql.dialect and sql.dialect not in DIALECTS:
        return f"sql.dialect is {sql.dialect!r}; valid: {', '.join(DIALECTS)}"
    return next((text for stream in streams if (text := _of_stream(stream))), None)


def _of_stream(stream: StreamSpec) -> str | None:
    name, deletes = f"stream {stream.name!r}", stream.deletes
    if stream.parent and stream.parent.records is not None:
        return None
    if stream.parent:
        return f"{name}: a substream of a database needs parent.records; read its own table instead"
    if bool(stream.table) == bool(stream.query):
        return f"{name}: say either table or query"
    if stream.page.type != "single":
        return f"{name}: page is for HTTP; a table is read by its id"
    if stream.incremental.type == "token" or (stream.incremental.type == "window" and not stream.updated):
        return f"{name}: changes are found by a window over the column `updated`"
    if deletes.type == "feed" or deletes.passes:
        return f"{name}: deletes are of type none, flag, sweep or full"
    return None
