"""Dataverse: the columns of each table, how its changes are found, and annotations in plain places."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from ingest.errors import ContractError, StreamRefused
from ingest.hooks import Call, Record

_LABEL = "@OData.Community.Display.V1.FormattedValue"
_TABLE = "@Microsoft.Dynamics.CRM.lookuplogicalname"
_LOOKUPS = frozenset({"Lookup", "Customer", "Owner"})
_NUMBERS = frozenset({"BigInt", "Boolean", "DateTime", "Decimal", "Double", "Integer", "Money"})
_WORDS = frozenset({"Memo", "Picklist", "State", "Status", "String", "Uniqueidentifier"})
_CURRENCIES = "transactioncurrencies?$select=transactioncurrencyid,isocurrencycode"
_OVERLAP = timedelta(minutes=10)


def prepare(call: Call) -> dict[str, Any]:
    """{prepared.list}: the address of the whole table; {prepared.prefer}: how it is to answer; is_tracked."""
    stream, window = call.stream, call.window
    if stream is None or window is None:
        return {}
    columns, is_tracked = _described(call, stream.hook["table"], stream.fields)
    is_tracked = is_tracked if call.settings["changes"] == "auto" else call.settings["changes"] == "delta"
    prefer = [
        f"odata.maxpagesize={call.settings['page_size']}",
        f'odata.include-annotations="{_LABEL[1:]},{_TABLE[1:]}"',
    ]
    if is_tracked and call.full:
        prefer.insert(0, "odata.track-changes")
    chosen = f"{stream.name}?$select={','.join(columns)}"
    order = f"&$orderby=modifiedon asc,{stream.id} asc"
    since = f"{window.end - _OVERLAP:%Y-%m-%dT%H:%M:%SZ}"
    return {
        "list": chosen if is_tracked else chosen + order,
        "next": "" if is_tracked else f"{chosen}&$filter=modifiedon ge {since}{order}",
        "prefer": ",".join(prefer),
        "fields": columns,
    }


def _described(call: Call, table: str, wanted: list[str]) -> tuple[list[str], bool]:
    """The columns of `table` that exist, the company's own added, and whether it tracks changes.

    As written, and tracked, when its description may not be read.
    """
    if not call.settings["describe"]:
        return wanted, True
    path = (
        f"EntityDefinitions(LogicalName='{table}')?$select=LogicalName,ChangeTrackingEnabled"
        "&$expand=Attributes($select=LogicalName,AttributeType,AttributeOf,IsCustomAttribute,IsValidForRead)"
    )
    try:
        found = call.client.request("GET", path, stream=call.stream).payload
    except StreamRefused:
        if call.stream and call.stream.optional:
            raise
        return wanted, True
    readable = {
        (f"_{one['LogicalName']}_value" if one["AttributeType"] in _LOOKUPS else one["LogicalName"]): one
        for one in found["Attributes"]
        if one["IsValidForRead"]
    }
    own = sorted(name for name, one in readable.items() if _is_own(one) and name not in wanted)
    return [name for name in wanted if name in readable] + own, bool(found["ChangeTrackingEnabled"])


def _is_own(column: Record) -> bool:
    """Whether a column is the company's own and can be selected: words beside a value and pictures cannot."""
    is_plain = column["AttributeType"] in _LOOKUPS | _NUMBERS | _WORDS and not column["AttributeOf"]
    return bool(column["IsCustomAttribute"] and is_plain)


def records(call: Call, payload: Any) -> list[Record]:
    """Changed rows in plain words, stubs under their table's key; our own cursor where there is no delta link."""
    rows: list[Record] | None = payload.get("value") if isinstance(payload, dict) else None
    stream = call.stream
    if rows is None or stream is None:
        valid = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
        raise ContractError(f"{call.source}: the answer has no 'value'", valid=valid)
    if call.prepared["next"] and "@odata.nextLink" not in payload and "@odata.deltaLink" not in payload:
        payload["@odata.deltaLink"] = call.prepared["next"]
    return [_plain(call, row) for row in rows]


def _plain(call: Call, row: Record) -> Record:
    stream = call.stream
    assert stream is not None  # noqa: S101 - records() has looked
    if "reason" in row and str(row.get("@odata.context", "")).endswith("/$deletedEntity"):
        return {str(stream.id): row["id"], "removed": row["reason"]}
    if call.prepared["next"]:
        _check_bound(call, row)
    plain = {name: value for name, value in row.items() if "@" not in name}
    links: dict[str, dict[str, Any]] = {}
    labels: dict[str, Any] = {}
    for name, value in row.items():
        column, at, _ = name.partition("@")
        if name.endswith(_TABLE):
            links[column.removeprefix("_").removesuffix("_value")] = {str(value): row[column]}
        elif at and name.endswith(_LABEL) and _keeps_label(column, row, stream.hook.get("names", [])):
            labels[column] = value
    plain |= {"links": links, "labels": labels}
    accounts = [links.get(name, {}).get("account") for name in stream.hook.get("account", [])]
    plain["account"] = next(filter(None, accounts), None)
    if currency := row.get("_transactioncurrencyid_value"):
        plain["currency"] = _currencies(call).get(str(currency))
    if "estimatedvalue" in row:
        is_won = row.get("statecode") == 1 and row.get("actualvalue") is not None
        plain["amount"] = row["actualvalue"] if is_won else row["estimatedvalue"]
    if row.get("merged"):
        plain["removed"] = "merged"
    return plain


def _keeps_label(column: str, row: Record, names: list[str]) -> bool:
    """Whether the words of a value are kept: those of choices, and the names of the few records that are not read."""
    value = row.get(column)
    return column in names or (isinstance(value, int) and not isinstance(value, bool))


def _check_bound(call: Call, row: Record) -> None:
    """Without a delta link: an answer from before the window means that the filter is not looked at."""
    stamp = row.get("modifiedon")
    if call.full or call.window is None or not stamp:
        return
    if datetime.fromisoformat(stamp) < call.window.start - timedelta(hours=3):
        raise ContractError(
            f"{call.source}: asked for changes since {call.window.start:%Y-%m-%d %H:%M:%S} UTC, got one of {stamp}",
            remedy="the source ignores the filter on modifiedon",
        )


def _currencies(call: Call) -> dict[str, str]:
    """Id → three-letter code, asked once per run of the source."""
    memo = call.client.memo
    if "currencies" not in memo:
        found = call.client.request("GET", _CURRENCIES).payload["value"]
        memo["currencies"] = {row["transactioncurrencyid"]: row["isocurrencycode"] for row in found}
    codes: dict[str, str] = memo["currencies"]
    return codes
