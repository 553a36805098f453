"""Trying a source without landing anything: sign-in, then the first page of each stream."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from ingest import landing, settings
from ingest.answers import holds
from ingest.cursor import next_window
from ingest.documents import dumps, identify, loads
from ingest.errors import ContractError, LoginError, SourceBusy, SpecError, StreamRefused
from ingest.hooks import load_hooks
from ingest.http import SourceClient
from ingest.reader import Reader
from ingest.spec import SourceSpec, StreamSpec
from ingest.spec_parts import ParentSpec
from ingest.template import render
from ingest.writing import Batch
from ops import clock
from ops.errors import C360Error
from ops.instance import Instance
from ops.leases import lease
from ops.secrets import Redactor

_PROBE_RUN = "00000000T000000000000Z-0000-probe"


@dataclass
class Probe:
    """What one stream answered. state: ok | refused | failed | off (its condition does not hold) | unknown.

    `rows` is what the first page held; unknown means that a substream had no parent to ask for.
    """

    stream: str
    state: str
    rows: int = 0
    seconds: float = 0.0
    message: str | None = None
    remedy: str | None = None


def probe(
    instance: Instance, name: str, stream: str | None = None, *, progress: Callable[[Probe], None] = lambda _p: None
) -> list[Probe]:
    """Sign in to the source `name` and read the first page of each stream (or of one); nothing is kept.

    A fault is in the answer, not raised; after a refused sign-in the rest is not tried. LeaseHeld while the source is
    being collected; FatalError for a source, stream or setting that is wrong.
    """
    source = instance.config.source(name)
    spec = SourceSpec.load(source.connector, instance.config_dir)
    wanted = [spec.stream(stream)] if stream else spec.streams
    if stream and wanted[0].parent:
        wanted = [spec.stream(wanted[0].parent.stream), *wanted]
    redactor = Redactor()
    values = settings.resolve(spec, source, instance.secrets, redactor)
    found: list[Probe] = []
    with lease(instance.store, f"source:{name}"), tempfile.TemporaryDirectory() as place:
        client = SourceClient(
            spec, source, values, load_hooks(spec.folder), secrets_dir=instance.secrets, redactor=redactor,
            loopback_only=instance.config.mode == "demo",
        )  # fmt: skip
        try:
            for one in wanted:
                result = _one(client, one, Path(place), redactor)
                found.append(result)
                progress(result)
                if result.state == "failed" and result.message and result.message.startswith(_NO_LOGIN):
                    break
        finally:
            client.close()
    return found


def told(one: Probe) -> str:
    """What a stream answered, as one line."""
    more = " ".join(filter(None, [one.message, f"To do: {one.remedy}." if one.remedy else None]))
    return f"{one.stream:24} {one.state:8} {one.rows:>6,} rows on the first page" + (f"  {more}" if more else "")


_NO_LOGIN = "sign-in: "


def _one(client: SourceClient, stream: StreamSpec, place: Path, redactor: Redactor) -> Probe:
    result = Probe(stream.name, "ok")
    began = clock.monotonic()
    try:
        if stream.when and not render(stream.when, client.context()):
            result.state = "off"
        else:
            _first_page(client, stream, place, result)
    except StreamRefused as error:
        result.state = "refused" if not stream.optional else "off"
        _explain(result, error, redactor)
    except (LoginError, SpecError) as error:
        result.state = "failed"
        _explain(result, error, redactor)
        result.message = f"{_NO_LOGIN if isinstance(error, LoginError) else ''}{result.message}"
    except (ContractError, SourceBusy, C360Error) as error:
        result.state = "failed"
        _explain(result, error, redactor)
    result.seconds = round(clock.monotonic() - began, 3)
    return result


def _explain(result: Probe, error: C360Error, redactor: Redactor) -> None:
    result.message, result.remedy = redactor.clean(error.what), error.remedy
    if error.valid:
        result.message += f" (valid: {redactor.clean(error.valid)})"


def _first_page(client: SourceClient, stream: StreamSpec, place: Path, result: Probe) -> None:
    window = next_window(stream.incremental, None, client.server_offset)
    call = replace(client.call, stream=stream, window=window, full=True, warnings=[])
    if client.hooks.prepare:
        call.prepared = client.hooks.prepare(call)
    if stream.parent and not landing.runs(place, client.source.name, stream.parent.stream):
        result.state, result.message = "unknown", f"no record of {stream.parent.stream} to ask for"
        return
    state: dict[str, Any] = {"token": None, "full": True}
    reader = Reader(client, stream, window, call, place, {}, state)
    spec = stream.incremental
    step = {"kind": "window", "filter": spec.full if spec.full is not None else spec.filter}
    batches = reader.batches(step, None)
    batch = next(batches, None)
    close = getattr(batches, "close", None)
    if close:
        close()
    result.message = "; ".join([*call.warnings, *state.get("warnings", [])]) or None
    if batch is None:
        return
    result.rows = len(batch.records)
    for record in batch.records[:1]:
        if identify(record, stream.id_paths) is None:
            raise ContractError(
                f"{client.source.name}/{stream.name}: a record has no {stream.id_paths[0]}",
                valid=", ".join(list(record)[:30]),
                remedy="correct the stream's id",
            )
    _keep_parent(client, stream, place, batch)


def _keep_parent(client: SourceClient, stream: StreamSpec, place: Path, batch: Batch) -> None:
    """One record per kind of child that has such children, in a landing that is thrown away."""
    children = [one.parent for one in client.spec.streams if one.parent and one.parent.stream == stream.name]
    documents: Sequence[bytes | str | None] = getattr(batch, "documents", None) or [None] * len(batch.records)
    kept: dict[str, str] = {}
    for child in children:
        for record, document in zip(batch.records, documents, strict=True):
            text = dumps(record) if document is None else document
            row_id = identify(record, stream.id_paths)
            if row_id and _has_children(child, loads(text if isinstance(text, str) else text.decode())):
                kept[row_id] = text if isinstance(text, str) else text.decode()
                break
    if not kept:
        return
    folder = place / client.source.name / stream.name / _PROBE_RUN
    folder.mkdir(parents=True)
    rows = [(row_id, text, "probe", clock.now(), _PROBE_RUN, False, None) for row_id, text in kept.items()]
    pl.DataFrame(rows, schema=landing.SCHEMA, orient="row").write_parquet(folder / "part-00000.parquet")
    part = {"name": "part-00000.parquet", "rows": len(rows)}
    landing.write_json(folder / "manifest.json", {"run_id": _PROBE_RUN, "parts": [part]})


def _has_children(child: ParentSpec, document: Any) -> bool:
    return (not child.where or holds(child.where, document)) and not (child.unless and holds(child.unless, document))
