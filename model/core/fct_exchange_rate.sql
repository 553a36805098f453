-- Rates by date, as the sources give them; a rate holds from valid_on until the next one (valid_until_on, exclusive).
-- Where two sources give a rate for the same day, the first by name is kept.
-- grain: global
-- key: from_currency, to_currency, valid_on
-- not_null: from_currency, to_currency, valid_on, rate
-- cluster: from_currency, to_currency, valid_on
with rate as (
    select
        source, source_id, from_currency, to_currency, valid_on, rate,
        row_number() over (
            partition by from_currency, to_currency, valid_on order by source, source_id
        ) as choice
    from staging.exchange_rate
    where seen_to is null and not is_deleted
)

select
    from_currency,
    to_currency,
    valid_on,
    lead(valid_on) over (partition by from_currency, to_currency order by valid_on) as valid_until_on,
    rate,
    source
from rate
where choice = 1
