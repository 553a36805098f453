-- The calendar, 2000 to 2040. Holidays are reference data of data/, joined where a rule needs them.
-- grain: global
-- key: date_on
-- not_null: date_on
-- cluster: date_on
with series as (
    select unnest(generate_series(date '2000-01-01', date '2040-12-31', interval 1 day)) as day_at
),

day as (
    select cast(day_at as date) as date_on
    from series
)

select
    date_on,
    cast(date_trunc('month', date_on) as date) as month_on,
    cast(last_day(date_on) as date) as month_end_on,
    cast(extract('year' from date_on) as integer) as year_number,
    cast(extract('quarter' from date_on) as integer) as quarter_number,
    cast(extract('month' from date_on) as integer) as month_number,
    cast(extract('day' from date_on) as integer) as day_number
from day
