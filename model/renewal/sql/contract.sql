-- The contract's own terms and the length of the relationship, as known on the as-of date of temp.renewal_case.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
),

contract as (
    select * from core.fct_contract
),

beginning as (
    select customer_key, min(on_date) as first_on
    from (
        select customer_key, customer_since_on as on_date from core.dim_customer
        union all
        select customer_key, start_on from contract
    ) as known
    group by customer_key
)

select
    c.record_key, c.as_of,
    greatest(date_diff('day', beginning.first_on, c.as_of), 0) / 365.25 as tenure_years,
    count(distinct earlier.record_key) as earlier_contracts,
    case when this.auto_renew then 1.0 else 0.0 end as auto_renew,
    case when max_by(earlier.amount, cast(earlier.start_on as varchar) || earlier.record_key) > 0
        then cast(this.amount as double)
            / cast(max_by(earlier.amount, cast(earlier.start_on as varchar) || earlier.record_key) as double) - 1
        end as price_change
from renewal_case as c
join contract as this on this.record_key = c.record_key
left join beginning on beginning.customer_key = c.customer_key
left join contract as earlier
    on earlier.customer_key = c.customer_key and earlier.start_on < this.start_on
    and earlier.kind is not distinct from this.kind and earlier.currency is not distinct from this.currency
group by c.record_key, c.as_of, this.amount, this.auto_renew, beginning.first_on
