"""What the sources page says about drift, announced changes, rejects and a month's health, in both languages."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from views import state
from views.parts import drift_panel, health_panel, reject_panel
from views.parts.format import Look

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOKS = {language: Look(language, "Asia/Shanghai", NOW) for language in ("zh", "en")}


@pytest.fixture(autouse=True)
def links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links without a browser's address."""
    monkeypatch.setattr(state, "here", lambda page, **changes: f"/{page}?{changes}")


def drift(**more: Any) -> dict[str, Any]:
    row = {"drift_id": 1, "source": "erp", "stream": "BD_Customer", "field": "FNumber", "kind": "retyped",
           "before": "text", "after": "yes/no, number", "planned_id": None, "found_at": "2026-11-22T03:00:00.000000Z",
           "touches": [{"entity": "customer", "field": "code"}, {"entity": "customer", "field": "filter"}]}  # fmt: skip
    return row | more


def test_a_drift_tells_types_in_words_and_the_fields_it_feeds() -> None:
    zh = drift_panel._drifts(LOOKS["zh"], [drift()], None, {})
    assert "文本 → 是否、数字" in zh
    assert "类型改变" in zh
    assert "客户 · 客户编码" in zh
    assert "筛选条件" in zh
    en = drift_panel._drifts(LOOKS["en"], [drift()], None, {})
    assert "text → yes/no, number" in en
    assert "type changed" in en


def test_what_a_source_says_is_escaped_and_what_was_announced_is_named() -> None:
    shown = drift_panel._drifts(
        LOOKS["en"], [drift(field="<script>", kind="new_value", before=None, after="<b>", planned_id=7)], None,
        {7: "new <price>"},
    )  # fmt: skip
    assert "<script>" not in shown
    assert "&lt;b&gt;" in shown
    assert 'title="new &lt;price&gt;"' in shown
    assert "— → " not in shown, "nothing is a mark of its own"


def test_a_contract_names_the_whole_source() -> None:
    shown = drift_panel._drifts(
        LOOKS["zh"],
        [drift(stream="*", field="", kind="contract", before=None, after="collected", touches=[])],
        None,
        {},
    )
    assert "整个数据源" in shown
    assert "连接器约定" in shown


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({"is_late": True, "happened": 0, "state": "announced"}, "did not come"),
        ({"is_late": False, "happened": 1, "state": "announced"}, "1 change seen"),
        ({"is_late": False, "happened": 0, "state": "rolled_back"}, "rolled back"),
    ],
)
def test_an_announced_change_says_what_became_of_it(plan: dict[str, Any], said: str) -> None:
    row = {"planned_id": 1, "source": "erp", "stream": None, "title": "x", "owner": "y", "check": "c", "rollback": "r",
           "expected_on": date(2026, 11, 25), **plan}  # fmt: skip
    assert said in drift_panel._plans(LOOKS["en"], [row])


def test_a_reject_shows_field_value_and_reason() -> None:
    row = {"quarantine_id": 4, "source": "erp", "stream": "AR_receivable", "record_id": "7", "entity": "invoice",
           "field": "gross_amount", "value": "38658,,42", "reason": "not an amount"}  # fmt: skip
    shown = reject_panel._listing(LOOKS["zh"], [row], row)
    assert "38658,,42" in shown
    assert "价税合计" in shown
    assert 'aria-current="true"' in shown
    assert "没有被拒记录" in reject_panel._listing(LOOKS["zh"], [], None)


def test_a_month_tells_zero_from_unknown() -> None:
    figures = {"runs": 4, "failed": 2, "failed_share": 0.5, "fresh_share": 0.934, "recovery_hours": None, "rows": 0,
               "rejects": 0, "error_rate": None, "open_rejects": 0, "drift": 0, "interventions": 1}  # fmt: skip
    found = {"month": "2026-10", "sources": [{"source": "erp", **figures}], "total": figures,
             "trend": [{"month": "2026-10", **figures}]}  # fmt: skip
    shown = health_panel._sources(LOOKS["en"], found, date(2026, 11, 22))
    assert "93.4 %" in shown
    assert shown.count("—") >= 2
    assert "Month after" in shown
    assert "Month after" not in health_panel._sources(LOOKS["en"], found, date(2026, 10, 22))
    assert "2026-10" in health_panel._trend(LOOKS["zh"], found)
    nothing = {**found, "total": {**figures, "runs": 0}}
    assert "这个月没有采集" in health_panel._sources(LOOKS["zh"], nothing, date(2026, 11, 22))
