"""Invented answers in the shapes of `model.serve`, to try pages without a warehouse. Used by tests only."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ops import clock
from ops.errors import C360Error

HIDDEN = "🔒"
XSS = "<img src=x onerror=alert(1)>"
ACTED: list[tuple[str, str, dict[str, Any]]] = []


class NotFound(C360Error):
    """Nothing visible by that name."""


@dataclass(frozen=True)
class Viewer:
    """As in model.policy."""

    user: str
    name: str
    role: str
    employee_key: str | None = None
    team: str | None = None
    scope: str = "all"
    masks: frozenset[str] = field(default_factory=frozenset)
    language: str = "zh"
    zone: str = "Asia/Shanghai"


PEOPLE = {
    "lin": Viewer("lin", "林晓岚", "account_manager", scope="own", masks=frozenset({"bank"})),
    "zhou": Viewer("zhou", "周敏", "service", masks=frozenset({"bank", "credit"})),
    "chen": Viewer("chen", "陈静", "finance", masks=frozenset({"phone"})),
    "sun": Viewer("sun", "孙海", "leader", masks=frozenset({"bank", "phone"})),
    "he": Viewer("he", "何源", "integration", masks=frozenset({"bank", "phone", "credit"})),
}


def _now() -> datetime:
    return clock.now()


def today() -> date:
    return clock.today("Asia/Shanghai")


def personas(_instance: Any) -> list[dict[str, Any]]:
    return [{"user": v.user, "name": v.name, "role": v.role} for v in PEOPLE.values()]


def sign_in(_instance: Any, user: str) -> Viewer:
    if user == "operator":
        return operator()
    if user not in PEOPLE:
        raise C360Error(f"no persona {user!r}", valid=", ".join(PEOPLE))
    return PEOPLE[user]


def operator() -> Viewer:
    return Viewer("operator", "operator", "operator")


def open_published(_instance: Any) -> Any:
    return object()


def search(_viewer: Any, _db: Any, text: str, limit: int = 10) -> list[dict[str, Any]]:
    names = {"C000001": "北辰精密仪器（苏州）有限公司", "C000002": f"星河{XSS}有限公司"}
    found = [
        {"customer_key": key, "name": name, "matched": {"kind": "name", "value": name}, "score": 1.0}
        for key, name in names.items()
        if text in name
    ]
    return found[:limit]


def _days(n: int) -> date:
    return today() + timedelta(days=n)


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


BUCKETS = {
    "not_due": Decimal(568200),
    "1-30": Decimal(123000),
    "31-60": Decimal(174600),
    "61-90": Decimal(118400),
}


def _kpis(viewer: Any) -> dict[str, Any]:
    hidden = "credit" in viewer.masks
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


def _ticket(number: str, subject: str, priority: str, minutes: int | None) -> dict[str, Any]:
    return {
        "number": number,
        "subject": subject,
        "status": "open",
        "priority": priority,
        "created_at": _now() - timedelta(days=2),
        "remaining_minutes": minutes,
        "sla": "active",
        "assignee": "周工",
        "source": "service",
    }


def customer(viewer: Any, _db: Any, query: str, as_of: Any = None, known_at: Any = None) -> dict[str, Any]:
    if query not in {"C000001", "C000002", "C-01187"}:
        raise NotFound(f"nothing for {query!r}")
    phone = HIDDEN if "phone" in viewer.masks else "138 1234 2170"
    name = f"星河{XSS}有限公司" if query == "C000002" else "北辰精密仪器（苏州）有限公司"
    return {
        "customer_key": "C000002" if query == "C000002" else "C000001",
        "name": name,
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
        "kpis": _kpis(viewer),
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
            _ticket("48102", XSS if query == "C000002" else "校准证书缺页", "high", -45),
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
        "timeline": timeline(viewer, _db, "C000001"),
        "freshness": {
            "crm": {
                "source": "crm",
                "last_success_at": _now() - timedelta(minutes=5),
                "age_s": 300,
                "state": "fresh",
            },
            "erp": {
                "source": "erp",
                "last_success_at": _now() - timedelta(minutes=7),
                "age_s": 420,
                "state": "fresh",
            },
            "tickets": {
                "source": "service",
                "last_success_at": _now() - timedelta(minutes=9),
                "age_s": 540,
                "state": "fresh",
            },
            "projects": {
                "source": "projects",
                "last_success_at": _now() - timedelta(minutes=192),
                "age_s": 11520,
                "state": "stale",
            },
        },
    }


def timeline(
    _viewer: Any, _db: Any, _key: str, kind: str | None = None, before: Any = None, limit: int = 20
) -> list[dict[str, Any]]:
    events = [
        ("service", "工单 #48213 升级为紧急", None, "service", "周工", 0.1),
        ("comm", "电话：催收 INV-20417", "承诺 11-25 付", "crm", "林晓岚", 0.8),
        ("money", "收款，未核销", None, "erp", None, 3),
        ("project", "里程碑「二期验收」推迟 9 天", None, "projects", "赵经理", 6),
        ("sale", "报价 Q-1187 发出", None, "crm", None, 8),
    ] * 8
    rows = [
        {
            "happened_at": _now() - timedelta(days=days + at // 5 * 10),
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
    return [row for row in rows if kind in {None, row["kind"]}][:limit]


def aging(_viewer: Any, _db: Any, as_of: Any = None, **_rest: Any) -> dict[str, Any]:
    totals = [
        {
            "currency": "CNY",
            "open": Decimal(98420000),
            "buckets": BUCKETS,
            "overdue": Decimal(41600000),
            "unallocated": Decimal(30000),
            "credits": Decimal(0),
        },
        {
            "currency": "USD",
            "open": Decimal(120000),
            "buckets": {"not_due": Decimal(120000)},
            "overdue": Decimal(0),
            "unallocated": Decimal(0),
            "credits": Decimal(0),
        },
    ]
    return {"as_of": as_of, "known_at": None, "basis": "due", "totals": totals, "rows": []}


def worklist(_viewer: Any, _db: Any, as_of: Any = None, owner: Any = None) -> list[dict[str, Any]]:
    base = {
        "currency": "CNY",
        "owner": "林晓岚",
        "items": 3,
        "promise": None,
        "unallocated_amount": Decimal(0),
    }
    return [
        {
            **base,
            "customer_key": key,
            "name": name,
            "open_amount": Decimal(984200),
            "overdue_amount": Decimal(416000 - at * 7),
            "oldest_days": 83 - at,
            "score": 10 - at,
            "state": ["promise", "dispute", "not_contacted"][at % 3],
            "paid_check": at == 3,
            "last_contact_at": _now() - timedelta(days=2),
            "finance_contact": {"name": "陈婷", "mobile": "138 1234 2170"},
        }
        for at, (key, name) in enumerate(
            [("C000001", "北辰精密仪器（苏州）有限公司"), ("C000002", f"星河{XSS}有限公司")] * 5
        )
    ]


def act(_viewer: Any, _db: Any, item_key: str, action: str, **args: Any) -> None:
    ACTED.append((item_key, action, args))


def renewals(_viewer: Any, _db: Any) -> list[dict[str, Any]]:
    return [
        {
            "customer_key": "C000001",
            "name": "北辰精密仪器（苏州）有限公司",
            "contract_number": f"HT-{at}",
            "end_on": _days(20 + 9 * at),
            "amount": Decimal(860000),
            "currency": "CNY",
            "likelihood": None if at == 7 else 0.31 + at * 0.09,
            "drivers_up": ["合作 6 年"],
            "drivers_down": ["SLA 超时 2", "付款慢 18 天"],
            "grade": "usable",
            "base_rate": 0.7,
            "owner": "林晓岚",
            "owner_forecast": 80 if at % 2 else None,
        }
        for at in range(8)
    ]


def renewal_card(_viewer: Any, _db: Any) -> dict[str, Any]:
    return {
        "model_version": "r-20261101", "n": 412, "base_rate": 0.7, "auc": 0.771, "pr_auc": 0.86, "brier": 0.161,
        "brier_skill": 0.21, "ece": 0.031, "grade": "usable", "baseline": {"auc": 0.5, "brier": 0.21},
    }  # fmt: skip


def overview(_viewer: Any, _db: Any, months: int = 12) -> dict[str, Any]:
    names = [f"2026-{m:02d}-01" for m in range(1, 13)]
    return {
        "kpis": {
            "open": {"amount": Decimal(98420000), "currency": "CNY"},
            "overdue": {"amount": Decimal(41600000), "currency": "CNY", "count": 120},
            "sales_12m": {"amount": Decimal(214700000), "currency": "CNY"},
            "collected_12m": {"amount": Decimal(190000000), "currency": "CNY"},
            "pipeline": {"amount": Decimal(56000000), "currency": "CNY", "count": 88},
            "tickets_open": 214,
            "projects_late": 9,
            "renewals_due": {"amount": Decimal(8600000), "currency": "CNY", "count": 31},
        },
        "sales_by_month": [{"month": m, "currency": "CNY", "amount": Decimal(15000000 + i * 700000)} for i, m in enumerate(names)],
        "collections_by_month": [{"month": m, "currency": "CNY", "amount": Decimal(14000000 + i * 500000)} for i, m in enumerate(names)],
        "receivables_aging": [
            {"month": m, "currency": "CNY", "buckets": {k: v * (10 + i) for k, v in BUCKETS.items()}} for i, m in enumerate(names)
        ],
        "top_debtors": [
            {"customer_key": "C000001", "name": "北辰精密仪器（苏州）有限公司", "overdue_amount": Decimal(416000), "open_amount": Decimal(984200), "currency": "CNY", "owner": None}
            for _ in range(8)
        ],
        "pipeline_by_stage": [{"stage": "方案", "count": 12, "amount": Decimal(12800000), "weighted_amount": Decimal(5800000), "currency": "CNY"}],
        "service_by_month": [{"month": m, "created": 120, "solved": 118, "response_sla": 0.81, "resolution_sla": None} for m in names],
        "delivery": {"on_time_share": 0.72, "late": 9},
    }  # fmt: skip


def status(_viewer: Any, _db: Any) -> dict[str, Any]:
    stamp = _now() - timedelta(minutes=9)
    row = {"rows_landed": 12000, "rows_staged": 11990, "next_run_at": _now() + timedelta(minutes=6)}
    return {
        "build": {"version": "20261122T020500", "published_at": stamp},
        "sources": [
            {"source": "crm", "state": "fresh", "last_success_at": stamp, "age_s": 540, "rejected": 0, **row},
            {
                "source": "erp",
                "state": "fresh",
                "last_success_at": stamp,
                "age_s": 540,
                "rejected": 10,
                **row,
            },
            {
                "source": "service",
                "state": "stale",
                "last_success_at": stamp - timedelta(hours=3),
                "age_s": 11340,
                "rejected": 0,
                **row,
            },
            {
                "source": "projects",
                "state": "failed",
                "last_success_at": None,
                "age_s": None,
                "rejected": 0,
                **row,
            },
        ],
    }


def sources(viewer: Any, db: Any) -> dict[str, Any]:
    return {
        **status(viewer, db),
        "runs": [
            {"run_id": f"r{n}", "source": "erp", "stream": "BD_Customer", "started_at": datetime(2026, 11, 22, 1, n, tzinfo=UTC), "status": "done",
             "rows": 500, "rejected": n % 3, "seconds": 1.5, "error": "HTTP 500 from the ERP" if n == 4 else None}
            for n in range(12)
        ],
        "rejects": [
            {"source": "erp", "stream": "AR_receivable", "record_id": "10023", "field": "gross_amount", "value": XSS, "reason": "not a number", "status": "open"}
        ],
    }  # fmt: skip
