"""What a viewer's records come to: tallies of the rules on the published build, from the marts where they hold them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import func, select

from model.policy import Viewer
from model.quality.compile import by_entity, counts_sql
from model.quality.rule import Rule, is_stored
from model.quality.scores import Tally
from model.serve.connection import Served
from model.serve.freshness import source_states
from model.serve.stewards import columns
from ops.tables import quarantine

# (source, rule) → tally
Counted = dict[tuple[str, str], Tally]


def tallies(
    viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, *, source: str | None = None, key: str | None = None
) -> Counted:
    """Tallies of `rules` on the viewer's customers, or on one customer (`key`), by source; cached, measures fresh.

    Measures are about sources: they are left out for one customer, and the quarantine, whose records have no customer
    yet, for viewers who do not see all of them.
    """
    found = {place: one for place, one in _records(viewer, db, rules, day, key).items() if source in (None, place[0])}
    if key is None:
        for rule in rules:
            if rule.measure == "collection":
                found |= _collected(db, rule, source)
            elif rule.measure == "quarantine" and viewer.scope == "all":
                found |= _quarantined(db, rule, source)
    return found


def sources_of(db: Served) -> dict[str, str]:
    """Source → role, of the sources that are shown."""
    return {one.name: one.role for one in db.instance.config.sources if one.status not in ("off", "shadow")}


def relations(db: Served, rules: Sequence[Rule]) -> list[tuple[list[Rule], str]]:
    """(rules, their counts by customer and source): the mart for rules that it holds, a SELECT for the others."""
    answer = []
    for entity, mine in by_entity(rules).items():
        mart = f"marts.mart_quality_{entity}"
        # a build of an earlier version may lack the mart or one of its rules
        held = columns(db, mart)
        kept = [rule for rule in mine if is_stored(rule) and f"{rule.id}_checked" in held]
        others = [rule for rule in mine if rule not in kept]
        if kept:
            answer.append((kept, mart))
        if others:
            answer.append((others, f"({counts_sql(entity, others)})"))
    return answer


def parameters(sql: str, day: date) -> dict[str, Any]:
    """The day asked, where `sql` names it."""
    return {"as_of": day} if "$as_of" in sql else {}


def _records(viewer: Viewer, db: Served, rules: Sequence[Rule], day: date, key: str | None) -> Counted:
    cached = ("quality", viewer.cache_key, day, key, *(rule.id + repr(rule.check) for rule in rules))
    if cached not in db.cache:
        found: Counted = {}
        seen, named = viewer.named_rows()
        for mine, relation in relations(db, rules):
            sums = ", ".join(f"sum(q.{rule.id}_checked), sum(q.{rule.id}_failed)" for rule in mine)
            sql = f"""select q.source, {sums} from {relation} as q
                      join core.dim_customer as customer on customer.customer_key = q.customer_key
                      where {seen} {"and q.customer_key = $customer_key" if key else ""} group by q.source"""
            given = {**named, **parameters(sql, day), **({"customer_key": key} if key else {})}
            for row in db.rows(sql, given):
                source, *numbers = row.values()
                for rule, checked, failed in zip(mine, numbers[::2], numbers[1::2], strict=True):
                    if checked:
                        found[source, rule.id] = Tally(int(checked), int(failed))
        db.cache[cached] = found
    answer: Counted = db.cache[cached]
    return dict(answer)


def _collected(db: Served, rule: Rule, source: str | None) -> Counted:
    """One check per source: collected without failure and within its time."""
    shown = sources_of(db)
    return {
        (one["source"], rule.id): Tally(1, int(one["state"] != "fresh"))
        for one in source_states(db)
        if one["source"] in shown and source in (None, one["source"])
    }


def _quarantined(db: Served, rule: Rule, source: str | None) -> Counted:
    """Records set aside, against them and the staged ones."""
    staged = db.rows("select source, cast(sum(current_count) as bigint) as n from marts.mart_freshness group by source")
    once = select(quarantine.c.source, quarantine.c.entity, quarantine.c.record_id).where(quarantine.c.status == "open")
    each = once.distinct().subquery()
    with db.instance.store.read() as connection:
        counted = connection.execute(select(each.c.source, func.count()).group_by(each.c.source)).all()
    rejected = {str(name): int(n) for name, n in counted}
    kept = {str(row["source"]): int(row["n"]) for row in staged}
    return {
        (name, rule.id): Tally(kept.get(name, 0) + rejected.get(name, 0), rejected.get(name, 0))
        for name in sources_of(db)
        if kept.get(name, 0) + rejected.get(name, 0) and source in (None, name)
    }
