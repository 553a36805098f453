-- Lines of sales orders as they stand now, under the customer of their order.
-- A line whose order is not collected stands under C000000.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, order_key, line_number, record_key
with line as (
    select * from staging.sales_order_line
    where seen_to is null and not is_deleted
),

sales_order as (
    select source, source_id, customer_id, order_on, currency, is_void, document_status
    from staging.sales_order
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
),

product as (
    select source, source_id, product_key from identity.product_crosswalk
),

product_code as (
    select source, code, product_key from identity.product_code
)

select
    coalesce(crosswalk.customer_key, 'C000000') as customer_key,
    line.source || ':' || line.source_id as record_key,
    line.source,
    line.source_id,
    line.source || ':' || line.order_id as order_key,
    line.line_number,
    coalesce(product.product_key, mapped.product_key, known.product_key) as product_key,
    line.product_id,
    line.product_code,
    line.product_name,
    o.order_on,
    o.currency,
    case
        when o.source_id is null then 'order_missing'
        when coalesce(o.is_void, false) then 'void'
        when coalesce(o.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    line.quantity,
    line.unit,
    line.unit_price,
    line.tax_rate_percent,
    line.net_amount,
    line.gross_amount,
    line.delivery_on,
    line.delivered_quantity,
    line.invoiced_quantity
from line
left join sales_order as o on o.source = line.source and o.source_id = line.order_id
left join crosswalk on crosswalk.source = o.source and crosswalk.source_id = coalesce(o.customer_id, '')
left join product on product.source = line.source and product.source_id = line.product_id
left join product_code as mapped on mapped.source = line.source and mapped.code = upper(trim(line.product_code))
left join product_code as known on known.source is null and known.code = upper(trim(line.product_code))
