-- Every receipt and credit note of the present ledger: what of it is still unallocated on a day is amount less the
-- movements (mart_credit_movement) up to it. Amounts are positive, refunds negative. A dishonoured bill ends on
-- ends_on, unless a refund takes it back. used_up_on: from then on nothing is left.
-- grain: customer
-- key: class, record_key
-- not_null: customer_key, record_key, class, posted_on, currency, amount
-- cluster: customer_key, posted_on, record_key
with used as (
    select class, record_key, sum(amount) as amount, max(used_up_on) as used_up_on
    from marts.mart_credit_movement
    group by class, record_key
),

refunded as (
    select distinct refund_of_key from core.fct_receipt
    where known_to is null and excluded_reason is null and refund_of_key is not null
),

document as (
    select
        r.customer_key, r.record_key, r.source, r.source_id, r.number, 'unallocated' as class, r.method, r.purpose,
        r.posted_on, r.received_on as dated_on, r.currency, r.exchange_rate, r.amount, r.bill_number, r.bill_state,
        r.bill_matures_on, r.has_recourse,
        case when refunded.refund_of_key is null then r.dishonoured_on end as ends_on, r.payer_name, r.org_code
    from core.fct_receipt as r
    left join refunded on refunded.refund_of_key in (r.record_key, r.source || ':' || r.number)
    where r.known_to is null and r.excluded_reason is null

    union all

    select
        customer_key, record_key, source, source_id, number, 'credits', kind, null, posted_on, credit_on, currency,
        null, gross_amount, null, null, null, null, null, null, org_code
    from core.fct_credit_note
    where known_to is null and excluded_reason is null
)

select
    document.customer_key, document.record_key, document.source, document.source_id, document.number,
    document.class, document.method, document.purpose, document.posted_on, document.dated_on,
    document.currency, document.exchange_rate, document.amount,
    cast(document.amount - coalesce(used.amount, 0) as decimal(18, 2)) as unallocated_amount,
    document.bill_number, document.bill_state, document.bill_matures_on, document.has_recourse, document.ends_on,
    document.payer_name, used.used_up_on, document.org_code
from document
left join used on used.record_key = document.record_key and used.class = document.class
