-- Fields in which living records of one customer contradict the record that gives the value. Spelling is no
-- contradiction: width, case, spaces, punctuation, legal forms of names, one name or address inside the other,
-- extensions of phones, an old tax number and its credit code. Values stand in dim_customer_record, behind the reader's
-- masks. is_winner: it gives the value; agrees: it says the same; is_settled: a steward decided which record is right.
-- grain: customer
-- key: customer_key, field, source, source_id
-- not_null: customer_key, field, source, source_id
-- cluster: customer_key, field, source, source_id
with record as (
    select * from core.dim_customer_record
    where standing = 0
),

suspect as (
    -- most customers agree with themselves: only the others are looked at field by field
    select
        customer_key,
        min(name) <> max(name) as name, min(kind) <> max(kind) as kind, min(status) <> max(status) as status,
        min(uscc) <> max(uscc) as uscc,
        min(tax_number) <> max(tax_number) as tax_number, min(bank_account) <> max(bank_account) as bank_account,
        min(credit_limit_amount) <> max(credit_limit_amount) as credit_limit_amount,
        min(payment_terms) <> max(payment_terms) as payment_terms, min(owner_key) <> max(owner_key) as owner,
        min(tier) <> max(tier) as tier, min(industry) <> max(industry) as industry,
        min(region) <> max(region) as region, min(city) <> max(city) as city,
        min(address) <> max(address) as address, min(phone) <> max(phone) as phone,
        min(website) <> max(website) as website
    from record
    group by customer_key
),

doubtful as (
    select
        record.*, cast(record.credit_limit_amount as varchar) as limit_text,
        suspect.name as has_name, suspect.kind as has_kind, suspect.status as has_status,
        suspect.uscc as has_uscc,
        suspect.tax_number as has_tax_number, suspect.bank_account as has_bank_account,
        suspect.credit_limit_amount as has_credit_limit_amount, suspect.payment_terms as has_payment_terms,
        suspect.owner as has_owner, suspect.tier as has_tier, suspect.industry as has_industry,
        suspect.region as has_region, suspect.city as has_city, suspect.address as has_address,
        suspect.phone as has_phone, suspect.website as has_website,
        ranked.name_rank, ranked.kind_rank, ranked.status_rank, ranked.uscc_rank, ranked.tax_number_rank,
        ranked.bank_account_rank,
        ranked.credit_limit_amount_rank, ranked.payment_terms_rank, ranked.owner_rank, ranked.tier_rank,
        ranked.industry_rank, ranked.region_rank, ranked.city_rank, ranked.address_rank, ranked.phone_rank,
        ranked.website_rank
    from record
    join suspect on suspect.customer_key = record.customer_key
    join core.dim_customer_rank as ranked
        on ranked.source = record.source and ranked.source_id = record.source_id
),

said as (
    select customer_key, source, source_id, 'name' as field, name as value, name_rank as place
    from doubtful where has_name
    union all
    select customer_key, source, source_id, 'kind', kind, kind_rank from doubtful where has_kind
    union all
    select customer_key, source, source_id, 'status', status, status_rank from doubtful where has_status
    union all
    select customer_key, source, source_id, 'uscc', uscc, uscc_rank from doubtful where has_uscc
    union all
    select customer_key, source, source_id, 'tax_number', tax_number, tax_number_rank
    from doubtful where has_tax_number
    union all
    select customer_key, source, source_id, 'bank_account', bank_account, bank_account_rank
    from doubtful where has_bank_account
    union all
    select customer_key, source, source_id, 'credit_limit_amount', limit_text, credit_limit_amount_rank
    from doubtful where has_credit_limit_amount
    union all
    select customer_key, source, source_id, 'payment_terms', payment_terms, payment_terms_rank
    from doubtful where has_payment_terms
    union all
    select customer_key, source, source_id, 'owner', owner_key, owner_rank from doubtful where has_owner
    union all
    select customer_key, source, source_id, 'tier', tier, tier_rank from doubtful where has_tier
    union all
    select customer_key, source, source_id, 'industry', industry, industry_rank from doubtful where has_industry
    union all
    select customer_key, source, source_id, 'region', region, region_rank from doubtful where has_region
    union all
    select customer_key, source, source_id, 'city', city, city_rank from doubtful where has_city
    union all
    select customer_key, source, source_id, 'address', address, address_rank from doubtful where has_address
    union all
    select customer_key, source, source_id, 'phone', phone, phone_rank from doubtful where has_phone
    union all
    select customer_key, source, source_id, 'website', website, website_rank from doubtful where has_website
),

folded as (
    select
        customer_key, source, source_id, field, place,
        translate(lower(value), '０１２３４５６７８９ａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ',
        '0123456789abcdefghijklmnopqrstuvwxyz') as value
    from said
    where value is not null and value <> '' and place is not null
),

form as (
    select
        customer_key, source, source_id, field, place,
        case
            when field = 'phone' then regexp_replace(value, '[^0-9]', '', 'g')
            when field = 'name' then regexp_replace(
                value,
                '有限责任公司|股份有限公司|有限公司|公司|[ ,.]+(co|inc|ltd|limited|gmbh|llc|corp|corporation)[.]?$|[^0-9a-z一-龥]',
                '', 'g'
            )
            when field = 'website' then regexp_replace(value, '^(https?://)?(www[.])?|/+$', '', 'g')
            when field in ('credit_limit_amount', 'owner') then value
            else regexp_replace(value, '[^0-9a-z一-龥]', '', 'g')
        end as form
    from folded
),

winner as (
    select customer_key, field, min(place) as place, min_by(form, place) as form
    from form
    group by customer_key, field
),

compared as (
    select
        form.customer_key, form.field, form.source, form.source_id,
        form.place = winner.place as is_winner, winner.place < 0 as is_settled,
        form.form = winner.form or (
            form.field in ('name', 'address', 'phone') and form.form <> '' and winner.form <> ''
            and (strpos(form.form, winner.form) > 0 or strpos(winner.form, form.form) > 0)
        ) or (
            -- an old tax number stands inside the credit code that replaced it
            form.field in ('tax_number', 'uscc') and form.form <> '' and winner.form <> ''
            and (form.form = substr(winner.form, 3, 15) or winner.form = substr(form.form, 3, 15))
        ) as agrees
    from form
    join winner on winner.customer_key = form.customer_key and winner.field = form.field
),

counted as (
    select
        compared.*,
        sum(case when agrees then 0 else 1 end) over (partition by customer_key, field) as against
    from compared
)

select customer_key, field, source, source_id, is_winner, agrees, is_settled
from counted
where against > 0
