-- Every payment-plan row of the present ledger, with what is allocated to it as known now. Void and unapproved
-- documents are left out; provisional ones are in, by kind. Readers with an as-of or known-at date go back to
-- fct_plan_row and fct_allocation. Header-level allocations fill rows by earliest due date, undated rows last.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, currency, amount, open_amount
-- cluster: customer_key, due_on, record_key
with item as (
    select * from core.fct_plan_row
    where known_to is null and excluded_reason is null
),

allocation as (
    select invoice_key, plan_row, is_header_level, amount, effective_on
    from core.fct_allocation
    where known_to is null and excluded_reason is null and reversed_on is null
),

at_row as (
    select invoice_key, plan_row, sum(amount) as allocated, max(effective_on) as last_effective_on
    from allocation
    where not is_header_level
    group by invoice_key, plan_row
),

at_header as (
    select invoice_key, sum(amount) as allocated, max(effective_on) as last_effective_on
    from allocation
    where is_header_level
    group by invoice_key
),

as_credit as (
    -- a red invoice that settled others is used up by as much
    select credit_key, sum(amount) as used
    from core.fct_allocation
    where known_to is null and excluded_reason is null and reversed_on is null and credit_key is not null
    group by credit_key
),

remaining as (
    select
        item.*,
        coalesce(at_row.allocated, 0) as row_allocated,
        at_row.last_effective_on as row_effective_on,
        coalesce(at_header.allocated, 0) as header_allocated,
        at_header.last_effective_on as header_effective_on,
        greatest(item.amount - coalesce(at_row.allocated, 0), 0) as room,
        coalesce(as_credit.used, 0) as used
    from item
    left join as_credit on as_credit.credit_key = item.invoice_key and item.amount < 0
    left join at_row on at_row.invoice_key = item.invoice_key and at_row.plan_row = item.plan_row
    left join at_header on at_header.invoice_key = item.invoice_key
),

filled as (
    select
        remaining.*,
        sum(room) over (
            partition by invoice_key order by coalesce(due_on, date '9999-12-31'), plan_row
            rows between unbounded preceding and current row
        ) - room as room_before,
        row_number() over (
            partition by invoice_key order by coalesce(due_on, date '9999-12-31') desc, plan_row desc
        ) as from_last
    from remaining
),

settled as (
    select
        filled.*,
        case
            -- what exceeds every row stays on the last one, so that nothing is lost
            when from_last = 1 then greatest(header_allocated - room_before, 0)
            else least(greatest(header_allocated - room_before, 0), room)
        end - case when from_last = 1 then used else 0 end as header_share
    from filled
)

select
    customer_key,
    record_key,
    invoice_key,
    source,
    source_id,
    plan_row,
    invoice_number,
    kind,
    invoice_on,
    posted_on,
    due_on,
    release_on,
    is_retention,
    is_header_row,
    currency,
    amount,
    cast(row_allocated + header_share as decimal(18, 2)) as allocated_amount,
    cast(amount - row_allocated - header_share as decimal(18, 2)) as open_amount,
    header_share <> 0 as is_header_filled,
    case when amount = row_allocated + header_share then greatest(row_effective_on, header_effective_on) end
        as settled_on,
    contract_number,
    order_number,
    original_invoice_id,
    payment_terms,
    owner_id,
    owner_key,
    org_code
from settled
