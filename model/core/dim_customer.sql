-- The customer: one legal entity, each field from the source that survivorship ranks first.
-- Deleted records count only where no living record is left; such a customer stays as long as documents name it.
-- Key C000000 stands for documents whose customer no source could name.
-- grain: customer
-- key: customer_key
-- not_null: customer_key, name, record_count
-- cluster: customer_key
with record as (
    select * from core.dim_customer_record
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
        min_by(name, name_rank) as name,
        min_by(short_name, name_rank) filter (where short_name is not null) as short_name,
        min_by(english_name, name_rank) filter (where english_name is not null) as english_name,
        min_by(former_name, name_rank) filter (where former_name is not null) as former_name,
        min_by(kind, name_rank) filter (where kind is not null) as kind,
        min_by(status, name_rank) filter (where status is not null) as status,
        min_by(tier, owner_rank) filter (where tier is not null) as tier,
        min_by(industry, contact_rank) filter (where industry is not null) as industry,
        min_by(region, contact_rank) filter (where region is not null) as region,
        min_by(province, contact_rank) filter (where province is not null) as province,
        min_by(city, contact_rank) filter (where city is not null) as city,
        min_by(address, contact_rank) filter (where address is not null) as address,
        min_by(phone, contact_rank) filter (where phone is not null) as phone,
        min_by(email, contact_rank) filter (where email is not null) as email,
        min_by(website, contact_rank) filter (where website is not null) as website,
        min_by(uscc, tax_rank) filter (where uscc is not null) as uscc,
        min_by(tax_number, tax_rank) filter (where tax_number is not null) as tax_number,
        min_by(payment_terms, credit_rank) filter (where payment_terms is not null) as payment_terms,
        min_by(bank_account, tax_rank) filter (where bank_account is not null) as bank_account,
        min_by(credit_limit_amount, credit_rank) filter (where credit_limit_amount is not null)
            as credit_limit_amount,
        min_by(coalesce(credit_currency, currency), credit_rank) filter (where credit_limit_amount is not null)
            as credit_currency,
        min_by(owner_id, owner_rank) filter (where owner_id is not null) as owner_id,
        min_by(owner_key, owner_rank) filter (where owner_id is not null) as owner_key,
        min_by(owner_name, owner_rank) filter (where owner_id is not null) as owner_name,
        min_by(source, owner_rank) filter (where owner_id is not null) as owner_source,
        max(case when (is_on_hold or is_forbidden) and not is_deleted then 1 else 0 end) = 1 as is_on_hold,
        min(customer_since_on) as customer_since_on,
        count(*) as record_count,
        min(case when is_deleted then 1 else 0 end) = 1 as is_deleted,
        min(case when is_reference_only then 1 else 0 end) = 1 as is_reference_only
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
    survivor.owner_key,
    survivor.owner_name,
    survivor.owner_source,
    hierarchy.parent_key,
    hierarchy.group_key,
    hierarchy.group_name,
    survivor.credit_limit_amount,
    survivor.credit_currency,
    survivor.payment_terms,
    survivor.bank_account,
    survivor.is_on_hold,
    survivor.customer_since_on,
    survivor.record_count,
    survivor.is_deleted,
    survivor.is_reference_only
from survivor
left join hierarchy on hierarchy.customer_key = survivor.customer_key
left join document on document.customer_key = survivor.customer_key
where not survivor.is_deleted or document.customer_key is not null

union all

select
    customer_key, '未识别客户', null, 'Unidentified customer', null, null, null, 'bucket', null, null, null, null,
    null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, false,
    null, 0, false, true
from unknown
