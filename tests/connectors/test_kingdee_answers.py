"""金蝶云星空's traps, each by an answer in its shape: errors inside HTTP 200, fields that differ, stamps that stand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.collect import sync
from tests.connectors.answering import answering
from tests.ingest.fake import Seen, documents, reply

SIGN_IN = {"base_url": "{url}/k3cloud/", "acct_id": "a", "username": "api", "app_id": "x", "app_secret": "s"}
PLAIN = SIGN_IN | {"describe": False}
JSON = {"content_type": "application/json"}


def failure(message: str) -> dict[str, Any]:
    errors = [{"FieldName": None, "Message": message, "DIndex": 0}]
    return {"Result": {"ResponseStatus": {"ErrorCode": 500, "IsSuccess": False, "Errors": errors, "MsgCode": 9}}}


class Kingdee:
    """`answer` is asked for every bill query with its `data`; rows are dicts, put into the order of FieldKeys."""

    def __init__(self, answer: Callable[[dict[str, Any]], Any], known: list[str] | None = None) -> None:
        self.answer, self.known = answer, known
        self.logins = 0
        self.asked: list[dict[str, Any]] = []

    def __call__(self, seen: Seen) -> Any:
        if "AuthService" in seen.path:
            self.logins += 1
            return reply(200, {"LoginResultType": 1, "KDSVCSessionId": f"k-{self.logins}"}, **JSON)
        if "QueryBusinessInfo" in seen.path:
            fields = [{"Key": key} for key in self.known or []]
            return {"Result": {"NeedReturnData": {"Entrys": [{"Key": "FBillHead", "Fields": fields}]}}}
        data = seen.body["data"]
        self.asked.append(data)
        found = self.answer(data)
        if not (isinstance(found, list) and all(isinstance(row, dict) and "FID" in row for row in found)):
            return found
        return [[row.get(key) for key in data["FieldKeys"].split(",")] for row in found]


def staff(number: int, **more: Any) -> dict[str, Any]:
    return {
        "FID": number,
        "FStaffNumber": f"E{number}",
        "FName": f"P{number}",
        "FModifyDate": "2026-03-01T09:00:00",
    } | more


def after(data: dict[str, Any]) -> int:
    found = re.search(r"FID >=? (\d+)\s*$", data["FilterString"])
    assert found, data["FilterString"]
    return int(found[1])


@pytest.mark.parametrize("wrap", [lambda body: [[body]], lambda body: body], ids=["nested", "bare"])
def test_an_error_inside_a_good_answer_is_an_error(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    """The list of errors has the same outer type as a row."""
    vendor = Kingdee(lambda _: wrap(failure("元数据中标识为FCustId的字段不存在")))
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
    assert "元数据中标识为FCustId的字段不存在" in (result.error or "")


@pytest.mark.parametrize(
    "body",
    [
        [[failure("会话信息已丢失，请重新登录")]],
        failure("会话信息已丢失，请重新登录"),
        [{"FieldName": None, "Message": "会话信息已丢失，请重新登录", "DIndex": 0}],
        reply(200, "ctx == null"),
    ],
    ids=["nested", "bare", "list", "text"],
)
def test_a_lost_session_has_many_spellings_and_is_opened_again(tmp_path: Path, body: Any) -> None:
    lost = [1]
    vendor = Kingdee(lambda data: body if lost and lost.pop() else ([staff(1)] if after(data) == 0 else []))
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
        assert result.error is None
        assert list(documents(instance, "BD_Empinfo")) == ["1"]
    assert vendor.logins == 2


def test_a_session_word_among_good_rows_is_no_lost_session(tmp_path: Path) -> None:
    vendor = Kingdee(lambda data: [staff(1, FName="会话测试未登录")] if after(data) == 0 else [])
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
        assert result.error is None
        assert documents(instance, "BD_Empinfo")["1"]["FName"] == "会话测试未登录"
    assert vendor.logins == 1


def test_wrong_logins_are_not_repeated_because_they_lock_the_user(tmp_path: Path) -> None:
    logins: list[int] = []

    def handle(seen: Seen) -> Any:
        logins.append(seen.number)
        return {"LoginResultType": 0, "Message": "用户名或密码错误", "KDSVCSessionId": ""}

    with answering(tmp_path, "kingdee", handle, **PLAIN) as (instance, _):
        results = sync(instance, "src")
    assert {result.state for result in results} == {"failed"}
    assert len(logins) == 1
    assert any("用户名或密码错误" in (result.error or "") for result in results)


def test_pages_go_by_key_and_the_absolute_row_count_is_not_used(tmp_path: Path) -> None:
    """TopRowCount is a last row, not a page; an offset over a changing set loses rows."""
    rows = [staff(number) for number in range(1, 4501)]
    vendor = Kingdee(lambda data: [row for row in rows if row["FID"] > after(data)][: data["Limit"]])
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
        assert result.error is None
        assert len(documents(instance, "BD_Empinfo")) == 4500
    assert {(data["TopRowCount"], data["StartRow"]) for data in vendor.asked} == {(0, 0)}
    assert {data["OrderString"] for data in vendor.asked} == {"FID ASC"}


def test_fields_that_this_tenant_lacks_are_not_asked_for_and_its_own_are(tmp_path: Path) -> None:
    """Keys differ between tenants and releases; one unknown key fails the whole query."""
    vendor = Kingdee(lambda _: [], known=["FID", "FName", "FModifyDate", "F_PAEZ_Skill"])
    with answering(tmp_path, "kingdee", vendor, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
    assert result.error is None
    asked = vendor.asked[0]["FieldKeys"].split(",")
    assert {"FID", "FName", "FModifyDate", "F_PAEZ_Skill"} == set(asked)


@pytest.mark.parametrize(
    ("message", "remedy"),
    [("您没有员工的查看权限", "right to query this form"), ("业务对象不存在", "has no such form")],
)
def test_a_form_that_is_closed_or_absent_stops_its_stream_alone(tmp_path: Path, message: str, remedy: str) -> None:
    def answer(data: dict[str, Any]) -> Any:
        return [[failure(message)]] if data["FormId"] == "BD_Empinfo" else []

    with answering(tmp_path, "kingdee", Kingdee(answer), **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
        assert remedy in (result.remedy or "")
        (other,) = sync(instance, "src", "BD_MATERIAL")
        assert other.error is None


def test_times_are_the_servers_wall_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Kingdee(lambda _: [])
    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:00Z")
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        sync(instance, "src", "BD_Empinfo")
        monkeypatch.setenv("C360_NOW", "2026-03-02T13:00:00Z")
        sync(instance, "src", "BD_Empinfo")
    windows = [data["FilterString"] for data in vendor.asked if "FModifyDate >=" in data["FilterString"]]
    assert re.search(r"FModifyDate >= '2026-03-02 19:[45]\d:\d\d' and FModifyDate < '2026-03-02 2[01]:", windows[-1])


def receivable(number: int, paid: str) -> dict[str, Any]:
    return {"FID": number, "FBillNo": f"AR{number}", "FModifyDate": "2026-03-01T09:00:00", "FWRITTENOFFSTATUS": paid}


def test_a_write_off_that_moves_no_stamp_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open is read in every run, and what has just been closed once more."""
    rows = [receivable(1, "A"), receivable(2, "C")]

    def answer(data: dict[str, Any]) -> Any:
        text = data["FilterString"]
        found = [row for row in rows if row["FID"] > after(data)]
        if "FModifyDate >=" in text:
            return []
        if "FWRITTENOFFSTATUS <> 'C'" in text:
            return [row for row in found if row["FWRITTENOFFSTATUS"] != "C"]
        if wanted := re.search(r"FID in \(([\d,]+)\)", text):
            return [row for row in found if str(row["FID"]) in wanted[1].split(",")]
        return found

    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:00Z")
    with answering(tmp_path, "kingdee", Kingdee(answer), **PLAIN) as (instance, _):
        sync(instance, "src", "AR_receivable")
        for minute, paid in ((5, "B"), (10, "C")):
            rows[0] = receivable(1, paid)
            monkeypatch.setenv("C360_NOW", f"2026-03-02T12:{minute:02d}:00Z")
            (result,) = sync(instance, "src", "AR_receivable")
            assert (result.error, result.rows_landed) == (None, 1)
            assert documents(instance, "AR_receivable")["1"]["FWRITTENOFFSTATUS"] == paid


