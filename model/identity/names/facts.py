"""What is derived from one name alone: its words and weights, other spellings, and the keys under which it is found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from model.identity.names.aliases import aliases
from model.identity.names.bag import Bag, branch_place, business, compact, tokens, widest
from model.identity.names.parts import OrganisationName
from model.identity.names.spelling import acronym, pinyin


@dataclass(frozen=True, slots=True)
class NameFacts:
    """`bag`: its weighed words; `widest`: those that are compared; `aliases`, `words`, `pairs`: blocking keys, none of
    them twice."""

    bag: Bag
    widest: Bag
    compact: str
    acronym: str
    branch: str
    spelled: str
    is_han: bool
    is_full_legal_name: bool
    business: frozenset[str]
    aliases: tuple[str, ...]
    words: tuple[str, ...]
    pairs: tuple[str, ...]


@lru_cache(maxsize=50_000)
def facts(name: OrganisationName) -> NameFacts:
    """The facts of `name`."""
    bag = tokens(name)
    strong = [word for word, weight in bag if weight >= 0.3 and word[:1] not in "@=+"]
    starts = sorted(word[:5] for word in strong)[:5]
    is_han = name.script == "han"
    return NameFacts(
        bag,
        widest(bag),
        compact(name),
        acronym(name),
        branch_place(name),
        pinyin(name.trade_name) if is_han else "",
        is_han,
        _is_full_legal_name(name),
        business(name),
        tuple(aliases(name)),
        tuple(dict.fromkeys(word[:7] for word in strong if len(word) > 2)),
        tuple(dict.fromkeys(f"{one}|{two}" for place, one in enumerate(starts) for two in starts[place + 1 :])),
    )


def _is_full_legal_name(name: OrganisationName) -> bool:
    """A Chinese name that its registry gives once: with region, or of a group, which needs none."""
    placed = bool(name.region_code) or name.legal_form.startswith("集团")
    return name.script == "han" and placed and bool(name.legal_form and name.industry)
