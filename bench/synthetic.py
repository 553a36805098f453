"""A synthetic company of any size, as filled template files or as landed documents, and small changes to it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb

from ingest import landing
from model import build, publish, warehouse
from ops import clock
from ops.instance import Instance, InstanceConfig, SourceConfig

SOURCE = "books"
_PART = 100_000

_STEMS = "北辰,澄衡,云岚,泰禾,启衡,远洲,朗景,恒测,嘉泓,瑞川,明锐,海拓,晟微,凌科,禾川,博远,景行,安澜,华沐,星合"
_CITIES = "苏州,上海,深圳,成都,武汉,西安,杭州,青岛,长沙,合肥"
_TRADES = "精密仪器,自动化设备,电子科技,生物医药,新材料,环境工程,汽车零部件,半导体,机械制造,检测技术"

# Every row is a pure function of the customer's number `i` and of `bump`, which a change raises.
FILES = {
    "customer": """
        select 'C' || lpad(i::varchar, 7, '0') as code,
               s[1 + i % 20] || t[1 + (i // 20) % 10] || i || '（' || c[1 + (i // 7) % 10] || '）有限公司' as name,
               s[1 + i % 20] || i as short_name, c[1 + (i // 7) % 10] as city,
               '+86512' || lpad((60000000 + i + bump)::varchar, 8, '0') as phone, 'E' || (i % 50) as owner_id,
               'CNY' as credit_currency, (100000 + i % 900 * 1000)::varchar as credit_limit_amount
        from n""",
    "employee": "select 'E' || i as code, '员工' || i as name, 'e' || i || '@example.com' as email from n where i < 50",
    "invoice": """
        select 'INV' || lpad(i::varchar, 7, '0') || '-' || k as number, 'C' || lpad(i::varchar, 7, '0') as customer_id,
               date '2026-01-05' + ((i * 7 + k * 31) % 300)::integer as invoice_on,
               date '2026-02-04' + ((i * 7 + k * 31) % 300)::integer as due_on, 'CNY' as currency,
               (1000 + (i * 37 + k * 101) % 90000 + bump)::varchar || '.00' as gross_amount
        from n, range(6) r(k)""",
    "receipt": """
        select 'R' || lpad(i::varchar, 7, '0') || '-' || k as number, 'C' || lpad(i::varchar, 7, '0') as customer_id,
               date '2026-02-20' + ((i * 7 + k * 31) % 270)::integer as received_on, 'CNY' as currency,
               (1000 + (i * 37 + k * 101) % 90000)::varchar || '.00' as amount
        from n, range(4) r(k)""",
    "allocation": """
        select 'R' || lpad(i::varchar, 7, '0') || '-' || k as receipt_id,
               'INV' || lpad(i::varchar, 7, '0') || '-' || k as invoice_id, 'receipt' as kind,
               (1000 + (i * 37 + k * 101) % 90000)::varchar || '.00' as amount, 'CNY' as currency,
               date '2026-02-21' + ((i * 7 + k * 31) % 270)::integer as allocated_on
        from n, range(4) r(k)""",
    "ticket": """
        select 'T' || lpad(i::varchar, 7, '0') || '-' || k as number, 'C' || lpad(i::varchar, 7, '0') as customer_id,
               '传感器漂移 ' || (i + bump) as subject,
               case when k = 0 then 'open' else 'closed' end as status, 'normal' as priority,
               strftime(timestamp '2026-03-01 08:00:00' + to_days(((i + k * 40) % 250)::integer), '%Y-%m-%dT%H:%M:%SZ')
                   as created_at
        from n, range(2) r(k)""",
}

# table of a build → the query for its rows of the same customers, of whom `c` holds one row each
SEARCHED = {
    "core.dim_customer": "select customer_key, name, short_name, city, phone, owner_key, false as is_deleted from c",
    "core.dim_customer_record": """
        select customer_key, 'books' as source, code as source_id, 'erp' as role, code, name, short_name, city, phone,
               owner_key, false as is_deleted
        from c""",
    "core.dim_customer_code": """
        select customer_key, 'books' as source, code as source_id, 'erp' as role, kind, code
        from c, (select unnest(['code', 'id']) as kind)""",
    "core.dim_employee": "select distinct owner_key as employee_key, true as is_active from c",
    "core.fct_ticket": """
        select customer_key, 'books:' || number as record_key, 'books' as source, number
        from (select customer_key, 'T' || substr(code, 2) || '-' || k as number from c, range(2) r(k))""",
}

_IDS = {"invoice": "number", "receipt": "number", "allocation": "receipt_id || '/' || invoice_id", "ticket": "number"}


def _bodies(connection: duckdb.DuckDBPyConnection, numbers: str, bump: int) -> dict[str, str]:
    """Entity → the query for its rows, for the customers whose numbers `numbers` (a query for i) gives."""
    lists = ", ".join(
        f"string_split('{words}', ',') as {name}" for name, words in (("s", _STEMS), ("t", _TRADES), ("c", _CITIES))
    )
    connection.execute(f"create or replace temp table n as select i, {bump} as bump, {lists} from ({numbers})")
    return FILES


def write(folder: Path, customers: int, only: Collection[str] = tuple(FILES)) -> None:
    """Write the template files of `customers` customers; `only` names the files to write."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        bodies = _bodies(connection, f"select range as i from range({customers})", 0)
        for name in only:
            connection.execute(f"copy ({bodies[name]}) to '{folder / name}.csv' (header, delimiter ',')")


def land(instance: Instance, numbers: str, bump: int = 0, only: Collection[str] = tuple(FILES)) -> None:
    """Land the documents that collecting the template files of these customers would land: one run per entity.

    `numbers` is a query for the customers' numbers i; with a higher `bump` their phones, invoice amounts and ticket
    subjects differ.
    """
    with duckdb.connect() as connection:
        bodies = _bodies(connection, numbers, bump)
        for name in only:
            run_id = landing.new_run_id(instance.landing, SOURCE, name)
            folder = instance.landing / SOURCE / name / run_id
            folder.mkdir(parents=True)
            row_id = _IDS.get(name, "code")
            connection.execute(f"create or replace table body as select {row_id} as _id, * from ({bodies[name]})")
            count = connection.execute("select count(*) from body").fetchall()[0][0]
            parts = []
            for number, start in enumerate(range(0, count, _PART)):
                part = f"part-{number:05d}.parquet"
                connection.execute(f"""
                    copy (
                        select _id as id, document, md5(document) as hash,
                            timestamptz '{clock.now().isoformat()}' as seen_at, '{run_id}' as run_id,
                            false as deleted, null::varchar as parent_id
                        from (
                            select _id, to_json(body)::varchar as document from body
                            where rowid >= {start} and rowid < {start + _PART}
                        )
                    ) to '{folder / part}' (format parquet, compression zstd)
                """)
                parts.append({"name": part, "rows": min(_PART, count - start)})
            manifest = {"run_id": run_id, "parts": parts, "rows": count, "merges": []}
            landing.write_json(folder / "manifest.json", manifest)


def instance(home: Path, customers: int) -> Instance:
    """An instance whose only source is the template folder of `customers` customers below `home`."""
    folder = home.parent / f"{home.name}-files"
    write(folder, customers)
    return _create(home, folder)


def landed(home: Path, customers: int) -> Instance:
    """The same instance with everything landed, though nothing is built."""
    made = _create(home, home.parent / f"{home.name}-files")
    land(made, f"select range as i from range({customers})")
    return made


def searchable(home: Path, customers: int) -> Instance:
    """An instance with a published build that holds the customers, codes, phones and tickets of a full one."""
    made = _create(home, home.parent / f"{home.name}-files")
    build.build(made, full=True, release=False)
    con = warehouse.connect(warehouse.warehouse_path(made.warehouse))
    bodies = _bodies(con, f"select range as i from range({customers})", 0)
    con.execute(f"""
        create or replace temp table c as
        select *, 'C' || lpad((substr(code, 2)::bigint + 1)::varchar, 6, '0') as customer_key,
               'E' || lpad((substr(owner_id, 2)::bigint + 1)::varchar, 6, '0') as owner_key
        from ({bodies["customer"]})
    """)
    for table, body in SEARCHED.items():
        con.execute(f"insert into {table} by name select * from ({body}) order by all")
    publish.publish(made, con=con)
    return made


def _create(home: Path, folder: Path) -> Instance:
    source = SourceConfig(name=SOURCE, connector="template", role="erp", settings={"folder": str(folder)})
    return Instance.create(home, InstanceConfig(company="Benchmark", keep_builds=2, source=[source]))
