"""Chinese names by the legal grammar 行政区划 + 字号 + 行业 + 组织形式 (企业名称登记管理规定, in force 2021-03-01).

The region may stand in brackets in the middle, or be absent. Branches carry a further region and a mark.
"""

from __future__ import annotations

import re
from functools import cache

from model.identity.names.fold import words
from model.identity.names.parts import OrganisationName
from model.identity.names.places import leading_place, places
from model.identity.names.vocabulary import han_legal, han_words

_BRACKETS = str.maketrans("[]{}【】〔〕〈〉<>《》「」", "()()()()()()()()")
_NOISE = re.compile(r"[\s·•・.,，。、:：;；\"'“”‘’*#?!|/\\~—–\-_]+")


@cache
def _remarks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    words_ = "|".join(sorted(map(re.escape, han_words("note")), key=len, reverse=True))
    loose = "|".join(
        w for w in sorted(han_words("note"), key=len, reverse=True) if len(w) > 1 and w not in ("测试", "临时", "历史")
    )
    english = r"do not use|inactive|old|dup(?:licate)?|test|closed"
    bracket = re.compile(rf"\(\s*(?:{words_}|{english})[^()]{{0,6}}\)", re.IGNORECASE)
    tail = re.compile(rf"(?:[-_*#—–\s/|]+(?:{words_}|{english})\d*|[-_*\s]*(?:{loose}))[!！*\s]*$", re.IGNORECASE)
    return bracket, tail


@cache
def _branch_patterns() -> tuple[re.Pattern[str], ...]:
    """A parent that ends in 公司 first, since its own words may end like other bodies; then other bodies; then none."""
    marks = "|".join(sorted(map(re.escape, han_words("branch")), key=len, reverse=True))
    own = rf"(?P<own>.{{0,14}}?(?:第?[一二三四五六七八九十\d]+)?(?:{marks})"
    return (
        re.compile(rf"^(?P<parent>.+(?:公司|会社)\)?){own}|(?<=公司)\(?.{{2,12}}店)$"),
        re.compile(rf"^(?P<parent>.+?(?:集团|厂|所|院|中心|社|银行|店)\)?){own})$"),
        re.compile(rf"^(?P<parent>){own})$"),
    )


def parse_chinese(raw: str, text: str) -> OrganisationName:
    """Take the folded, simplified `text` of `raw` apart."""
    text = text.translate(_BRACKETS)
    text, note = _without_remarks(text)
    text, site = _without_site(text)
    note = " ".join(filter(None, (note, site)))
    parent, branch = _branch(text)
    body = parent if branch and parent else text
    region, rest, legal = _frame(body)
    if branch and not parent:
        region, rest, legal, branch = _branch_without_parent(text, branch)
    if not branch and not legal:
        rest, branch = _trailing_site(rest)
    trade, industry = _industry(rest)
    return OrganisationName(
        raw=raw,
        trade_name=trade,
        region=region,
        region_code=_code(region),
        industry=industry,
        legal_form=legal,
        branch=_clean(branch),
        parent=_clean(parent) if parent else "",
        note=note,
        script="han",
    )


def _without_remarks(text: str) -> tuple[str, str]:
    bracket, tail = _remarks()
    found = [match.strip("()（） ") for match in bracket.findall(text)]
    text = bracket.sub("", text).strip()
    match = tail.search(text)
    while match and match.start() >= 2:
        found.append(match.group().strip("-_*#—–/|!！ "))
        text = text[: match.start()].strip()
        match = tail.search(text)
    return text.strip("-_* "), " ".join(found)


def _without_site(text: str) -> tuple[str, str]:
    """`…公司-深圳` names where it is used: users write it to tell two records apart, it is no part of the name."""
    match = re.search(r"^(.+公司)\s*[-_—–]\s*(\w+)$", text)
    if match and places().get(match.group(2)):
        return match.group(1), match.group(2)
    return text, ""


def _branch(text: str) -> tuple[str, str]:
    clean = _NOISE.sub("", text).rstrip(")")
    match = next(filter(None, (pattern.match(clean) for pattern in _branch_patterns())), None)
    if not match:
        return "", ""
    parent, own = match.group("parent") or "", match.group("own").strip("()")
    if parent.count("(") > parent.count(")"):
        parent = parent.rstrip("(")
    return parent, own


