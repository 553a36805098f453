"""One stream of one source: its landed runs, chunk by chunk, through mapping, quarantine and upsert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import cast

import duckdb
import polars as pl

from ingest import landing
from model import schema
from model.conform import links, paths, quarantine, upsert
from model.conform.compile import Compiled, Compiler, Mapped, apply, reason, wanted
from model.conform.frames import fetched, shown
from model.conform.spec import EntityMapping, Mapping
from ops import clock
from ops.instance import Instance

CHUNK = 100_000
CHUNK_BYTES = 64 * 1024 * 1024
DELETED = "deleted"


@dataclass
class Counts:
    """Documents of a run: landed = deduplicated + staged + unchanged + rejected."""

    landed: int = 0
    deduplicated: int = 0
    staged: int = 0
    unchanged: int = 0
    rejected: int = 0

    def add(self, other: Counts) -> None:
        """Add another run's counts to these."""
        for name in ("landed", "deduplicated", "staged", "unchanged", "rejected"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def _chunks(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Parts of a run, joined to chunks of about CHUNK rows or CHUNK_BYTES so that each costs one pass."""
    held: list[pl.DataFrame] = []
    for frame in frames:
        held.append(frame)
        size = sum(part.estimated_size() for part in held)
        if size >= CHUNK_BYTES or sum(part.height for part in held) >= CHUNK:
            yield pl.concat(held)
            held = []
    if held:
        yield pl.concat(held)


@dataclass
class Made:
    """What one entity table did with a chunk: documents that changed a row, rows it lost, rows it makes."""

    changed: list[str]
    gone: pl.DataFrame
    kept: pl.DataFrame


def _why(column: schema.Column | None, fault: str, where: str | None) -> str:
    text = reason(column, fault) if column else "no id"
    return f"{text} ({where})" if where else text


class StreamJob:
    """One stream of one source, staged run by run."""

    def __init__(
        self,
        instance: Instance,
        con: duckdb.DuckDBPyConnection,
        source: str,
        stream: str,
        mapping: Mapping,
        compiler: Compiler,
    ) -> None:
        self.instance, self.con, self.source, self.stream = instance, con, source, stream
        self.mapping, self.compiler = mapping, compiler
        self.changed: list[pl.DataFrame] = []
        self.entities = [(entity, compiler.compile(entity)) for entity in mapping.of(stream)]

    def run(self, run_id: str) -> Counts:
        """Stage one committed run inside the caller's transaction."""
        counts = Counts()
        offset = 0
        merges = dict(landing.manifest(self.instance.landing, self.source, self.stream, run_id).get("merges") or [])
        for chunk in _chunks(landing.read_run(self.instance.landing, self.source, self.stream, run_id)):
            frame = chunk.with_columns(
                source=pl.lit(self.source),
                stream=pl.lit(self.stream),
                merged_to=pl.col("id").replace_strict(merges, default=None, return_dtype=pl.String),
                ordinal=pl.int_range(offset, offset + chunk.height, dtype=pl.Int64),
            )
            offset += chunk.height
            counts.add(self._chunk(frame, run_id))
        self.con.execute(
            "INSERT INTO meta.staged_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [self.source, self.stream, run_id, *astuple(counts), self.mapping.digest, clock.now()],
        )
        return counts

    def _fresh(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The documents that say something new: the last of each id, unless it equals what is known."""
        is_tomb = pl.col("deleted") & pl.col("document").is_in(["{}", ""])
        marks = frame.select("id", "ordinal", mark=pl.when(is_tomb).then(pl.lit(DELETED)).otherwise("hash"))
        marks = marks.unique("id", keep="last", maintain_order=True)
        place = [self.source, self.stream]
        has_known = self.con.execute(
            "SELECT 1 FROM meta.documents WHERE source = ? AND stream = ? LIMIT 1", place
        ).fetchall()
        if has_known:
            with shown(self.con, marks=marks):
                known = self.con.sql(
                    "SELECT m.id FROM marks AS m JOIN meta.documents AS d ON d.id = m.id AND d.hash = m.mark "
                    "WHERE d.source = ? AND d.stream = ?",
                    params=place,
                )
                marks = marks.join(fetched(known), on="id", how="anti", maintain_order="left")
        with shown(self.con, fresh_marks=marks):
            if has_known:
                self.con.execute(
                    "DELETE FROM meta.documents WHERE source = ? AND stream = ? AND id IN (SELECT id FROM fresh_marks)",
                    place,
                )
            self.con.execute("INSERT INTO meta.documents SELECT ?, ?, id, mark FROM fresh_marks", place)
        if marks.height == frame.height:
            return frame
        return frame.join(marks.select("ordinal"), on="ordinal", how="semi", maintain_order="left")

    def _chunk(self, frame: pl.DataFrame, run_id: str) -> Counts:
        fresh = self._fresh(frame)
        fresh_ids = set(fresh["id"].to_list())
        changed: set[str] = set()
        rejects: list[quarantine.Reject] = []
        is_empty = pl.col("document").is_in(["{}", ""])
        is_sound = not (fresh["document"] == "").any()
        live, tombs = fresh.filter(~is_empty), fresh.filter(pl.col("deleted") & is_empty)
        parts: dict[str, list[Made]] = {}
        for entity, compiled in self.entities:
            mapped, is_json = self._map(entity, compiled, live)
            is_sound = is_sound and is_json
            rejects += self._rejects(entity, mapped)
            parts.setdefault(entity.entity, []).append(self._stage(entity, mapped, tombs, fresh))
        if not is_sound:
            rejects = self._invalid(fresh) + rejects
        for name, made in parts.items():
            # What one table of an entity no longer makes, another may: delete only what none makes.
            gone = pl.concat([part.gone for part in made]).drop_nulls("source_id")
            kept = pl.concat([part.kept for part in made])
            changed |= {row_id for part in made for row_id in part.changed}
            changed |= self._delete(name, gone.join(kept, on="source_id", how="anti"))
        quarantine.record(self.instance.store, self.source, self.stream, run_id, fresh_ids, rejects)
        refused = {reject.record_id for reject in rejects}
        staged = len((changed & fresh_ids) - refused)
        done = frame.height - fresh.height
        return Counts(frame.height, done, staged, fresh.height - staged - len(refused), len(refused))

    def _map(self, entity: EntityMapping, compiled: Compiled, live: pl.DataFrame) -> tuple[Mapped, bool]:
        """The rows of one entity table, and whether every document is JSON."""
        extracted, is_json = paths.extract(
            self.con,
            live,
            wanted(entity, self.mapping.locate),
            explode=entity.explode,
            is_flat=self.mapping.is_flat,
        )
        mapped = apply(extracted.filter("is_valid").sort("ordinal", "position"), entity, compiled)
        hook = self.compiler.frame_hook(entity)
        if hook:
            mapped.rows = cast("pl.DataFrame", hook(mapped.rows))
        return mapped, is_json

    def _rejects(self, entity: EntityMapping, mapped: Mapped) -> list[quarantine.Reject]:
        columns = schema.entity(entity.entity).by_name
        return [
            quarantine.Reject(
                row["id"],
                entity.entity,
                row["field"],
                row["value"],
                _why(columns.get(row["field"]), row["fault"], row["where"]),
                row["hash"],
            )
            for row in mapped.rejects.unique(["id", "field"], keep="first", maintain_order=True).iter_rows(named=True)
        ]

    def _stage(self, entity: EntityMapping, mapped: Mapped, tombs: pl.DataFrame, batch: pl.DataFrame) -> Made:
        """Upsert the rows of one entity table and tell which rows its documents no longer make."""
        rows = mapped.rows.unique("source_id", keep="last", maintain_order=True)
        made = upsert.rows(self.con, entity.entity, self.source, rows, is_monotonic=entity.is_monotonic)
        pairs = pl.concat(
            [mapped.rows.select("id", "source_id"), mapped.rejects.select("id", "source_id").drop_nulls()]
        )
        lost = [mapped.filtered.select(list(links.GONE)), mapped.scrubbed.select(list(links.GONE))]
        if entity.id == "@id" and not entity.explode:
            lost.append(tombs.select("id", pl.col("id").alias("source_id"), "seen_at", "run_id"))
        else:
            names = [other.name for other in self.mapping.entities if other.entity == entity.entity]
            lost.append(links.replace(self.con, self.source, self.stream, entity.name, names, batch, pairs))
        return Made(self._note(entity.entity, made), pl.concat(lost), pairs.select("source_id").unique())

    def _delete(self, entity: str, gone: pl.DataFrame) -> set[str]:
        return set(self._note(entity, upsert.deletions(self.con, entity, self.source, gone)))

    def _note(self, entity: str, made: pl.DataFrame) -> list[str]:
        if made.height:
            named = {"entity": pl.lit(entity), "source": pl.lit(self.source), "source_id": pl.col("source_id")}
            self.changed.append(made.select(**named))
        return made["id"].to_list()

    def take_changed(self) -> list[pl.DataFrame]:
        """The keys changed since the last call (entity, source, source_id), handed over."""
        taken, self.changed = self.changed, []
        return taken

    def _invalid(self, fresh: pl.DataFrame) -> list[quarantine.Reject]:
        with shown(self.con, texts=fresh.select("id", "hash", "document")):
            rows = self.con.execute(
                "SELECT id, hash, left(document, 200) FROM texts WHERE NOT json_valid(document)"
            ).fetchall()
        first = self.entities[0][0].entity
        return [quarantine.Reject(i, first, "document", text, "not a JSON document", h) for i, h, text in rows]
