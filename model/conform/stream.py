"""One stream of one source: its landed runs, chunk by chunk, through mapping, quarantine and upsert."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from pathlib import Path

import duckdb
import polars as pl

from ingest import landing
from model import schema, staging
from model.conform import links, quarantine, upsert
from model.conform.compile import Mapped, reason
from model.conform.early import Early, Ready
from model.conform.frames import fetched, shown
from model.conform.mapper import Mapper
from model.conform.pieces import Piece, pieces
from model.conform.spec import EntityMapping
from ops import clock
from ops.instance import Instance

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


@dataclass
class Made:
    """What one entity table did with a chunk: documents that changed a row, rows it lost, rows it makes."""

    changed: pl.Series
    gone: pl.DataFrame
    kept: pl.DataFrame


def _why(column: schema.Column | None, fault: str, where: str | None) -> str:
    text = reason(column, fault) if column else "no id"
    return f"{text} ({where})" if where else text


def _count(ids: pl.Series, changed: list[pl.Series], refused: set[str]) -> int:
    """How many of the distinct `ids` are among `changed` and not refused."""
    if not changed:
        return 0
    found = pl.concat(changed).unique()
    sound = found.filter(~found.is_in(list(refused))) if refused else found
    return pl.DataFrame({"id": ids}).join(pl.DataFrame({"id": sound}), on="id", how="semi").height


class StreamJob:
    """One stream of one source, staged run by run."""

    def __init__(
        self, instance: Instance, con: duckdb.DuckDBPyConnection, mapper: Mapper, early: Early | None = None
    ) -> None:
        self.instance, self.con, self.mapper, self.early = instance, con, mapper, early
        self.source, self.stream, self.mapping = mapper.source, mapper.stream, mapper.mapping

    def run(self, run_id: str) -> Counts:
        """Stage one committed run inside the caller's transaction."""
        counts = Counts()
        facts = landing.manifest(self.instance.landing, self.source, self.stream, run_id)
        merges = dict(facts.get("merges") or [])
        files = landing.parts(self.instance.landing, self.source, self.stream, run_id)
        for piece in pieces(files, self._nothing if merges else self._early):
            counts.add(self._piece(piece, run_id, merges))
            del piece  # before the next one is read
            staging.spare(self.con)
        self.con.execute(
            "INSERT INTO meta.staged_runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [self.source, self.stream, run_id, *astuple(counts), self.mapper.digest, clock.now()],
        )
        return counts

    def _early(self, path: Path) -> Ready | None:
        return self.early.ready(path, self.mapper.digest) if self.early else None

    @staticmethod
    def _nothing(_path: Path) -> None:
        """Merges are known only at the end of a run, so rows made before it lack them."""

    def _fresh(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The documents that say something new: the last of each id, unless it equals what is known."""
        is_tomb = pl.col("deleted") & pl.col("is_empty")
        marks = frame.select("id", "ordinal", mark=pl.when(is_tomb).then(pl.lit(DELETED)).otherwise("hash"))
        marks = marks.unique("id", keep="last", maintain_order=True)
        place = [self.source, self.stream]
        has_known = self.con.execute(
            "SELECT 1 FROM meta.documents WHERE source = ? AND stream = ? LIMIT 1", place
        ).fetchall()
        if has_known:
            with shown(self.con, marks=marks):
                # the ids are looked through first: hashes are then read only where there is something to read
                self.con.execute(
                    "CREATE OR REPLACE TEMP TABLE known AS SELECT rowid AS row_id, id, hash FROM meta.documents "
                    "WHERE rowid IN (SELECT d.rowid FROM meta.documents AS d "
                    "WHERE d.source = ? AND d.stream = ? AND d.id IN (SELECT id FROM marks))",
                    place,
                )
                same = self.con.sql("SELECT m.id FROM marks AS m JOIN known AS k ON k.id = m.id AND k.hash = m.mark")
                marks = marks.join(fetched(same), on="id", how="anti", maintain_order="left")
        with shown(self.con, fresh_marks=marks):
            if has_known:
                self.con.execute(
                    "DELETE FROM meta.documents WHERE rowid IN ("
                    "SELECT row_id FROM known WHERE id IN (SELECT id FROM fresh_marks))"
                )
            self.con.execute("INSERT INTO meta.documents SELECT ?, ?, id, mark FROM fresh_marks", place)
        if marks.height == frame.height:
            return frame
        return frame.join(marks.select("ordinal"), on="ordinal", how="semi", maintain_order="left")

    def _piece(self, piece: Piece, run_id: str, merges: dict[str, str]) -> Counts:
        fresh = self._fresh(piece.marks)
        changed: list[pl.Series] = []
        rejects: list[quarantine.Reject] = []
        is_sound = not fresh["is_blank"].any()
        tombs = fresh.filter(pl.col("deleted") & pl.col("is_empty"))
        parts: dict[str, list[Made]] = {}
        for entity, mapped, is_json in piece.tables(self.mapper, self.con, fresh, merges):
            is_sound = is_sound and is_json
            rejects += self._rejects(entity, mapped)
            parts.setdefault(entity.entity, []).append(self._stage(entity, mapped, tombs, fresh))
        if not is_sound:
            rejects = self._invalid(piece.read(fresh)) + rejects
        for name, made in parts.items():
            # What one table of an entity no longer makes, another may: delete only what none makes.
            gone = pl.concat([part.gone for part in made]).drop_nulls("source_id")
            kept = pl.concat([part.kept for part in made])
            changed += [part.changed for part in made]
            changed.append(self._delete(name, gone.join(kept, on="source_id", how="anti")))
        quarantine.record(self.instance.store, self.source, self.stream, run_id, fresh["id"], rejects)
        refused = {reject.record_id for reject in rejects}
        staged = _count(fresh["id"], changed, refused)
        done = piece.marks.height - fresh.height
        return Counts(piece.marks.height, done, staged, fresh.height - staged - len(refused), len(refused))

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
        lost = [mapped.filtered, mapped.scrubbed]
        if entity.id == "@id" and not entity.explode:
            lost.append(tombs.select("id", pl.col("id").alias("source_id"), "seen_at", "run_id"))
        else:
            names = [other.name for other in self.mapping.entities if other.entity == entity.entity]
            lost.append(links.replace(self.con, self.source, self.stream, entity.name, names, batch, pairs))
        return Made(made["id"], pl.concat(lost), pairs.select("source_id").unique())

    def _delete(self, entity: str, gone: pl.DataFrame) -> pl.Series:
        return upsert.deletions(self.con, entity, self.source, gone)["id"]

    def _invalid(self, fresh: pl.DataFrame) -> list[quarantine.Reject]:
        with shown(self.con, texts=fresh.select("id", "hash", "document", "ordinal")):
            rows = self.con.execute(
                "SELECT id, hash, left(document, 200) FROM texts WHERE NOT json_valid(document) ORDER BY ordinal"
            ).fetchall()
        first = self.mapper.tables[0][0].entity
        return [quarantine.Reject(i, first, "document", text, "not a JSON document", h) for i, h, text in rows]
