-- Contact with the customer by the as-of date: calls, mails, visits, meetings and chats.
-- grain: record_key, as_of
with renewal_case as (
    select * from temp.renewal_case
)

select
    c.record_key, c.as_of,
    date_diff('day', max(cast(i.happened_at as date)), c.as_of) as days_since_contact,
    count(case when cast(i.happened_at as date) > c.as_of - 90 then 1 end) as quarter_contacts
from renewal_case as c
left join core.fct_interaction as i
    on i.customer_key = c.customer_key and cast(i.happened_at as date) <= c.as_of
group by c.record_key, c.as_of
