"""The words of one name, each with the weight of what it is."""

from __future__ import annotations

from model.identity.names.chinese import industry_words
from model.identity.names.parts import OrganisationName
from model.identity.names.places import leading_place
from model.identity.names.spelling import STOPS
from model.identity.names.vocabulary import latin_words

Bag = list[tuple[str, float]]  # words of a name, each with the weight of what it is
WIDTH = 10  # words of a name that are compared
_INDUSTRY, _PLACE, _LEGAL, _STOP, _BRANCH = 0.35, 0.3, 0.08, 0.05, 0.6
_VAGUE_HAN = frozenset("科技术实业发展国际集团股份企公司控管理服务")


def tokens(name: OrganisationName) -> Bag:
    """The words of `name`, each with the weight of what it is."""
    if name.script == "han":
        found = [(name.trade_name, 1.0)]
        found += [(word, _INDUSTRY) for word in industry_words(name.industry)]
        if name.region_code:
            found.append((f"@{name.region_code[:4]}", _PLACE))
    else:
        weak = latin_words("industry")
        found = [(word, _STOP if word in STOPS else 0.6 if word in weak else 1.0) for word in name.trade_name.split()]
        found += [(word, _STOP if word in STOPS else _INDUSTRY) for word in name.industry.split()]
        found += [(word, _PLACE) for word in name.region.split()]
    if name.legal_form:
        found.append((f"={name.legal_form}", _LEGAL))
    if name.branch:
        found.append((f"+{branch_place(name)}", _BRANCH))
    return [pair for pair in found if pair[0]]


def branch_place(name: OrganisationName) -> str:
    """A branch by its place: 沈阳分公司 and 沈阳办事处 of one company may be one, those of two places never are."""
    return leading_place(name.branch) or name.branch


def compact(name: OrganisationName) -> str:
    """Trade name and industry in a row without blanks."""
    return (name.trade_name + name.industry).replace(" ", "")


def widest(bag: Bag) -> Bag:
    """The words that are compared, heaviest first."""
    return sorted(bag, key=lambda pair: -pair[1])[:WIDTH]


def business(name: OrganisationName) -> frozenset[str]:
    """What says the business: characters of the industry in Chinese, telling industry words otherwise."""
    if name.script == "han":
        return frozenset(name.industry) - _VAGUE_HAN
    found = f"{name.trade_name} {name.industry}".split()
    return frozenset(word[:5] for word in found if word in latin_words("business"))
