"""Landing, caring for a source, stopping it: what the sources page says, in both languages, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from ingest import breaker
from model import serve
from model.serve import NotFound, Served
from ops import care
from ops.errors import FatalError
from ops.instance import Instance
from ops.leases import lease
from ops.tables import breakers, sync_requests
from run.scheduler import take_requests
from views import state
from views.parts import care_panel, landing_panel, reject_panel, syncing
from views.parts.format import Look

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOKS = {language: Look(language, "Asia/Shanghai", NOW) for language in ("zh", "en")}
PRUNED = {"stream": "invoice<", "rows": 60, "leaving": 40, "document_bytes": 2_400_000, "is_tidy": True}
PACKED = {"runs": 3, "files_before": 1208, "files_after": 4, "bytes_before": 9_100_000, "bytes_after": 8_000_000,
          "is_tidy": False}  # fmt: skip
TRIED = {"stream": "BD_Rate", "state": "refused", "rows": 0, "seconds": 0.2, "message": "403 <forbidden>",
         "remedy": "grant it"}  # fmt: skip


def asked(kind: str, *rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": kind, "days": None, "state": "done", "requested_by": "gao.yuan", "requested_at": NOW, "done": 0,
            "has_scheduler": True, "total": 0, "rows": list(rows), "message": None, **more}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "zh", "en"),
    [
        (asked(care.PACK, PACKED), "1,208 个文件（9.1 MB）→ 4 个文件", "1,208 files (9.1 MB) → 4 files"),
        (asked(care.PACK, PACKED), "下次移除", "superfluous files leave next time"),
        (asked(care.PACK, PACKED | {"runs": 0}), "没有需要整理的小文件", "no small files to pack"),
        (asked(care.LOOK, PRUNED, days=30), "超过 30 天", "older than 30 days"),
        (asked(care.LOOK, PRUNED | {"leaving": 0}, days=30), "没有被取代超过 30 天", "superseded for more than 30"),
        (asked(care.PRUNE, PRUNED, days=30), "已清理 40 个", "40 versions superseded for more than 30 days have left"),
        (asked(care.BUCKET, {"learned": 1, "put": 2}), "取得 1 批，上传 2 批", "1 run learned from the bucket, 2 put"),
        (asked(care.TRY, TRIED), "被拒绝", "refused"),
        (asked(care.TRY, state="failed", message="no <key>"), "试读失败", "Try it: failed"),
        (asked(care.PACK, state="running", done=3, total=20), "整理文件：3 / 20", "Pack files: 3 of 20 streams"),
        (asked(care.PACK, state="waiting"), "gao.yuan 已请求：整理文件", "gao.yuan asked for it: Pack files"),
        (asked(care.PACK, state="waiting", has_scheduler=False), "没有调度进程", "No scheduler"),
    ],
)
def test_how_far_it_is_and_what_came_of_it(found: dict[str, Any], zh: str, en: str) -> None:
    assert zh in care_panel.told(LOOKS["zh"], found)
    shown = care_panel.told(LOOKS["en"], found)
    assert en in shown
    assert "<forbidden>" not in shown
    assert "invoice<" not in shown


def test_landing_tells_files_retention_and_when_it_was_tended() -> None:
    row = {"source": "erp", "files": 1208, "bytes": 3_200_000_000, "packed": 12, "loose": 40, "packed_at": NOW,
           "keep_versions_days": 365, "legal_hold": False, "pruned_at": NOW, "pruned_rows": 77}  # fmt: skip
    zh = landing_panel.held(LOOKS["zh"], [row], None)
    for word in ("1,208", "3.2 GB", "已整理 12，未整理 40", "保留 365 天", "77 个版本", "本机文件夹"):
        assert word in zh
    quiet = row | {"keep_versions_days": None, "packed_at": None, "pruned_at": None}
    en = landing_panel.held(LOOKS["en"], [quiet, row | {"legal_hold": True}], "s3://<bucket>/x")
    for word in ("all kept", "legal hold", "bucket s3://&lt;bucket&gt;/x", "—"):
        assert word in en


def test_a_sync_that_was_stopped_is_no_failure() -> None:
    request = {"state": "stopped", "stream": None, "requested_by": "gao.yuan", "requested_at": NOW, "message": "<x>"}
    assert "已停止，下次从中断处继续" in syncing.progress(LOOKS["zh"], request)
    shown = syncing.progress(LOOKS["en"], request)
    assert "Stopped" in shown
    assert "<x>" not in shown


def test_ignored_records_stand_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "here", lambda page, **changes: f"/{page}?{changes}")
    row = {"quarantine_id": 4, "source": "erp", "stream": "AR_receivable", "record_id": "7", "entity": "invoice",
           "field": "gross_amount", "value": "38658,,42", "reason": "not an amount"}  # fmt: skip
    shown = reject_panel._listing(LOOKS["zh"], [row], None, "ignored")
    assert "已忽略的记录" in shown
    assert "38658,,42" in shown


@pytest.fixture
def db(demo: Path) -> Iterator[Served]:
    """The demo's build with no request and no failing host in its store, before and after."""
    instance = Instance.load(demo)

    def clear() -> None:
        with instance.store.begin() as connection:
            connection.execute(delete(sync_requests))
            connection.execute(delete(breakers))

    clear()
    yield serve.open_published(instance)
    clear()


def test_what_waits_is_stopped_and_asked_for_anew(db: Served) -> None:
    owner = serve.sign_in(db.instance, "gao.yuan")
    serve.request_sync(owner, db, "erp")
    serve.stop_sync(owner, db, "erp")
    found = serve.sync_state(owner, db, "erp")
    assert found is not None
    assert found["state"] == "stopped"
    assert take_requests(db.instance) == []
    serve.request_sync(owner, db, "erp")
    assert take_requests(db.instance) == ["erp"]


def test_a_host_that_is_left_alone_is_tried_at_once(db: Served) -> None:
    owner, store = serve.sign_in(db.instance, "gao.yuan"), db.instance.store
    host = str(db.instance.config.source("erp").settings["base_url"]).split("/")[2]
    for _ in range(breaker.FAILURES):
        breaker.Breakers(store).failed(host, "503")
    with pytest.raises(NotFound, match="is not left alone"):
        serve.try_host(owner, db, "erp.example.com")
    assert serve.try_host(owner, db, host) == ["erp"]
    assert breaker.Breakers(store).enter(host), "the next call is the probe"
    with store.read() as connection:
        assert connection.execute(select(sync_requests.c.source)).scalars().all() == ["erp"]


def test_nothing_leaves_that_was_not_looked_at(db: Served) -> None:
    owner = serve.sign_in(db.instance, "gao.yuan")
    with lease(db.instance.store, "scheduler", ttl_s=30):
        number = serve.request_care(owner, db, "erp", care.LOOK, 30)
        assert serve.request_care(owner, db, "erp", care.LOOK, 30) == number
        found = serve.care_state(owner, db, "erp")
    assert found is not None
    assert (found["kind"], found["days"], found["state"], found["has_scheduler"]) == (care.LOOK, 30, "waiting", True)
    with pytest.raises(FatalError, match="nobody has seen yet"):
        serve.request_care(owner, db, "erp", care.PRUNE, 30)
