-- One event per row over all systems: what happened to this customer, when, and where it is recorded.
-- title is a text id with the parameters detail and person, so that each reader sees it in an own language.
-- Business dates stand at midnight UTC. Void and unapproved documents are left out.
-- grain: customer
-- key: record_key, title
-- not_null: customer_key, happened_at, kind, record_key, title
-- cluster: customer_key, happened_at, record_key
with event as (
    select
        customer_key, cast(order_on as timestamp with time zone) as happened_at, 'sale' as kind, source, record_key,
        'timeline.order' as title, number as detail, gross_amount as amount, currency, owner_key as person_key
    from core.fct_order
    where excluded_reason is null
    union all
    select
        customer_key, cast(shipped_on as timestamp with time zone), 'sale', source, record_key,
        case when is_return then 'timeline.return' else 'timeline.shipment' end, number, gross_amount, currency, null
    from core.fct_shipment
    where excluded_reason is null and shipped_on is not null
    union all
    select
        customer_key, cast(posted_on as timestamp with time zone), 'money', source, record_key,
        'timeline.' || case kind when 'red' then 'red_invoice' when 'invoice' then 'invoice' else kind || '_invoice' end,
        number, gross_amount, currency, owner_key
    from core.fct_invoice
    where excluded_reason is null
    union all
    select
        customer_key, cast(received_on as timestamp with time zone), 'money', source, record_key,
        case when amount < 0 then 'timeline.refund' else 'timeline.receipt' end, number, amount, currency, owner_key
    from core.fct_receipt
    where known_to is null and excluded_reason is null
    union all
    select
        customer_key, cast(posted_on as timestamp with time zone), 'money', source, record_key,
        'timeline.credit_note', number, gross_amount, currency, null
    from core.fct_credit_note
    where known_to is null and excluded_reason is null
    union all
    select
        customer_key, created_at, 'service', source, record_key, 'timeline.ticket_opened',
        coalesce(number || ' ', '') || coalesce(subject, ''), null, null, assignee_key
    from core.fct_ticket
    where created_at is not null
    union all
    select
        customer_key, solved_at, 'service', source, record_key, 'timeline.ticket_solved',
        coalesce(number || ' ', '') || coalesce(subject, ''), null, null, assignee_key
    from core.fct_ticket
    where solved_at is not null
    union all
    select
        customer_key, happened_at, 'comm', source, record_key, 'timeline.' || coalesce(kind, 'note'), subject,
        null, null, employee_key
    from core.fct_interaction
    union all
    select
        customer_key, created_at, 'sale', source, record_key, 'timeline.opportunity_created', name, amount,
        currency, owner_key
    from core.fct_opportunity
    where created_at is not null
    union all
    select
        customer_key, coalesce(closed_at, cast(close_on as timestamp with time zone)), 'sale', source, record_key,
        case when is_won then 'timeline.opportunity_won' else 'timeline.opportunity_lost' end, name, amount,
        currency, owner_key
    from core.fct_opportunity
    where is_closed and coalesce(closed_at, cast(close_on as timestamp with time zone)) is not null
    union all
    select
        customer_key, cast(signed_on as timestamp with time zone), 'sale', source, record_key,
        'timeline.contract_signed', number, amount, currency, owner_key
    from core.fct_contract
    where signed_on is not null and coalesce(status, '') <> 'cancelled'
    union all
    select
        customer_key, cast(start_on as timestamp with time zone), 'project', source, project_key,
        'timeline.project_started', coalesce(code || ' ', '') || coalesce(name, ''), null, null, manager_key
    from core.dim_project
    where start_on is not null
    union all
    select
        customer_key, cast(done_on as timestamp with time zone), 'project', source, record_key,
        'timeline.milestone_done', name, null, null, owner_key
    from core.fct_milestone
    where done_on is not null
),

person as (
    select employee_key, name from identity.employee_golden
)

select
    event.customer_key,
    event.happened_at,
    event.kind,
    event.source,
    event.record_key,
    event.title,
    event.detail,
    cast(event.amount as decimal(18, 2)) as amount,
    event.currency,
    event.person_key,
    person.name as person
from event
left join person on person.employee_key = event.person_key
