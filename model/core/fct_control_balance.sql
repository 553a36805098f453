-- What each source says is owed at the end of a day, by account: read as it is, never calculated.
-- grain: global
-- key: record_key
-- not_null: record_key, source, currency, balance_on, amount
-- cluster: source, balance_on, currency
select
    source || ':' || source_id as record_key,
    source,
    source_id,
    account,
    currency,
    balance_on,
    amount,
    includes
from staging.control_balance
where seen_to is null and not is_deleted
