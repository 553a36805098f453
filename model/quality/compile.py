"""Rules compiled to SQL: the marts of the shipped ones, counts of the others, and the records that break a rule."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from model.quality import entities
from model.quality.rule import Rule, is_stored, load

MARTS = Path(__file__).parent.parent / "marts"
_HEAD = """\
-- How many records of entity {entity} a quality rule applies to (<rule>_checked) and break it (<rule>_failed), by
-- customer and source. Made from model/quality/rules.toml by `c360 docs`: change the rules, not this file.
-- grain: customer
-- key: customer_key, source
-- not_null: customer_key, source
-- cluster: customer_key, source
"""


def stored() -> dict[str, list[Rule]]:
    """Entity → the shipped rules whose counts its mart holds."""
    found: dict[str, list[Rule]] = {}
    for rule in load(everything=True):
        if is_stored(rule):
            found.setdefault(rule.entity, []).append(rule)
    return found


def marts() -> dict[Path, str]:
    """Path → text of every mart file of the shipped rules."""
    return {
        MARTS / f"mart_quality_{entity}.sql": _HEAD.format(entity=entity) + counts_sql(entity, rules) + "\n"
        for entity, rules in stored().items()
    }


def counts_sql(entity: str, rules: Sequence[Rule]) -> str:
    """SELECT of customer_key, source, record_count and per rule <rule>_checked, <rule>_failed; may name $as_of."""
    lines = ",\n".join(line for rule in rules for line in _counted(rule))
    relation = "\n".join(f"    {line}".rstrip() for line in entities.relations()[entity].splitlines())
    return (
        f"with record as (\n{relation}\n)\n\n"
        f"select\n    customer_key, source,\n    count(*) as record_count,\n{lines}\n"
        "from record\ngroup by customer_key, source"
    )


def failures_sql(rules: Sequence[Rule], *, where: str, limit: int | None = None) -> str:
    """SELECT of the records that break `rules` of one entity: rule, customer_key, source, source_id, field, value.

    `where`: condition over `customer` (core.dim_customer) and `record`. `limit`: of each rule the first so many, by
    customer and record. field: the first of the rule's fields that has a value, else the first; value as text.
    """
    parts = []
    for rule in rules:
        value = ", ".join(f"cast(record.{name} as varchar)" for name in rule.fields)
        field = " ".join(f"when record.{name} is not null then '{name}'" for name in rule.fields)
        parts.append(f"""(
            select '{rule.id}' as rule, record.customer_key, record.source, record.source_id,
                   case {field} else '{rule.fields[0]}' end as field, coalesce({value}, null) as value
            from (select * from record where ({rule.applies}) and ({rule.condition})) as record
            join core.dim_customer as customer on customer.customer_key = record.customer_key
            where {where}
            {"" if limit is None else f"order by record.customer_key, record.source, record.source_id limit {limit}"}
        )""")
    relation = entities.relations()[rules[0].entity]
    return f"with record as (\n{relation}\n) " + " union all ".join(parts)


def by_entity(rules: Iterable[Rule]) -> dict[str, list[Rule]]:
    """Entity → its rules; measures, which have none, left out."""
    found: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.entity:
            found.setdefault(rule.entity, []).append(rule)
    return found


def _counted(rule: Rule) -> list[str]:
    return [
        f"    count(*) filter (where {rule.applies}) as {rule.id}_checked",
        f"    count(*) filter (where ({rule.applies}) and ({rule.condition})) as {rule.id}_failed",
    ]
