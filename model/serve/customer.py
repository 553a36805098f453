"""The customer screen: everything about one customer in at most six queries of the build."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from model.policy import Viewer
from model.serve import card, work
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.freshness import freshness
from model.serve.receivable import receivables
from model.serve.timeline import end_of, timeline

_HEADER = """
select customer.*,
    (select list(struct_pack(source := source, role := role, kind := kind, code := code) order by source, kind, code)
     from core.dim_customer_code where customer_key = $key) as codes,
    (select list(struct_pack(source := source, name := name, rule := rule, evidence := evidence,
                             source_id := source_id, code := code) order by source, source_id)
     from core.dim_customer_record where customer_key = $key and not is_deleted) as records,
    (select list(struct_pack(name := name, title := title, role := role, phone := phone, mobile := mobile,
                             email := email, wechat := wechat, is_primary := is_primary, is_finance := is_finance,
                             source := source) order by is_finance desc nulls last, is_primary desc nulls last, name)
     from core.dim_contact where customer_key = $key and coalesce(is_active, true)) as contacts,
    (select count(*) from core.dim_customer as other
     where other.group_key = customer.group_key) as group_size,
    (select list(struct_pack(currency := from_currency, rate := rate)) from (
        select from_currency, max_by(rate, valid_on) as rate from core.fct_exchange_rate
        where to_currency = $base and valid_on <= $as_of group by from_currency)) as rates
from core.dim_customer as customer
where customer.customer_key = $key"""

_LISTS = """
select
    (select list(struct_pack(number := number, subject := subject, status := status, priority := priority,
                created_at := created_at, solved_at := solved_at, resolution_due_at := resolution_due_at,
                response_sla := response_sla, resolution_sla := resolution_sla, is_open := is_open,
                satisfaction := satisfaction, assignee := assignee_name, source := source, record_key := record_key)
            order by is_open desc, resolution_due_at nulls last, created_at desc)
     from (select * from core.fct_ticket where customer_key = $key
           order by is_open desc, created_at desc limit 200)) as tickets,
    (select list(struct_pack(code := project.code, name := project.name, status := project.status,
                health := project.health, progress_percent := project.progress_percent,
                planned_end_on := project.planned_end_on, manager := manager.name, source := project.source,
                project_key := project.project_key) order by project.status, project.code)
     from core.dim_project as project left join core.dim_employee as manager
          on manager.employee_key = project.manager_key
     where project.customer_key = $key) as projects,
    (select list(struct_pack(project_key := project_key, name := name, planned_on := planned_on,
                slip_days := slip_days, done_on := done_on, status := status) order by planned_on)
     from core.fct_milestone where customer_key = $key and kind = 'milestone') as milestones,
    (select list(struct_pack(number := number, name := name, stage := stage, kind := kind, amount := amount,
                currency := currency, close_on := close_on, is_closed := is_closed, is_won := is_won,
                owner := owner_name, source := source) order by is_closed, close_on)
     from core.fct_opportunity where customer_key = $key) as opportunities,
    (select list(struct_pack(number := number, name := name, kind := kind, status := status, amount := amount,
                currency := currency, start_on := start_on, end_on := end_on, is_recurring := is_recurring,
                owner := owner_name, source := source, record_key := record_key) order by end_on desc)
     from core.fct_contract where customer_key = $key) as contracts,
    (select list(struct_pack(number := number, order_on := order_on, status := document_status,
                gross_amount := gross_amount, currency := currency, is_closed := is_closed,
                delivered_percent := delivered_percent, invoiced_percent := invoiced_percent, source := source)
            order by order_on desc)
     from (select * from core.fct_order where customer_key = $key and excluded_reason is null
           order by order_on desc limit 100)) as orders,
    (select list(struct_pack(currency := currency, amount := amount)) from (
        select currency, sum(sales_amount) as amount from marts.mart_sales_month
        where customer_key = $key and month_on > $year_ago and month_on <= $as_of group by currency)) as sales"""


def customer(
    viewer: Viewer,
    db: Served,
    query: str,
    as_of: date | None = None,
    known_at: date | datetime | None = None,
) -> dict[str, Any]:
    """The whole card of the customer that `query` names (customer key, any code, or a search with one answer).

    Raises NotFound with suggestions. What the build says is cached per version, scope, masks and dates; work state
    (promises, disputes) and freshness are read fresh and joined afterwards.
    """
    day = as_of or db.today()
    key = resolve(viewer, db, query)
    cached = ("customer", viewer.cache_key, viewer.language, key, day, known_at)
    if cached not in db.cache:
        db.cache[cached] = _read(viewer, db, key, day, known_at)
    return _assemble(viewer, db, db.cache[cached], day)


def _read(viewer: Viewer, db: Served, key: str, day: date, known_at: date | datetime | None) -> dict[str, Any]:
    base = db.instance.config.base_currency
    header = db.rows(_HEADER, {"key": key, "base": base, "as_of": day})[0]
    rates = {base: Decimal(1)} | {row["currency"]: row["rate"] for row in header["rates"] or []}
    db.cache.setdefault(("rates", base, day), rates)
    year_ago = date(day.year - 1, day.month, 1)
    lists = db.rows(_LISTS, {"key": key, "as_of": day, "year_ago": year_ago})[0]
    return {
        "header": header,
        "lists": {name: rows or [] for name, rows in lists.items()},
        "receivables": receivables(viewer, db, key, day, known_at),
        "timeline": timeline(viewer, db, key, before=end_of(db, day), visible=True),
    }


def _assemble(viewer: Viewer, db: Served, read: dict[str, Any], day: date) -> dict[str, Any]:
    header, lists = read["header"], read["lists"]
    owed = work.with_state(db, read["receivables"], day)
    tickets = card.tickets(lists["tickets"])
    projects = card.projects(lists["projects"], lists["milestones"], day)
    contracts = card.contracts(db, lists["contracts"], day)
    renewal = card.renewal(db, contracts, day)
    fresh = freshness(db)
    kpis = card.kpis(viewer, db, header, owed, tickets, projects, contracts, renewal, lists["sales"], day)
    return {
        **card.identity(viewer, header),
        "as_of": day,
        "build": db.version,
        "kpis": kpis,
        "next_action": card.next_action(owed, tickets, contracts, kpis),
        "receivables": owed,
        "tickets": tickets,
        "projects": projects,
        "opportunities": lists["opportunities"],
        "contracts": contracts,
        "orders": lists["orders"],
        "contacts": card.contacts(viewer, header["contacts"] or []),
        "renewal": renewal,
        "timeline": read["timeline"],
        "freshness": fresh,
        "provenance": {
            "records": [
                {name: row[name] for name in ("source", "source_id", "code", "name", "rule", "evidence")}
                for row in header["records"] or []
            ],
            "owner_source": header["owner_source"],
        },
    }
