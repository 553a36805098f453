-- Shipments and returns of goods as they stand now.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key
-- cluster: customer_key, shipped_on, record_key
with shipment as (
    select * from staging.shipment
    where seen_to is null and not is_deleted
),

crosswalk as (
    select source, source_id, customer_key from identity.customer_crosswalk
)

select
    crosswalk.customer_key,
    shipment.source || ':' || shipment.source_id as record_key,
    shipment.source,
    shipment.source_id,
    shipment.number,
    shipment.customer_id,
    shipment.order_id,
    shipment.order_number,
    shipment.shipped_on,
    shipment.signed_on,
    shipment.document_status,
    shipment.is_void,
    coalesce(shipment.is_return, false) as is_return,
    case
        when coalesce(shipment.is_void, false) then 'void'
        when coalesce(shipment.document_status, 'approved') <> 'approved' then 'not_approved'
    end as excluded_reason,
    shipment.currency,
    shipment.gross_amount,
    shipment.carrier,
    shipment.tracking_number,
    shipment.logistics_status
from shipment
join crosswalk on crosswalk.source = shipment.source and crosswalk.source_id = coalesce(shipment.customer_id, '')
