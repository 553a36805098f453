-- The customer: one legal entity, each field from the record that survivorship ranks first (dim_customer_rank).
-- Deleted records count only where no living record is left; such a customer stays as long as documents name it.
-- Key C000000 stands for documents whose customer no source could name.
-- grain: customer
-- key: customer_key
-- not_null: customer_key, name, record_count
-- cluster: customer_key
with said as (
    select * from core.dim_customer_record
),

ranked as (
    select * from core.dim_customer_rank
),

record as (
    select said.*, ranked.state,
        ranked.name_rank, ranked.former_name_rank, ranked.kind_rank, ranked.short_name_rank,
        ranked.english_name_rank, ranked.status_rank, ranked.uscc_rank, ranked.registration_number_rank,
        ranked.tax_number_rank, ranked.invoice_title_rank, ranked.bank_account_rank, ranked.invoice_address_rank,
        ranked.credit_limit_amount_rank, ranked.payment_terms_rank, ranked.owner_rank, ranked.tier_rank,
        ranked.industry_rank, ranked.region_rank, ranked.address_rank, ranked.province_rank,
        ranked.city_rank, ranked.phone_rank, ranked.email_rank, ranked.website_rank
    from said
    join ranked on ranked.source = said.source and ranked.source_id = said.source_id
),

hierarchy as (
    select customer_key, parent_key, group_key, group_name from identity.customer_group
),

document as (
    select distinct customer_key from core.fct_invoice
    union
    select distinct customer_key from core.fct_receipt
),

survivor as (
    select
        customer_key,
        nullif(min_by(coalesce(name, ''), name_rank) filter (where name_rank is not null), '') as name,
        nullif(min_by(coalesce(short_name, ''), short_name_rank) filter (where short_name_rank is not null), '')
            as short_name,
        nullif(min_by(coalesce(english_name, ''), english_name_rank) filter (where english_name_rank is not null), '')
            as english_name,
        nullif(min_by(coalesce(former_name, ''), former_name_rank) filter (where former_name_rank is not null), '')
            as former_name,
        nullif(min_by(coalesce(kind, ''), kind_rank) filter (where kind_rank is not null), '') as kind,
        nullif(min_by(coalesce(status, ''), status_rank) filter (where status_rank is not null), '') as status,
        nullif(min_by(coalesce(tier, ''), tier_rank) filter (where tier_rank is not null), '') as tier,
        nullif(min_by(coalesce(industry, ''), industry_rank) filter (where industry_rank is not null), '') as industry,
        nullif(min_by(coalesce(region, ''), region_rank) filter (where region_rank is not null), '') as region,
        nullif(min_by(coalesce(province, ''), province_rank) filter (where province_rank is not null), '') as province,
        nullif(min_by(coalesce(city, ''), city_rank) filter (where city_rank is not null), '') as city,
        nullif(min_by(coalesce(address, ''), address_rank) filter (where address_rank is not null), '') as address,
        nullif(min_by(coalesce(phone, ''), phone_rank) filter (where phone_rank is not null), '') as phone,
        nullif(min_by(coalesce(email, ''), email_rank) filter (where email_rank is not null), '') as email,
        nullif(min_by(coalesce(website, ''), website_rank) filter (where website_rank is not null), '') as website,
        nullif(min_by(coalesce(uscc, ''), uscc_rank) filter (where uscc_rank is not null), '') as uscc,
        nullif(
            min_by(coalesce(registration_number, ''), registration_number_rank) filter (where registration_number_rank is not null), ''
        )
            as registration_number,
        nullif(min_by(coalesce(tax_number, ''), tax_number_rank) filter (where tax_number_rank is not null), '')
            as tax_number,
        nullif(min_by(coalesce(name, ''), invoice_title_rank) filter (where invoice_title_rank is not null), '')
            as invoice_title,
        nullif(min_by(coalesce(address, ''), invoice_address_rank) filter (where invoice_address_rank is not null), '')
            as invoice_address,
        nullif(min_by(coalesce(payment_terms, ''), payment_terms_rank) filter (where payment_terms_rank is not null), '')
            as payment_terms,
        nullif(min_by(coalesce(bank_account, ''), bank_account_rank) filter (where bank_account_rank is not null), '')
            as bank_account,
        min_by(coalesce(credit_limit_amount, -999999999999.99), credit_limit_amount_rank)
            filter (where credit_limit_amount_rank is not null) as limit_or_none,
        min_by(coalesce(credit_currency, currency, ''), credit_limit_amount_rank)
            filter (where credit_limit_amount_rank is not null) as limit_currency,
        min_by(owner_id, owner_rank) filter (where owner_id is not null) as owner_id,
        min_by(coalesce(owner_key, ''), owner_rank) filter (where owner_id is not null) as owner_key,
        min_by(coalesce(owner_name, ''), owner_rank) filter (where owner_id is not null) as owner_name,
        min_by(source, owner_rank) filter (where owner_id is not null) as owner_source,
        max(case when (is_on_hold or is_forbidden) and not is_deleted then 1 else 0 end) = 1 as is_on_hold,
        min(customer_since_on) as customer_since_on,
        count(*) as record_count,
        min(case when is_deleted then 1 else 0 end) = 1 as is_deleted,
        min(case when is_reference_only then 1 else 0 end) = 1 as is_reference_only,
        max(case when state = 'confirmed' then 1 else 0 end) = 1 as is_confirmed
    from record
    group by customer_key
),

unknown as (
    select customer_key from document
    where customer_key = 'C000000'
)

select
    survivor.customer_key,
    survivor.name,
    survivor.short_name,
    survivor.english_name,
    survivor.former_name,
    survivor.uscc,
    survivor.tax_number,
    survivor.registration_number,
    survivor.invoice_title,
    survivor.invoice_address,
    coalesce(survivor.kind, 'company') as kind,
    case when survivor.is_deleted then 'inactive' else survivor.status end as status,
    survivor.tier,
    survivor.industry,
    survivor.region,
    survivor.province,
    survivor.city,
    survivor.address,
    survivor.phone,
    survivor.email,
    survivor.website,
    survivor.owner_id,
    nullif(survivor.owner_key, '') as owner_key,
    nullif(survivor.owner_name, '') as owner_name,
    survivor.owner_source,
    hierarchy.parent_key,
    hierarchy.group_key,
    hierarchy.group_name,
    nullif(survivor.limit_or_none, -999999999999.99) as credit_limit_amount,
    case when survivor.limit_or_none > -999999999999.99 then nullif(survivor.limit_currency, '') end as credit_currency,
    survivor.payment_terms,
    survivor.bank_account,
    survivor.is_on_hold,
    survivor.customer_since_on,
    survivor.record_count,
    survivor.is_deleted,
    survivor.is_reference_only,
    survivor.is_confirmed
from survivor
left join hierarchy on hierarchy.customer_key = survivor.customer_key
left join document on document.customer_key = survivor.customer_key
where not survivor.is_deleted or document.customer_key is not null

union all

select
    customer_key, '未识别客户', null, 'Unidentified customer', null, null, null, null, null, null, 'bucket', null, null,
    null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
    false, null, 0, false, true, false
from unknown
