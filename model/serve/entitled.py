"""What a device is entitled to on a day: the verdict over the rows of marts.mart_asset_entitlement with one serial key.

A verdict is one of VERDICTS. First and last days are covered days. Several records of one customer are one device:
what any of them covers is covered, and one that says it ended (returned, scrapped, replaced) ends it, unless another
record shows that the customer held it again later. Of several customers the one who held it last by the day has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
# what is read of marts.mart_asset_entitlement
COLUMNS = (
    "record_key", "source", "source_id", "serial_number", "serial_key", "product_code", "product_name", "status",
    "status_on", "replaced_by_serial", "location", "order_number", "shipment_number", "shipment_key", "delivered_on",
    "installed_on", "held_from_on", "warranty_kind", "warranty_terms", "warranty_basis", "warranty_from_on",
    "warranty_until_on", "named_contract", "contract_key", "contract_number", "contract_name", "contract_level",
    "contract_from_on", "contract_until_on",
)  # fmt: skip
COVERED = ("in_warranty", "in_contract")
ENDED = ("returned", "scrapped", "replaced")
# not_stated: known, but nothing says how long its warranty runs; not_yours: of a customer the viewer may not see
VERDICTS = (*COVERED, "out", "not_started", "not_stated", *ENDED, "other_customer", "not_yours", "unknown")
_DEVICE = (
    "serial_number", "serial_key", "product_code", "product_name", "status", "status_on", "replaced_by_serial",
    "location", "delivered_on", "installed_on", "order_number", "shipment_number", "source", "source_id",
)  # fmt: skip
_NOTHING: Row = dict.fromkeys(
    ("cover", "reason", "basis", "from_on", "until_on", "days_left", "since_on", "next_on", "warranty", "contract"),
)


def verdict(rows: Sequence[Row], day: date, asked_by: str | None = None) -> Row:
    """The verdict on one serial number as of `day`, for the customer `asked_by` or for whoever held it then.

    {as_of, verdict, is_covered, cover (warranty or contract), reason, basis, from_on, until_on, days_left (0: ends that
    day), since_on (first day without cover), next_on (when cover begins), warranty, contract, device, holder, records}.
    `rows`: every row of that serial number, of all customers; `holder` is the customer_key of whom it is.
    """
    if not rows:
        return {**_NOTHING, "as_of": day, "verdict": "unknown", "is_covered": False, "reason": "unknown",
                "device": None, "holder": None, "records": []}  # fmt: skip
    by_customer: dict[str, list[Row]] = {}
    for row in rows:
        by_customer.setdefault(row["customer_key"], []).append(row)
    holder = _holder(by_customer, day)
    if asked_by is not None and asked_by != holder:
        reason = "sold_on" if asked_by in by_customer else "other_customer"
        return {**_NOTHING, "as_of": day, "verdict": "other_customer", "is_covered": False, "reason": reason,
                "device": _device(by_customer[holder], day), "holder": holder,
                "records": _records(by_customer.get(asked_by, by_customer[holder]))}  # fmt: skip
    return {**of_device(by_customer[holder], day), "holder": holder}


def of_device(rows: Sequence[Row], day: date) -> Row:
    """The verdict on one customer's device, whose rows these are, as of `day`; without `holder`."""
    ended = _ended(rows, day)
    covers = sorted(_covers(rows), key=lambda one: (one["cover"] != "warranty", -_ordinal(one["until_on"])))
    ahead = [one for one in covers if one["from_on"] is not None and one["from_on"] > day]
    now = [one for one in covers if one not in ahead and (one["until_on"] is None or one["until_on"] >= day)]
    past = [one["until_on"] for one in covers if one["until_on"] is not None and one["until_on"] < day]
    begins = min((one["from_on"] for one in ahead), default=None)
    found = {
        **_NOTHING,
        "as_of": day,
        "warranty": _first(covers, "warranty", day),
        "contract": _first(covers, "contract", day),
    }
    if ended is not None:
        found |= {"verdict": ended["status"], "reason": ended["status"], "since_on": ended["status_on"]}
    elif now:
        best, last = now[0], now[0]["until_on"]
        found |= {"verdict": f"in_{best['cover']}", "cover": best["cover"], "basis": best["basis"],
                  "reason": best["cover"], "from_on": best["from_on"], "until_on": last,
                  "days_left": None if last is None else (last - day).days}  # fmt: skip
    elif past:
        found |= {"verdict": "out", "reason": "out", "since_on": max(past) + timedelta(days=1), "next_on": begins}
    elif ahead:
        found |= {"verdict": "not_started", "reason": "not_started", "next_on": begins}
    else:
        none = any(row["warranty_kind"] == "none" for row in rows)
        found |= {"verdict": "out" if none else "not_stated", "reason": "no_warranty" if none else "not_stated"}
    return {**found, "is_covered": found["verdict"] in COVERED, "device": _device(rows, day),
            "records": _records(rows, found["contract"])}  # fmt: skip


def devices(rows: Iterable[Row], day: date) -> list[Row]:
    """The devices of one customer that it held by `day`, each with its verdict; what ends next first, ended ones last.

    Rows of one serial number are one device; a record without a usable number is one of its own.
    """
    grouped: dict[str, list[Row]] = {}
    for row in rows:
        if row["held_from_on"] is None or row["held_from_on"] <= day:
            grouped.setdefault(row["serial_key"] or row["record_key"], []).append(row)
    return sorted((of_device(group, day) for group in grouped.values()), key=_pressing)


