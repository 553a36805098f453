"""Reading a stream's pages: over HTTP, by the connector's own hook, or once per changed parent."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from ingest import bounds, jobs, landing, paginate
from ingest.ahead import ahead
from ingest.answers import Answer, holds
from ingest.cursor import Window, written
from ingest.database import Ask
from ingest.documents import find, identify, loads, text_of
from ingest.errors import ContractError, StreamRefused
from ingest.halving import span_of
from ingest.hooks import Call
from ingest.http import SourceClient
from ingest.slices import Slicer
from ingest.spec import StreamSpec
from ingest.spec_parts import ParentSpec
from ingest.template import render
from ingest.writing import Batch

_PARENTS_AT_ONCE = 64


class Reader:
    """Yields the batches of one stream run, pass by pass."""

    def __init__(
        self,
        client: SourceClient,
        stream: StreamSpec,
        window: Window,
        call: Call,
        root: Path,
        committed: dict[str, Any],
        state: dict[str, Any],
    ) -> None:
        self.client, self.stream, self.window, self.call, self.root = client, stream, window, call, root
        self.committed, self.state = committed, state
        self.where = f"{client.source.name}/{self.stream.name}"

    def batches(self, step: dict[str, Any], page: Any) -> Iterator[Batch]:
        """Batches of one pass, going on from `page` (None: from the start)."""
        self.call.step = step["kind"]
        if self.stream.parent:
            yield from self._children(self.stream.parent, page)
        elif self.client.spec.connector.kind == "sql":
            yield from self.client.database.batches(self._ask_of(step), page, self.where)
        elif self.client.spec.connector.kind == "files" or self.stream.hook.get("pages"):
            yield from self._hooked(page)
        else:
            yield from self._listed(self._shape(step), step, page)

    def _listed(self, stream: StreamSpec, step: dict[str, Any], page: Any) -> Iterator[Batch]:
        context = self._context(step)
        pages = ahead(self._pages(stream, context, page))
        if stream.assertions.bounded and step["kind"] == "window" and not self.state["full"]:
            return bounds.guarded(pages, stream, span_of(step, self.window), self.zone(), self.where)
        return pages

    def _ask_of(self, step: dict[str, Any]) -> Ask:
        full = bool(self.state["full"])
        warnings = self.state.setdefault("warnings", [])
        return Ask(self.stream, step, self.window, self.zone(), full, self._context(step), warnings)

    def _hooked(self, page: Any) -> Iterator[Batch]:
        pages = self.client.hooks.pages
        if pages is None:
            raise ContractError(f"{self.where}: the connector's hooks.py has no function pages(call, state)")
        for item in pages(self.call, page):
            if isinstance(item, Batch):
                yield item
            else:
                yield Batch(*item) if isinstance(item, tuple) else Batch(item)

    def _shape(self, step: dict[str, Any]) -> StreamSpec:
        """The stream as this pass asks for it."""
        deletes = self.stream.deletes
        if step["kind"] == "gone":
            one = deletes.passes[step["place"]]
            said = {key: value for key in one.model_fields_set if (value := getattr(one, key)) is not None}
            return self.stream.model_copy(
                update={key: value for key, value in said.items() if key not in {"id", "every_h"}}
            )
        if step["kind"] not in {"sweep", "feed"}:
            return self.stream
        return self.stream.model_copy(
            update={
                "method": deletes.method or self.stream.method,
                "path": deletes.path or self.stream.path,
                "params": self.stream.params if deletes.params is None else deletes.params,
                "body": self.stream.body if deletes.body is None else deletes.body,
                "records": self.stream.records if deletes.records is None else deletes.records,
                "page": deletes.page or self.stream.page,
            }
        )

    def _context(self, step: dict[str, Any]) -> dict[str, Any]:
        spec, window, zone = self.stream.incremental, span_of(step, self.window), self.zone()
        has_token = spec.type == "token" and self.state["token"]
        return {
            **self._base(),
            "window": {
                "start": None if has_token else written(window.start, spec.format, zone),
                "end": written(window.end, spec.format, zone, lower=False),
            },
            "cursor": self.state["token"],
            "filter": step["filter"],
            "ids": step.get("ids"),
        }

    def zone(self) -> str:
        """The zone in which the source writes stamps without one."""
        return str(render(self.stream.incremental.zone or self.client.spec.connector.zone, self._base()))

    def _base(self) -> dict[str, Any]:
        return {
            **self.client.context(),
            "prepared": self.call.prepared,
            "fields": ",".join(self.call.prepared.get("fields", self.stream.fields)),
            "stream": self.stream.name,
        }

    def _pages(self, stream: StreamSpec, context: dict[str, Any], page: Any) -> Iterator[Batch]:
        if stream.page.job:
            yield from jobs.batches(self.client, stream, stream.page.job, context, page, self.where)
            return
        state: paginate.State | None = page or paginate.first(stream.page)
        slicer = Slicer.of(stream, self.client.hooks)
        while state is not None:
            answer = self._ask(stream, context, state, slicer)
            if answer.cut:
                records, ids = answer.cut.heads, answer.cut.ids
            else:
                records = self._records(stream, answer.payload)
                ids = [identify(record, stream.id_paths) or "" for record in records]
            state = paginate.following(stream.page, state, answer, records, ids, self.where)
            token = find(answer.payload, stream.incremental.path) if stream.incremental.path else None
            batch = Batch(records, state, text_of(token) or None)
            if answer.cut:
                batch.documents, batch.ids = answer.cut.documents, ids
            yield batch

    def _ask(self, stream: StreamSpec, context: dict[str, Any], state: paginate.State, slicer: Slicer | None) -> Answer:
        context = {**context, **self.client.context(), "page": state}
        if state.get("from") is not None:
            context["window"] = {**context["window"], "start": state["from"]}
        if state.get("url"):
            return self.client.request(
                stream.method, state["url"], headers=render(stream.headers, context), stream=stream, slicer=slicer
            )
        params, body = stream.params, stream.body
        if state.get("tie"):
            params = {**params, **stream.page.tie.get("params", {})}
            body = _merged(body, stream.page.tie.get("body", {}))
            context["filter"] = stream.page.tie.get("filter", context["filter"])
        self.client.auth.ensure()
        context |= self.client.context()
        return self.client.request(
            stream.method,
            str(render(stream.path, context)),
            params=render(params, context),
            body=render(body, context) if stream.method == "POST" else None,
            headers=render(stream.headers, context),
            stream=stream,
            slicer=slicer,
        )

    def _records(self, stream: StreamSpec, payload: Any) -> list[dict[str, Any]]:
        if payload is None:
            return []
        if self.client.hooks.records:
            return self.client.hooks.records(replace(self.call, stream=stream), payload)
        found = find(payload, stream.records)
        if found is None:
            if isinstance(payload, dict) and _has(payload, stream.records):
                return []
            valid = ", ".join(list(payload)[:20]) if isinstance(payload, dict) else type(payload).__name__
            raise ContractError(f"{self.where}: the answer has no {stream.records!r}", valid=valid)
        rows = [found] if isinstance(found, dict) else found
        if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
            raise ContractError(f"{self.where}: {stream.records or 'the answer'} is not a list of records")
        return rows

    def _children(self, parent: ParentSpec, page: Any) -> Iterator[Batch]:
        parents = self._parents(parent)
        done = int(page["done"]) if page else 0
        with ThreadPoolExecutor(self.client.spec.http.concurrency) as pool:
            for start in range(done, parents.height, _PARENTS_AT_ONCE):
                chunk = parents.slice(start, _PARENTS_AT_ONCE).rows()
                for place, batch in enumerate(pool.map(partial(self.of_parent, parent), chunk), start + 1):
                    batch.after = {"done": place}
                    yield batch

    def _parents(self, parent: ParentSpec) -> pl.DataFrame:
        """(id, document, deleted) of the parents that changed since the last run, newest state, ordered by id."""
        after = None if self.state["full"] or parent.every_run else self.committed.get("parent_run")
        upto = self.state.get("parent_run")
        frames = []
        for run_id in landing.runs(self.root, self.client.source.name, parent.stream, after):
            if upto and run_id > upto:
                break
            frames += list(landing.read_run(self.root, self.client.source.name, parent.stream, run_id))
            self.state["parent_run"] = run_id
        if not frames:
            return pl.DataFrame(schema={"id": pl.Utf8, "document": pl.Utf8, "deleted": pl.Boolean})
        rows = pl.concat(frames).select("id", "document", "deleted")
        return rows.unique("id", keep="last", maintain_order=True).sort("id")

    def of_parent(self, parent: ParentSpec, row: tuple[str, str, bool]) -> Batch:
        """The living children of one parent (id, document, deleted)."""
        parent_id, text, gone = row
        document = loads(text)
        wanted = (not parent.where or holds(parent.where, document)) and not (
            parent.unless and holds(parent.unless, document)
        )
        if gone or not wanted:
            return Batch([], parent_id=parent_id)
        if parent.records is not None:
            return Batch(find(document, parent.records) or [], parent_id=parent_id)
        context = {**self._context({"filter": ""}), "parent": document, "parent_id": parent_id}
        try:
            pages = list(self._pages(self.stream, context, None))
        except StreamRefused:
            return Batch([], parent_id=parent_id)
        return Batch.joined(pages, parent_id)


def _merged(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both = dict(left)
    for key, value in right.items():
        inner = both.get(key)
        both[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def _has(payload: dict[str, Any], path: str) -> bool:
    head, _, last = path.rpartition(".")
    holder = find(payload, head)
    return isinstance(holder, dict) and last in holder
