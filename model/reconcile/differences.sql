-- Differences between the sides of `document` (documents.sql), which stands before this as common table expressions.
whole as (
    select
        rule, anchor,
        arg_min(customer_key, case side when 'left' then '0' else '1' end || entry_key) as customer_key,
        list_sort(list(distinct customer_key)) as customers,
        arg_min(coalesce(number, record_key), case side when 'left' then '0' else '1' end || cast(dated_on as varchar)
            || entry_key) as label,
        min(dated_on) as first_on, max(dated_on) as last_on,
        count(*) filter (side = 'left') as left_count, count(*) filter (side = 'right') as right_count,
        max(coalesce(expected_on, dated_on)) filter (side = 'left') as expected_on,
        max(coalesce(completes_on, expected_on, dated_on)) filter (side = 'left') as completes_on,
        max(dated_on) filter (side = 'right') as right_on,
        max(place) filter (side = 'left') as left_place, max(place) filter (side = 'right') as right_place,
        coalesce(list_has_any(
            list(distinct place) filter (side = 'left'), list(distinct place) filter (side = 'right')
        ), false) as is_shared
    from document
    group by rule, anchor
),

placed as (
    select
        d.rule, d.anchor, d.place,
        count(*) filter (d.side = 'left') as left_count, count(*) filter (d.side = 'right') as right_count,
        sum(d.amount) filter (d.side = 'left') as left_amount, sum(d.amount) filter (d.side = 'right') as right_amount,
        bool_or(d.amount is null) as is_uncounted
    from document as d
    group by d.rule, d.anchor, d.place
),

twin as (
    select rule, anchor, place, side, amount, count(*) as copies
    from document
    where amount > 0
    group by rule, anchor, place, side, amount
    having count(*) > 1
),

-- one row per anchor and currency; two sides without a common currency are one row
pair as (
    select
        w.*, p.place as currency, p.place as right_currency, p.left_amount, p.right_amount, p.is_uncounted,
        coalesce(p.left_amount, 0) - coalesce(p.right_amount, 0) as difference
    from whole as w
    join placed as p on p.rule = w.rule and p.anchor = w.anchor
    where w.is_shared or w.left_count = 0 or w.right_count = 0
    union all
    select
        w.*, w.left_place, w.right_place, l.left_amount, r.right_amount, l.is_uncounted or r.is_uncounted,
        l.left_amount - cast(r.right_amount * coalesce(
            (
                select arg_max(x.rate, x.valid_on) from core.fct_exchange_rate as x
                where x.from_currency = w.right_place and x.to_currency = w.left_place and x.valid_on <= $as_of
            ),
            (
                select 1 / nullif(arg_max(x.rate, x.valid_on), 0) from core.fct_exchange_rate as x
                where x.from_currency = w.left_place and x.to_currency = w.right_place and x.valid_on <= $as_of
            )
        ) as decimal(18, 2))
    from whole as w
    join placed as l on l.rule = w.rule and l.anchor = w.anchor and l.place = w.left_place
    join placed as r on r.rule = w.rule and r.anchor = w.anchor and r.place = w.right_place
    where not w.is_shared and w.left_count > 0 and w.right_count > 0
),

judged as (
    select
        pair.* exclude (left_place, right_place, is_shared), rule.compare, rule.days, rule.over_days,
        case
            when pair.right_count = 0 then 'right'
            when pair.left_count = 0 then 'left'
            when difference < 0 then 'left'
            else 'right'
        end as short_side,
        coalesce(abs(difference) <= greatest(
            rule.tolerance_amount,
            rule.tolerance_percent * greatest(abs(coalesce(left_amount, 0)), abs(coalesce(right_amount, 0))) / 100
        ), false) as is_within,
        rule.is_converted,
        exists (
            select 1 from twin
            where twin.rule = pair.rule and twin.anchor = pair.anchor and twin.place = pair.currency
                and twin.side = case when difference < 0 then 'right' else 'left' end
                and (
                    abs(abs(difference) - twin.amount) <= rule.tolerance_amount
                    or abs(abs(difference) - twin.amount * (twin.copies - 1)) <= rule.tolerance_amount
                )
        ) as has_twin
    from pair
    join rule on rule.rule = pair.rule
    where rule.starts_on is null or pair.first_on >= rule.starts_on
),

kind as (
    select
        *,
        case
            when compare = 'at_most' and short_side = 'right' then null
            when left_count = 0 or right_count = 0 then 'missing'
            when compare = 'presence' then null
            when currency <> right_currency then case when is_converted and is_within then null else 'currency' end
            when is_uncounted or is_within then null
            when has_twin then 'duplicate'
            else 'amount'
        end as nature
    from judged
),

dated as (
    select
        *,
        cast(case
            when short_side = 'left' then right_on + over_days
            when right_count = 0 then expected_on + days
            else completes_on + days
        end as date) as due_on,
        case when short_side = 'left' then right_on else expected_on end as led_on
    from kind
    where nature is not null
)

select
    d.rule, d.anchor, nullif(d.currency, '') as currency, nullif(d.right_currency, '') as right_currency,
    d.customer_key, d.customers, d.label, d.first_on, d.last_on,
    d.left_count, cast(d.left_amount as decimal(18, 2)) as left_amount,
    d.right_count, cast(d.right_amount as decimal(18, 2)) as right_amount,
    case when d.is_uncounted then null else cast(d.difference as decimal(18, 2)) end as difference,
    d.short_side, d.due_on,
    case
        when d.nature = 'missing' and d.led_on < b.first_on then 'before_history'
        when d.nature in ('missing', 'amount') and d.due_on >= $as_of then 'timing'
        else d.nature
    end as class
from dated as d
left join began as b on b.rule = d.rule and b.side = d.short_side
