-- Sales orders as they stand now. excluded_reason is empty for orders that count (approved, not void).
-- delivered_percent and invoiced_percent are value-weighted over lines with a price; empty without such lines.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, order_on, currency
-- cluster: customer_key, order_on, record_key
with sales_order as (
    select * from staging.sales_order
    where seen_to is null and not is_deleted
),

line as (
    select
        source,
        order_id,
        sum(cast(quantity * unit_price as decimal(38, 10))) as ordered,
        sum(cast(coalesce(delivered_quantity, 0) * unit_price as decimal(38, 10))) as delivered,
        sum(cast(coalesce(invoiced_quantity, 0) * unit_price as decimal(38, 10))) as invoiced
    from staging.sales_order_line
    where seen_to is null and not is_deleted
    group by source, order_id
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

employee as (
    select source, source_id, employee_key from identity.employee_crosswalk
)

select
    crosswalk.customer_key,
    o.source || ':' || o.source_id as record_key,
    o.source,
    o.source_id,
    o.number,
    o.customer_id,
    o.owner_id,
    employee.employee_key as owner_key,
    o.contract_number,
    o.opportunity_id,
    o.order_on,
    o.delivery_on,
    o.document_status,
    o.is_void,
    coalesce(o.is_closed, false) as is_closed,
    case
        when coalesce(o.is_void, false) then 'void'
        when coalesce(o.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    o.currency,
    o.exchange_rate,
    o.net_amount,
    o.tax_amount,
    coalesce(o.gross_amount, o.net_amount + o.tax_amount, o.net_amount) as gross_amount,
    o.payment_terms,
    o.org_code,
    case when line.ordered > 0 then cast(line.delivered * 100 / line.ordered as decimal(18, 2)) end
        as delivered_percent,
    case when line.ordered > 0 then cast(line.invoiced * 100 / line.ordered as decimal(18, 2)) end
        as invoiced_percent
from sales_order as o
join crosswalk on crosswalk.source = o.source and crosswalk.source_id = coalesce(o.customer_id, '')
left join line on line.source = o.source and line.order_id = o.source_id
left join employee on employee.source = o.source and employee.source_id = o.owner_id
