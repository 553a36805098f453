"""What else a name may be written as. For finding candidates only: an alias never makes two names equal."""

from __future__ import annotations

from model.identity.names.parts import OrganisationName
from model.identity.names.spelling import acronym, pinyin


def aliases(name: OrganisationName) -> set[str]:
    """Short forms: trade name, its pinyin, trade name with its first industry word, acronym."""
    found = {name.trade_name.replace(" ", "")}
    if name.script == "han":
        found.add(pinyin(name.trade_name))
        if name.industry:
            found.add(name.trade_name + name.industry[:2])
            found.add(name.trade_name[:1] + name.industry[:1])
    else:
        found.add(acronym(name))
        found.add((name.trade_name + name.industry).replace(" ", ""))
    return {alias for alias in found if len(alias) >= 2}
