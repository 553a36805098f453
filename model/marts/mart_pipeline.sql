-- Opportunities by stage, state, owner and currency.
-- grain: global
-- key: stage, state, owner_key, currency, close_month_on
-- not_null: stage, state, opportunity_count
-- cluster: stage, state, currency
with opportunity as (
    select * from core.fct_opportunity
)

select
    coalesce(stage, '') as stage,
    case when is_won then 'won' when is_closed then 'lost' else 'open' end as state,
    coalesce(owner_key, '') as owner_key,
    coalesce(currency, '') as currency,
    coalesce(cast(date_trunc('month', close_on) as date), date '1900-01-01') as close_month_on,
    count(*) as opportunity_count,
    cast(sum(coalesce(amount, 0)) as decimal(18, 2)) as amount,
    -- the percent is narrowed first: a wider product overflows while decimals are divided
    cast(sum(cast(
        coalesce(amount, 0) * cast(coalesce(probability_percent, 0) as decimal(9, 4)) * 0.01 as decimal(18, 2)
    )) as decimal(18, 2)) as weighted_amount
from opportunity
group by
    coalesce(stage, ''),
    case when is_won then 'won' when is_closed then 'lost' else 'open' end,
    coalesce(owner_key, ''),
    coalesce(currency, ''),
    coalesce(cast(date_trunc('month', close_on) as date), date '1900-01-01')
