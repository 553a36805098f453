-- The rank of every record for every field of its customer: the lowest wins, null cannot. A pinned record ranks below
-- zero, the latest pin first. Otherwise, in this order: living before deleted, the field its group stands for filled
-- (groups that win together), fullest (strategy complete), place of the source, changed last.
-- An owner who is no known employee stands after those who are. Whoever has a value can win it, and
-- in a group that wins together a record with any of its fields takes part in all of them, so that one record wins all.
-- state: the business state of the customer, which decides the rule.
-- grain: customer
-- key: source, source_id
-- not_null: customer_key
-- cluster: customer_key, source, source_id
with rule as (
    select * from meta.survivorship
),

pin as (
    select * from identity.field_pin
),

business as (
    select customer_key, state from core.dim_customer_state
),

filled as (
    select
        record.*,
        coalesce(business.state, 'selling') as state,
        case when name is null then 0 else 1 end
        + case when former_name is null then 0 else 1 end
        + case when kind is null then 0 else 1 end as name_filled,
        case when short_name is null then 0 else 1 end
        + case when english_name is null then 0 else 1 end as alias_filled,
        case when status is null then 0 else 1 end as status_filled,
        case when uscc is null then 0 else 1 end
        + case when registration_number is null then 0 else 1 end as register_filled,
        case when tax_number is null then 0 else 1 end
        + case when name is null then 0 else 1 end
        + case when bank_account is null then 0 else 1 end
        + case when address is null then 0 else 1 end as invoicing_filled,
        case when credit_limit_amount is null then 0 else 1 end
        + case when payment_terms is null then 0 else 1 end as credit_filled,
        case when tier is null then 0 else 1 end
        + case when industry is null then 0 else 1 end
        + case when region is null then 0 else 1 end as class_filled,
        case when address is null then 0 else 1 end
        + case when province is null then 0 else 1 end
        + case when city is null then 0 else 1 end as address_filled,
        case when phone is null then 0 else 1 end
        + case when email is null then 0 else 1 end
        + case when website is null then 0 else 1 end as contact_filled
    from core.dim_customer_record as record
    left join business on business.customer_key = record.customer_key
),

base as (
    select
        filled.*,
        (standing * 200 + rule.name_together * case when name is null then 100 else 0 end
        + rule.name_complete * (3 - name_filled)) * 10000000000 + recency as name_base,
        (standing * 200 + rule.alias_together * case when short_name is null then 100 else 0 end
        + rule.alias_complete * (2 - alias_filled)) * 10000000000 + recency as alias_base,
        (standing * 200 + rule.status_together * case when status is null then 100 else 0 end
        + rule.status_complete * (1 - status_filled)) * 10000000000 + recency as status_base,
        (standing * 200 + rule.register_together * case when uscc is null then 100 else 0 end
        + rule.register_complete * (2 - register_filled)) * 10000000000 + recency as register_base,
        (standing * 200 + rule.invoicing_together * case when tax_number is null then 100 else 0 end
        + rule.invoicing_complete * (4 - invoicing_filled)) * 10000000000 + recency as invoicing_base,
        (standing * 200 + rule.credit_together * case when credit_limit_amount is null then 100 else 0 end
        + rule.credit_complete * (2 - credit_filled)) * 10000000000 + recency as credit_base,
        (standing * 200 + case when owner_key is null then 100 else 0 end) * 10000000000 + recency as owner_base,
        (standing * 200 + rule.class_together * case when tier is null then 100 else 0 end
        + rule.class_complete * (3 - class_filled)) * 10000000000 + recency as class_base,
        (standing * 200 + rule.address_together * case when address is null then 100 else 0 end
        + rule.address_complete * (3 - address_filled)) * 10000000000 + recency as address_base,
        (standing * 200 + rule.contact_together * case when phone is null then 100 else 0 end
        + rule.contact_complete * (3 - contact_filled)) * 10000000000 + recency as contact_base
    from filled
    join rule on rule.source = filled.source and rule.state = filled.state
)

