-- Counts and first and last dates of a customer. Nothing here depends on today: what is overdue, in force, late or
-- due next is asked of the facts with an as-of date.
-- grain: customer
-- key: customer_key
-- not_null: customer_key
-- cluster: customer_key
with customer as (
    select customer_key from core.dim_customer
),

sales_order as (
    select
        customer_key,
        count(*) as order_count,
        min(order_on) as first_order_on,
        max(order_on) as last_order_on,
        sum(case when not is_closed then 1 else 0 end) as open_order_count
    from core.fct_order
    where excluded_reason is null
    group by customer_key
),

invoice as (
    select
        customer_key,
        count(*) as invoice_count,
        min(posted_on) as first_invoice_on,
        max(posted_on) as last_invoice_on
    from core.fct_invoice
    where excluded_reason is null and kind <> 'provisional'
    group by customer_key
),

receipt as (
    select customer_key, count(*) as receipt_count, max(received_on) as last_receipt_on
    from core.fct_receipt
    where known_to is null and excluded_reason is null
    group by customer_key
),

ticket as (
    select
        customer_key,
        count(*) as ticket_count,
        sum(case when is_open then 1 else 0 end) as open_ticket_count,
        sum(case when is_open and priority = 'urgent' then 1 else 0 end) as urgent_ticket_count,
        sum(case when response_sla = 'missed' or resolution_sla = 'missed' then 1 else 0 end)
            as missed_sla_ticket_count,
        max(created_at) as last_ticket_at
    from core.fct_ticket
    group by customer_key
),

project as (
    select
        customer_key,
        count(*) as project_count,
        sum(case when status = 'active' then 1 else 0 end) as active_project_count,
        sum(case when status = 'active' and health = 'red' then 1 else 0 end) as red_project_count
    from core.dim_project
    group by customer_key
),

opportunity as (
    select
        customer_key,
        count(*) as opportunity_count,
        sum(case when not is_closed then 1 else 0 end) as open_opportunity_count,
        sum(case when is_won then 1 else 0 end) as won_opportunity_count
    from core.fct_opportunity
    group by customer_key
),

contract as (
    select
        customer_key,
        count(*) as contract_count,
        min(start_on) as first_contract_on,
        max(end_on) as last_contract_end_on
    from core.fct_contract
    where status not in ('draft', 'cancelled') or status is null
    group by customer_key
),

interaction as (
    select customer_key, count(*) as interaction_count, max(happened_at) as last_interaction_at
    from core.fct_interaction
    group by customer_key
)

select
    customer.customer_key,
    coalesce(sales_order.order_count, 0) as order_count,
    coalesce(sales_order.open_order_count, 0) as open_order_count,
    sales_order.first_order_on,
    sales_order.last_order_on,
    coalesce(invoice.invoice_count, 0) as invoice_count,
    invoice.first_invoice_on,
    invoice.last_invoice_on,
    coalesce(receipt.receipt_count, 0) as receipt_count,
    receipt.last_receipt_on,
    coalesce(ticket.ticket_count, 0) as ticket_count,
    coalesce(ticket.open_ticket_count, 0) as open_ticket_count,
    coalesce(ticket.urgent_ticket_count, 0) as urgent_ticket_count,
    coalesce(ticket.missed_sla_ticket_count, 0) as missed_sla_ticket_count,
    ticket.last_ticket_at,
    coalesce(project.project_count, 0) as project_count,
    coalesce(project.active_project_count, 0) as active_project_count,
    coalesce(project.red_project_count, 0) as red_project_count,
    coalesce(opportunity.opportunity_count, 0) as opportunity_count,
    coalesce(opportunity.open_opportunity_count, 0) as open_opportunity_count,
    coalesce(opportunity.won_opportunity_count, 0) as won_opportunity_count,
    coalesce(contract.contract_count, 0) as contract_count,
    contract.first_contract_on,
    contract.last_contract_end_on,
    coalesce(interaction.interaction_count, 0) as interaction_count,
    interaction.last_interaction_at
from customer
left join sales_order on sales_order.customer_key = customer.customer_key
left join invoice on invoice.customer_key = customer.customer_key
left join receipt on receipt.customer_key = customer.customer_key
left join ticket on ticket.customer_key = customer.customer_key
left join project on project.customer_key = customer.customer_key
left join opportunity on opportunity.customer_key = customer.customer_key
left join contract on contract.customer_key = customer.customer_key
left join interaction on interaction.customer_key = customer.customer_key
