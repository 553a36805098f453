"""Credit exposure by its five components, as SQL: each part of an order counts once.

Of an order the invoiced part stands in the ledger; what was delivered beyond it is delivered and not invoiced; the
rest of an approved, unclosed order is undelivered. Documents without an order offset each other in one pool.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from model.receivables.figures import bills_sql
from model.receivables.items import open_credits_sql, open_items_sql

ZERO, CENT = Decimal(0), Decimal("0.01")
BILLS = frozenset({"bank_bill", "commercial_bill"})
# currency → rate into `$base` on `$as_of`
RATES = """
    select from_currency, max_by(rate, valid_on) as rate from core.fct_exchange_rate
    where to_currency = $base and valid_on <= $as_of group by from_currency"""
COMPONENTS = ("invoiced_open", "delivered_not_invoiced", "undelivered_orders", "unmatured_bills", "advances")


def orders_sql(*, customer: bool = False, lines: bool = False, received: bool = False) -> str:
    """Orders with what is delivered and not invoiced, or ordered and not delivered, as of `$as_of`.

    Grain: customer × order (order_key empty: the pool of documents without one) × currency. With `lines` an order
    without delivery documents takes the quantities on its own lines, which are as of now; so does one without invoices
    where no invoice of the customer names its order. Provisional receivables (open ones) stand for deliveries that no
    shipment shows.
    """
    only = "where customer_key = $customer_key" if customer else ""
    fallback = "{0}" if lines else "null"
    items = open_items_sql(customer=customer, received=received)
    return f"""
    with movement as (
        select * from marts.mart_order_movement {only or "where true"} and moved_on <= $as_of
    ),
    link as (
        select customer_key, currency from movement where kind = 'invoiced'
        group by customer_key, currency having count(order_key) = 0
    ),
    accrued as (
        select m.customer_key, m.order_key, m.currency, sum(i.open_amount) as amount
        from ({items}) as i
        join movement as m on m.document_key = i.invoice_key and m.kind = 'provisional'
        where i.kind = 'provisional' and i.open_amount > 0
        group by all
    ),
    summed as (
        select customer_key, order_key, currency, max(order_number) as order_number,
               max(contract_number) as contract_number, max(case when kind = 'ordered' then source end) as source,
               coalesce(bool_or(is_closed), true) as is_closed,
               sum(case when kind = 'ordered' then amount else 0 end) as ordered,
               coalesce(sum(case when kind = 'shipped' then amount end),
                        {fallback.format("max(line_delivered_amount)")}, 0) as delivered,
               greatest(coalesce(
                   sum(case when kind in ('invoiced', 'credited') then amount end),
                   max(case when link.customer_key is not null then {fallback.format("line_invoiced_amount")} end), 0
               ), 0) as invoiced
        from movement
        left join link using (customer_key, currency)
        where not (order_key is null and kind = 'invoiced' and contract_number is not null)
        group by customer_key, order_key, currency
    )
    select s.customer_key, s.order_key, s.order_number, s.contract_number, s.source, s.currency, s.is_closed,
           cast(s.ordered as decimal(18, 2)) as ordered_amount,
           cast(s.delivered as decimal(18, 2)) as delivered_amount,
           cast(s.invoiced as decimal(18, 2)) as invoiced_amount,
           cast(greatest(s.delivered - s.invoiced, coalesce(accrued.amount, 0), 0) as decimal(18, 2))
               as delivered_not_invoiced,
           cast(case when s.is_closed then 0
                     else greatest(s.ordered - greatest(s.delivered, s.invoiced + coalesce(accrued.amount, 0)), 0) end
                as decimal(18, 2)) as undelivered_orders
    from summed as s
    left join accrued on accrued.customer_key = s.customer_key and accrued.currency = s.currency
        and accrued.order_key is not distinct from s.order_key"""


def components_sql(*, customer: bool = False, lines: bool = False, received: bool = False) -> str:
    """The five components per customer and currency as of `$as_of`, all at least 0; advances are taken off.

    advances: prepayments and deposits not allocated (bills only once mature), up to what is delivered and not invoiced
    or undelivered: against invoices a prepayment counts only when it is allocated. Beside them, in no sum:
    contingent_bills (of the unmatured ones), untied_advances, unallocated.
    """
    items = open_items_sql(customer=customer, received=received)
    return f"""
    with part as (
        select customer_key, currency, open_amount as invoiced_open, 0 as delivered_not_invoiced,
               0 as undelivered_orders, 0 as unmatured_bills, 0 as contingent_bills, 0 as prepaid, 0 as unallocated
        from ({items}) where kind <> 'provisional' and open_amount > 0
        union all
        select customer_key, currency, 0, delivered_not_invoiced, undelivered_orders, 0, 0, 0, 0
        from ({orders_sql(customer=customer, lines=lines, received=received)})
        where delivered_not_invoiced > 0 or undelivered_orders > 0
        union all
        select customer_key, currency, 0, 0, 0, amount, case when is_contingent then amount else 0 end, 0, 0
        from ({bills_sql(customer=customer)})
        union all
        select customer_key, currency, 0, 0, 0, 0, 0,
               case when purpose in ('prepayment', 'deposit')
                         and not (coalesce(method, '') in ('bank_bill', 'commercial_bill')
                                  and coalesce(bill_matures_on > $as_of, false)) then left_amount else 0 end,
               left_amount
        from ({open_credits_sql(customer=customer)}) where class = 'unallocated'
    ),
    summed as (
        select customer_key, currency, sum(invoiced_open) as invoiced_open,
               sum(delivered_not_invoiced) as delivered_not_invoiced, sum(undelivered_orders) as undelivered_orders,
               sum(unmatured_bills) as unmatured_bills, sum(contingent_bills) as contingent_bills,
               greatest(least(sum(prepaid), sum(unallocated)), 0) as prepaid, sum(unallocated) as unallocated
        from part group by customer_key, currency
    )
    select customer_key, currency, cast(invoiced_open as decimal(18, 2)) as invoiced_open,
           cast(delivered_not_invoiced as decimal(18, 2)) as delivered_not_invoiced,
           cast(undelivered_orders as decimal(18, 2)) as undelivered_orders,
           cast(unmatured_bills as decimal(18, 2)) as unmatured_bills,
           cast(contingent_bills as decimal(18, 2)) as contingent_bills,
           cast(least(prepaid, delivered_not_invoiced + undelivered_orders) as decimal(18, 2)) as advances,
           cast(prepaid - least(prepaid, delivered_not_invoiced + undelivered_orders) as decimal(18, 2))
               as untied_advances,
           cast(unallocated as decimal(18, 2)) as unallocated
    from summed
    where invoiced_open <> 0 or delivered_not_invoiced <> 0 or undelivered_orders <> 0 or unmatured_bills <> 0
       or prepaid <> 0"""


def limits_sql(*, keyed: bool) -> str:
    """Customer → its own limit at the instant `$until` (of `$keys` only): survivorship decides between records.

    Columns: customer_key, source, source_id, currency (may be null), amount, valid_from (null: since ever known).
    Before the first collection the first known value holds; records that were deleted by then do not count.
    """
    standing = "valid_from <= $until and (valid_to is null or valid_to > $until) or is_first and valid_from > $until"
    return f"""with past as (
                select source, source_id, value, case when valid_from <= $until then valid_from end as valid_from
                from core.dim_customer_history
                where attribute = 'credit_limit_amount' and ({standing})
            ),
            gone as (
                select source, source_id, value from core.dim_customer_history
                where attribute = 'is_deleted' and ({standing})
            ),
            said as (
                select r.customer_key, r.source, r.source_id, coalesce(r.credit_currency, r.currency) as currency,
                       case when past.source is null then r.credit_limit_amount
                            else cast(past.value as decimal(18, 2)) end as amount,
                       past.valid_from, k.credit_limit_amount_rank as place
                from core.dim_customer_record as r
                join core.dim_customer_rank as k on k.source = r.source and k.source_id = r.source_id
                left join past on past.source = r.source and past.source_id = r.source_id
                left join gone on gone.source = r.source and gone.source_id = r.source_id
                where coalesce(cast(gone.value as boolean), r.is_deleted) = false
                  {"and r.customer_key in (select unnest($keys))" if keyed else ""}
            ),
            ranked as (
                select said.*, row_number() over (
                    partition by customer_key order by place nulls last, source, source_id
                ) as number
                from said where amount is not null
            )
            select customer_key, source, source_id, currency, amount, valid_from from ranked where number = 1"""


def measured(
    parts: Iterable[dict[str, Any]], limit: Decimal | None, currency: str, rates: Mapping[str, Decimal]
) -> dict[str, Any]:
    """{components, exposure, percent, headroom, is_over, missing_rates} of `parts` in the limit's `currency`.

    `parts`: rows of components_sql. A currency without a rate stays out and is named; then the exposure is a lower
    bound, and is_over is null unless what is known exceeds the limit already.
    """
    given = list(parts)
    known = [part for part in given if part["currency"] == currency or {part["currency"], currency} <= rates.keys()]
    missing = sorted({part["currency"] for part in given} - {part["currency"] for part in known})
    components = {
        name: sum((convert(part[name], part["currency"], currency, rates) for part in known), ZERO).quantize(CENT)
        for name in COMPONENTS
    }
    total = sum(components.values(), ZERO) - 2 * components["advances"]
    over = None if limit is None else total > limit
    return {
        "components": components,
        "exposure": total,
        "percent": (total / limit * 100).quantize(Decimal("0.1")) if limit else None,
        "headroom": None if limit is None else limit - total,
        "is_over": None if missing and not over else over,
        "missing_rates": missing,
    }


def convert(amount: Decimal, given: str, wanted: str, rates: Mapping[str, Decimal]) -> Decimal:
    """An amount in another currency, by rates into the company's; both must have one."""
    return amount if given == wanted else amount * rates[given] / rates[wanted]


