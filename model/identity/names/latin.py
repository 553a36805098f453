"""Names in Latin and other alphabetic scripts: legal forms, places, weak words, branch marks, remarks."""

from __future__ import annotations

import re
from functools import cache

from model.identity.names.fold import words
from model.identity.names.parts import OrganisationName
from model.identity.names.vocabulary import abbreviations, latin_legal, latin_words

_LONGEST_FORM = 6
_LINKING = frozenset({"of", "and", "for", "the", "in", "at", "on", "de", "la", "le", "del", "du", "des"})


@cache
def _remark() -> re.Pattern[str]:
    notes = "|".join(sorted(map(re.escape, latin_words("note")), key=len, reverse=True))
    return re.compile(
        rf"[(\[]\s*(?P<inside>(?:{notes})(?:\s[^()\[\]]{{0,20}})?)\s*[)\]]|(?:\s+-+\s*|\s*[*#_]+\s*|\s-)(?P<after>{notes})\W*$"
        r"|\s(?P<bare>do not use)\W*$|^\W*(?P<before>do not use|obsolete|inactive)\b[\s:*-]+",
        re.IGNORECASE,
    )


@cache
def _branch_mark() -> re.Pattern[str]:
    marks = "|".join(sorted(map(re.escape, latin_words("branch")), key=len, reverse=True))
    return re.compile(rf"\b(?:{marks})\b")


def parse_latin(raw: str, text: str) -> OrganisationName:
    """Take the folded `text` of `raw` apart."""
    notes = [next(filter(None, match.groupdict().values())).lower() for match in _remark().finditer(text)]
    text = _remark().sub(" ", text)
    text, branch = _branch(text)
    tokens, legal = strip_forms(words(text).split())
    tokens = [word for word in tokens if word != "the"] or tokens
    tokens = [abbreviations().get(word, word) for word in tokens]
    trade, industry, region = _split(tokens)
    parent = " ".join((*trade, *industry, legal)) if branch else ""
    return OrganisationName(
        raw=raw,
        trade_name=" ".join(trade),
        region=region,
        industry=" ".join(industry),
        legal_form=legal,
        branch=branch,
        parent=parent.strip(),
        note=" ".join(notes),
    )


def _branch(text: str) -> tuple[str, str]:
    """Cut `- Shanghai Branch`, `(Munich Branch Office)`, `Zweigniederlassung Berlin` from the end."""
    pieces = re.split(r"\s+[-–—]\s+|[,(]\s*", text)
    for index in range(1, len(pieces)):
        own = words(pieces[index])
        if _branch_mark().search(own) and len(own.split()) <= 5:
            return " ".join(pieces[:index]), own
    whole = words(text)
    match = _branch_mark().search(whole)
    if not match or match.start() == 0:
        return text, ""
    if match.end() == len(whole):
        before, found = whole[: match.start()].split(), match.group()
        place = _trailing_place(before)
        if len(before) > len(place) and match.group() not in ("division", "filial", "filiale"):
            return " ".join(before[: len(before) - len(place)]), " ".join((*place, found))
        return " ".join(before), found
    if match.group() in ("zweigniederlassung", "niederlassung", "succursale", "sucursal", "filial", "filiale"):
        return whole[: match.start()], whole[match.start() :]
    return text, ""


def _trailing_place(tokens: list[str]) -> list[str]:
    for count in (2, 1):
        if len(tokens) > count and " ".join(tokens[-count:]) in latin_words("places"):
            return tokens[-count:]
    forms = latin_legal()
    if len(tokens) > 2 and (tokens[-2],) in forms:
        return tokens[-1:]
    return []


def strip_forms(tokens: list[str]) -> tuple[list[str], str]:
    """`tokens` without legal forms at the end (and front), and the form's family; one word always stays."""
    forms, found = latin_legal(), ""
    again = True
    while again:
        again = False
        for count in range(min(_LONGEST_FORM, len(tokens) - 1), 0, -1):
            family = forms.get(tuple(tokens[-count:]))
            if family:
                tokens, found, again = tokens[:-count], found or family, True
                break
    for count in range(min(5, len(tokens) - 1), 0, -1):
        if " ".join(tokens[:count]) in latin_words("prefix") and (not found or tokens[0] == "pt"):
            return tokens[count:], forms.get(tuple(tokens[:count]), tokens[0])
    while len(tokens) > 1 and tokens[-1] == "and":
        tokens = tokens[:-1]
    return tokens, found


def _split(tokens: list[str]) -> tuple[list[str], list[str], str]:
    """Trade name, industry words at the end, and a place at the end or before them; one word of trade name stays."""
    rest, region, industry = tokens, "", list[str]()
    while len(rest) > 1:
        two = " ".join(rest[-2:])
        if len(rest) > 2 and two in latin_words("places") and not region:
            region, rest = two, rest[:-2]
        elif rest[-1] in latin_words("places") and not region:
            region, rest = rest[-1], rest[:-1]
        elif rest[-1] in latin_words("industry"):
            industry, rest = [rest[-1], *industry], rest[:-1]
        else:
            break
    if len(rest) < len(tokens) and (rest[-1] in _LINKING or {*industry, *region.split()} & _LINKING):
        return tokens, [], ""  # Bank of America, House of Pancakes: the weak words belong to the name
    return rest, industry, region
