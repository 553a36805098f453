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
params = { page = "{page.number}"SINCE }
page = { type = "number", limit = LIMIT, stop = { path = "has_more", values = ["false"] } }
"""
WINDOW = 'incremental = { type = "window" }\n'
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
    """URL HOME RECORDS PAGE [noop]: run once over a fresh instance and check that nothing was lost.

    With noop the stream is read by windows of change, and is collected twice more: what changed, which is nothing, and
    everything again. The CPU seconds of all three are printed.
    """
    url, home, expected = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    source = SourceConfig(name="crm", connector="benchcrm", role="crm", settings={"base_url": url})
    instance = Instance.create(home, InstanceConfig(company="bench", source=[source]))
    for folder, name, text in (
        ("sources/benchcrm", "source.toml", _spec(sys.argv[4], is_noop="noop" in sys.argv)),
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
    if "noop" in sys.argv:
        print(cpu, *(_again(instance, is_full=is_full) for is_full in (False, True)))
        print(seconds)
        return
    print(f"collect {middle - started:.2f} s, conform {seconds - (middle - started):.2f} s, {staged}")
    print(cpu)
    print(seconds)


def _spec(limit: str, *, is_noop: bool) -> str:
    text = SPEC.replace("LIMIT", limit).replace("SINCE", ', since = "{window.start}"' if is_noop else "")
    return text + (WINDOW if is_noop else "")


def _again(instance: Instance, *, is_full: bool) -> float:
    """CPU seconds of collecting and staging once more; nothing may land."""
    cpu = time.process_time()
    with conform.Early(instance) as early:
        results = collect.sync(instance, "crm", full=is_full, watch=early)
        conform.stage(instance, early=early)
    if any(result.error or result.rows_landed for result in results):
        sys.exit(f"something landed: {results}")
    return time.process_time() - cpu


if __name__ == "__main__":
    main()
