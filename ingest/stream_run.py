"""One run of one stream: its passes, page by page, into landing; resumable at any page.

Passes: the window (or everything), further filters to re-read, the vendor's feed of deletes, the sweep of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ingest import absorbed, cursor, landing, landing_remote, shifted
from ingest.documents import digest, find, text_of
from ingest.errors import ContractError, CursorExpired, PlaceExpired, SpanTooLong, StreamRefused
from ingest.halving import halve
from ingest.hooks import Call
from ingest.http import SourceClient
from ingest.index import Index
from ingest.passes import settle_listed
from ingest.reader import Reader
from ingest.spec import StreamSpec
from ingest.stopping import Stopped, Wish
from ingest.sweeping import settle_missing
from ingest.writing import Batch, Outcome, Writing
from ops import clock
from ops.store import Store, unstamp

FLUSH_EVERY_S = 5.0
PassKind = Literal["window", "reread", "left", "feed", "gone", "sweep"]
_IDS_AT_ONCE = 200
_TIMES_ANEW = 3
_WEEK_H = 168


class StreamRun:
    """Collects one stream once. `run` may be called again after an error or a kill: it goes on where it was."""

    def __init__(
        self,
        client: SourceClient,
        stream: StreamSpec,
        store: Store,
        root: Path,
        *,
        full: bool = False,
        watch: landing.Watch | None = None,
        wish: Wish | None = None,
    ) -> None:
        self.wish = wish
        self.client, self.stream, self.store, self.root = client, stream, store, root
        self.source, self.full = client.source.name, full
        landing_remote.refresh(root, self.source, stream.name)
        self.committed = cursor.read_cursor(store, self.source, stream.name)
        self._recover_cursor()
        self.index = Index(root, self.source, stream.name)
        self.writer, self.state = self._open()
        self.writer.watch = watch
        received, landed, deleted = self.state.get("counts", (0, 0, 0))
        self.outcome = Outcome(self.writer.run_id, received, landed, deleted, self.state["warnings"])
        self.writing = Writing(stream, self.writer, self.index, self.outcome, self.state.setdefault("merges", []))

    def _recover_cursor(self) -> None:
        """A kill between manifest and cursor: the manifest knows the position. Landing gone: begin anew."""
        runs = landing.runs(self.root, self.source, self.stream.name, self.committed.get("run_id"))
        if runs:
            facts = landing.manifest(self.root, self.source, self.stream.name, runs[-1])
            cursor.write_cursor(self.store, self.source, self.stream.name, facts["cursor"], runs[-1])
            self.committed = {**facts["cursor"], "run_id": runs[-1]}
        elif self.committed.get("run_id") and not landing.runs(self.root, self.source, self.stream.name):
            self.committed = {}

    def _open(self) -> tuple[landing.RunWriter, dict[str, Any]]:
        left = landing.RunWriter.unfinished(self.root, self.source, self.stream.name)
        if left and self._may_resume(left.progress):
            self.index.begin(left.frames(), keep_seen=True)
            return left, left.progress
        if left:
            left.discard()
        self.index.begin()
        run_id = landing.new_run_id(self.root, self.source, self.stream.name)
        return landing.RunWriter(self.root, self.source, self.stream.name, run_id), self._fresh()

    def _may_resume(self, state: dict[str, Any]) -> bool:
        age = (clock.now() - unstamp(state["started_at"])).total_seconds()
        same = state["spec"] == _mark(self.stream) and state["base"] == self.committed.get("run_id")
        return same and 0 <= age <= self.client.spec.http.max_age_s and not (self.full and not state["full"])

    def _fresh(self) -> dict[str, Any]:
        blind = bool(self.stream.incremental.by_id) and not self.index.is_watching
        full = self.full or blind or bool(self.committed.get("full")) or not self.committed or self._full_is_due()
        watermark = None if full else self.committed.get("watermark")
        window = cursor.next_window(self.stream.incremental, watermark, self.client.server_offset)
        return {
            "spec": _mark(self.stream),
            "base": self.committed.get("run_id"),
            "started_at": clock.now().isoformat(),
            "window": window.to_json(),
            "full": full,
            "token": None if full else self.committed.get("token"),
            "settle": bool(self.committed.get("settle")) or (full and self._gives_up_token()),
            "passes": self._passes(full),
            "pass": 0,
            "page": None,
            "warnings": [],
        }

    def _passes(self, full: bool) -> list[dict[str, Any]]:
        spec, deletes = self.stream.incremental, self.stream.deletes
        main = spec.full if full and spec.full is not None else spec.filter
        passes: list[dict[str, Any]] = [{"kind": "window", "filter": main}]
        if not full or spec.by_id:
            passes += [{"kind": "reread", "filter": text} for text in spec.reread]
        if spec.by_id:
            passes.append({"kind": "left", "filter": spec.by_id})
        if deletes.type == "feed" and self.committed:
            passes.append({"kind": "feed", "filter": ""})
        if self.committed:
            passed = self.committed.get("passed", {})
            due = [n for n, one in enumerate(deletes.passes) if _is_due(passed.get(str(n)), one.every_h)]
            passes += [{"kind": "gone", "filter": "", "place": place} for place in due]
        if deletes.type == "sweep" and self.committed and self._sweep_is_due():
            passes.append({"kind": "sweep", "filter": spec.full or "" if deletes.filter is None else deletes.filter})
        return passes

    def _gives_up_token(self) -> bool:
        """Whether a full read replaces a cursor that would have told of deletions: only missing shows them."""
        return self.stream.incremental.type == "token" and bool(self.committed.get("token"))

    def _sweep_is_due(self) -> bool:
        return self.full or _is_due(self.committed.get("swept_at"), self.stream.deletes.every_h)

    def _full_is_due(self) -> bool:
        hours = self.stream.incremental.full_every_h
        return hours > 0 and _is_due(self.committed.get("full_at"), hours)

    def run(self) -> Outcome:
        """Collect, commit, and tell what happened. The state survives any error; the index is closed.

        An optional stream that the source refuses keeps its position, so that a right given later finds everything.
        """
        try:
            reader = self._reader()
            while self.state["pass"] < len(self.state["passes"]):
                self._one_pass(reader, self.state["passes"][self.state["pass"]])
            return self._commit()
        except StreamRefused as refused:
            if not self.stream.optional:
                raise
            self.outcome.warnings.append(str(refused))
            return self.outcome
        finally:
            self.index.close()
            self.writer.close()

    def _reader(self) -> Reader:
        window = cursor.Window.from_json(self.state["window"])
        call = Call(
            self.source,
            self.client.settings,
            self.client.spec,
            self.client,
            self.root.parent,
            self.stream,
            window,
            full=self.state["full"],
            token=self.state["token"],
            warnings=self.outcome.warnings,
        )
        hooks = self.client.hooks
        if hooks.prepare:
            call.prepared = hooks.prepare(call)
        if hooks.record:
            self.writing.shape = partial(hooks.record, call)
        return Reader(self.client, self.stream, window, call, self.root, self.committed, self.state)

    def _one_pass(self, reader: Reader, step: dict[str, Any]) -> None:
        last = clock.monotonic()
        for batch in self._batches(reader, step):
            self._take(step, batch, self._lists_all(step))
            if step["kind"] == "gone":
                zone, offset = reader.zone(), self.client.server_offset
                shifted.note(self.stream, self.state, self.committed, batch.records, zone, offset)
            self.state["page"] = batch.after
            if batch.token:
                self.state["token"] = batch.token
            if self.writer.is_full or clock.monotonic() - last >= FLUSH_EVERY_S:
                self._save()
                last = clock.monotonic()
            self._heed()
        if step["kind"] == "gone":
            settle_listed(self.stream, self.index, self.writing, self.outcome, self.state.pop("listed", []))
            self.state.setdefault("passed", {})[str(step["place"])] = clock.now().isoformat()
        if (self._lists_all(step) and not step.get("is_part")) or step["kind"] == "sweep":
            self.state["suspected"] = settle_missing(self.stream, self.index, self.writing, self.outcome)
            self.state["swept_at"] = clock.now().isoformat()
            is_sweep = step["kind"] == "sweep"  # a window has read what it lists
            is_lacking = is_sweep and self.index.settle_strangers(again=_is_due(self.committed.get("full_at"), _WEEK_H))
            is_back = is_sweep and self._has_returned()
            if is_lacking or is_back or (self.state["settle"] and self.state["suspected"]):
                self.state["full_next"] = True
        self.state["pass"] += 1
        self.state["page"] = None
        self._save()

    def _heed(self) -> None:
        """Stopped when somebody has asked for it, with all that was read kept."""
        if self.wish is None:
            return
        try:
            self.wish.heed()
        except Stopped:
            self._save()
            raise

    def _has_returned(self) -> bool:
        """Whether a record known as deleted is listed again; one that names its survivor may be listed still."""
        returned, merges = set(self.index.returned()), self.stream.merges
        if returned and merges and merges.on == "loser":
            returned -= {loser for loser, _ in absorbed.told(self.root, self.source, self.stream.name)}
        return bool(returned)

    def _has_passes(self) -> bool:
        return any(step["kind"] == "gone" for step in self.state["passes"])

    def _lists_all(self, step: dict[str, Any]) -> bool:
        return step["kind"] == "window" and (self.stream.deletes.type == "full" or bool(self.state["settle"]))

    def _batches(self, reader: Reader, step: dict[str, Any]) -> Iterator[Batch]:
        """The pass's batches. A server's cursor that has expired is given up for one reading of everything; a span that
        is too long for the server is halved, and the other half becomes a pass of its own."""
        try:
            yield from self._from_place(reader, step)
        except SpanTooLong as error:
            if (first := halve(self.state, step)) is None:
                raise
            self.outcome.warnings.append(f"asked in halves, up to {first.end:%Y-%m-%d %H:%M:%S} first: {error.what}")
            yield from self._batches(reader, step)
        except CursorExpired as expired:
            if self.state["full"] and not self.state["page"]:
                raise
            self._give_up_cursor(step, expired)
            yield from self._reader().batches(step, None)

    def _give_up_cursor(self, step: dict[str, Any], expired: CursorExpired) -> None:
        """What was deleted while the cursor was lost shows only as missing: everything listed now settles that."""
        self.outcome.warnings.append(f"the server's cursor has expired, everything is read again: {expired.what}")
        spec = self.stream.incremental
        fresh = text_of(find(expired.payload, spec.path)) if spec.path and expired.payload is not None else ""
        step["filter"] = spec.filter if spec.full is None else spec.full
        self.state.update(token=None, next_token=fresh or None, full=True, settle=True, page=None)
        window = cursor.next_window(spec, None, self.client.server_offset)
        self.state["window"] = [window.to_json()[0], self.state["window"][1]]

    def _from_place(self, reader: Reader, step: dict[str, Any]) -> Iterator[Batch]:
        """A place that is no longer valid (an expired locator) begins the pass anew."""
        if step["kind"] == "left":
            yield from self._left(reader, step)
            return
        too_long = () if step["kind"] == "window" else (SpanTooLong,)  # a list without a span has no halves
        if self.state["page"] is not None:
            try:
                yield from reader.batches(step, self.state["page"])
            except CursorExpired:
                raise
            except (ContractError, StreamRefused, *too_long) as error:
                self.outcome.warnings.append(f"the pass was begun anew: {error.what}")
            else:
                return
        for _ in range(_TIMES_ANEW):
            try:
                yield from reader.batches(step, None)
            except (PlaceExpired, *too_long) as error:
                self.outcome.warnings.append(f"the pass was begun anew: {error.what}")
            else:
                return
        yield from reader.batches(step, None)

    def _left(self, reader: Reader, step: dict[str, Any]) -> Iterator[Batch]:
        """What left the re-read filters since last time: its last state must be read too, stamp or no stamp."""
        first_parts = sorted({row_id.partition(":")[0] for row_id in self.index.left()})
        for start in range(0, len(first_parts), _IDS_AT_ONCE):
            ids = ",".join(first_parts[start : start + _IDS_AT_ONCE])
            for batch in reader.batches({**step, "ids": ids}, None):
                batch.after = None
                yield batch

    def _take(self, step: dict[str, Any], batch: Batch, lists_all: bool) -> None:
        kind: PassKind = step["kind"]
        if kind == "gone":
            place = self.stream.deletes.passes[step["place"]].id
            name = self.writing.identify if not place else (lambda record: text_of(find(record, place)))
            self.state.setdefault("listed", []).extend(self.writing.living(name(record) for record in batch.records))
        elif kind == "sweep":
            self.index.see(self.writing.identify(record) for record in batch.records)
        elif kind == "feed":
            self.writing.bury(str(find(record, self.stream.deletes.id or "id")) for record in batch.records)
        else:
            ids = self.writing.add(batch)
            if lists_all or self._has_passes():
                self.index.see(ids)
            if kind == "reread":
                self.index.watch(ids)

    def _save(self) -> None:
        self.state["behind_s"] = self._behind().total_seconds()
        self.state["counts"] = [self.outcome.received, self.outcome.landed, self.outcome.deleted]
        self.writing.save(self.state)

    def _behind(self) -> timedelta:
        """How far the server's clock was behind ours in this run, also before a kill."""
        return min(self.client.server_offset, timedelta(seconds=self.state.get("behind_s", 0.0)))

    def _hold_volume(self) -> None:
        """ContractError, and nothing kept, when the run brought more or a full read fewer rows than the spec allows."""
        least, most = self.stream.assertions.min_rows, self.stream.assertions.max_rows
        if self.state["full"] and self.index.alive() + self.writer.rows < least:
            self.writer.discard()
            raise ContractError(
                f"{self.source}/{self.stream.name}: a full read brought {self.writer.rows} rows",
                valid=f"at least {least} (assertions.min_rows)",
                remedy="a missing permission looks like this: check the integration user's rights",
            )
        if most is not None and self.outcome.received > most:
            self.writer.discard()
            raise ContractError(
                f"{self.source}/{self.stream.name}: a run brought {self.outcome.received} rows",
                valid=f"at most {most} (assertions.max_rows)",
                remedy="a filter that the source ignores looks like this; raise the limit if the source has grown",
            )

    def _commit(self) -> Outcome:
        if self.stream.merges and self.stream.merges.on == "survivor":
            self._end_absorbed()
        position = self._position()
        suspected = self.state.get("suspected")
        watched = bool(self.stream.incremental.by_id)
        self._hold_volume()
        if self.writer.rows or suspected:
            facts = {
                "source": self.source,
                "stream": self.stream.name,
                "window": self.state["window"],
                "full": self.state["full"],
                "merges": self.writing.merges,
                "suspected": suspected,
                "cursor": position,
            }
            self.writer.commit(facts)
            self.index.commit(self.writer.run_id, suspected, watched=watched)
        else:
            self.index.commit(self.committed.get("run_id", ""), suspected, watched=watched)
            self.writer.discard()
        cursor.write_cursor(self.store, self.source, self.stream.name, position, self._base())
        return self.outcome

    def _end_absorbed(self) -> None:
        rows = absorbed.endings(self.root, self.source, self.stream.name, self.writing.merges, self.index)
        if rows:
            self.writing.end(rows)
            self._save()

    def _base(self) -> str:
        runs = landing.runs(self.root, self.source, self.stream.name)
        return runs[-1] if runs else ""

    def _position(self) -> dict[str, Any]:
        settled = cursor.settled_until(
            cursor.Window.from_json(self.state["window"]),
            self.stream.incremental,
            unstamp(self.state["started_at"]),
            self._behind(),
        )
        position = {
            "watermark": settled.isoformat(),
            "token": self.state["token"] or self.state.get("next_token"),
            "full_at": self.state["started_at"] if self.state["full"] else self.committed.get("full_at"),
            "passed": {**self.committed.get("passed", {}), **self.state.get("passed", {})} or None,
            "parent_run": self.state.get("parent_run", self.committed.get("parent_run")),
            "swept_at": self.state.get("swept_at", self.committed.get("swept_at")),
            "full": self.state.get("full_next", False),
            "settle": bool(self.state["settle"] and self.state.get("full_next")),
        }
        position |= shifted.position(self.stream, self.state, self.committed)
        return {key: value for key, value in position.items() if value not in (None, False)}


def _is_due(last: str | None, every_h: float) -> bool:
    return not last or clock.now() - datetime.fromisoformat(last) >= timedelta(hours=every_h)


def _mark(stream: StreamSpec) -> str:
    return digest(stream.model_dump_json().encode())[:16]