select
    base.customer_key,
    base.source,
    base.source_id,
    base.state,
    case when base.name is not null or rule.name_together * base.name_filled > 0
        then coalesce(-pin.name, base.name_base + rule.name_place * 10000000) end as name_rank,
    case when base.former_name is not null or rule.name_together * base.name_filled > 0
        then coalesce(-pin.former_name, base.name_base + rule.former_name_place * 10000000) end as former_name_rank,
    case when base.kind is not null or rule.name_together * base.name_filled > 0
        then coalesce(-pin.kind, base.name_base + rule.kind_place * 10000000) end as kind_rank,
    case when base.short_name is not null or rule.alias_together * base.alias_filled > 0
        then coalesce(-pin.short_name, base.alias_base + rule.short_name_place * 10000000) end as short_name_rank,
    case when base.english_name is not null or rule.alias_together * base.alias_filled > 0
        then coalesce(-pin.english_name, base.alias_base + rule.english_name_place * 10000000) end as english_name_rank,
    case when base.status is not null
        then coalesce(-pin.status, base.status_base + rule.status_place * 10000000) end as status_rank,
    case when base.uscc is not null or rule.register_together * base.register_filled > 0
        then coalesce(-pin.uscc, base.register_base + rule.uscc_place * 10000000) end as uscc_rank,
    case when base.registration_number is not null or rule.register_together * base.register_filled > 0
        then coalesce(-pin.registration_number, base.register_base + rule.registration_number_place * 10000000)
        end as registration_number_rank,
    case when base.tax_number is not null or rule.invoicing_together * base.invoicing_filled > 0
        then coalesce(-pin.tax_number, base.invoicing_base + rule.tax_number_place * 10000000) end as tax_number_rank,
    case when base.name is not null or rule.invoicing_together * base.invoicing_filled > 0
        then coalesce(-pin.invoice_title, base.invoicing_base + rule.invoice_title_place * 10000000)
        end as invoice_title_rank,
    case when base.bank_account is not null or rule.invoicing_together * base.invoicing_filled > 0
        then coalesce(-pin.bank_account, base.invoicing_base + rule.bank_account_place * 10000000)
        end as bank_account_rank,
    case when base.address is not null or rule.invoicing_together * base.invoicing_filled > 0
        then coalesce(-pin.invoice_address, base.invoicing_base + rule.invoice_address_place * 10000000)
        end as invoice_address_rank,
    case when base.credit_limit_amount is not null or rule.credit_together * base.credit_filled > 0
        then coalesce(-pin.credit_limit_amount, base.credit_base + rule.credit_limit_amount_place * 10000000)
        end as credit_limit_amount_rank,
    case when base.payment_terms is not null or rule.credit_together * base.credit_filled > 0
        then coalesce(-pin.payment_terms, base.credit_base + rule.payment_terms_place * 10000000)
        end as payment_terms_rank,
    case when base.owner_id is not null
        then coalesce(-pin.owner, base.owner_base + rule.owner_place * 10000000) end as owner_rank,
    case when base.tier is not null or rule.class_together * base.class_filled > 0
        then coalesce(-pin.tier, base.class_base + rule.tier_place * 10000000) end as tier_rank,
    case when base.industry is not null or rule.class_together * base.class_filled > 0
        then coalesce(-pin.industry, base.class_base + rule.industry_place * 10000000) end as industry_rank,
    case when base.region is not null or rule.class_together * base.class_filled > 0
        then coalesce(-pin.region, base.class_base + rule.region_place * 10000000) end as region_rank,
    case when base.address is not null or rule.address_together * base.address_filled > 0
        then coalesce(-pin.address, base.address_base + rule.address_place * 10000000) end as address_rank,
    case when base.province is not null or rule.address_together * base.address_filled > 0
        then coalesce(-pin.province, base.address_base + rule.province_place * 10000000) end as province_rank,
    case when base.city is not null or rule.address_together * base.address_filled > 0
        then coalesce(-pin.city, base.address_base + rule.city_place * 10000000) end as city_rank,
    case when base.phone is not null or rule.contact_together * base.contact_filled > 0
        then coalesce(-pin.phone, base.contact_base + rule.phone_place * 10000000) end as phone_rank,
    case when base.email is not null or rule.contact_together * base.contact_filled > 0
        then coalesce(-pin.email, base.contact_base + rule.email_place * 10000000) end as email_rank,
    case when base.website is not null or rule.contact_together * base.contact_filled > 0
        then coalesce(-pin.website, base.contact_base + rule.website_place * 10000000) end as website_rank
from base
join rule on rule.source = base.source and rule.state = base.state
left join pin on pin.source = base.source and pin.source_id = base.source_id and base.standing = 0
