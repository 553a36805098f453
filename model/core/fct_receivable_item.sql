-- Open-item ledger, one side: every payment-plan row of the present ledger with the date it is due by, the date it
-- was first recognised, and the terms it was sold on. Void and unapproved documents are left out; provisional ones
-- are in, by kind. due_on is the source's, else derived from the terms (is_due_derived), else empty; retention is not
-- due before its release, and not at all while its condition is open. A date after 2099 is a way to say "none".
-- A reissued invoice (original_invoice_id) keeps the first one's recognition date and due date beside its own.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, posted_on, recognised_on, currency, amount
-- cluster: customer_key, posted_on, record_key
with item as (
    select
        *,
        case when due_on < date '2100-01-01' then due_on end as named_due_on,
        case
            when payment_terms is null then null
            when regexp_matches(payment_terms, '票到|收票|收到发票|([Ii]nvoice received|[Rr]eceipt of invoice)')
                then 'invoice_received'
            when regexp_matches(payment_terms, '次月') then 'next_month_end'
            when regexp_matches(payment_terms, '月结|EOM|eom|[Ee]nd of month|[Mm]onth end') then 'month_end'
            when regexp_matches(payment_terms, '验收|里程碑|背靠背|进度|[Mm]ilestone|[Aa]cceptance') then 'milestone'
            when regexp_matches(payment_terms, '款到发货|先款|预付|[Pp]repa|[Aa]dvance|CIA') then 'prepaid'
            when regexp_matches(payment_terms, '货到付款|现结|即期|COD|[Dd]ue (on|upon) receipt|[Ii]mmediate') then 'on_invoice'
            when regexp_matches(payment_terms, '^ *([Nn]et|NET|[Nn])?[ _-]*[0-9]{1,3} *(天|日|[Dd]ays?|DAYS?|[Nn]et)? *$')
                then 'net'
            when regexp_matches(payment_terms, '[0-9]{1,3} *天|[Nn](et|ET)[ _-]*[0-9]{1,3}|[0-9]{1,3} [Dd]ays') then 'net'
        end as terms_anchor,
        regexp_extract(
            payment_terms,
            '(月结|次月结|票到|收票后?|收到发票后?|[Nn]et|NET|[Ee]nd of month|EOM|eom)[^0-9]{0,6}([0-9]{1,3})', 2
        ) as days_after,
        regexp_extract(payment_terms, '([0-9]{1,3}) *(天|[Dd]ays|DAYS)', 1) as days_before,
        regexp_extract(payment_terms, '([0-9]{1,3})', 1) as days_any,
        regexp_extract(payment_terms, '([0-9]{1,2}) *[日号]? *(截止|截单|对账|结账|[Cc]ut)', 1) as cutoff_before,
        regexp_extract(payment_terms, '(截止日?|对账日?|结账日?|[Cc]ut-?off) *[^0-9]{0,3}([0-9]{1,2})', 2) as cutoff_after
    from core.fct_plan_row
    where known_to is null and excluded_reason is null
),

termed as (
    select
        item.*,
        cast(nullif(coalesce(nullif(days_after, ''), nullif(days_before, ''), days_any), '') as integer) as term_days,
        coalesce(
            cast(item.cutoff_day as integer),
            cast(nullif(coalesce(nullif(cutoff_before, ''), cutoff_after), '') as integer)
        ) as cutoff
    from item
),

anchored as (
    select
        *,
        case
            when coalesce(cutoff, 31) >= 31 then last_day(invoice_on)
            when extract('day' from invoice_on) <= cutoff
                then least(last_day(invoice_on), cast(date_trunc('month', invoice_on) as date) + (cutoff - 1))
            else
                least(
                    last_day(cast(invoice_on + interval 1 month as date)),
                    cast(date_trunc('month', invoice_on + interval 1 month) as date) + (cutoff - 1)
                )
        end as statement_on
    from termed
),

derived as (
    select
        *,
        case terms_anchor
            when 'net' then invoice_on + term_days
            when 'on_invoice' then invoice_on
            when 'prepaid' then invoice_on
            when 'month_end' then statement_on + term_days
            when 'next_month_end' then last_day(cast(statement_on + interval 1 month as date)) + coalesce(term_days, 0)
            when 'invoice_received' then received_on + term_days
        end as derived_due_on
    from anchored
),

document as (
    select
        customer_key, invoice_key, source, kind, original_invoice_id, min(invoice_on) as invoice_on,
        max(coalesce(named_due_on, derived_due_on)) as due_on
    from derived
    group by customer_key, invoice_key, source, kind, original_invoice_id
),

-- up to three steps back: reissue, red letter, first invoice; of one customer, so that a circle ends by itself
origin as (
    select
        document.invoice_key,
        least(document.invoice_on, first.invoice_on, second.invoice_on, third.invoice_on) as recognised_on,
        coalesce(third.due_on, second.due_on, first.due_on) as original_due_on
    from document
    join document as first
        on first.invoice_key = document.source || ':' || document.original_invoice_id
        and first.customer_key = document.customer_key and first.kind <> 'provisional'
    left join document as second
        on second.invoice_key = first.source || ':' || first.original_invoice_id
        and second.customer_key = document.customer_key and second.kind <> 'provisional'
    left join document as third
        on third.invoice_key = second.source || ':' || second.original_invoice_id
        and third.customer_key = document.customer_key and third.kind <> 'provisional'
    where document.kind <> 'red'
)

select
    i.customer_key, i.record_key, i.source, i.source_id, i.invoice_key, i.plan_row, i.invoice_number, i.kind,
    order_id, order_number, contract_number, original_invoice_id,
    invoice_on, posted_on, coalesce(origin.recognised_on, invoice_on) as recognised_on,
    due_on as source_due_on,
    derived_due_on,
    case
        when is_retention and condition is not null and release_on is null then null
        when is_retention then greatest(named_due_on, release_on)
        when named_due_on is null and is_header_row then derived_due_on
        else named_due_on
    end as due_on,
    named_due_on is null and is_header_row and not is_retention and derived_due_on is not null as is_due_derived,
    case when original_due_on <> coalesce(named_due_on, derived_due_on) then original_due_on end as original_due_on,
    release_on, is_retention,
    is_retention and condition is not null and release_on is null as is_awaiting_release,
    condition, payment_terms, terms_anchor, term_days, cutoff,
    named_due_on is null and not is_retention
    and terms_anchor in ('invoice_received', 'milestone') and derived_due_on is null as is_term_open,
    received_on, is_header_row,
    currency, exchange_rate, amount, invoice_amount,
    owner_id, owner_key, org_code
from derived as i
left join origin on origin.invoice_key = i.invoice_key
