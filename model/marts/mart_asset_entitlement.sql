-- What covers a device and when: one row per device record and contract that covers it, one row without a contract.
-- warranty_basis: source (it says the last day), installed or shipped (derived: that day plus the months of warranty,
-- less one day); empty: no warranty, or nothing to derive it from. Where the device names no delivery day, its
-- shipment's counts. A contract covers with its renewals and predecessors (up to 16 either way), from its first to its
-- last day; drafts, cancelled and terminated ones do not (the day of a termination is not collected).
-- Nothing here says what holds on a day: that is the reader's question.
-- grain: customer
-- key: record_key, contract_key
-- not_null: customer_key, record_key, serial_number, status, contract_key
-- cluster: customer_key, serial_key, record_key, contract_key
with shipment as (
    select customer_key, number, min(shipped_on) as shipped_on, min(record_key) as record_key
    from core.fct_shipment
    where excluded_reason is null and not is_return and number is not null
    group by customer_key, number
),

dated as (
    select
        a.*, coalesce(a.shipped_on, s.shipped_on) as delivered_on, s.record_key as shipment_key,
        coalesce(a.warranty_start_on, a.installed_on, a.shipped_on, s.shipped_on) as begins_on
    from core.dim_asset as a
    left join shipment as s on s.customer_key = a.customer_key and s.number = a.shipment_number
),

warranted as (
    select
        *,
        case
            when coalesce(warranty_kind, 'standard') = 'none' then null
            when warranty_end_on is not null then 'source'
            when begins_on is null or coalesce(warranty_months, 0) <= 0 then null
            when coalesce(warranty_start_on, installed_on) is null then 'shipped'
            else 'installed'
        end as warranty_basis,
        case
            when warranty_end_on is not null then warranty_end_on
            when begins_on is not null and warranty_months between 1 and 1200
                then cast(begins_on + interval 1 month * warranty_months - interval 1 day as date)
        end as ends_on
    from dated
),

contract as (
    select customer_key, record_key, source_id, number, name, service_level, status, start_on, end_on, renewal_of_key
    from core.fct_contract
    where customer_key in (select customer_key from core.dim_asset where contract_number is not null)
),

-- every contract → the first of its line, in steps of 1, 1, 2, 4 and 8
line_1 as (
    select c.customer_key, c.record_key, coalesce(p.record_key, c.record_key) as root_key
    from contract as c
    left join contract as p on p.customer_key = c.customer_key and p.record_key = c.renewal_of_key
),

line_2 as (
    select c.customer_key, c.record_key, p.root_key
    from line_1 as c
    join line_1 as p on p.customer_key = c.customer_key and p.record_key = c.root_key
),

line_4 as (
    select c.customer_key, c.record_key, p.root_key
    from line_2 as c
    join line_2 as p on p.customer_key = c.customer_key and p.record_key = c.root_key
),

line_8 as (
    select c.customer_key, c.record_key, p.root_key
    from line_4 as c
    join line_4 as p on p.customer_key = c.customer_key and p.record_key = c.root_key
),

line as (
    select c.customer_key, c.record_key, p.root_key
    from line_8 as c
    join line_8 as p on p.customer_key = c.customer_key and p.record_key = c.root_key
),

reference as (
    select customer_key, contract_ref, min(record_key) as record_key from (
        select customer_key, source_id as contract_ref, record_key from contract
        union
        select customer_key, number, record_key from contract
    ) as named
    group by customer_key, contract_ref
),

covering as (
    select
        w.customer_key, w.record_key, c.record_key as contract_key, c.number, c.name, c.service_level, c.start_on, c.end_on
    from warranted as w
    join reference as r on r.customer_key = w.customer_key and r.contract_ref = w.contract_number
    join line as named on named.customer_key = r.customer_key and named.record_key = r.record_key
    join line as l on l.customer_key = named.customer_key and l.root_key = named.root_key
    join contract as c on c.customer_key = l.customer_key and c.record_key = l.record_key
    where coalesce(c.status, 'in_force') in ('in_force', 'expired')
)

select
    w.customer_key, w.record_key, w.source, w.source_id, w.serial_number, w.serial_key, w.product_key, w.product_code,
    w.product_name, w.status, w.status_on, w.replaced_by_serial, w.location, w.order_number, w.shipment_number,
    w.shipment_key, w.delivered_on, w.installed_on, coalesce(w.installed_on, w.delivered_on) as held_from_on,
    w.warranty_kind, w.warranty_terms, w.warranty_basis,
    case when w.warranty_basis is not null then w.begins_on end as warranty_from_on,
    case when w.warranty_basis is not null then w.ends_on end as warranty_until_on,
    w.contract_number as named_contract, coalesce(c.contract_key, '') as contract_key, c.number as contract_number,
    c.name as contract_name, c.service_level as contract_level, c.start_on as contract_from_on,
    c.end_on as contract_until_on
from warranted as w
left join covering as c on c.customer_key = w.customer_key and c.record_key = w.record_key
