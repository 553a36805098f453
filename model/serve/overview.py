"""The leadership overview: sales, receivables, pipeline, service, delivery and retention, down to customers."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.receivables import BUCKETS, open_items_sql
from model.serve import money
from model.serve.aging import aging
from model.serve.connection import Served
from model.serve.renewals import renewals

ZERO = Decimal(0)


def month_starts(day: date, months: int) -> list[date]:
    """The first days of the last `months` months up to the one of `day`, oldest first."""
    number = day.year * 12 + day.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(number - months + 1, number + 1)]


def overview(viewer: Viewer, db: Served, months: int = 12) -> dict[str, Any]:
    """Figures over the customers this viewer may see; amounts in the company's currency, missing rates named."""
    day = db.today()
    key = ("overview", viewer.cache_key, day, months)
    if key not in db.cache:
        db.cache[key] = _overview(viewer, db, day, months)
    answer: dict[str, Any] = db.cache[key]
    due = renewals(viewer, db)
    amounts: dict[str, Decimal] = {}
    for row in due:
        money.add(amounts, row["currency"] or db.instance.config.base_currency, row["amount"])
    answer["kpis"]["renewals_due"] = {**money.total(db, amounts, day), "count": len(due)}
    return answer


def _overview(viewer: Viewer, db: Served, day: date, months: int) -> dict[str, Any]:
    starts = month_starts(day, months)
    sales = _sales(viewer, db, starts[0], day)
    owed = aging(viewer, db, day)
    service = _service(viewer, db, starts[0])
    delivery = _delivery(viewer, db, day)
    pipeline = _pipeline(viewer, db)
    return {
        "as_of": day,
        "currency": db.instance.config.base_currency,
        "kpis": _kpis(db, owed, sales, pipeline, delivery, viewer, day),
        "sales_by_month": _series(db, sales, "sales_amount", day),
        "collections_by_month": _series(db, sales, "received_amount", day),
        "receivables_aging": [_aging_of(viewer, db, end) for end in _month_ends(starts, day)],
        "top_debtors": _top(db, owed, day),
        "pipeline_by_stage": pipeline,
        "service_by_month": service,
        "delivery": delivery,
        "retention": _retention(viewer, db, day),
    }


def _sales(viewer: Viewer, db: Served, since: date, day: date) -> list[dict[str, Any]]:
    rule, parameters = viewer.named_rows()
    return db.rows(
        f"""select m.month_on, m.currency, sum(m.sales_amount) as sales_amount,
                   sum(m.received_amount) as received_amount
            from marts.mart_sales_month as m
            join core.dim_customer as customer on customer.customer_key = m.customer_key
            where m.month_on between $since and $day and {rule} group by all order by all""",
        {"since": since, "day": day, **parameters},
    )


def _series(db: Served, rows: list[dict[str, Any]], name: str, day: date) -> list[dict[str, Any]]:
    months: dict[date, dict[str, Decimal]] = defaultdict(dict)
    for row in rows:
        money.add(months[row["month_on"]], row["currency"], row[name])
    return [{"month": month, **money.total(db, amounts, day)} for month, amounts in sorted(months.items())]


def _month_ends(starts: list[date], day: date) -> list[date]:
    return [*(start - timedelta(days=1) for start in starts[1:]), day]


def _aging_of(viewer: Viewer, db: Served, end: date) -> dict[str, Any]:
    rule, parameters = viewer.named_rows()
    rows = db.rows(
        f"""select item.currency, item.bucket, sum(item.open_amount) as amount
            from ({open_items_sql()}) as item
            join core.dim_customer as customer on customer.customer_key = item.customer_key
            where item.open_amount > 0 and item.kind <> 'provisional' and {rule} group by all""",
        {"as_of": end, **parameters},
    )
    amounts: dict[str, dict[str, Decimal]] = {name: {} for name in BUCKETS}
    for row in rows:
        money.add(amounts[row["bucket"]], row["currency"], row["amount"])
    buckets = {name: money.total(db, found, end)["amount"] for name, found in amounts.items()}
    return {"month": end.replace(day=1), "as_of": end, "currency": db.instance.config.base_currency, "buckets": buckets}


def _top(db: Served, owed: dict[str, Any], day: date, limit: int = 10) -> list[dict[str, Any]]:
    rates = money.rates(db, day)
    ranked = sorted(
        (row for row in owed["rows"] if row["overdue"] > 0),
        key=lambda row: -row["overdue"] * rates.get(row["currency"], Decimal(1)),
    )
    owners = {
        row["customer_key"]: row["owner_name"]
        for row in db.rows(
            "select customer_key, owner_name from core.dim_customer where list_contains(?, customer_key)",
            [[row["customer_key"] for row in ranked[:limit]]],
        )
    }
    return [
        {
            "customer_key": row["customer_key"],
            "name": row["name"],
            "overdue_amount": row["overdue"],
            "open_amount": row["open"],
            "currency": row["currency"],
            "owner": owners.get(row["customer_key"]),
        }
        for row in ranked[:limit]
    ]


