-- Currencies in which the company trades, with the number of decimals each is counted in.
-- grain: global
-- key: currency
-- not_null: currency
-- cluster: currency
with used as (
    select currency from core.fct_invoice
    union
    select currency from core.fct_receipt
    union
    select currency from core.fct_order
    union
    select currency from core.fct_contract
    union
    select currency from core.fct_opportunity
)

select
    currency,
    case when currency in ('JPY', 'KRW', 'VND', 'CLP') then 0 else 2 end as decimal_places
from used
where currency is not null