def of_documents(
    items: Iterable[dict[str, Any]],
    movements: Iterable[dict[str, Any]],
    receipts: Iterable[dict[str, Any]],
    unallocated: dict[str, Decimal],
    day: date,
    *,
    lines: bool,
    blind: Collection[str] = (),
) -> list[dict[str, Any]]:
    """The components of one customer from its documents, as `components_sql` gives them: for a card that has read them.

    `items`: open items (currency, kind, open_amount, record_key). `movements`: rows of mart_order_movement up to
    `day`. `receipts`: bills and prepayments posted by `day`, with `used`. `unallocated`: currency → cash left.
    `blind`: sources that give no allocations. Grain: currency.
    """
    found: dict[str, dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys((*COMPONENTS, "prepaid"), ZERO))
    accrued: dict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        if item["kind"] == "provisional":
            accrued[item["record_key"].rpartition("#")[0]] += item["open_amount"]
        else:
            found[item["currency"]]["invoiced_open"] += item["open_amount"]
    rows = list(movements)
    linked = {row["currency"] for row in rows if row["kind"] == "invoiced" and row["order_key"] is not None}
    billed = {row["currency"] for row in rows if row["kind"] == "invoiced"}
    orders: dict[tuple[str | None, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if not (row["order_key"] is None and row["kind"] == "invoiced" and row["contract_number"] is not None):
            orders[row["order_key"], row["currency"]].append(row)
    for (_, currency), order in orders.items():
        waiting, undelivered = _order(order, accrued, lines=lines, unlinked=currency in billed - linked)
        found[currency]["delivered_not_invoiced"] += waiting
        found[currency]["undelivered_orders"] += undelivered
    for row in receipts:
        used = row["amount"] if row["source"] in blind else row["used"]
        if row["method"] in BILLS and _is_claim(row, day) and used > 0:
            found[row["currency"]]["unmatured_bills"] += used
        unripe = row["method"] in BILLS and row["bill_matures_on"] is not None and row["bill_matures_on"] > day
        if row["purpose"] in {"prepayment", "deposit"} and not unripe and not _has_ended(row, day):
            found[row["currency"]]["prepaid"] += row["amount"] - row["used"]
    for currency, entry in found.items():
        prepaid = max(min(entry.pop("prepaid"), unallocated.get(currency, ZERO)), ZERO)
        entry["advances"] = min(prepaid, entry["delivered_not_invoiced"] + entry["undelivered_orders"])
    return [{"currency": currency, **found[currency]} for currency in sorted(found)]


def _order(
    rows: list[dict[str, Any]], accrued: dict[str, Decimal], *, lines: bool, unlinked: bool
) -> tuple[Decimal, Decimal]:
    """(delivered and not invoiced, undelivered) of one order."""

    def summed(*kinds: str) -> Decimal | None:
        amounts = [row["amount"] for row in rows if row["kind"] in kinds]
        return sum(amounts, ZERO) if amounts else None

    def line(name: str) -> Decimal | None:
        return max((row[name] for row in rows if row[name] is not None), default=None) if lines else None

    delivered, invoiced = summed("shipped"), summed("invoiced", "credited")
    if delivered is None:
        delivered = line("line_delivered_amount") or ZERO
    if invoiced is None:
        invoiced = (line("line_invoiced_amount") if unlinked else None) or ZERO
    invoiced = max(invoiced, ZERO)
    provisional = sum((accrued[row["document_key"]] for row in rows if row["kind"] == "provisional"), ZERO)
    states = [row["is_closed"] for row in rows if row["is_closed"] is not None]
    ordered = summed("ordered") or ZERO
    rest = ZERO if any(states) or not states else max(ordered - max(delivered, invoiced + provisional), ZERO)
    return max(delivered - invoiced, provisional, ZERO), rest


def _has_ended(row: dict[str, Any], day: date) -> bool:
    return row["dishonoured_on"] is not None and row["dishonoured_on"] <= day


def _is_claim(row: dict[str, Any], day: date) -> bool:
    """A bill that is not mature, settled, dishonoured, or passed on without recourse."""
    if _has_ended(row, day) or row["amount"] <= 0:
        return False
    if row["bill_matures_on"] is not None and row["bill_matures_on"] <= day:
        return False
    since = row["bill_state_on"]
    if row["bill_state"] == "settled":
        return not (since <= day if since is not None else row["bill_matures_on"] is None)
    passed = row["bill_state"] in {"endorsed", "discounted"} and not row["has_recourse"]
    return not (passed and (since is None or since <= day))
