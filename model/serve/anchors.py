"""Customers as work state remembers them: by a source record, so that state follows a merge or a split."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound


def anchors_of(db: Served, customer_key: str) -> list[str]:
    """Record keys of a customer, in order."""
    rows = db.rows(
        """select source || ':' || source_id as anchor from identity.customer_crosswalk
           where customer_key = ? order by source, source_id""",
        [customer_key],
    )
    return [row["anchor"] for row in rows]


def anchor_of(db: Served, customer_key: str) -> str:
    """The record key to remember a customer by; NotFound for one without a source record."""
    found = anchors_of(db, customer_key)
    if not found:
        raise NotFound(f"{customer_key} has no source record to remember it by")
    return found[0]


def customers_of(viewer: Viewer, db: Served, anchors: Collection[str]) -> dict[str, dict[str, Any]]:
    """Anchor → {customer_key, name, owner_key, owner} on the served build, of customers the viewer may see."""
    if not anchors:
        return {}
    rule, named = viewer.named_rows()
    rows = db.rows(
        f"""select x.source || ':' || x.source_id as anchor, customer.customer_key, customer.name,
                   customer.owner_key, customer.owner_name as owner
            from identity.customer_crosswalk as x
            join core.dim_customer as customer on customer.customer_key = x.customer_key
            where list_contains($anchors, x.source || ':' || x.source_id) and {rule}""",
        {"anchors": sorted(anchors), **named},
    )
    return {row["anchor"]: {name: row[name] for name in row if name != "anchor"} for row in rows}


def people(db: Served, keys: Collection[str | None]) -> dict[str, str]:
    """Employee key → name."""
    wanted = sorted({key for key in keys if key})
    if not wanted:
        return {}
    rows = db.rows("select employee_key, name from core.dim_employee where list_contains(?, employee_key)", [wanted])
    return {row["employee_key"]: row["name"] for row in rows}
