"""Kingdee master data: organisations, currencies with rates, terms, units, bill types, materials."""

from __future__ import annotations

from datetime import date
from math import sin

from data.demo import timing
from data.demo.words import CARRIERS, INDUSTRIES, PRODUCTS
from data.demo.world import Record, World

ORGANISATIONS = {
    100101: ("101", "澄远精密测控（上海）有限公司"),
    100102: ("102", "澄远精密测控（苏州）有限公司"),
    100103: ("103", "澄远精密测控（深圳）有限公司"),
}
CURRENCIES = {"CNY": (1, "PRE001", "人民币"), "USD": (7, "PRE007", "美元"), "EUR": (4, "PRE004", "欧元")}
TERMS: tuple[tuple[int, str, str, str, int], ...] = (
    (20031, "SKTJ01", "月结30天", "month_end", 30),
    (20032, "SKTJ02", "月结60天", "month_end", 60),
    (20033, "SKTJ03", "货到30天", "days", 30),
    (20034, "SKTJ04", "票到60天", "none", 60),
    (20035, "SKTJ05", "款到发货", "days", 0),
    (20036, "SKTJ06", "3-6-1（质保金一年）", "stages", 365),
    (20037, "SKTJ07", "开票后45天", "days", 45),
)
UNITS = {"台": 10001, "只": 10002, "套": 10003, "块": 10004, "项": 10005}
DEPARTMENTS = {"销售部": 30001, "客户服务部": 30002, "工程部": 30003, "财务部": 30004, "总经办": 30005}
INDUSTRY_GROUPS = {name: 40001 + k for k, name in enumerate([*INDUSTRIES, "零售", "海外"])}
MATERIAL_GROUPS = {
    name: 41001 + k for k, name in enumerate(["测量设备", "传感器", "在线检测", "耗材备件", "软件", "服务"])
}
CARRIER_IDS = {name: 42001 + k for k, name in enumerate(CARRIERS)}
WARRANTY_MONTHS = {"测量设备": 18.0, "传感器": 12.0, "在线检测": 12.0}
SETTLE_TYPES = {
    "cash": (1, "JSFS01_SYS", "现金"),
    "transfer": (4, "JSFS04_SYS", "电汇"),
    "commercial_bill": (6, "JSFS06_SYS", "商业承兑汇票"),
    "bank_bill": (7, "JSFS07_SYS", "银行承兑汇票"),
    "card": (9, "JSFS09_SYS", "银行卡"),
}
PURPOSES = {
    "sale": (1, "SFKYT01_SYS", "销售收款"),
    "prepayment": (2, "SFKYT02_SYS", "预收款"),
    "deposit": (9, "SFKYT09_SYS", "保证金"),
    "other": (99, "SFKYT99_SYS", "其他"),
}
BILL_TYPES = {
    "standard": (50001, "YSD01_SYS", "标准应收单"),
    "opening": (50002, "YSD_QC", "期初应收单"),
    "red": (50003, "YSD_RED", "红字应收单"),
    "credit": (50004, "YSD_CN", "贷项应收单"),
    "order": (50011, "XSDD01_SYS", "标准销售订单"),
}
SOURCE_FORMS = {"AR_receivable": ("AR_receivable", "应收单")}


def auxiliary() -> dict[str, dict[int, tuple[str, str]]]:
    """Base data that only ever appears through `.FNumber` and `.FName`: kind -> id -> (number, name)."""
    return {
        "terms": {row[0]: (row[1], row[2]) for row in TERMS},
        "unit": {key: (f"U{key}", name) for name, key in UNITS.items()},
        "department": {key: (f"BM{key}", name) for name, key in DEPARTMENTS.items()},
        "industry": {key: (f"KH{key}", name) for name, key in INDUSTRY_GROUPS.items()},
        "material_group": {key: (f"WL{key}", name) for name, key in MATERIAL_GROUPS.items()},
        "carrier": {key: (f"CY{key}", name) for name, key in CARRIER_IDS.items()},
        "settle_type": {key: (number, name) for key, number, name in SETTLE_TYPES.values()},
        "purpose": {key: (number, name) for key, number, name in PURPOSES.values()},
        "bill_type": {key: (number, name) for key, number, name in BILL_TYPES.values()},
        "rate_type": {1: ("HLTX01_SYS", "固定汇率")},
    }


