"""The system of record of each field, in words, for the exported mapping: what the survivorship rules say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from model import schema
from model.identity.survivorship import COLUMNS, FIELDS, STATES, Rule, Rules
from ops.instance import SourceConfig
from ops.texts import text

# canonical fields that follow another one
_FOLLOWS = {"credit_currency": "credit_limit_amount"}
# what is decided otherwise than by survivorship
_COMBINED = {
    "is_on_hold": "any record that says yes",
    "is_forbidden": "any record that says yes",
    "customer_since_on": "the earliest of all records",
}
_PEOPLE = {
    "employee": ("crm", "CRM first, then the others"),
    "product": ("erp", "ERP first, then the others"),
}


# canonical field of a customer → the sources whose mapping has it
Givers = Mapping[str, Sequence[SourceConfig]]


def rows(rules: Rules, givers: Givers) -> list[dict[str, Any]]:
    """One row per field of a golden customer and business state; those that all states share have one row."""
    found = []
    for field, group in FIELDS.items():
        sources = givers.get(COLUMNS.get(field, field), ())
        for states, rule in _by_rule(rules, field):
            found.append({
                "group": group, "field": field, "zh": label(field, "zh"), "en": label(field, "en"),
                "canonical_field": COLUMNS.get(field, field), "state": ", ".join(states),
                "strategy": rule.strategy, "together": rule.together,
                "system_of_record": record_of(rule, sources), "order": ", ".join(order(rule, sources)),
                "rule_of": "field" if rule.own else "group",
            })  # fmt: skip
    return found


def of_canonical(
    rules: Rules, all_sources: Sequence[SourceConfig], givers: Givers, source: str, entity: str, field: str
) -> dict[str, Any]:
    """{system_of_record, survivorship} of a canonical field: who gives its value where several records are one."""
    if entity in _PEOPLE:
        role, said = _PEOPLE[entity]
        first = [one.name for one in all_sources if one.role == role]
        return {"system_of_record": ", ".join(first) or source, "survivorship": said}
    if entity != "customer":
        return {"system_of_record": source, "survivorship": "documents are not combined"}
    if field in _COMBINED:
        return {"system_of_record": "all", "survivorship": _COMBINED[field]}
    column = _FOLLOWS.get(field, field)
    name = column if column in FIELDS else next((one for one, other in COLUMNS.items() if other == column), None)
    sources = givers.get(column, ())
    if name is None:
        return {"system_of_record": source, "survivorship": "kept per record"}
    parts = _by_rule(rules, name)
    return {
        "system_of_record": "; ".join(_with_state(record_of(rule, sources), states) for states, rule in parts),
        "survivorship": "; ".join(_with_state(_words(rule, sources), states) for states, rule in parts),
    }


def label(field: str, language: str) -> str:
    """The name of a golden field in `language`."""
    columns = schema.entity("customer").by_name
    if field in COLUMNS or field not in columns:
        return text(language, f"survivorship.field.{field}")
    return columns[field].zh if language == "zh" else columns[field].en


def order(rule: Rule, sources: Iterable[SourceConfig]) -> list[str]:
    """Names of the sources in the order in which they are asked; shadow and switched-off ones left out."""
    asked = [one for one in sources if one.status == "active"]
    return [one.name for one in sorted(asked, key=lambda one: (rule.place(one.name, one.role), one.name))]


def record_of(rule: Rule, sources: Sequence[SourceConfig]) -> str:
    """The system of record under a rule: a source, or how the record is chosen."""
    asked = order(rule, sources)
    if rule.strategy == "recent":
        return "the record changed last"
    if rule.strategy == "complete":
        return f"the fullest record, {asked[0]} first among equals" if asked else "the fullest record"
    return asked[0] if asked else "none"


def _by_rule(rules: Rules, field: str) -> list[tuple[tuple[str, ...], Rule]]:
    """The rules of a field with the states in which they hold."""
    first, *others = [(state, rules.of(field, state)) for state in STATES]
    if all(rule == first[1] for _, rule in others):
        return [(STATES, first[1])]
    return [((state,), rule) for state, rule in (first, *others)]


def _with_state(said: str, states: tuple[str, ...]) -> str:
    return said if states == STATES else f"{said} while {', '.join(states)}"


def _words(rule: Rule, sources: Sequence[SourceConfig]) -> str:
    named = text("en", f"survivorship.strategy.{rule.strategy}")
    listed = f": {', '.join(order(rule, sources))}" if rule.strategy != "recent" else ""
    return f"{named}{listed}" + (f" ({text('en', 'survivorship.together')})" if rule.together else "")
