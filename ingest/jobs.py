"""Queries that the vendor runs by itself: start one, ask until it is done, fetch its file part by part.

    page = { type = "job", job = { … } }      the stream's own call starts the job
    id = "id"                    where the answer to it tells the job's id → {page.job}
    poll = "jobs/{page.job}"     asked every every_s = 5, for at most timeout_s = 7200; poll_method, poll_body as needed
    done = { path, values }      how the answer to poll looks when the file is ready; failed = the same for a failure
    result = "jobs/{page.job}/results"       address of the file, or result_path = its place in the answer to poll
    result_params = { locator = "{page.locator}" }
    locator = "Sforce-Locator"   header that names the next part of the file; absent, empty or "null": this was the last
    format = "jsonl"             or "csv": one record per line; an empty cell is null; a header line repeated is skipped
    hosts = []                   other hosts that the file may lie on, asked without our credentials

A part of the file is held in memory as a whole: choose the part's size by result_params where the vendor allows it.
A killed run goes on with the job that was started, as long as the vendor keeps it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

import httpx

from ingest.answers import Answer, holds
from ingest.documents import dumps, find, identify, loads, text_of
from ingest.errors import ContractError, SourceBusy
from ingest.http import SourceClient
from ingest.slices import Cut, Slicer
from ingest.spec import StreamSpec
from ingest.spec_parts import JobSpec
from ingest.template import render
from ingest.writing import Batch
from ops import clock

_BREAKS = re.compile(rb"\r?\n")


class Lines(Slicer):
    """Cuts a file of one record per line the way ingest.slices cuts an answer."""

    def __init__(self, stream: StreamSpec, form: str) -> None:
        super().__init__(stream)
        self._stream, self._form = stream, form

    def cut(self, body: bytes) -> Cut | None:
        """The records of the file; None when it is not such a file."""
        try:
            rows = list(self._rows(body))
        except (ValueError, csv.Error):
            return None
        ids = [identify(row, self._stream.id_paths) or "" for row in rows]
        drop = self._stream.drop
        documents = [dumps({key: row[key] for key in row if key not in drop}).encode() for row in rows]
        return Cut({}, rows, ids, documents)

    def _rows(self, body: bytes) -> Iterator[dict[str, Any]]:
        if self._form == "jsonl":
            for line in filter(None, map(bytes.strip, _BREAKS.split(body))):
                row = loads(line.decode())
                if not isinstance(row, dict):
                    raise ValueError("a line is no record")  # noqa: TRY004 - a wrong value of the file
                yield row
            return
        reader = csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        names = next(reader, [])
        for cells in reader:
            if cells != names:
                yield {name: cell or None for name, cell in zip(names, cells, strict=True)}


def batches(
    client: SourceClient, stream: StreamSpec, job: JobSpec, context: dict[str, Any], state: Any, where: str
) -> Iterator[Batch]:
    """One batch per part of the job's file, going on from `state` ({job, url, locator}; None starts a job)."""
    place = dict(state) if state else {"job": _start(client, stream, job, context, where)}
    if "url" not in place:
        place["url"] = _wait(client, stream, job, {**context, "page": place}, where)
    cutter = Lines(stream, job.format)
    while place["url"]:
        answer = _fetch(client, stream, job, {**context, "page": place}, cutter)
        if answer.cut is None:
            raise ContractError(f"{where}: the job's file is not {job.format}")
        locator = answer.headers.get(job.locator, "") if job.locator else ""
        is_last = locator in {"", "null"}
        place = {**place, "locator": locator}
        yield Batch(answer.cut.heads, None if is_last else place, documents=answer.cut.documents, ids=answer.cut.ids)
        if is_last:
            return
    yield Batch([])


def _start(client: SourceClient, stream: StreamSpec, job: JobSpec, context: dict[str, Any], where: str) -> str:
    client.auth.ensure()
    context = {**context, **client.context()}
    answer = client.request(
        stream.method,
        str(render(stream.path, context)),
        params=render(stream.params, context),
        body=render(stream.body, context) if stream.method == "POST" else None,
        headers=render(stream.headers, context),
        stream=stream,
    )
    started = text_of(find(answer.payload, job.id))
    if not started:
        raise ContractError(f"{where}: the answer names no job at {job.id}", remedy="correct page.job.id")
    return started


def _wait(client: SourceClient, stream: StreamSpec, job: JobSpec, context: dict[str, Any], where: str) -> str:
    """The address of the file; "" when the job found nothing (a vendor that then gives no file)."""
    waited = 0.0
    while True:
        context = {**context, **client.context()}
        body = render(job.poll_body, context) if job.poll_method == "POST" else None
        answer = client.request(job.poll_method, str(render(job.poll, context)), body=body, stream=stream)
        if holds(job.done, answer.payload):
            found = render(job.result, context) if job.result else find(answer.payload, job.result_path)
            return text_of(found)
        if job.failed and holds(job.failed, answer.payload):
            raise ContractError(
                f"{where}: the vendor's job failed, {text_of(find(answer.payload, job.failed.path))}",
                remedy="the next run starts it again",
            )
        if waited >= job.timeout_s:
            raise SourceBusy(f"{where}: the vendor's job is not done after {waited:.0f} s")
        clock.sleep(job.every_s)
        waited += job.every_s


def _fetch(client: SourceClient, stream: StreamSpec, job: JobSpec, context: dict[str, Any], cutter: Lines) -> Answer:
    url, params = context["page"]["url"], render(job.result_params, context)
    if "://" in url and (httpx.URL(url).host in job.hosts):
        return client.file(url, cutter)
    return client.request("GET", url, params=params, stream=stream, slicer=cutter)
