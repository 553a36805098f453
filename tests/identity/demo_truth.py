"""The demo company's customer records of three systems in one table, with the entity each belongs to."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from data.demo.company import generate

DAY = date(2026, 11, 22)


def records(customers: int, seed: int = 20260101) -> pl.DataFrame:
    """source, id, name, tax_id, phone, domain, address, city, truth; live records only, buckets left out."""
    company = generate(customers, seed, 36, today=DAY)
    world = company.world
    truth = {
        (system, key): cluster["truth_id"]
        for cluster in company.truth["clusters"]
        if cluster["kind"] != "bucket"
        for system, keys in cluster["records"].items()
        for key in keys
    }
    rows = [*map(_account, world.salesforce["Account"]), *map(_customer, world.kingdee["BD_Customer"])]
    rows += map(_organisation, world.zendesk["organizations"])
    kept = [row | {"truth": truth[row["source"], row["id"]]} for row in rows if (row["source"], row["id"]) in truth]
    return pl.DataFrame(kept, infer_schema_length=None)


def _account(row: dict[str, Any]) -> dict[str, Any]:
    fields = {"tax_id": "Tax_Id__c", "phone": "Phone", "domain": "Website", "address": "BillingStreet"}
    return _row(
        "salesforce", row["Id"], row["Name"], {k: row[v] for k, v in fields.items()} | {"city": row["BillingCity"]}
    )


def _customer(row: dict[str, Any]) -> dict[str, Any]:
    tax = row["FSOCIALCRECODE"] or row["FTAXREGISTERCODE"]
    return _row(
        "kingdee", row["FNumber"], row["FName"], {"tax_id": tax, "phone": row["FTEL"], "address": row["FADDRESS"]}
    )


def _organisation(row: dict[str, Any]) -> dict[str, Any]:
    return _row("zendesk", str(row["id"]), row["name"], {"domain": next(iter(row["domain_names"]), None)})


def _row(source: str, key: str, name: str, fields: dict[str, Any]) -> dict[str, Any]:
    empty = dict.fromkeys(("tax_id", "phone", "domain", "address", "city"))
    return {"source": source, "id": key, "name": name} | empty | fields