def rate(currency: str, day: int) -> float:
    """CNY for one unit of `currency`, constant within a calendar month, 4 decimals."""
    if currency == "CNY":
        return 1.0
    month = date.fromordinal(day)
    phase = month.year * 12 + month.month
    base, swing = (7.12, 0.11) if currency == "USD" else (7.83, 0.19)
    return round(base + swing * sin(phase / 3.1) + 0.04 * sin(phase * 1.7), 4)


def _stamps(moment: int) -> Record:
    text = timing.wall(moment)
    return {"FDocumentStatus": "C", "FForbidStatus": "A", "FCreateDate": text, "FModifyDate": text}


def _rates(world: World) -> None:
    month = timing.add_months(world.start, -1)
    month -= date.fromordinal(month).day - 1
    while month <= world.today:
        for currency in ("USD", "EUR"):
            value = rate(currency, month)
            world.add(
                "kingdee",
                "BD_Rate",
                {
                    "FRATEID": world.next("rate", 7001),
                    "FRATETYPEID": 1,
                    "FCYFORID": CURRENCIES[currency][0],
                    "FCYTOID": 1,
                    "FEXCHANGERATE": value,
                    "FREVERSEEXRATE": round(1 / value, 8),
                    "FBEGDATE": timing.midnight(month),
                    "FENDDATE": timing.midnight(timing.month_end(month)),
                    **_stamps(world.clip(timing.at(month, 30600))),
                },
            )
        month = timing.month_end(month) + 1


def _materials(world: World, old: int) -> None:
    rng = world.rng("materials")
    for name, code, line, unit, price in PRODUCTS:
        for model in (100, 300, 500):
            number = f"{code}-{model}"
            key = world.next("material", 60001)
            factor = {100: 0.8, 300: 1.0, 500: 1.35}[model]
            full = f"{name} {code}{model}"
            erp = {
                "FMATERIALID": key,
                "FMasterID": key,
                "FNumber": number,
                "FName": full,
                "FSpecification": f"{code}{model} / 精度 {rng.randint(1, 9)} μm",
                "FMaterialGroup": MATERIAL_GROUPS[line],
                "FBaseUnitId": UNITS[unit],
                "FUseOrgId": 100101,
                **_stamps(timing.at(old, 36000)),
                "price": int(float(price) * factor) * 100,
            }
            if rng.random() < 0.04:
                erp["FForbidStatus"] = "B"
            world.add("kingdee", "BD_MATERIAL", erp)
            fields = {
                "ProductCode": number if rng.random() < 0.9 else number.replace("-", ""),
                "Name": full,
                "Family": line,
                "Description": erp["FSpecification"],
                "Unit__c": unit,
                "Warranty_Months__c": WARRANTY_MONTHS.get(line),
                "IsActive": erp["FForbidStatus"] == "A",
            }
            world.sf("Product2", world.sf_id("01t", "product"), timing.at(old, 36000), 0, fields)


def build(world: World) -> None:
    """Organisations, currencies, monthly rates and materials (with the CRM's products)."""
    old = timing.add_months(world.start, -40)
    stamp = timing.at(old, 32400)
    for key, (number, name) in ORGANISATIONS.items():
        world.add(
            "kingdee",
            "ORG_Organizations",
            {"FOrgID": key, "FNumber": number, "FName": name, **_stamps(stamp)},
        )
    for code, (key, number, name) in CURRENCIES.items():
        row = {"FCURRENCYID": key, "FNumber": number, "FCODE": code, "FName": name, **_stamps(stamp)}
        world.add("kingdee", "BD_Currency", row)
    _rates(world)
    _materials(world, old)
