"""Identity: the matcher against Splink on the same records in the same run, increments, golden ids, the demo's truth.

`--records` synthetic records of four systems; the demo has 2,000 customers. Seconds are of identity alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from bench import organisations
from bench.measure import ROOT, Stopwatch, child
from data.demo.company import generate
from model import build, build_delta, staging, warehouse
from model.identity import cluster, customers, golden, match_build, match_train, metrics
from model.identity.frames import fetch
from model.identity.match_model import Matcher
from model.identity.match_records import matchable
from model.identity.matching import contact
from model.identity.matching.prepare import prepare
from model.identity.names.facts import facts
from model.identity.names.parse import parse_name
from model.identity.names.spelling import pinyin
from ops import clock
from ops.instance import Instance, InstanceConfig, SourceConfig
from run import demo

NEW_RECORDS = 1_000
SPLINK = ROOT / ".cache/splink"
_COMPARED = ("core", "trade", "tax", "phone", "email", "domain", "street", "number", "city")
_ROLES = {"crm": "crm", "erp": "erp", "service": "tickets", "web": "files"}
_SYSTEMS = {"salesforce": "crm", "kingdee": "erp", "zendesk": "service"}


def _splink_python() -> str:
    """The interpreter of Splink's own environment, made on first use."""
    python = SPLINK / "bin/python"
    if not (SPLINK / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(SPLINK)], check=True)
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", "bench/splink-requirements.txt"]
        subprocess.run([str(python), *install], cwd=ROOT, check=True, stdout=sys.stderr)
        (SPLINK / ".ready").touch()
    return str(python)


def _instance(home: Path) -> Instance:
    sources = [SourceConfig(name=name, connector="template", role=role) for name, role in _ROLES.items()]  # type: ignore[arg-type]
    return Instance.create(home, InstanceConfig(company="Benchmark", source=sources))


def _stage(instance: Instance, records: pl.DataFrame) -> None:
    """Put `records` into staging as one collection would."""
    with staging.open_warehouse(instance) as con:
        con.register("landed", records.drop("truth").to_arrow())
        at = f"timestamptz '{clock.now().isoformat()}'"
        con.execute(f"""
            insert into staging.customer by name
            select *, {at} as seen_from, {at} as entered_at, false as is_deleted, '1' as run_id, '' as hash from landed
        """)
        con.execute(f"insert into meta.changes select 'customer', source, source_id, {at} from landed")


def _against_splink(frame: pl.DataFrame, matcher: Matcher, work: Path) -> dict[str, object]:
    """ratio_to_splink and the parts of both sides; training counts on neither."""
    watch = Stopwatch()
    records = matchable(frame)
    prepared = prepare(records)
    named = watch.read()
    con = duckdb.connect()
    con.execute("attach ':memory:' as warehouse")
    con.execute("use warehouse")
    warehouse.prepare(con)
    con.execute((warehouse.ROOM / "identity/schema.sql").read_text(encoding="utf-8"))
    build_delta.attach(con)
    watch = Stopwatch()
    pairs = match_build.match_prepared(con, matcher, records, prepared)
    rows = records.select("source", "source_id", "record").with_row_index("row")
    rows = rows.with_columns(pl.col("row").cast(pl.Int64))
    matched = pairs
    for side in ("left", "right"):
        on = rows.select("record", pl.col("row").alias(side))
        matched = matched.join(on, left_on=f"{side}_record", right_on="record")
    none = pl.DataFrame(schema={"left": pl.Int64, "right": pl.Int64, "rule": pl.String, "evidence": pl.String})
    nothing = pl.DataFrame(schema={"row": pl.Int64, "kind": pl.String, "value": pl.String})
    blank = pl.lit(None, dtype=pl.String)
    known = rows.with_columns(role=pl.lit("crm"), code=blank, clean_name=blank)
    found = cluster.resolve(known, nothing, none, none, matched, matcher.parameters.duplicate_free)
    ours = watch.read()
    con.close()
    file = work / "prepared.parquet"
    prepared.frame.select(pl.col("row").alias("unique_id"), *_COMPARED).write_parquet(file)
    labels = found.members.sort("row")["cluster"].to_numpy()
    truth = records.join(frame, on=["source", "source_id"], maintain_order="left")["truth"].rank("dense").to_numpy()
    del prepared, pairs, matched
    theirs, _, output = child(["bench/identity_splink.py", str(file)], _splink_python())
    parts = json.loads(output.strip().splitlines()[-2])
    matching = "blocking+scoring+vetoes+clustering"
    return {
        "ratio_to_splink": round(ours[0] / theirs, 3),
        "ratio_to_splink_cpu": round(ours[1] / parts["cpu"], 3),
        "seconds": {"names": round(named[0], 3), matching: round(ours[0], 3)},
        "cpu_seconds": {"names": round(named[1], 3), matching: round(ours[1], 3)},
        "splink_seconds": parts,
        "cluster_f1": round(metrics.agreement(labels, truth)["cluster"]["f1"], 4),
    }


def _resolved(instance: Instance, matcher: Matcher, *, whole: bool) -> tuple[float, float]:
    """Seconds, by the clock and of processor time, that identity takes over what is staged, golden ids included."""
    con = warehouse.connect(warehouse.warehouse_path(instance.warehouse))
    try:
        build_delta.attach(con)
        entities = build_delta.take_changes(con)
        for known in (parse_name, facts, pinyin, contact.phone, contact.address):
            known.cache_clear()  # what an earlier build of this process read is no gain of this one
        watch = Stopwatch()
        if whole:
            customers.resolve_all(con, instance.store, matcher)
        else:
            customers.resolve_changed(con, instance.store, entities, 0, matcher)
        return watch.read()
    finally:
        con.close()