def _branch_without_parent(text: str, own: str) -> tuple[str, str, str, str]:
    """`云岚上海办事处`: the words before the place and the mark name the parent."""
    clean = _clean(text)
    mark = next(w for w in sorted(han_words("branch"), key=len, reverse=True) if clean.endswith(w) or own.endswith(w))
    stem = clean.removesuffix(mark)
    for length in range(min(8, len(stem) - 2), 1, -1):
        if stem[-length:] in places() and len(stem) - length >= 2:
            region, rest, legal = _frame(stem[:-length])
            return region, rest, legal, stem[-length:] + mark
    region, rest, legal = _frame(stem)
    return region, rest, legal, mark


def _trailing_site(text: str) -> tuple[str, str]:
    """`锐诺化工沈阳`: a short name with industry and then a place is that company's part there."""
    for length in range(min(8, len(text) - 4), 1, -1):
        if text[-length:] in places() and _industry(text[:-length])[1]:
            return text[:-length], text[-length:]
    return text, ""


def _frame(text: str) -> tuple[str, str, str]:
    """Region, what stands between, legal form."""
    text = _NOISE.sub("", _latin_words(text))
    text, legal = _legal(text.replace("(集团)", "集团"))
    if legal in ("有限合伙", "普通合伙", "独资", "个体"):
        text, _ = _legal(text)
    region, text = _bracketed_region(text)
    text = re.sub(r"[()]", "", text)
    if legal in ("有限公司", "股份有限公司") and text.endswith("集团") and len(text) > 3:
        text, legal = text.removesuffix("集团"), f"集团{legal}"
    leading = ""
    while len(text) > 2 and (place := leading_place(text)):
        rest = text[len(place) :].removeprefix("市" if not place.endswith("市") else "\0")
        if len(rest) < 2 or rest in han_words("industry"):
            break
        leading, text = leading + place, rest
    return leading or region, text, legal


def _latin_words(text: str) -> str:
    """Latin runs inside a Chinese name in one spelling: `ABB Inc.` → `abbinc`."""
    return re.sub(r"[A-Za-zÀ-ž&.'’+ ]{2,}", lambda found: words(found.group()).replace(" ", ""), text).lower()


def _legal(text: str) -> tuple[str, str]:
    for ending, canonical in han_legal():
        if text.endswith(ending) and len(text) > len(ending) + 1:
            return text.removesuffix(ending).rstrip("("), canonical
    if text.startswith("株式会社"):
        return text.removeprefix("株式会社"), "株式会社"
    return text, ""


def _bracketed_region(text: str) -> tuple[str, str]:
    for match in re.finditer(r"\(([^()]+)\)", text):
        if match.group(1) in places():
            return match.group(1), text[: match.start()] + text[match.end() :]
    return "", text


@cache
def _longest_industry() -> int:
    return max(map(len, han_words("industry")))


def _industry(text: str) -> tuple[str, str]:
    """Trade name and industry: industry words are cut from the end while two characters of trade name stay."""
    known, industry = han_words("industry"), ""
    while True:
        for length in range(min(_longest_industry(), len(text) - 2), 1, -1):
            if text[-length:] in known:
                text, industry = text[:-length], text[-length:] + industry
                break
        else:
            return text, industry


def _code(region: str) -> str:
    """Code of the innermost place of `region`, e.g. 江苏省苏州市 → 3205."""
    known, code = places(), ""
    while region:
        place = leading_place(region)
        if not place:
            return code
        code, region = known[place], region[len(place) :]
    return code


def _clean(text: str) -> str:
    return re.sub(r"[()]", "", _NOISE.sub("", text)).lower()


def industry_words(industry: str) -> list[str]:
    """`industry` as the words it was made of, longest first from the left."""
    known, result = han_words("industry"), []
    while industry:
        length = next((n for n in range(len(industry), 1, -1) if industry[:n] in known), len(industry))
        result.append(industry[:length])
        industry = industry[length:]
    return result
