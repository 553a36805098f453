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
