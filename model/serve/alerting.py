"""Alerts of the customers a viewer may see, with names resolved on the served build."""

from __future__ import annotations

from typing import Any

from model import alerts as engine
from model.policy import Viewer
from model.serve.connection import Served

TELLS = {"credit_over_limit": "credit"}


def alerts(viewer: Viewer, db: Served, state: str | None = None) -> list[dict[str, Any]]:
    """Open alerts (or those in `state`), most severe first, with customer and owner names.

    An alert that exists because of a masked value is not shown: it would tell the value's size.
    """
    rows = engine.listing(db.instance.store, states={state} if state else None)
    rule, values = viewer.rows("customer")
    visible = {
        row["customer_key"]: row
        for row in db.rows(
            f"select customer_key, name, owner_name from core.dim_customer as customer where {rule}", values
        )
    }
    return [
        {**row, "customer": visible[row["customer_key"]]["name"], "owner": visible[row["customer_key"]]["owner_name"]}
        for row in rows
        if row.get("customer_key") in visible and TELLS.get(row["rule"]) not in viewer.masks
    ]
