"""Contract × as-of snapshots out of a published build: 180, 90 and 30 days before the end, and today.

Label: the contract was renewed by its end plus grace, that is, a contract links to it as its renewal, or one of
the same customer and kind starts around its end. Only contracts whose grace is over have a label.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from model.renewal.features import COLUMNS, query

Array = npt.NDArray[Any]

GRACE_DAYS = 60
WARM_UP_DAYS = 180
HORIZONS = (180, 90, 30)

_RECURRING = """
    select
        record_key, customer_key, number, kind, amount, currency, start_on, end_on,
        (is_recurring or kind in ('service', 'subscription'))
        and coalesce(status, 'in_force') not in ('draft', 'cancelled')
        and start_on is not null and end_on is not null as is_due
    from core.fct_contract
"""

_OUTCOME = f"""
    with contract as ({_RECURRING})
    select
        this.record_key, this.customer_key, this.start_on, this.end_on,
        coalesce(dim.tier, '') as segment,
        max(case when later.record_key is null then 0 else 1 end) as renewed
    from contract as this
    left join core.dim_customer as dim on dim.customer_key = this.customer_key
    left join (
        select record_key, customer_key, kind, start_on, renewal_of_key, status from core.fct_contract
        where coalesce(status, 'in_force') not in ('draft', 'cancelled')
    ) as later
        on later.record_key <> this.record_key
        and later.start_on > this.start_on
        and later.start_on <= this.end_on + {GRACE_DAYS}
        and (
            later.renewal_of_key = this.record_key
            or (
                later.customer_key = this.customer_key and later.kind is not distinct from this.kind
                and later.renewal_of_key is null and later.start_on >= this.end_on - 45
            )
        )
    where this.is_due
    group by all
"""


@dataclass(frozen=True)
class Snapshots:
    """n snapshots: contract record key, customer key, segment (tier), as-of day and the day the outcome is known
    (days since 1970), features (n, len(COLUMNS)) with NaN where unknown, renewed 0/1 (-1 not decided yet)."""

    record_keys: list[str]
    customer_keys: list[str]
    segments: list[str]
    days: Array
    decided: Array
    features: Array
    renewed: Array
    as_of: list[date]


def history(con: duckdb.DuckDBPyConnection, today: date) -> Snapshots:
    """Every decided recurring contract at each horizon that lies within its own term.

    As-of dates before WARM_UP_DAYS of orders were on record are left out: the contracts of customers lost before
    the records begin are not in them, so that those that are there look as if everybody had renewed.
    """
    first = con.execute("select min(order_on) from core.fct_order where excluded_reason is null").fetchone()
    start = first[0] + timedelta(days=WARM_UP_DAYS) if first and first[0] else date(1970, 1, 1)
    horizons = ", ".join(f"({days})" for days in HORIZONS)
    con.execute(
        f"create or replace temp table renewal_case as "
        f"with outcome as ({_OUTCOME}) "
        f"select record_key, customer_key, segment, renewed, cast(end_on - days_left as date) as as_of, end_on, "
        f"cast(days_left as double) as days_left "
        f"from outcome cross join (values {horizons}) as horizon(days_left) "
        f"where end_on + {GRACE_DAYS} < $today and end_on - days_left > start_on "
        f"and end_on - days_left >= $start",
        {"today": today, "start": start},
    )
    return _read(con)


def due(con: duckdb.DuckDBPyConnection, today: date, within: int = 180) -> Snapshots:
    """Contracts that end within `within` days or whose grace still runs, not renewed yet, as of `today`."""
    con.execute(
        f"create or replace temp table renewal_case as "
        f"with outcome as ({_OUTCOME}) "
        f"select record_key, customer_key, segment, -1 as renewed, cast($today as date) as as_of, end_on, "
        f"cast(greatest(date_diff('day', cast($today as date), end_on), 0) as double) as days_left "
        f"from outcome where renewed = 0 and start_on <= $today "
        f"and end_on >= cast($today as date) - {GRACE_DAYS} and end_on <= cast($today as date) + {within}",
        {"today": today},
    )
    return _read(con)


def _read(con: duckdb.DuckDBPyConnection) -> Snapshots:
    epoch = date(1970, 1, 1)
    relation = con.execute(query())
    names = [column[0] for column in relation.description or []]
    rows = relation.fetchall()
    labels = {
        (key, as_of): (segment, renewed)
        for key, as_of, segment, renewed in con.execute(
            "select record_key, as_of, segment, renewed from temp.renewal_case"
        ).fetchall()
    }
    at = {name: names.index(name) for name in ("record_key", "customer_key", "as_of", "end_on", *COLUMNS)}
    features = np.array(
        [[np.nan if row[at[name]] is None else float(row[at[name]]) for name in COLUMNS] for row in rows]
    ).reshape(len(rows), len(COLUMNS))
    of_row = [labels[row[at["record_key"]], row[at["as_of"]]] for row in rows]
    return Snapshots(
        record_keys=[row[at["record_key"]] for row in rows],
        customer_keys=[row[at["customer_key"]] for row in rows],
        segments=[segment for segment, _ in of_row],
        days=np.array([(row[at["as_of"]] - epoch).days for row in rows], dtype=np.int64),
        decided=np.array([(row[at["end_on"]] - epoch).days + GRACE_DAYS for row in rows], dtype=np.int64),
        features=features,
        renewed=np.array([renewed for _, renewed in of_row], dtype=np.int64),
        as_of=[row[at["as_of"]] for row in rows],
    )