def _churn(instance: Instance, before: pl.DataFrame) -> int:
    """Records of `before` with another golden id now, those apart whose customer has a new record."""
    now = golden.read_registry(instance.store, "customer")
    joined = now.join(before, on=["source", "source_id"], how="anti").select("golden_key").unique()
    left = now.join(joined, on="golden_key", how="anti").join(
        before.select("source", "source_id"), on=["source", "source_id"]
    )
    return len(left) - len(left.join(before, on=["source", "source_id", "golden_key"], how="semi"))


def _growing(instance: Instance, matcher: Matcher, records: int) -> dict[str, object]:
    """Increments against a full run, and whether golden ids stay."""
    build.build(instance, full=True, stage=False, release=False)
    registered = golden.read_registry(instance.store, "customer")
    _say("built")
    full = _resolved(instance, matcher, whole=True)
    unchanged = _churn(instance, registered)
    new = organisations.generate(NEW_RECORDS, first=10_000_000)
    _stage(instance, new)
    small = _resolved(instance, matcher, whole=False)
    build.build(instance, stage=False, release=False)
    _say(f"full {full[0]:.1f} s, {NEW_RECORDS} new records {small[0]:.2f} s")
    _stage(instance, organisations.generate(max(1, records // 100), first=20_000_000))
    build.build(instance, stage=False, release=False)
    return {
        "full_seconds": round(full[0], 3),
        "incremental_seconds": round(small[0], 3),
        "full_cpu_seconds": round(full[1], 3),
        "incremental_cpu_seconds": round(small[1], 3),
        "incremental_to_full_ratio": round(small[0] / full[0], 4),
        "incremental_to_full_cpu_ratio": round(small[1] / full[1], 4),
        "unchanged_rerun_churn": unchanged,
        "churn_untouched": _churn(instance, registered),
    }


def _ids(work: Path, frame: pl.DataFrame) -> float:
    """Seconds to give every organisation its golden id for the first time."""
    instance = _instance(work / "ids")
    members = frame.select("source", "source_id", cluster=pl.col("truth").rank("dense").cast(pl.Int64))
    empty = golden.read_registry(instance.store, "customer")
    started = time.perf_counter()
    golden.assign(instance.store, "customer", members, empty)
    seconds = time.perf_counter() - started
    instance.store.close()
    return seconds


def demo_figures(instance: Instance, truth: list[dict[str, object]]) -> dict[str, object]:
    """demo_cluster_f1, demo_auto_precision and demo_wrong_merges_top_200 of a built demo instance."""
    con = warehouse.connect(warehouse.warehouse_path(instance.warehouse), read_only=True)
    try:
        found = fetch(con, "select source, source_id, customer_key from identity.customer_crosswalk")
        codes = fetch(con, "select distinct code, source_id from staging.customer where source = 'erp'")
        pairs = fetch(con, "select * from identity.match_pair where band = 'auto'")
        money = fetch(con, "select customer_key, sum(gross_amount) as amount from core.fct_invoice group by 1")
    finally:
        con.close()
    of_code = defaultdict(list)
    for code, source_id in codes.iter_rows():
        of_code[code].append(source_id)
    rows = [
        (_SYSTEMS[system], source_id, str(entity["truth_id"]))
        for entity in truth
        for system, keys in entity["records"].items()  # type: ignore[attr-defined]
        if system in _SYSTEMS
        for key in keys
        for source_id in (of_code[key] if system == "kingdee" else [str(key)])
    ]
    known = pl.DataFrame(rows, schema=["source", "source_id", "truth"], orient="row")
    both = found.join(known, on=["source", "source_id"])
    labels = [both[name].rank("dense").to_numpy() for name in ("customer_key", "truth")]
    for side in ("left", "right"):
        other = known.rename({"truth": f"{side}_truth"})
        pairs = pairs.join(other, left_on=[f"{side}_source", f"{side}_id"], right_on=["source", "source_id"])
    top = money.sort("amount", descending=True).filter(pl.col("customer_key") != customers.UNKNOWN).head(200)
    mixed = both.join(top, on="customer_key").group_by("customer_key").agg(n=pl.col("truth").n_unique())
    return {
        "demo_records": len(both),
        "demo_cluster_f1": round(metrics.agreement(*labels)["cluster"]["f1"], 4),
        "demo_auto_precision": round(float(np.mean((pairs["left_truth"] == pairs["right_truth"]).to_numpy())), 6),
        "demo_wrong_merges_top_200": int((mixed["n"] > 1).sum()),
    }


def run(arguments: argparse.Namespace) -> dict[str, object]:
    """Figures: see the keys; ratios of seconds, numbers of records whose golden id changed, shares."""
    work = Path(tempfile.mkdtemp(prefix="bench-identity-"))
    try:
        frame = organisations.generate(arguments.records)
        instance = _instance(work / "i")
        _stage(instance, frame)
        matcher = match_train.train(instance)
        if matcher is None:
            raise RuntimeError("nothing to train on")
        _say(f"trained: {matcher.version}")
        result: dict[str, object] = {"records": arguments.records}
        result |= _against_splink(frame, matcher, work)
        _say(f"ratio to Splink {result['ratio_to_splink']}")
        result["seconds"] |= {"ids": round(_ids(work, frame), 3)}  # type: ignore[operator]
        result |= _growing(instance, matcher, arguments.records)
        instance.store.close()
        shown = demo.prepare(work / "demo", arguments.customers)
        company = generate(arguments.customers, 20260101, 36, today=clock.today(shown.config.zone))
        result |= demo_figures(shown, company.truth["clusters"])
        shown.store.close()
        return result
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
