"""Webhooks, reads on demand, hosts left alone and the customer's own sync, in both languages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ingest.targets import CUSTOMER
from model import serve
from model.serve import Served
from ops.errors import FatalError
from ops.instance import Instance
from ops.tables import audit, target_requests
from run import targeting
from views.parts import customer_sync, hook_panel
from views.parts.format import Look

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOKS = {language: Look(language, "Asia/Shanghai", NOW) for language in ("zh", "en")}


def asked(**more: Any) -> dict[str, Any]:
    return {"state": "done", "requested_at": NOW, "requested_by": "he.jing", "has_scheduler": True, "sources_done": 2,
            "sources_total": 3, "rows_landed": 1204, "messages": [], "left_out": [], **more}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "zh", "en"),
    [
        (asked(), "同步完成，1,204 行", "Synced, 1,204 rows"),
        (asked(state="running"), "读取中：2 / 3 个系统", "Reading: 2 of 3 systems"),
        (asked(state="waiting"), "he.jing 已请求同步此客户", "he.jing asked to sync this customer"),
        (asked(state="running", has_scheduler=False), "没有调度进程", "No scheduler"),
        (asked(left_out=["projects", "erp"]), "不能单独读取 项目、ERP", "not read alone: Projects, ERP"),
        (asked(state="failed", messages=["erp: <b>"]), "同步失败", "Sync failed"),
    ],
)
def test_how_far_a_customer_s_sync_is(found: dict[str, Any], zh: str, en: str) -> None:
    assert zh in customer_sync.said(LOOKS["zh"], found)
    shown = customer_sync.said(LOOKS["en"], found)
    assert en in shown
    assert "<b>" not in shown


def test_hooks_and_reads_are_counted_in_words() -> None:
    hooks = [{"source": "shop<", "accepted": 1204, "duplicate": 3, "refused": 7, "ignored": 0, "last_at": NOW}]
    for language, words in {"zh": ("推送通知", "拒绝"), "en": ("Webhooks", "Refused")}.items():
        shown = hook_panel.received(LOOKS[language], hooks)
        assert all(word in shown for word in (*words, "1,204", "shop&lt;"))
    row = {"source": "erp", "stream": "Item<", "caused_by": "webhook", "started_at": NOW, "state": "failed",
           "asked": 0, "rows_landed": 5, "error": "<script>", "remedy": None}  # fmt: skip
    shown = hook_panel.read(LOOKS["en"], [row])
    assert "whole stream" in shown
    assert "<script>" not in shown
    assert "Item&lt;" in shown


def test_a_host_left_alone_says_until_when_and_why() -> None:
    host = {"host": "erp.example.com", "failures": 3, "until": NOW, "since": NOW, "reason": "503 <busy>"}
    assert "连续 3 次调用失败" in hook_panel.alone(LOOKS["zh"], host)
    shown = hook_panel.alone(LOOKS["en"], host)
    assert "erp.example.com is left alone" in shown
    assert "503 &lt;busy&gt;" in shown


@pytest.fixture
def db(demo: Path) -> Iterator[Served]:
    """The demo's build with no targeted request in its store, before and after."""
    instance = Instance.load(demo)

    def clear() -> None:
        with instance.store.begin() as connection:
            connection.execute(delete(target_requests))

    clear()
    yield serve.open_published(instance)
    clear()


def test_who_looks_after_sources_asks_for_one_customer(db: Served) -> None:
    owner = serve.sign_in(db.instance, "gao.yuan")
    rows = db.rows(
        "select customer_key from core.dim_customer_record where not is_deleted group by 1"
        " order by count(distinct source) desc, 1 limit 1"
    )
    key = str(rows[0]["customer_key"])
    plan = {one["source"]: one["reason"] for one in serve.customer_sources(owner, db, key)["sources"]}
    assert plan["projects"] == "no_filter"
    able = [source for source, reason in plan.items() if reason is None]
    assert len(able) >= 2
    assert serve.customer_sync_state(owner, db, key) is None
    assert serve.request_customer(owner, db, key) == able
    assert serve.request_customer(owner, db, key) == able  # the waiting ones are used again
    found = serve.customer_sync_state(owner, db, key)
    assert found is not None
    assert found["left_out"] == ["projects"]
    assert (found["state"], found["sources_total"], found["sources_done"]) == ("waiting", len(able), 0)
    taken = targeting.take(db.instance)
    assert [(row.source, row.kind, row.caused_by, row.subject) for row in taken] == [
        (source, CUSTOMER, CUSTOMER, key) for source in able
    ]
    with db.instance.store.read() as connection:
        noted = connection.execute(select(audit.c.actor).where(audit.c.action == "customer.sync")).scalars().all()
    assert set(noted) == {"gao.yuan"}


@pytest.mark.parametrize("user", ["lin.xiaolan", "zhou.min", "he.jing"])
def test_other_roles_may_not_ask_and_see_nothing_of_it(db: Served, user: str) -> None:
    viewer = serve.sign_in(db.instance, user)
    with pytest.raises(FatalError, match="does not look after sources"):
        serve.request_customer(viewer, db, "C000001")
    assert serve.customer_sync_state(viewer, db, "C000001") is None
    assert serve.hook_state(viewer, db)["reads"] == []
