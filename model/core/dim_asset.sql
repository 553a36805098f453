-- Devices with a serial number (installed base) as they stand now, one row per record of a source. A device that was
-- sold on stands under each customer that held it; two sources that know one device have a row each, of one serial_key.
-- warranty_months: the device's own, else its product's.
-- grain: customer
-- key: record_key
-- not_null: customer_key, record_key, serial_number, status
-- cluster: customer_key, serial_key, record_key
with asset as (
    select * from staging.asset
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
),

named as (
    select
        crosswalk.customer_key, asset.*,
        coalesce(product.product_key, mapped.product_key, known.product_key) as product_key
    from asset
    join crosswalk on crosswalk.source = asset.source and crosswalk.source_id = coalesce(asset.customer_id, '')
    left join product on product.source = asset.source and product.source_id = asset.product_id
    left join product_code as mapped on mapped.source = asset.source and mapped.code = upper(trim(asset.product_code))
    left join product_code as known on known.source is null and known.code = upper(trim(asset.product_code))
),

golden as (
    select product_key, code, name, warranty_months from identity.product_golden
)

select
    named.customer_key,
    named.source || ':' || named.source_id as record_key,
    named.source,
    named.source_id,
    named.customer_id,
    named.serial_number,
    named.serial_key,
    named.product_key,
    coalesce(named.product_code, golden.code) as product_code,
    coalesce(named.product_name, golden.name) as product_name,
    coalesce(named.status, 'in_use') as status,
    named.status_on,
    named.replaced_by_serial,
    named.shipped_on,
    named.installed_on,
    named.warranty_kind,
    named.warranty_start_on,
    named.warranty_end_on,
    coalesce(named.warranty_months, golden.warranty_months) as warranty_months,
    named.warranty_terms,
    named.contract_number,
    named.order_number,
    named.shipment_number,
    named.location
from named
left join golden on golden.product_key = named.product_key
