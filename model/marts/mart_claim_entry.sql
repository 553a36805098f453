-- What reconciliation counts of warranty claims on a serial number: one row per document, measure and anchor.
-- serial_claimed: tickets that give a serial number and whose words claim warranty. serial_entitled: devices of the
-- same customer with that number which warranty or a service contract covers on the ticket's day and which were not
-- returned, scrapped or replaced by then. devices_known: the first device of a customer; without any device in any
-- source nothing can be said of a serial number.
-- grain: customer
-- key: measure, anchor, entry_key
-- not_null: customer_key, measure, anchor, entry_key, record_key, dated_on
-- cluster: customer_key, measure, anchor, entry_key
with claim as (
    select customer_key, record_key, source, number, serial_key, cast(created_at as date) as dated_on
    from core.fct_ticket
    where serial_key is not null and created_at is not null and customer_key <> 'C000000'
        and regexp_matches(coalesce(subject, '') || ' ' || coalesce(description, ''), '保修|质保|三包|[Ww]arranty')
),

device as (
    select
        customer_key, record_key, source, serial_number, serial_key, held_from_on, warranty_from_on, warranty_until_on,
        contract_key, contract_from_on, contract_until_on,
        case when status <> 'in_use' then coalesce(status_on, date '1900-01-01') end as ended_on
    from marts.mart_asset_entitlement
),

entry as (
    select
        customer_key, 'serial_claimed' as measure, 'ticket:' || record_key as anchor, record_key, 'ticket' as entity,
        source, number, dated_on
    from claim
    union all
    select distinct
        c.customer_key, 'serial_entitled', 'ticket:' || c.record_key, d.record_key, 'asset', d.source, d.serial_number,
        c.dated_on
    from claim as c
    join device as d on d.customer_key = c.customer_key and d.serial_key = c.serial_key
    where (d.ended_on is null or d.ended_on > c.dated_on)
        and (
            (d.warranty_until_on >= c.dated_on and coalesce(d.warranty_from_on, c.dated_on) <= c.dated_on)
            or (
                d.contract_key <> '' and coalesce(d.contract_from_on, c.dated_on) <= c.dated_on
                and coalesce(d.contract_until_on, c.dated_on) >= c.dated_on
            )
        )
    union all
    select
        customer_key, 'devices_known', 'devices:' || customer_key, min(record_key), 'asset', min(source),
        min(serial_number), min(coalesce(held_from_on, warranty_from_on, date '2000-01-01'))
    from device
    group by customer_key
)

select
    customer_key, measure, anchor, record_key as entry_key, record_key, entity, source, number, dated_on,
    cast(null as date) as expected_on, cast(null as date) as completes_on, cast(null as varchar) as currency,
    cast(null as decimal(18, 2)) as amount, cast(null as varchar) as owner_key
from entry