def test_a_deleted_document_leaves_no_trace_and_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [staff(number) for number in range(1, 31)]

    def answer(data: dict[str, Any]) -> Any:
        return [] if "FModifyDate >=" in data["FilterString"] else [row for row in rows if row["FID"] > after(data)]

    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:00Z")
    with answering(tmp_path, "kingdee", Kingdee(answer), **PLAIN) as (instance, _):
        sync(instance, "src", "BD_Empinfo")
        del rows[0]
        for day in (4, 6):  # missing twice
            monkeypatch.setenv("C360_NOW", f"2026-03-{day:02d}T12:00:00Z")
            assert [result.error for result in sync(instance, "src", "BD_Empinfo")] == [None]
        assert sorted(map(int, documents(instance, "BD_Empinfo"))) == list(range(2, 31))


def test_a_voided_document_stays_listed_and_says_so(tmp_path: Path) -> None:
    """作废 leaves the document in the list: it is read with its state, and no sum may count it."""
    row = receivable(1, "A") | {"FCancelStatus": "B", "FDocumentStatus": "C"}
    vendor = Kingdee(lambda data: [row] if after(data) == 0 and "FModify" not in data["FilterString"] else [])
    with answering(tmp_path, "kingdee", vendor, **PLAIN) as (instance, _):
        sync(instance, "src", "AR_receivable")
        kept = documents(instance, "AR_receivable")["1"]
    assert (kept["FCancelStatus"], kept["FDocumentStatus"]) == ("B", "C")


def test_a_web_page_of_the_gateway_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.clock.sleep", lambda _: None)
    page = reply(500, "<html><title>IIS 10.0 Detailed Error</title></html>", content_type="text/html")
    with answering(tmp_path, "kingdee", Kingdee(lambda _: page), **PLAIN) as (instance, _):
        (result,) = sync(instance, "src", "BD_Empinfo")
    assert "500" in (result.error or "")