def held(rows: Iterable[Row], day: date, customer_key: str) -> list[Row]:
    """As devices, of `customer_key`, from all customers' rows with its numbers: what it sold on is not its own."""
    every = list(rows)
    others = [row for row in every if row["customer_key"] != customer_key]
    shared = {row["serial_key"] for row in others}
    found = []
    for one in devices((row for row in every if row["customer_key"] == customer_key), day):
        key = one["device"]["serial_key"]
        if key in shared:
            known = verdict([row for row in every if row["serial_key"] == key], day, customer_key)
            if known["verdict"] == "other_customer":
                one |= {**_NOTHING, "verdict": "other_customer", "is_covered": False, "reason": known["reason"]}
        found.append(one)
    return sorted(found, key=_pressing)


def _pressing(found: Row) -> tuple[int, date, str]:
    rank = 0 if found["is_covered"] else 2 if found["verdict"] in ENDED else 1
    return (rank, found["until_on"] or date.max, str(found["device"]["serial_number"]))


def _holder(by_customer: dict[str, list[Row]], day: date) -> str:
    """Who held the device on `day`: the last to get it by then whose device had not ended, else the last at all."""

    def order(key: str) -> tuple[bool, bool, date, str]:
        rows = by_customer[key]
        known = [row["held_from_on"] for row in rows if row["held_from_on"] is not None]
        begun = [one for one in known if one <= day]
        return (bool(begun) or not known, _ended(rows, day) is None, max(begun, default=date.min), key)

    return max(by_customer, key=order)


def _ended(rows: Sequence[Row], day: date) -> Row | None:
    """The row that says the device had ended by `day` and that no later delivery to the same customer puts right."""
    found = [row for row in rows if row["status"] in ENDED and (row["status_on"] is None or row["status_on"] <= day)]
    for row in sorted(found, key=lambda one: (-_ordinal(one["status_on"] or date.min), one["record_key"])):
        ended_on = row["status_on"] or date.min
        again = (other for other in rows if other["record_key"] != row["record_key"] and other["status"] not in ENDED)
        if not any(ended_on < (other["held_from_on"] or date.min) <= day for other in again):
            return row
    return None


def _covers(rows: Sequence[Row]) -> list[Row]:
    """Warranties and contracts of the rows, each once: {cover, basis, from_on, until_on, …}."""
    found: dict[tuple[str, Any], Row] = {}
    for row in rows:
        if row["warranty_basis"] is not None:
            found["warranty", row["record_key"]] = {
                "cover": "warranty", "basis": row["warranty_basis"], "from_on": row["warranty_from_on"],
                "until_on": row["warranty_until_on"], "kind": row["warranty_kind"], "terms": row["warranty_terms"],
            }  # fmt: skip
        if row["contract_key"]:
            found["contract", row["contract_key"]] = {
                "cover": "contract", "basis": "contract", "from_on": row["contract_from_on"],
                "until_on": row["contract_until_on"], "record_key": row["contract_key"],
                "number": row["contract_number"], "name": row["contract_name"], "level": row["contract_level"],
            }  # fmt: skip
    return list(found.values())


def _first(covers: Sequence[Row], kind: str, day: date) -> Row | None:
    """The cover of a kind to tell of: the one in effect, else the last that was, else the next."""
    mine = [one for one in covers if one["cover"] == kind]
    begun = [one for one in mine if one["from_on"] is None or one["from_on"] <= day]
    if begun:
        return max(begun, key=lambda one: (_ordinal(one["until_on"]), str(one.get("record_key"))))
    return min(mine, key=lambda one: (_ordinal(one["from_on"]), str(one.get("record_key"))), default=None)


def _ordinal(day: date | None) -> int:
    """An order in which no last day is the last of all."""
    return (day or date.max).toordinal()


def _device(rows: Sequence[Row], day: date) -> Row:
    """What to show of a device: its record that is in use and was delivered last by `day`."""
    row = max(rows, key=lambda one: (_began(one, day), one["status"] not in ENDED,
                                     one["held_from_on"] or date.min, one["record_key"]))  # fmt: skip
    return {**{name: row[name] for name in _DEVICE}, "named_contract": row["named_contract"]}


def _began(row: Row, day: date) -> bool:
    return row["held_from_on"] is None or row["held_from_on"] <= day


def _records(rows: Sequence[Row], contract: Row | None = None) -> list[Row]:
    """The source rows behind a verdict, each once: assets, the `contract` that is told of, shipments."""
    found = {("asset", row["source"], row["source_id"]): row["serial_number"] for row in rows}
    told = contract and contract["record_key"]
    for entity, key, number in (
        ("contract", "contract_key", "contract_number"), ("shipment", "shipment_key", "shipment_number"),
    ):  # fmt: skip
        for row in rows:
            if row[key] and (entity != "contract" or row[key] == told):
                source, _, source_id = row[key].partition(":")
                found[entity, source, source_id] = row[number]
    kept = ("entity", "source", "source_id")
    return [{**dict(zip(kept, key, strict=True)), "number": number} for key, number in sorted(found.items())]
