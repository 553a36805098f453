"""Our side of the ingest benchmark: collect, land, conform and stage; prints CPU seconds and, last, seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ingest import collect
from model import conform
from ops.instance import Instance, InstanceConfig, SourceConfig

SPEC = """
[connector]
name = "benchcrm"
label = "Benchmark CRM"
role = "crm"
[settings.base_url]
required = true
help = "address"
[http]
base_url = "{settings.base_url}"
concurrency = 1
[[stream]]
name = "records"
entities = ["customer"]
path = "records"
records = "records"
id = "id"
params = { page = "{page.number}" }
page = { type = "number", limit = LIMIT, stop = { path = "has_more", values = ["false"] } }
"""
MAPPING = """
[mapping]
connector = "benchcrm"
[[entity]]
entity = "customer"
streams = ["records"]
id = "id"
updated_at = "updated_at"
[entity.fields]
code = "code"
name = { path = "name", convert = ["name"] }
phone = "phone"
email = "email"
industry = "industry"
city = "city"
credit_limit_amount = "credit"
credit_currency = { constant = "CNY" }
created_at = "created_at"
"""


def main() -> None:
    """URL HOME RECORDS PAGE: run once over a fresh instance and check that nothing was lost."""
    url, home, expected = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    source = SourceConfig(name="crm", connector="benchcrm", role="crm", settings={"base_url": url})
    instance = Instance.create(home, InstanceConfig(company="bench", source=[source]))
    for folder, name, text in (
        ("sources/benchcrm", "source.toml", SPEC.replace("LIMIT", sys.argv[4])),
        ("conform", "benchcrm.toml", MAPPING),
    ):
        (instance.config_dir / folder).mkdir(parents=True)
        (instance.config_dir / folder / name).write_text(text, encoding="utf-8")
    _ = instance.store
    started, cpu = time.perf_counter(), time.process_time()
    with conform.Early(instance) as early:
        results = collect.sync(instance, "crm", watch=early)
        middle = time.perf_counter()
        staged = conform.stage(instance, early=early)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if any(result.error for result in results) or sum(result.rows_landed for result in results) != expected:
        sys.exit(f"not everything landed: {results}")
    print(f"collect {middle - started:.2f} s, conform {seconds - (middle - started):.2f} s, {staged}")
    print(cpu)
    print(seconds)


if __name__ == "__main__":
    main()
