"""Synthetic customer records of any number: organisations in four systems, written the way people write them."""

from __future__ import annotations

import random
import re
from typing import Any

import polars as pl
from stdnum.cn import uscc

_HAN = (
    "安邦宝博畅超辰诚川创达德鼎东方丰峰富刚高格冠广国海瀚航浩和恒宏鸿华汇惠嘉佳建江杰金锦京景聚君凯康科岚朗乐力立联凌隆绿美明铭"
    "南宁诺鹏普启强清庆荣瑞睿森尚圣盛世舒顺思泰腾天同万威维伟文沃西祥翔晓新鑫信星兴旭轩雅扬阳耀业亿益盈永优宇远悦云运泽展兆振正"
    "志智中众卓"
)
_INDUSTRY = re.split(" ", "科技 电子 机械 软件 食品 物流 生物医药 新材料 自动化设备 精密仪器 贸易 建筑工程")
_PLACES = re.split(" ", "上海 北京 深圳 广州 苏州 杭州 成都 武汉 西安 青岛 长沙 合肥 宁波 厦门 郑州")
_ROADS = re.split(" ", "长江路 科技路 振兴路 软件园路 人民路 解放路 高新三路 滨江大道 工业园区星湖街 建设路")
_FORMS = ("有限公司", "有限责任公司", "股份有限公司")
_SYLLABLES = [onset + vowel + coda for onset in "bcdfghklmpstvwz" for vowel in "aeio" for coda in "lnrs"]
_BUSINESS = ("Trading", "Systems", "Foods", "Logistics", "Instruments", "Software", "Pumps", "Optics", "Tools")
_LEGAL = (" Ltd", " Limited", " GmbH", " Inc", " LLC", " AG")
_CITIES = ("Leeds", "Hamburg", "Basel", "Austin", "Lyon", "Turin", "Gdansk", "Porto", "Malmo", "Ghent")
_STREETS = ("Harbour Street", "Mill Road", "Station Road", "Market Street", "Oak Avenue", "Bridge Street", "Park Lane")
SOURCES = ("crm", "erp", "service", "web")
_SHARE = (0.9, 0.8, 0.5, 0.3)  # how often an organisation is in each


def generate(count: int, seed: int = 20_260_101, first: int = 0) -> pl.DataFrame:
    """`count` records: source, source_id, name, kind, uscc, tax_number, phone, email, website, address, city, truth.

    `first` numbers the first organisation, so that two calls make different ones.
    """
    chance = random.Random(f"{seed}-{first}")
    rows: list[dict[str, Any]] = []
    number = first
    while len(rows) < count:
        made = _chinese(chance) if chance.random() < 0.6 else _western(chance, number)
        for source, share in zip(SOURCES, _SHARE, strict=True):
            if chance.random() < share:
                rows.append(_record(chance, made, source, number, ""))
                if chance.random() < 0.02:
                    rows.append(_record(chance, made, source, number, "-2"))
        number += 1
    schema = dict.fromkeys(rows[0], pl.String)
    return pl.DataFrame(rows[:count], schema=schema)


def _chinese(chance: random.Random) -> dict[str, Any]:
    trade = "".join(chance.choices(_HAN, k=3 if chance.random() < 0.6 else 2))
    place, industry, form = chance.choice(_PLACES), chance.choice(_INDUSTRY), chance.choice(_FORMS)
    names = [
        f"{place}{trade}{industry}{form}",
        f"{trade}({place}){industry}{form}",
        f"{trade}{industry}",
        trade + industry[:2],
    ]
    stem = f"91{chance.randrange(110000, 659000)}MA" + "".join(chance.choices("0123456789ABCDEFGHJKLMNPQRTUWXY", k=7))
    code = stem + uscc.calc_check_digit(stem)
    return {
        "names": names,
        "code": code,
        "phone": f"+86{chance.choice(('21', '10', '512', '755'))}{chance.randrange(20_000_000, 89_999_999)}",
        "address": f"{place}市{chance.choice(_ROADS)}{chance.randrange(1, 1500)}号",
        "city": place,
        "site": f"{chance.randrange(10**9):x}.example",
    }


def _western(chance: random.Random, number: int) -> dict[str, Any]:
    words = ["".join(chance.choices(_SYLLABLES, k=3)).title()]
    if chance.random() < 0.4:
        words.append("".join(chance.choices(_SYLLABLES, k=2)).title())
    business, form = chance.choice(_BUSINESS), chance.choice(_LEGAL)
    core = " ".join(words)
    return {
        "names": [f"{core} {business}{form}", f"{core} {business}", f"{core} {business}".upper() + form, core],
        "code": f"DE{chance.randrange(10**8, 10**9)}",
        "phone": f"+44 {chance.randrange(10**9, 10**10)}",
        "address": f"{chance.randrange(1, 400)} {chance.choice(_STREETS)}",
        "city": chance.choice(_CITIES),
        "site": f"{core.replace(' ', '').lower()}{number}.example",
    }


def _record(chance: random.Random, made: dict[str, Any], source: str, number: int, twin: str) -> dict[str, Any]:
    short = source in ("service", "web")
    name = made["names"][chance.choices((0, 1, 2, 3), weights=(3, 3, 3, 1) if short else (14, 5, 1, 0))[0]]
    if chance.random() < 0.03 and len(name) > 5:
        place = chance.randrange(1, len(name) - 1)
        name = name[:place] + name[place + 1 :]
    code = made["code"] if not short and chance.random() < 0.7 else None

    def often(share: float, value: str) -> str | None:
        return value if chance.random() < share else None

    return {
        "source": source,
        "source_id": f"{source[0]}{number}{twin}",
        "name": name,
        "kind": None,
        "uscc": code,
        "tax_number": None,
        "phone": often(0.6, made["phone"]),
        "email": often(0.2, f"info@{made['site']}"),
        "website": often(0.4 if short else 0.2, made["site"]),
        "address": often(0.3 if short else 0.8, made["address"]),
        "city": often(0.6, made["city"]),
        "truth": str(number),
    }
