"""Search: the published sidecar against a scan of the same build that verifies every hit.

What a search looks through is written into the tables of an empty build instead of being collected and built; the
publisher makes the sidecar of it as of any other build, and the scan reads the published tables.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import statistics
import tempfile
import time
from functools import cache
from pathlib import Path

import duckdb
import polars as pl
from pypinyin import Style, lazy_pinyin

from bench import synthetic
from bench.measure import percentile
from model import policy, serve
from model.search_tokens import HAN, fold, key
from model.serve import Served

CUSTOMERS = 100_000
LIMIT, EACH = 10, 40
_WORD = re.compile(r"[0-9a-z]+")
_VALUES = """
select distinct customer_key, kind, value from (
    select customer_key, 'name' as kind, name as value from core.dim_customer_record where not is_deleted
    union all select customer_key, 'name', short_name from core.dim_customer_record where not is_deleted
    union all select customer_key, 'phone', phone from core.dim_customer_record where not is_deleted
    union all select customer_key, 'code', code from core.dim_customer_code
    union all select customer_key, 'code', customer_key from core.dim_customer
    union all select customer_key, 'code', number from core.fct_invoice
    union all select customer_key, 'code', number from core.fct_ticket
) where value is not null and customer_key <> 'C000000'"""


@cache
def _spoken(characters: str) -> str:
    return "".join(lazy_pinyin(characters, style=Style.FIRST_LETTER))


def initials(text: str) -> str:
    """First letters of the pinyin of the Chinese characters of `text`, read in context."""
    return _spoken("".join(HAN.findall(text)))


def queries(served: Served) -> list[tuple[str, str]]:
    """(kind, text) of a mix that people type, drawn from the build with a fixed seed."""
    rows = served.rows(
        """select name, short_name, code, phone from core.dim_customer_record
           where not is_deleted and phone is not null and short_name is not null order by source, source_id"""
    )
    chosen = random.Random(20260101).sample(rows, min(EACH, len(rows)))
    found: list[tuple[str, str]] = []
    for row in chosen:
        local = key(row["phone"]).removeprefix("86")
        found += [
            ("two_characters", row["short_name"][:2]),
            ("short_name", row["short_name"]),
            ("initials", initials(row["name"])[:5]),
            ("code", row["code"]),
            ("phone", local),
            ("phone_suffix", local[-6:]),
        ]
    return [(kind, text) for kind, text in found if text and key(text)]


class Scan:
    """Every value of the build in one table in memory, folded beforehand: the scan is given every advantage."""

    def __init__(self, served: Served) -> None:
        rows = served.rows(_VALUES)
        self.connection = duckdb.connect()
        self.connection.execute(
            "create table found (customer_key text, kind text, folded text, compact text, spoken text)"
        )
        frame = pl.DataFrame(
            {
                "customer_key": [row["customer_key"] for row in rows],
                "kind": [row["kind"] for row in rows],
                "folded": [fold(row["value"]) for row in rows],
                "compact": [key(row["value"]) for row in rows],
                "spoken": [initials(row["value"]) if row["kind"] == "name" else None for row in rows],
            }
        )
        self.connection.register("values_in", frame.to_arrow())
        self.connection.execute("insert into found select * from values_in")

    def find(self, text: str) -> set[str]:
        """Keys of all customers with a value that `text` names."""
        wanted, folded = key(text), fold(text)
        inside = [f"contains(folded, '{run}')" for run in HAN.findall(folded)]
        inside += [f"regexp_matches(folded, '(^|[^0-9a-z]){word}')" for word in _WORD.findall(folded)]
        conditions = [
            " and ".join(inside) or "false",
            f"starts_with(compact, '{wanted}')",
            f"starts_with(compact, '86{wanted}')",
        ]
        if wanted.isdigit():
            conditions.append(f"(kind = 'phone' and ends_with(compact, '{wanted}'))")
        elif wanted.isascii():
            conditions.append(f"contains(spoken, '{wanted}')")
        sql = f"select distinct customer_key from found where ({') or ('.join(conditions)})"
        return {row[0] for row in self.connection.execute(sql).fetchall()}


def measure(served: Served) -> dict[str, object]:
    """Latency of index and scan over the mix, and what either the index invents or leaves out."""
    viewer, scan = policy.Viewer(user="bench", name="bench", role="service", masks=frozenset()), Scan(served)
    asked = queries(served)
    by_index: list[float] = []
    by_scan: list[float] = []
    cpu: list[tuple[float, float]] = []
    wrong = missed = 0
    serve.search(viewer, served, asked[0][1], LIMIT)
    for _, text in asked:
        started, used = time.perf_counter(), time.process_time()
        hits = serve.search(viewer, served, text, LIMIT)
        by_index.append((time.perf_counter() - started) * 1000)
        started, between = time.perf_counter(), time.process_time()
        right = scan.find(text)
        by_scan.append((time.perf_counter() - started) * 1000)
        cpu.append((between - used, time.process_time() - between))
        keys = {hit["customer_key"] for hit in hits}
        wrong += len(keys - right)
        missed += max(0, min(LIMIT, len(right)) - len(keys & right))
    kinds = {
        kind: round(statistics.median(ms for (name, _), ms in zip(asked, by_index, strict=True) if name == kind), 3)
        for kind in dict(asked)
    }
    return {
        "queries": len(asked),
        "p50_ms": round(statistics.median(by_index), 3),
        "p95_ms": round(percentile(by_index, 0.95), 3),
        "p50_ms_by_kind": kinds,
        "scan_p50_ms": round(statistics.median(by_scan), 3),
        "scan_to_index_ratio": round(statistics.median(by_scan) / statistics.median(by_index), 2),
        "cpu_scan_to_index_ratio": round(
            statistics.median(scan for _, scan in cpu) / statistics.median(index for index, _ in cpu), 2
        ),
        "wrong_hits": wrong,
        "missed_hits": missed,
    }


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: p50_ms, p95_ms, scan_to_index_ratio (medians), wrong_hits, missed_hits (up to the limit of a page)."""
    work = Path(tempfile.mkdtemp(prefix="bench-search-"))
    try:
        instance = synthetic.searchable(work / "i", arguments.customers)
        return {"customers": arguments.customers, **measure(serve.open_published(instance))}
    finally:
        shutil.rmtree(work, ignore_errors=True)
