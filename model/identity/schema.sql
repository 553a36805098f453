create table if not exists identity.customer_crosswalk (
    source varchar, source_id varchar, customer_key varchar, rule varchar, evidence varchar
);
create table if not exists identity.customer_identifier (
    source varchar, source_id varchar, kind varchar, value varchar
);
create table if not exists identity.customer_input (source varchar, source_id varchar, input ubigint);
create table if not exists identity.customer_conflict (
    customer_key varchar, kind varchar, source varchar, source_id varchar, detail varchar
);
create table if not exists identity.customer_group (
    customer_key varchar, parent_key varchar, group_key varchar, group_name varchar
);
create table if not exists identity.project_crosswalk (
    source varchar, source_id varchar, customer_key varchar, rule varchar, evidence varchar
);
create table if not exists identity.employee_crosswalk (
    source varchar, source_id varchar, employee_key varchar, name varchar, rule varchar
);
create table if not exists identity.employee_golden (
    employee_key varchar, code varchar, name varchar, email varchar, phone varchar, department varchar,
    team varchar, region varchar, manager_key varchar, is_active boolean, record_count bigint
);
create table if not exists identity.product_crosswalk (
    source varchar, source_id varchar, product_key varchar, rule varchar
);
create table if not exists identity.product_golden (
    product_key varchar, code varchar, name varchar, specification varchar, category varchar,
    product_line varchar, unit varchar, is_active boolean, record_count bigint
);
alter table identity.product_golden add column if not exists warranty_months bigint;
create table if not exists identity.match_record (
    record ubigint, source varchar, source_id varchar, trade ubigint
);
create table if not exists identity.match_key (record ubigint, rule utinyint, key ubigint);
create table if not exists identity.match_pair (
    left_record ubigint, right_record ubigint,
    left_source varchar, left_id varchar, right_source varchar, right_id varchar,
    bits double, probability double, band varchar, rule varchar, veto varchar, refused varchar, steps varchar,
    is_link boolean, base tinyint, is_alike boolean, is_contradiction boolean, is_promotable boolean,
    is_demotable boolean
);
create table if not exists identity.employee_identifier (employee_key varchar, kind varchar, value varchar);
create table if not exists identity.employee_proposal (
    left_key varchar, right_key varchar, name varchar, department varchar
);
create table if not exists identity.product_code (source varchar, code varchar, product_key varchar);
