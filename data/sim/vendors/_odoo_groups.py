"""Odoo's sums by one link: formatted_read_group, new in 19, names its sums `x:sum`, read_group `x`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data.sim.table import Record


def grouped(search: Callable[[dict[str, Any]], list[Record]], body: dict[str, Any], *, is_new: bool) -> list[Record]:
    """One row per value of the link, in the order in which they come up; `search` is search_read."""
    (by,) = body["groupby"]
    sums = [name for name in body["aggregates" if is_new else "fields"] if name != "__count"]
    asked = {"domain": body["domain"], "fields": [by, *(name.split(":")[0] for name in sums)]}
    groups: dict[str, list[Record]] = {}
    for row in search({**asked, "context": body.get("context")}):
        groups.setdefault(str(row[by]), []).append(row)
    found = []
    for rows in groups.values():
        one: Record = {by: rows[0][by], "__count": len(rows)}
        for name in sums:
            field = name.split(":")[0]
            one[name if is_new else field] = round(sum(row[field] for row in rows), 2)
        found.append({**one, "__extra_domain" if is_new else "__domain": [[by, "=", rows[0][by]]]})
    return found