def _pipeline(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    rule, parameters = viewer.named_rows()
    return db.rows(
        f"""select o.stage, o.currency, count(*) as count, sum(o.amount) as amount,
                   cast(sum(o.amount * cast(coalesce(o.probability_percent, 0) as decimal(9, 4)) * 0.01)
                        as decimal(18, 2)) as weighted_amount
            from core.fct_opportunity as o
            join core.dim_customer as customer on customer.customer_key = o.customer_key
            where not coalesce(o.is_closed, false) and {rule}
            group by all order by min(coalesce(o.probability_percent, 0)), o.stage, o.currency""",
        parameters,
    )


def _service(viewer: Viewer, db: Served, since: date) -> list[dict[str, Any]]:
    rule, parameters = viewer.named_rows()
    return db.rows(
        f"""select cast(date_trunc('month', t.created_at) as date) as month, count(*) as created,
                   count(*) filter (t.solved_at is not null) as solved,
                   count(*) filter (t.response_sla = 'met')
                       / nullif(count(*) filter (t.response_sla in ('met', 'missed')), 0)::double as response_sla,
                   count(*) filter (t.resolution_sla = 'met')
                       / nullif(count(*) filter (t.resolution_sla in ('met', 'missed')), 0)::double as resolution_sla
            from core.fct_ticket as t
            join core.dim_customer as customer on customer.customer_key = t.customer_key
            where t.created_at >= $since and {rule} group by all order by all""",
        {"since": since, **parameters},
    )


def _delivery(viewer: Viewer, db: Served, day: date) -> dict[str, Any]:
    rule, parameters = viewer.named_rows()
    row = db.rows(
        f"""select count(*) filter (m.done_on <= coalesce(m.original_planned_on, m.planned_on)) as on_time,
                   count(*) filter (m.done_on is not null) as done,
                   count(*) filter (m.done_on is null and m.planned_on < $day
                                    and m.status not in ('done', 'cancelled')) as late
            from core.fct_milestone as m
            join core.dim_customer as customer on customer.customer_key = m.customer_key
            where m.kind = 'milestone' and {rule}""",
        {"day": day, **parameters},
    )[0]
    share = row["on_time"] / row["done"] if row["done"] else None
    return {"on_time_share": share, "done": row["done"], "late": row["late"]}


def _kpis(
    db: Served, owed: dict[str, Any], sales: list[dict[str, Any]], pipeline: list[dict[str, Any]],
    delivery: dict[str, Any], viewer: Viewer, day: date,
) -> dict[str, Any]:  # fmt: skip
    def summed(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
        amounts: dict[str, Decimal] = {}
        for row in rows:
            money.add(amounts, row["currency"] or db.instance.config.base_currency, row[name])
        return money.total(db, amounts, day)

    rule, parameters = viewer.named_rows()
    open_tickets = db.rows(
        f"""select count(*) as n from core.fct_ticket as t
            join core.dim_customer as customer on customer.customer_key = t.customer_key
            where t.is_open and {rule}""",
        parameters,
    )[0]["n"]
    return {
        "open": summed(owed["totals"], "open"),
        "overdue": {**summed(owed["totals"], "overdue"), "count": sum(row["overdue"] > 0 for row in owed["rows"])},
        "sales_12m": summed(sales, "sales_amount"),
        "collected_12m": summed(sales, "received_amount"),
        "pipeline": {**summed(pipeline, "amount"), "count": sum(row["count"] for row in pipeline)},
        "tickets_open": open_tickets,
        "projects_late": delivery["late"],
    }


def _retention(viewer: Viewer, db: Served, day: date) -> dict[str, Any]:
    """NRR and GRR over twelve months on recurring contracts in force, per customer, one currency at a time."""
    rule, parameters = viewer.named_rows()
    rows = db.rows(
        f"""with value as (
                select c.customer_key, c.currency,
                       sum(c.amount) filter (c.start_on <= $before and c.end_on >= $before) as at_start,
                       sum(c.amount) filter (c.start_on <= $day and c.end_on >= $day) as at_end
                from core.fct_contract as c
                join core.dim_customer as customer on customer.customer_key = c.customer_key
                where c.is_recurring and coalesce(c.status, '') not in ('draft', 'cancelled') and {rule} group by all
            )
            select currency, sum(at_start) as at_start, sum(coalesce(at_end, 0)) as at_end,
                   sum(least(coalesce(at_end, 0), at_start)) as kept, count(*) as customers
            from value where at_start > 0 group by currency order by at_start desc, currency""",
        {"day": day, "before": day.replace(year=day.year - 1, day=min(day.day, 28)), **parameters},
    )
    return {
        "by_currency": [
            {
                "currency": row["currency"],
                "nrr": (row["at_end"] / row["at_start"] * 100).quantize(money.CENT),
                "grr": (row["kept"] / row["at_start"] * 100).quantize(money.CENT),
                "customers": row["customers"],
            }
            for row in rows
        ]
    }
