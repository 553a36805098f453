-- How many records of entity customer a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
with record as (
    with conflict as (
        select
            source, source_id,
            bool_or(field = 'name') as is_name, bool_or(field = 'status') as is_status, bool_or(field = 'owner') as is_owner,
            bool_or(field in ('uscc', 'tax_number')) as is_tax, bool_or(field = 'bank_account') as is_bank,
            bool_or(field in ('credit_limit_amount', 'payment_terms')) as is_credit,
            bool_or(field in ('phone', 'address', 'city', 'region')) as is_contact
        from marts.mart_customer_conflict
        where not agrees and not is_settled
        group by source, source_id
    ),

    living as (
        select
            customer_key, source, source_id, role, code, name, kind, uscc, tax_number, status, industry, region, city,
            address, phone, email, owner_id, owner_key, credit_limit_amount, credit_currency, payment_terms, bank_account,
            source_updated_at,
            coalesce(kind, 'company') in ('company', 'branch') as is_company,
            regexp_matches(name, '[一-龥]') as is_chinese,
            -- copies of one record in several organisations share its code
            dense_rank() over (partition by customer_key, source order by coalesce(code, source_id)) > 1 as is_repeated
        from core.dim_customer_record
        where standing = 0
    )

    select
        living.customer_key, living.source, living.source_id, living.role, living.code, living.name, living.kind,
        living.uscc, living.tax_number, living.status, living.industry, living.region, living.city, living.address,
        living.phone, living.email, living.owner_id, living.owner_key, living.credit_limit_amount, living.credit_currency,
        living.payment_terms, living.bank_account, living.source_updated_at, living.is_company, living.is_chinese,
        living.is_repeated,
        case
            when not regexp_matches(living.uscc, '^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$') then false
            else (
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 1, 1)) - 1) * 1 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 2, 1)) - 1) * 3 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 3, 1)) - 1) * 9 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 4, 1)) - 1) * 27 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 5, 1)) - 1) * 19 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 6, 1)) - 1) * 26 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 7, 1)) - 1) * 16 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 8, 1)) - 1) * 17 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 9, 1)) - 1) * 20 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 10, 1)) - 1) * 29 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 11, 1)) - 1) * 25 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 12, 1)) - 1) * 13 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 13, 1)) - 1) * 8 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 14, 1)) - 1) * 24 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 15, 1)) - 1) * 10 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 16, 1)) - 1) * 30 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 17, 1)) - 1) * 28 +
                (strpos('0123456789ABCDEFGHJKLMNPQRTUWXY', substr(living.uscc, 18, 1)) - 1) * 1
            ) % 31 = 0
        end as is_uscc_sound,
        coalesce(conflict.is_name, false) as is_name_contested,
        coalesce(conflict.is_status, false) as is_status_contested,
        coalesce(conflict.is_owner, false) as is_owner_contested,
        coalesce(conflict.is_tax, false) as is_tax_contested,
        coalesce(conflict.is_bank, false) as is_bank_contested,
        coalesce(conflict.is_credit, false) as is_credit_contested,
        coalesce(conflict.is_contact, false) as is_contact_contested
    from living
    left join conflict on conflict.source = living.source and conflict.source_id = living.source_id
)

select
    customer_key, source,
    count(*) as record_count,
    count(*) filter (where is_company and is_chinese and role in ('crm', 'erp', 'files')) as customer_tax_number_checked,
    count(*) filter (where (is_company and is_chinese and role in ('crm', 'erp', 'files')) and (uscc is null and tax_number is null)) as customer_tax_number_failed,
    count(*) filter (where is_company and role in ('crm', 'files')) as customer_phone_checked,
    count(*) filter (where (is_company and role in ('crm', 'files')) and (phone is null and email is null)) as customer_phone_failed,
    count(*) filter (where is_company and role in ('crm', 'erp', 'files')) as customer_address_checked,
    count(*) filter (where (is_company and role in ('crm', 'erp', 'files')) and (address is null)) as customer_address_failed,
    count(*) filter (where role in ('crm', 'erp', 'files')) as customer_owner_checked,
    count(*) filter (where (role in ('crm', 'erp', 'files')) and (owner_key is null)) as customer_owner_failed,
    count(*) filter (where role = 'erp') as customer_terms_checked,
    count(*) filter (where (role = 'erp') and (payment_terms is null)) as customer_terms_failed,
    count(*) filter (where uscc is not null) as customer_uscc_sound_checked,
    count(*) filter (where (uscc is not null) and (not is_uscc_sound)) as customer_uscc_sound_failed,
    count(*) filter (where tax_number is not null and is_chinese) as customer_tax_form_checked,
    count(*) filter (where (tax_number is not null and is_chinese) and (not regexp_matches(tax_number, '^([0-9A-Z]{15}|[0-9A-Z]{17,18}|[0-9A-Z]{20})$') or regexp_matches(tax_number, '^(0+|1+|9+)$'))) as customer_tax_form_failed,
    count(*) filter (where phone is not null) as customer_phone_form_checked,
    count(*) filter (where (phone is not null) and (not regexp_matches(phone, '^[+][0-9]{7,15}(x[0-9]+)?$'))) as customer_phone_form_failed,
    count(*) filter (where true) as customer_repeated_checked,
    count(*) filter (where (true) and (is_repeated)) as customer_repeated_failed,
    count(*) filter (where uscc is not null or tax_number is not null) as customer_tax_agrees_checked,
    count(*) filter (where (uscc is not null or tax_number is not null) and (is_tax_contested)) as customer_tax_agrees_failed,
    count(*) filter (where bank_account is not null) as customer_bank_agrees_checked,
    count(*) filter (where (bank_account is not null) and (is_bank_contested)) as customer_bank_agrees_failed,
    count(*) filter (where credit_limit_amount is not null or payment_terms is not null) as customer_credit_agrees_checked,
    count(*) filter (where (credit_limit_amount is not null or payment_terms is not null) and (is_credit_contested)) as customer_credit_agrees_failed,
    count(*) filter (where owner_key is not null) as customer_owner_agrees_checked,
    count(*) filter (where (owner_key is not null) and (is_owner_contested)) as customer_owner_agrees_failed,
    count(*) filter (where true) as customer_name_agrees_checked,
    count(*) filter (where (true) and (is_name_contested)) as customer_name_agrees_failed,
    count(*) filter (where status is not null) as customer_status_agrees_checked,
    count(*) filter (where (status is not null) and (is_status_contested)) as customer_status_agrees_failed,
    count(*) filter (where phone is not null or address is not null) as customer_contact_agrees_checked,
    count(*) filter (where (phone is not null or address is not null) and (is_contact_contested)) as customer_contact_agrees_failed
from record
group by customer_key, source
