"""Chinese places as they stand in organisation names, with the province they lie in.

Codes and names of GB/T 2260 come with python-stdnum; names that have been abolished stay, since masters are old.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from model.identity.names.vocabulary import han_words

_LINE = re.compile(r'^(\s*)(\d+) (?:province|county)="(.*)"')
_NAME = re.compile(r"(?:\[[^\]]*\])?([^,\[\]]+)")
_NATIONS = (
    r"(壮族|回族|维吾尔|藏族|蒙古族|苗族|彝族|布依族|朝鲜族|土家族|侗族|哈尼族|傣族|白族|傈僳族|景颇族|羌族"
    r"|哈萨克|柯尔克孜|蒙古)+"
)
_EXTRA = {"香港": "81", "香港特别行政区": "81", "澳门": "82", "澳门特别行政区": "82", "台湾": "71", "台湾省": "71"}
_TAIWAN = ("台北", "新北", "桃园", "台中", "台南", "高雄", "新竹", "基隆")
_PROVINCES = {"内蒙": "15", "广西": "45", "西藏": "54", "宁夏": "64", "新疆": "65", "内蒙古": "15"}
_COUNTRIES = {"中国": "00", "中华": "00"}
MAX_LENGTH = 11


@cache
def places() -> dict[str, str]:
    """Place as written (with and without 省, 市, 县, 区) → its code: 2 digits province, 4 prefecture, 6 county."""
    found: dict[str, str] = {}
    province = ""
    text = (resources.files("stdnum.cn") / "loc.dat").read_text(encoding="utf-8")
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match:
            continue
        indent, digits, names = match.groups()
        province = digits if not indent else province
        code = province if not indent else (province + digits).removesuffix("00")
        for name in _NAME.findall(names):
            for spelling in _spellings(name.strip(), code):
                old = found.get(spelling)
                if old is None or len(code) < len(old):
                    found[spelling] = code
    found |= _EXTRA | _PROVINCES | _COUNTRIES
    for number, name in enumerate(_TAIWAN):
        found[name] = found[name + "市"] = f"71{number + 1:02d}"
    for word in han_words("ambiguous_places"):
        found.pop(word, None)
    return found


def _spellings(name: str, code: str) -> list[str]:
    if len(name) < 2 or name in ("市辖区", "县"):
        return []
    spellings = [name]
    short = re.sub(r"(特别行政区|自治区|自治州|自治县|自治旗|地区|省|市|盟)$", "", name)
    if re.search(r"(自治区|自治州|自治县)$", name):
        short = re.sub(_NATIONS + "$", "", short)
    is_county = name.endswith(("县", "区", "旗")) and len(code) > 4
    if len(short) >= 2 and short != name and not is_county:
        spellings.append(short)
    return spellings


def leading_place(text: str) -> str:
    """The longest place `text` begins with, or ''."""
    known = places()
    for length in range(min(MAX_LENGTH, len(text)), 1, -1):
        if text[:length] in known:
            return text[:length]
    return ""


def is_within(one: str, other: str) -> bool:
    """True where one code lies in the other, or either says only the country."""
    return one == "00" or other == "00" or one.startswith(other) or other.startswith(one)
