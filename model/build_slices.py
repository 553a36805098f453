"""The slices of an increment: of every table that its models read, the rows of the affected customers.

Every row in a slice resolves to its right customer, so that models run on slices unchanged; the merge keeps the rows
of affected customers.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import duckdb

from model import parsed
from model.build_delta import Increment
from model.build_records import CHILDREN, FALLBACKS, OWN
from model.identity import customers

SLICED = ("customer", *OWN, "project", *CHILDREN)
_NO_VERSION = "h.source = e.source and h.source_id = e.source_id and h.seen_from = e.seen_from"
_PROJECTS = """(
    select * from delta.identity.projects
    union all
    select * from identity.project_crosswalk anti join delta.main.project_todo using (source, source_id)
)"""


class Slicer:
    """Cuts the slices of some entities; `tables` says where the models find what they read."""

    def __init__(self, con: duckdb.DuckDBPyConnection, inc: Increment, wanted: AbstractSet[str]) -> None:
        self.con, self.inc = con, inc
        self.cut = _closed(wanted & set(SLICED)) & inc.present

    def tables(self) -> dict[str, str]:
        """Cut the slices; returns table → slice (or the table itself, where it is empty or read as a whole)."""
        con = self.con
        unknown = con.execute(
            f"select count(*) from delta.main.affected where customer_key = '{customers.UNKNOWN}'"
        ).fetchall()[0][0]
        for entity in self.cut:
            self._begin(entity)
        for entity in ("customer", *OWN):
            if entity in self.cut:
                self._own(entity)
        con.execute(f"""
            create or replace table delta.identity.project_crosswalk as
            select * from {_PROJECTS} where customer_key in (select customer_key from delta.main.affected)
        """)
        if "project" in self.cut:
            mine = (
                "semi join delta.identity.project_crosswalk as x on x.source = e.source and x.source_id = e.source_id"
            )
            self._add("project", mine)
        self._add_all(FALLBACKS, "e.customer_id is null")
        self._add_all(CHILDREN, "true")
        if unknown:
            for entity in CHILDREN:
                if entity in self.cut:
                    self._add_orphans(entity)
                    self._add_versions(entity)
        for entity, column, parent in (*self._pairs(CHILDREN), *self._pairs(FALLBACKS)):
            self._add_parents(entity, column, parent)
        self._close_crosswalk()
        result = {f"staging.{entity}": relation for entity, relation in self.inc.shown.items()}
        result |= {f"staging.{entity}": f"delta.staging.{entity}" for entity in self.cut}
        for name in ("customer_crosswalk", "customer_group", "project_crosswalk"):
            result[f"identity.{name}"] = f"delta.identity.{name}"
        return result | self.inc.tables

    def _pairs(self, relations: dict[str, tuple[tuple[str, str], ...]]) -> list[tuple[str, str, str]]:
        return [
            (entity, column, parent)
            for entity, parents in relations.items()
            for column, parent in parents
            if entity in self.cut and parent in self.cut
        ]

    def _begin(self, entity: str) -> None:
        """An empty slice, and delta.main.in_<entity>: the row ids of what is in it."""
        parsed.execute(
            self.con, f"create or replace table delta.staging.{entity} as from {self.inc.shown[entity]} limit 0"
        )
        parsed.execute(self.con, f"create or replace table delta.main.in_{entity} (row_id bigint)")

    def _own(self, entity: str) -> None:
        value = "e.source_id" if entity == "customer" else "coalesce(e.customer_id, '')"
        mine = f"semi join delta.identity.customer_crosswalk as x on x.source = e.source and x.source_id = {value}"
        self._add(entity, mine)
        self._add_versions(entity)

    def _add(self, entity: str, joins: str, where: str = "true") -> None:
        """Add the shown rows `e` that `joins` (semi or anti joins) and `where` leave, each once."""
        relation, table, there = self.inc.shown[entity], f"delta.staging.{entity}", f"delta.main.in_{entity}"
        if not relation.startswith("warehouse."):
            known = f"anti join {table} as h on {_NO_VERSION}"
            parsed.execute(
                self.con, f"insert into {table} select e.* from {relation} as e {joins} {known} where {where}"
            )
            return
        # only what `joins` names is looked through; other columns are then read only where there is something to read
        found = parsed.execute(
            self.con,
            f"""
            create or replace table delta.main.found as
            select row_id from (select e.rowid as row_id from {relation} as e {joins} where {where})
            anti join {there} using (row_id)
        """,
        ).fetchall()
        if found[0][0]:
            parsed.execute(self.con, f"insert into {table} from {relation} where rowid in (from delta.main.found)")
            parsed.execute(self.con, f"insert into {there} from delta.main.found")

    def _add_versions(self, entity: str) -> None:
        """A record's versions belong together, whichever customer an older one stood under."""
        table = f"delta.staging.{entity}"
        others = f"semi join {table} as s on s.source = e.source and s.source_id = e.source_id"
        # few versions have ended, so that the larger part of the table need not be looked at
        self._add(entity, others, "e.seen_to is not null")
        lacking = parsed.execute(
            self.con,
            f"""
            select count(*) from (
                select 1 from {table} group by source, source_id having count(*) filter (seen_to is null) = 0
            )
        """,
        ).fetchall()
        if lacking[0][0]:
            self._add(entity, others, "e.seen_to is null")

    def _add_all(self, relations: dict[str, tuple[tuple[str, str], ...]], where: str) -> None:
        """Add the rows that name a record in a parent's slice."""
        for entity in relations:
            pairs = [(column, parent) for name, column, parent in self._pairs(relations) if name == entity]
            for column, parent in pairs:
                named = f"semi join delta.staging.{parent} as p on p.source = e.source and p.source_id = e.{column}"
                self._add(entity, named, where)
            if pairs:
                self._add_versions(entity)

    def _add_orphans(self, entity: str) -> None:
        missing = " ".join(
            f"anti join {self.inc.shown[parent]} as p{i} on p{i}.source = e.source and p{i}.source_id = e.{column} "
            f"and p{i}.seen_to is null and not p{i}.is_deleted"
            for i, (column, parent) in enumerate(CHILDREN[entity])
        )
        self._add(entity, missing)

    def _add_parents(self, entity: str, column: str, parent: str) -> None:
        """Add the records that rows of `entity` name and the slice lacks; what it holds it holds in every version."""
        lacking = parsed.execute(
            self.con,
            f"""
            create or replace table delta.main.named_parent as
            select source, {column} as source_id from delta.staging.{entity} where {column} is not null
            except select source, source_id from delta.staging.{parent}
        """,
        ).fetchall()
        if lacking[0][0]:
            named = "semi join delta.main.named_parent as c on c.source = e.source and c.source_id = e.source_id"
            self._add(parent, named)

    def _close_crosswalk(self) -> None:
        """Rows that came in by reference keep their own customers, whose keys the models need as well."""
        named = " union ".join(
            f"select source, coalesce(customer_id, '') as source_id from delta.staging.{entity}"
            for entity in OWN
            if entity in self.cut
        )
        if named:
            parsed.execute(
                self.con,
                f"""
                insert into delta.identity.customer_crosswalk
                select x.* from delta.identity.crosswalk_now as x
                semi join ({named}) as n using (source, source_id)
                anti join delta.identity.customer_crosswalk as h using (source, source_id)
            """,
            )
        if "project" in self.cut:
            parsed.execute(
                self.con,
                f"""
                insert into delta.identity.project_crosswalk
                select * from {_PROJECTS} as x
                semi join delta.staging.project as p using (source, source_id)
                anti join delta.identity.project_crosswalk as h using (source, source_id)
            """,
            )


def _closed(wanted: AbstractSet[str]) -> set[str]:
    """`wanted` with the parents that its children and fallbacks name."""
    closed = set(wanted)
    while True:
        found = {parent for entity in closed for _, parent in (*CHILDREN.get(entity, ()), *FALLBACKS.get(entity, ()))}
        if found <= closed:
            return closed
        closed |= found
