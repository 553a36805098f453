"""Devices and warranty: what a customer's devices are entitled to, and the verdict on a serial number for an agent."""

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from model.policy import Viewer
from model.serve import entitled
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.links import link
from ops.errors import FatalError

KEPT = 200
_SELECTED = ", ".join(f"e.{name}" for name in entitled.COLUMNS)


def serial_key(text: str) -> str:
    """The form in which serial numbers are compared: width folded, upper case, letters and digits only."""
    folded = unicodedata.normalize("NFKC", text).upper()
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LN")


def entitlement(
    viewer: Viewer, db: Served, serial: str, customer_key: str | None = None, as_of: date | None = None
) -> dict[str, Any]:
    """The verdict on a serial number as of a day (default today), for `customer_key` or whoever held it then.

    {serial, serial_key, as_of, customer_key, verdict (entitled.VERDICTS), is_covered, cover, reason, basis, from_on,
    until_on, days_left, since_on, next_on, warranty, contract, device, customer, records}; days are inclusive.
    `customer`: {customer_key, name} of whom the device is, null where the viewer may not see them: then nothing but
    not_yours (asked for itself) or other_customer (asked for a customer) is said. `records`: the source rows it
    follows from, with link. FatalError without a letter or digit; NotFound for a customer the viewer may not see.
    """
    key, day = serial_key(serial), as_of or db.today()
    if not key:
        raise FatalError("a serial number has letters or digits", remedy="give the number as it stands on the plate")
    if customer_key is not None:
        _assert_seen(viewer, db, customer_key)
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select {_SELECTED}, e.customer_key, customer.name as customer_name, coalesce({rule}, false) as is_seen
            from marts.mart_asset_entitlement as e
            join core.dim_customer as customer on customer.customer_key = e.customer_key
            where e.serial_key = $serial order by e.customer_key, e.record_key, e.contract_key""",
        {"serial": key, **named},
    )
    found = entitled.verdict(rows, day, customer_key)
    names = {row["customer_key"]: row["customer_name"] for row in rows if row["is_seen"]}
    holder = found.pop("holder")
    head = {"serial": serial, "serial_key": key, "as_of": day, "customer_key": customer_key}
    if holder is not None and holder not in names:
        hidden = dict.fromkeys(found) | {"is_covered": False, "records": []}
        said = "not_yours" if customer_key is None else "other_customer"
        return {**head, **hidden, "verdict": said, "reason": said, "customer": None}
    customer = None if holder is None else {"customer_key": holder, "name": names[holder]}
    return {**head, **found, "customer": customer, "records": _linked(db, found["records"])}


def assets(viewer: Viewer, db: Served, customer_key: str, as_of: date | None = None, text: str = "") -> dict[str, Any]:
    """{as_of, customer_key, count, devices}: the customer's devices with their verdicts, at most 200.

    `text` keeps those whose serial number, product or location contains it; count is how many there are then. What
    ends next comes first. Each: entitled.of_device with the device's columns beside it and link.
    """
    _assert_seen(viewer, db, customer_key)
    day = as_of or db.today()
    rows = db.rows(
        f"""select {_SELECTED}, e.customer_key from marts.mart_asset_entitlement as e
            where e.serial_key in (
                select serial_key from marts.mart_asset_entitlement where customer_key = $key
            ) or e.customer_key = $key""",
        {"key": customer_key},
    )
    found = [one for one in entitled.held(rows, day, customer_key) if _says(one["device"], text)]
    return {"as_of": day, "customer_key": customer_key, "count": len(found), "devices": shown(db, found)}


def shown(db: Served, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Verdicts as rows of a list: the device's columns among those of its verdict; at most 200, with links."""
    return [
        {**{name: value for name, value in one.items() if name not in {"device", "records"}}, **one["device"],
         "link": link(db, "asset", one["device"])}
        for one in found[:KEPT]
    ]  # fmt: skip


def with_devices(db: Served, tickets: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Tickets with `device`: the verdict on their serial number on the day they were opened, null without one.

    `rows`: the customer's own devices. A number that is not among them is `other_customer` with reason not_theirs:
    of another customer or of nobody, which entitlement tells.
    """
    mine: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        mine.setdefault(row["serial_key"], []).append(row)
    return [{**ticket, "device": _of_ticket(db, ticket, mine)} for ticket in tickets]


def _of_ticket(
    db: Served, ticket: dict[str, Any], mine: dict[str, list[dict[str, Any]]]
) -> dict[str, Any] | None:  # fmt: skip
    if not ticket.get("serial_key"):
        return None
    opened = ticket["created_at"]
    day = opened.astimezone(ZoneInfo(db.instance.config.zone)).date() if opened is not None else db.today()
    head = {"serial_number": ticket["serial_number"], "as_of": day}
    if ticket["serial_key"] not in mine:
        return {**head, "verdict": "other_customer", "is_covered": False, "reason": "not_theirs", "until_on": None}
    found = entitled.of_device(mine[ticket["serial_key"]], day)
    return {**head, **{name: value for name, value in found.items() if name not in {"device", "records"}},
            "replaced_by_serial": found["device"]["replaced_by_serial"]}  # fmt: skip


def _says(device: dict[str, Any], text: str) -> bool:
    wanted = text.strip().casefold()
    if not wanted:
        return True
    key = serial_key(text)
    spoken = " ".join(str(device[name] or "") for name in ("product_code", "product_name", "location")).casefold()
    return wanted in spoken or bool(key and key in (device["serial_key"] or ""))


def _linked(db: Served, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "link": link(db, row["entity"], row)} for row in records]


def _assert_seen(viewer: Viewer, db: Served, customer_key: str) -> None:
    rule, named = viewer.named_rows()
    if not db.rows(
        f"select 1 as found from core.dim_customer as customer where customer_key = $customer_key and {rule}",
        {"customer_key": customer_key, **named},
    ):
        raise NotFound(f"no customer {customer_key!r}", remedy="search it by name or code")
