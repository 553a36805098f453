-- The documents on both sides of every anchor that is asked, as of $as_of; model.reconcile.differences fills the braces.
with rule(rule, compare, tolerance_amount, tolerance_percent, days, over_days, is_converted, starts_on, needs_sides) as (
    values {rules}
),

side(rule, side, measure) as (values {sides}),

gate(rule, gate, measure) as (values {gates}),

need(rule, gate, measure) as (values {needs}),

everything as (
    select * from ({entries}) where dated_on <= $as_of
),

entry as (
    select * from everything where {seen}
),

-- a side's history begins with its first document, or with the first one that its rule needs: what should have come
-- before cannot be missed. It is a fact about the systems, whoever asks.
first_seen as (
    select measure, min(dated_on) as first_on from everything
    group by measure
),

began as (
    select s.rule, s.side, min(f.first_on) as first_on
    from (
        select * from side
        union all
        select need.rule, sides.side, need.measure from need, (values ('left'), ('right')) as sides(side)
    ) as s
    join first_seen as f on f.measure = s.measure
    group by s.rule, s.side
),

answerable as (
    select rule.rule from rule
    where (not rule.needs_sides or (select count(distinct side) from began where began.rule = rule.rule) = 2)
        and not exists (
            select 1 from need left join first_seen as f on f.measure = need.measure
            where need.rule = rule.rule and f.measure is null
        )
),

candidate as (
    select distinct rule, anchor from ({results})
    where rule in ({marted}) and opened_on <= $as_of and (settled_on is null or settled_on > $as_of)
    union
    select distinct side.rule, entry.anchor
    from side join entry on entry.measure = side.measure
    where side.rule not in ({marted})
),

asked as (
    select c.rule, c.anchor from candidate as c
    join answerable on answerable.rule = c.rule
    where {asked} and not exists (
        select 1 from gate join entry on entry.measure = gate.measure
        where gate.gate = 'unless' and gate.rule = c.rule and entry.anchor = c.anchor
    )
    and (
        not exists (select 1 from gate where gate.gate = 'requires' and gate.rule = c.rule)
        or exists (
            select 1 from gate join entry on entry.measure = gate.measure
            where gate.gate = 'requires' and gate.rule = c.rule and entry.anchor = c.anchor
        )
    )
),

document as (
    select
        a.rule, s.side, e.*,
        -- what names no currency is in that of the rest
        case
            when r.compare = 'presence' then ''
            else coalesce(e.currency, max(e.currency) over (partition by a.rule, a.anchor), '')
        end as place
    from asked as a
    join rule as r on r.rule = a.rule
    join side as s on s.rule = a.rule
    join entry as e on e.measure = s.measure and e.anchor = a.anchor
)
