"""The features of a contract on an as-of date: one line each, their SQL below `sql/`.

Every feature reads only what was known on the as-of date. A feature with evidence rests on that many rows (payments,
tickets, milestones): little evidence is trusted less, none counts as the average customer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).with_name("sql")
EVIDENCE = "_rows"


@dataclass(frozen=True)
class Feature:
    """One feature: its SQL file, the plain-word group it belongs to, how it is shown and how it is measured.

    `rows_needed` is the evidence at which a value counts by half; 0 where a value is a plain fact.
    `is_logged` features are compared by ratio (one order more matters less for a customer with thirty).
    """

    name: str
    part: str
    group: str
    shown: Literal["count", "years", "share", "change"] = "count"
    rows_needed: float = 0.0
    is_logged: bool = False


ALL = (
    Feature("days_left", "", "term"),
    Feature("tenure_years", "contract", "tenure", "years", is_logged=True),
    Feature("earlier_contracts", "contract", "tenure", is_logged=True),
    Feature("auto_renew", "contract", "term"),
    Feature("price_change", "contract", "price", "change"),
    Feature("days_late", "payment", "payment", rows_needed=0.3),
    Feature("usual_days_late", "payment", "payment", rows_needed=0.3),
    Feature("recent_days_late", "payment", "payment", rows_needed=0.3),
    Feature("unpaid_share", "payment", "payment", "share", rows_needed=1.0),
    Feature("order_trend", "trade", "trade", "change", rows_needed=1.0),
    Feature("year_orders", "trade", "trade", is_logged=True),
    Feature("days_since_order", "trade", "trade", is_logged=True),
    Feature("year_tickets", "service", "tickets", is_logged=True),
    Feature("open_tickets", "service", "tickets", is_logged=True),
    Feature("missed_share", "service", "sla", "share", rows_needed=1.0),
    Feature("slow_share", "service", "sla", "share", rows_needed=1.0),
    Feature("unhappy_share", "service", "rating", "share", rows_needed=1.0),
    Feature("days_since_contact", "contact", "contact", is_logged=True),
    Feature("quarter_contacts", "contact", "contact", is_logged=True),
    Feature("project_slip", "project", "project", rows_needed=2.0),
)
BY_NAME = {feature.name: feature for feature in ALL}
FEATURES = tuple(feature.name for feature in ALL)
COLUMNS = FEATURES + tuple(f"{feature.name}{EVIDENCE}" for feature in ALL if feature.rows_needed)


def query() -> str:
    """SQL that gives record_key, customer_key, as_of and COLUMNS for every row of temp.renewal_case."""
    parts = list(dict.fromkeys(feature.part for feature in ALL if feature.part))
    columns = ", ".join(
        # sums of doubles differ in their last digits from run to run
        f"round(cast({_part(name)}.{name} as double), 9) as {name}"
        for name in COLUMNS
        if BY_NAME.get(name) != ALL[0]
    )
    joins = " ".join(
        f"left join ({(FOLDER / f'{part}.sql').read_text(encoding='utf-8')}) as {part}_part "
        f"on {part}_part.record_key = one.record_key and {part}_part.as_of = one.as_of"
        for part in parts
    )
    return (
        f"select one.record_key, one.customer_key, one.as_of, one.end_on, one.days_left, {columns} "
        f"from temp.renewal_case as one {joins} order by one.record_key, one.as_of"
    )


def _part(column: str) -> str:
    return f"{BY_NAME[column.removesuffix(EVIDENCE)].part}_part"
