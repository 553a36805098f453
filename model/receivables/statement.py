"""A statement of account: what a customer owed before a period, every movement in it, and what it owes at its end.

The balance is the ledger's: invoices less what settled them, less receipts and credits that are not allocated. A
settlement moves money between a document and an item of the same customer and currency, so it is no line of its own;
what settles without a document of the customer (write-off, exchange difference, discount, offset, somebody else's
money) is. Provisional receivables are not invoiced and stay out.
"""

from __future__ import annotations

from model.receivables.items import open_credits_sql, open_items_sql

# {currency, amount} as of $as_of
BALANCE = f"""
    select currency, cast(sum(amount) as decimal(18, 2)) as amount
    from (
        select currency, open_amount as amount from ({open_items_sql(customer=True)}) where kind <> 'provisional'
        union all
        select currency, -left_amount from ({open_credits_sql(customer=True)})
    )
    group by currency"""

# documents and settlements of $customer_key from $start to $end, in the order of their days
MOVEMENTS = """
with item as (
    select record_key, invoice_key, invoice_number, kind, posted_on, due_on, currency, amount
    from marts.mart_open_item
    where customer_key = $customer_key and kind <> 'provisional'
),

document as (
    select record_key, class, number, method, posted_on, currency, amount, ends_on, bill_number, bill_matures_on
    from marts.mart_open_credit
    where customer_key = $customer_key
),

invoiced as (
    select
        posted_on as moved_on, case when sum(amount) < 0 then 'red_invoice' else min(kind) end as kind,
        invoice_number as number, currency, sum(amount) as amount, invoice_key as document_key, min(due_on) as due_on,
        cast(null as varchar) as method
    from item
    group by posted_on, invoice_number, currency, invoice_key
),

received as (
    select
        posted_on as moved_on,
        case when class = 'credits' then 'credit_note' when amount < 0 then 'refund' else 'receipt' end as kind,
        number, currency, -amount as amount, record_key as document_key, cast(null as date) as due_on, method
    from document
),

-- the document's use, as long as the document counts; before it was posted nothing of it could be used
used as (
    select
        d.record_key, d.class, d.currency, greatest(m.moved_on, d.posted_on) as moved_on, m.amount
    from document as d
    join marts.mart_credit_movement as m on m.record_key = d.record_key and m.class = d.class
    where d.ends_on is null or greatest(m.moved_on, d.posted_on) <= d.ends_on
),

ended as (
    select
        d.ends_on as moved_on, 'dishonoured' as kind, d.number, d.currency,
        d.amount - coalesce(sum(u.amount), 0) as amount, d.record_key as document_key, d.method
    from document as d
    left join used as u on u.record_key = d.record_key and u.class = d.class
    where d.ends_on > d.posted_on
    group by d.ends_on, d.number, d.currency, d.amount, d.record_key, d.method
),

invoice as (
    select distinct invoice_key, invoice_number, currency from item
),

-- what settles an item out of a document of the same customer and currency nets out; the rest is a line
apart as (
    select
        s.moved_on, s.kind, i.currency,
        case when s.kind in ('write_off', 'fx', 'discount', 'offset') then i.invoice_number end as number,
        sum(case when d.record_key is null then 0 else s.used_amount end - s.amount) as amount
    from core.fct_settlement as s
    join invoice as i on i.invoice_key = s.invoice_key
    left join document as d
        on d.record_key = s.document_key and d.class = s.document_class and d.currency = i.currency
        and (d.ends_on is null or s.moved_on <= d.ends_on)
    group by
        s.moved_on, s.kind, i.currency,
        case when s.kind in ('write_off', 'fx', 'discount', 'offset') then i.invoice_number end
),

-- whatever else the ledger moved that day: money used for another customer's invoices, estimates, what is overpaid
ledger as (
    select m.moved_on, item.currency, -m.amount as amount
    from marts.mart_item_movement as m
    join item on item.record_key = m.record_key
    where m.customer_key = $customer_key
    union all
    select moved_on, currency, amount from used
    union all
    select moved_on, currency, amount
    from marts.mart_credit_movement
    where customer_key = $customer_key and record_key like '%~fifo'
    union all
    select moved_on, currency, -amount from apart
),

other as (
    select moved_on, currency, sum(amount) as amount from ledger
    group by moved_on, currency
)

select moved_on, kind, number, currency, cast(amount as decimal(18, 2)) as amount, due_on, method, document_key
from (
    select moved_on, kind, number, currency, amount, due_on, method, document_key from invoiced
    union all
    select moved_on, kind, number, currency, amount, due_on, method, document_key from received
    union all
    select moved_on, kind, number, currency, amount, null, method, document_key from ended
    union all
    select moved_on, kind, number, currency, amount, null, null, null from apart
    union all
    select moved_on, 'other', null, currency, amount, null, null, null from other
) as line
where amount <> 0 and moved_on >= $start and moved_on <= $end
order by currency, moved_on, case when amount > 0 then 0 else 1 end, kind, number, document_key, amount"""
