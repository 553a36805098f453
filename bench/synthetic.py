"""A synthetic company of any size as filled template files, and small changes to it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import duckdb

from ops.instance import Instance, InstanceConfig, SourceConfig

_STEMS = "北辰,澄衡,云岚,泰禾,启衡,远洲,朗景,恒测,嘉泓,瑞川,明锐,海拓,晟微,凌科,禾川,博远,景行,安澜,华沐,星合"
_CITIES = "苏州,上海,深圳,成都,武汉,西安,杭州,青岛,长沙,合肥"
_TRADES = "精密仪器,自动化设备,电子科技,生物医药,新材料,环境工程,汽车零部件,半导体,机械制造,检测技术"

# Every file is a pure function of the row number, so that a changed row is changed in one place only.
FILES = {
    "customer": """
        select 'C' || lpad(i::varchar, 7, '0') as code,
               s[1 + i % 20] || t[1 + (i // 20) % 10] || i || '（' || c[1 + (i // 7) % 10] || '）有限公司' as name,
               s[1 + i % 20] || i as short_name, c[1 + (i // 7) % 10] as city,
               '+86512' || lpad((60000000 + i)::varchar, 8, '0') as phone, 'E' || (i % 50) as owner_id,
               'CNY' as credit_currency, (100000 + i % 900 * 1000)::varchar as credit_limit_amount
        from n""",
    "employee": "select 'E' || i as code, '员工' || i as name, 'e' || i || '@example.com' as email from n where i < 50",
    "invoice": """
        select 'INV' || lpad(i::varchar, 7, '0') || '-' || k as number, 'C' || lpad(i::varchar, 7, '0') as customer_id,
               date '2026-01-05' + ((i * 7 + k * 31) % 300)::integer as invoice_on,
               date '2026-02-04' + ((i * 7 + k * 31) % 300)::integer as due_on, 'CNY' as currency,
               (1000 + (i * 37 + k * 101) % 90000)::varchar || '.00' as gross_amount
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
               '传感器漂移 ' || i as subject,
               case when k = 0 then 'open' else 'closed' end as status, 'normal' as priority,
               strftime(timestamp '2026-03-01 08:00:00' + to_days(((i + k * 40) % 250)::integer), '%Y-%m-%dT%H:%M:%SZ')
                   as created_at
        from n, range(2) r(k)""",
}


def write(folder: Path, customers: int, changed: int = 0, only: Collection[str] = tuple(FILES)) -> None:
    """Write the files of `customers` customers; the first `changed` have another phone and invoice amount.

    `only` names the files to write; the others stay as they are.
    """
    folder.mkdir(parents=True, exist_ok=True)
    connection = duckdb.connect()
    connection.execute(f"create table n as select i from range({customers}) r(i)")
    lists = "".join(
        f", string_split('{words}', ',') as {name}" for name, words in (("s", _STEMS), ("t", _TRADES), ("c", _CITIES))
    )
    connection.execute(f"create or replace view n2 as select i {lists} from n")
    for name in only:
        body = FILES[name].replace("from n", "from n2")
        if changed and name == "customer":
            body = body.replace("60000000 + i", f"60000000 + i + case when i < {changed} then 30000000 else 0 end")
        if changed and name == "invoice":
            body = body.replace("% 90000)::varchar", f"% 90000 + case when i < {changed} then 1 else 0 end)::varchar")
        connection.execute(f"copy ({body}) to '{folder / name}.csv' (header, delimiter ',')")
    connection.close()


def instance(home: Path, customers: int) -> Instance:
    """An instance whose only source is the template folder of `customers` customers below `home`."""
    folder = home.parent / f"{home.name}-files"
    write(folder, customers)
    source = SourceConfig(name="books", connector="template", role="erp", settings={"folder": str(folder)})
    return Instance.create(home, InstanceConfig(company="Benchmark", source=[source]))
