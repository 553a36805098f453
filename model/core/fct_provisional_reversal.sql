-- Which provisional receivable (暂估) a red one takes back that names no document, and how that was found.
-- order: of one order and amount the k-th reversal takes back the k-th provisional receivable, if that is not later;
-- which of several equal ones of an order it is changes no figure. month: a reversal without an order takes back the
-- only receivable of that amount of its month or the month before, where no other reversal could. Left out are those
-- that a document or an allocation names. What finds nothing stays apart and is a fault (mart_ledger_fault).
-- grain: customer
-- key: reversal_key
-- not_null: customer_key, reversal_key, invoice_key, found_by
-- cluster: customer_key, reversal_key
with document as (
    select
        customer_key, invoice_key, source, currency, posted_on, original_invoice_id,
        coalesce(order_number, order_id) as order_ref, sum(amount) as amount
    from core.fct_receivable_item
    where kind = 'provisional'
    group by customer_key, invoice_key, source, currency, posted_on, original_invoice_id, order_number, order_id
),

settled as (
    select invoice_key from core.fct_allocation
    where known_to is null and excluded_reason is null
    union
    select credit_key from core.fct_allocation
    where known_to is null and excluded_reason is null and credit_key is not null
    union
    select source || ':' || original_invoice_id from document
    where amount < 0 and original_invoice_id is not null
),

free as (
    select
        document.*, abs(amount) as size,
        cast(extract('year' from posted_on) * 12 + extract('month' from posted_on) as integer) as month_number,
        row_number() over (
            partition by customer_key, source, currency, order_ref, amount order by posted_on, invoice_key
        ) as place
    from document
    where invoice_key not in (select invoice_key from settled)
        and (amount > 0 or original_invoice_id is null)
),

by_order as (
    select red.customer_key, red.invoice_key as reversal_key, blue.invoice_key
    from free as red
    join free as blue
        on blue.customer_key = red.customer_key and blue.source = red.source and blue.currency = red.currency
        and blue.order_ref = red.order_ref and blue.size = red.size and blue.place = red.place
        and blue.posted_on <= red.posted_on
    where red.amount < 0 and blue.amount > 0
),

candidate as (
    select
        red.customer_key, red.invoice_key as reversal_key, blue.invoice_key,
        count(*) over (partition by red.invoice_key) as blues,
        count(*) over (partition by blue.invoice_key) as reds
    from free as red
    join free as blue
        on blue.customer_key = red.customer_key and blue.source = red.source and blue.currency = red.currency
        and blue.size = red.size and blue.posted_on <= red.posted_on
        and blue.month_number >= red.month_number - 1
    where red.amount < 0 and blue.amount > 0 and red.order_ref is null
        and blue.invoice_key not in (select invoice_key from by_order)
)

select customer_key, reversal_key, invoice_key, 'order' as found_by from by_order
union all
select customer_key, reversal_key, invoice_key, 'month' from candidate
where blues = 1 and reds = 1
