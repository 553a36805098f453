"""One customer in the shape of `serve.customer`, with every state that a panel must be able to draw."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from model.policy import HIDDEN
from model.serve import entitled

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
TODAY = date(2026, 11, 22)
BUCKETS = {
    "not_due": Decimal(568200),
    "1-30": Decimal(123000),
    "31-60": Decimal(174600),
    "61-90": Decimal(118400),
}


def _days(n: int) -> date:
    return TODAY + timedelta(days=n)


def _item(number: str, due: int | None, amount: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "record_key": f"erp:{number}",
        "invoice_number": number,
        "plan_row": None,
        "kind": "invoice",
        "invoice_on": _days(-120),
        "due_on": None if due is None else _days(due),
        "days_past_due": None if due is None else -due,
        "bucket": "1-30",
        "currency": "CNY",
        "amount": Decimal(amount),
        "open_amount": Decimal(amount),
        "is_retention": False,
        "status": status,
        "note": None,
        "owner": "林晓岚",
        "source": "erp",
        "source_id": number,
        **more,
    }


def _items() -> list[dict[str, Any]]:
    return [
        _item("INV-20417", -83, "118400.00", "promise"),
        _item("INV-20655", -52, "174600.00", "dispute"),
        _item("INV-20871", -22, "123000.00", "not_contacted"),
        _item("INV-20990", 9, "402200.00", "not_due"),
        _item("HT-0932", 221, "166000.00", "retention", is_retention=True),
        _item("INV-21001", None, "0.01", "no_due_date"),
    ]


def _kpis(masks: frozenset[str]) -> dict[str, Any]:
    hidden = "credit" in masks
    return {
        "health": {"level": "amber", "reasons": ["SLA 超时 2", "超限", "付款变慢"], "coverage": 1},
        "contract_value": {"amount": Decimal(3860000), "currency": "CNY", "count": 3},
        "revenue_12m": {"amount": Decimal(2147000), "currency": "CNY"},
        "renewal": {"on": _days(71), "days": 71, "likelihood": 0.58, "drivers": ["SLA 超时 2", "合作 6 年"]},
        "open": {"amount": Decimal("984200.00"), "currency": "CNY"},
        "overdue": {"amount": Decimal(416000), "currency": "CNY", "count": 3, "disputed": Decimal(174600)},
        "credit": {
            "limit": HIDDEN if hidden else Decimal(1200000),
            "exposure": HIDDEN if hidden else Decimal(1404000),
            "percent": HIDDEN if hidden else Decimal(117),
            "currency": "CNY",
        },
        "tickets": {"open": 5, "breached": 2, "urgent": 1},
        "projects": {"active": 2, "late": 1, "next_milestone_on": _days(6)},
    }


def _asset(serial: str, **more: Any) -> dict[str, Any]:
    """A row of marts.mart_asset_entitlement, in its warranty."""
    return dict.fromkeys(entitled.COLUMNS) | {
        "record_key": f"crm:{serial}",
        "source": "crm",
        "source_id": f"02i{serial}",
        "serial_number": serial,
        "serial_key": serial.replace("-", ""),
        "product_code": "DX-200",
        "product_name": "电导率仪",
        "status": "active",
        "location": "二号线",
        "delivered_on": _days(-200),
        "held_from_on": _days(-200),
        "warranty_kind": "standard",
        "warranty_terms": "12",
        "warranty_basis": "shipped",
        "warranty_from_on": _days(-200),
        "warranty_until_on": _days(165),
        **more,
    }


def _assets() -> list[dict[str, Any]]:
    """Devices in every state of cover, as `serve.customer` tells of them."""
    over = {"warranty_until_on": _days(-30)}
    contract = {
        "contract_key": "crm:HT-0932",
        "contract_number": "HT-0932",
        "contract_name": "年度服务",
        "contract_level": "金牌",
        "contract_from_on": _days(-294),
        "contract_until_on": _days(71),
    }
    found = entitled.devices(
        [
            _asset("DX-1001"),
            _asset("DX-1002", **over, **contract),
            _asset("DX-1003", **over),
            _asset("DX-1004", warranty_kind=None, warranty_basis=None),
            _asset("DX-1005", status="returned", status_on=_days(-3)),
            _asset("DX-1006", status="replaced", status_on=_days(-9), replaced_by_serial="DX-1001"),
        ],
        TODAY,
    )
    return [{**one, **one["device"]} for one in found]


def _ticket(number: str, subject: str, priority: str, minutes: int | None) -> dict[str, Any]:
    return {
        "number": number,
        "subject": subject,
        "status": "open",
        "priority": priority,
        "created_at": NOW - timedelta(days=2),
        "remaining_minutes": minutes,
        "sla": "active",
        "assignee": "周工",
        "source": "service",
    }


def customer(masks: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The customer as a viewer with these masks sees it."""
    phone = HIDDEN if "phone" in masks else "138 1234 2170"
    return {
        "customer_key": "C000001",
        "name": "北辰精密仪器（苏州）有限公司",
        "status": "active",
        "tier": "A",
        "group": "北辰控股",
        "uscc": "91320594MA1WFTQ27X",
        "owner": "林晓岚",
        "region": "华东",
        "city": "苏州",
        "industry": "装备制造",
        "customer_since_on": _days(-2250),
        "codes": {
            "crm": ["0015g00000Xk2"],
            "erp": ["C-01187", "C-02214"],
            "service": ["58812"],
            "projects": ["BCSZ"],
        },
        "contacts": [
            {
                "name": "陈婷",
                "title": "财务经理",
                "mobile": phone,
                "email": "chen@example.com",
                "is_finance": True,
            },
            {"name": "王峰", "title": "采购总监", "phone": None, "email": None, "is_primary": True},
        ],
        "kpis": _kpis(masks),
        "receivables": {
            "open": Decimal(984200),
            "overdue": Decimal(416000),
            "unallocated": Decimal(30000),
            "buckets": BUCKETS,
            "by_currency": [{"currency": "CNY", "open": Decimal(984200)}],
            "items": _items(),
        },
        "tickets": [
            _ticket("48213", "二号线传感器漂移", "urgent", -200),
            _ticket("48102", "校准证书缺页", "high", -45),
            _ticket("48240", "备件报价", "normal", 310),
            _ticket("47988", "固件升级安排", "normal", 1500),
            _ticket("47951", "培训时间确认", "low", None),
        ],
        "projects": [
            {
                "code": "P1",
                "name": "二期产线检测",
                "status": "active",
                "health": "amber",
                "progress_percent": 86,
                "next_milestone": {"name": "验收", "planned_on": _days(6), "slip_days": 9},
            },
            {
                "code": "P2",
                "name": "实验室搬迁",
                "status": "active",
                "health": "green",
                "progress_percent": 0,
                "next_milestone": None,
            },
        ],
        "opportunities": [
            {
                "number": "O1",
                "name": "三期扩产",
                "stage": "方案",
                "amount": Decimal(1280000),
                "currency": "CNY",
                "close_on": _days(100),
            },
            {
                "number": "O2",
                "name": "年度维保续签",
                "stage": "谈判",
                "amount": Decimal(420000),
                "currency": "CNY",
                "close_on": _days(60),
            },
            {
                "number": "O3",
                "name": "备件框架",
                "stage": "线索",
                "amount": None,
                "currency": None,
                "close_on": None,
            },
        ],
        "contracts": [
            {
                "number": "HT-0932",
                "name": "年度服务",
                "kind": "service",
                "status": "in_force",
                "amount": Decimal(860000),
                "currency": "CNY",
                "start_on": _days(-294),
                "end_on": _days(71),
                "likelihood": 0.58,
            }
        ],
        "orders": [
            {
                "number": f"SO-{n}",
                "order_on": _days(-n * 20),
                "status": "approved",
                "gross_amount": Decimal(50000 + n),
                "currency": "CNY",
                "delivered_percent": 100,
                "invoiced_percent": 80,
            }
            for n in range(1, 9)
        ],
        "assets": _assets(),
        "assets_count": 6,
        "timeline": _timeline(),
        "provenance": {
            "records": [
                {
                    "source": "crm",
                    "source_id": "0015g",
                    "code": None,
                    "name": "北辰精密",
                    "rule": "uscc",
                    "evidence": "uscc=9132",
                },
                {
                    "source": "erp",
                    "source_id": "102002",
                    "code": "C-01187",
                    "name": "北辰",
                    "rule": "uscc",
                    "evidence": "uscc=9132",
                },
            ],
            "owner_source": "crm",
        },
        "freshness": {
            "crm": {
                "source": "crm",
                "last_success_at": NOW - timedelta(minutes=5),
                "age_s": 300,
                "state": "fresh",
            },
            "erp": {
                "source": "erp",
                "last_success_at": NOW - timedelta(minutes=7),
                "age_s": 420,
                "state": "fresh",
            },
            "tickets": {
                "source": "service",
                "last_success_at": NOW - timedelta(minutes=9),
                "age_s": 540,
                "state": "fresh",
            },
            "projects": {
                "source": "projects",
                "last_success_at": NOW - timedelta(minutes=192),
                "age_s": 11520,
                "state": "stale",
            },
        },
    }


def _timeline() -> list[dict[str, Any]]:
    events = [
        ("service", "工单 #48213 升级为紧急", None, "service", "周工", 0.1),
        ("comm", "电话：催收 INV-20417", "承诺 11-25 付", "crm", "林晓岚", 0.8),
        ("money", "收款，未核销", None, "erp", None, 3),
        ("project", "里程碑「二期验收」推迟 9 天", None, "projects", "赵经理", 6),
        ("sale", "报价 Q-1187 发出", None, "crm", None, 8),
    ] * 8
    return [
        {
            "happened_at": NOW - timedelta(days=days + at // 5 * 10),
            "kind": one,
            "title": title,
            "detail": detail,
            "amount": Decimal(30000) if one == "money" else None,
            "currency": "CNY",
            "source": source,
            "person": person,
            "record_key": f"{source}:{at}",
        }
        for at, (one, title, detail, source, person, days) in enumerate(events)
    ]
