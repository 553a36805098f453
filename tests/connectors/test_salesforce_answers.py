"""Salesforce's traps, each by an answer in the vendor's shape: hosts, locators, hidden fields, merges, limits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest import landing
from ingest.collect import sync
from ops import secrets
from ops.instance import Instance
from tests.connectors.answering import answering
from tests.ingest.fake import FakeSource, Seen, documents, reply

SIGN_IN = {"login_url": "{url}/login", "client_id": "c", "client_secret": "s", "refresh_token": "r-1"}
FIELDS = ("Id", "IsDeleted", "CreatedDate", "LastModifiedDate", "SystemModstamp", "MasterRecordId", "Name", "Amount__c")


def account(number: int, **more: Any) -> dict[str, Any]:
    stamp = "2026-03-01T09:15:22.000+0000"
    row = {"Id": f"001{number:015d}", "IsDeleted": False, "Name": f"A{number}", "MasterRecordId": None}
    return row | {"SystemModstamp": stamp, "LastModifiedDate": stamp, "CreatedDate": stamp, "Amount__c": None} | more


class Org:
    """The data are under another path than the login; `query` answers a query or a locator's path."""

    def __init__(self, query: Callable[[Seen], Any], fields: tuple[str, ...] = FIELDS) -> None:
        self.query, self.fields = query, fields
        self.tokens = 0
        self.asked: list[str] = []
        self.ids: set[str] = set()

    def __call__(self, seen: Seen) -> Any:
        host = f"http://{seen.headers['host']}"
        if seen.path == "/login/services/oauth2/token":
            self.tokens += 1
            return {"access_token": f"t-{self.tokens}", "instance_url": f"{host}/mine", "token_type": "Bearer"}
        assert seen.path.startswith("/mine/services/data/v61.0/"), f"{seen.path} is not at the instance"
        if seen.path.endswith("/describe"):
            return {"fields": [{"name": name, "type": "string"} for name in self.fields]}
        if seen.query.get("q", "").startswith("SELECT Id FROM"):  # the comparison of ids
            return batch([{"Id": row_id} for row_id in sorted(self.ids)])
        self.asked.append(seen.query.get("q") or seen.path.rpartition("/")[2])
        found = self.query(seen)
        if isinstance(found, dict):
            self.ids |= {row["Id"] for row in found["records"] if not row["IsDeleted"]}
        return found


def batch(rows: list[dict[str, Any]], more: str | None = None) -> dict[str, Any]:
    page = {"totalSize": 3, "done": more is None, "records": rows}
    return page | ({"nextRecordsUrl": f"/mine/services/data/v61.0/query/{more}"} if more else {})


def collected(instance: Instance, vendor: FakeSource) -> list[str]:
    assert vendor.seen
    return sorted(row["Name"] for row in documents(instance, "Account").values())


def test_a_short_batch_is_not_the_end_and_its_next_url_is_a_path_at_the_instance(tmp_path: Path) -> None:
    pages = {"01g-2": batch([], "01g-3"), "01g-3": batch([account(3, IsDeleted=True)])}

    def query(seen: Seen) -> Any:
        return pages.get(seen.path.rpartition("/")[2]) or batch([account(1), account(2)], "01g-2")

    org = Org(query)
    with answering(tmp_path, "salesforce", org, **SIGN_IN) as (instance, vendor):
        (result,) = sync(instance, "src", "Account")
        assert result.error is None
        assert collected(instance, vendor) == ["A1", "A2"]  # A3 is deleted: queryAll's further pages say it as well
        frames = [frame.select("id", "deleted") for frame in landing.read(instance.landing, "src", "Account")]
        gone = sorted((row_id[-1], deleted) for frame in frames for row_id, deleted in frame.iter_rows())
        assert gone == [("1", False), ("2", False), ("3", True)]
    assert org.asked[1:] == ["01g-2", "01g-3"]


def test_a_locator_that_expired_is_no_loss(tmp_path: Path) -> None:
    """A run that stopped in mid-query goes on later; its locator is gone by then, and the window is read anew."""
    state = {"down": True}

    def query(seen: Seen) -> Any:
        if not seen.path.endswith("01g-1"):
            return batch([account(1)], "01g-1")
        if state["down"]:
            return reply(500, "down")
        if state.pop("expired", False):
            error = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
            return reply(400, error, content_type="application/json")
        return batch([account(2)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ops.clock.sleep", lambda _: None)
        with answering(tmp_path, "salesforce", Org(query), **SIGN_IN) as (instance, vendor):
            assert sync(instance, "src", "Account")[0].error is not None
            state.update(down=False, expired=True)
            results = [sync(instance, "src", "Account")[0] for _ in range(2)]
            assert results[-1].error is None
            assert collected(instance, vendor) == ["A1", "A2"]


def test_a_locator_that_expires_in_mid_run_starts_the_window_anew(tmp_path: Path) -> None:
    state = {"expired": True}

    def query(seen: Seen) -> Any:
        if not seen.path.endswith("01g-1"):
            return batch([account(1)], "01g-1")
        if state.pop("expired", False):
            error = [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]
            return reply(400, error, content_type="application/json")
        return batch([account(2)])

    with answering(tmp_path, "salesforce", Org(query), **SIGN_IN) as (instance, vendor):
        (result,) = sync(instance, "src", "Account")
        assert result.error is None
        assert collected(instance, vendor) == ["A1", "A2"]


def test_fields_that_are_hidden_are_not_selected_and_custom_ones_are(tmp_path: Path) -> None:
    """CurrencyIsoCode exists in multi-currency organisations only: selecting it elsewhere fails the whole query."""
    org = Org(lambda _: batch([account(1)]))
    with answering(tmp_path, "salesforce", org, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "Account")
    assert result.error is None
    assert re.findall(r"SELECT (.+) FROM", org.asked[0]) == [",".join(FIELDS)] or "CurrencyIsoCode" not in org.asked[0]
    assert "Amount__c" in org.asked[0]


def test_a_change_is_found_by_system_modstamp_with_an_unquoted_instant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LastModifiedDate can be set back by an import, and roll-ups do not move it."""
    org = Org(lambda _: batch([]))
    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:00Z")
    with answering(tmp_path, "salesforce", org, **SIGN_IN) as (instance, _):
        sync(instance, "src", "Account")
        monkeypatch.setenv("C360_NOW", "2026-03-02T13:00:00Z")
        (result,) = sync(instance, "src", "Account")
    assert result.error is None
    where = org.asked[-1].partition("WHERE ")[2]
    assert re.match(
        r"SystemModstamp >= 2026-03-02T11:\d\d:\d\dZ AND SystemModstamp < 2026-03-02T1[23]:\d\d:\d\dZ ORDER", where
    )
    assert "LastModifiedDate" not in where


def test_a_merge_loser_is_deleted_and_names_its_survivor(tmp_path: Path) -> None:
    rows = [account(1), account(2, IsDeleted=True, MasterRecordId=account(1)["Id"])]
    with answering(tmp_path, "salesforce", Org(lambda _: batch(rows)), **SIGN_IN) as (instance, vendor):
        sync(instance, "src", "Account")
        assert collected(instance, vendor) == ["A1"]
        (run,) = landing.runs(instance.landing, "src", "Account")
        merges = landing.manifest(instance.landing, "src", "Account", run)["merges"]
    assert merges == [[account(2)["Id"], account(1)["Id"]]]


def test_a_session_that_ends_is_renewed_once(tmp_path: Path) -> None:
    """There is no reliable expires_in: a 401 says it."""

    def query(seen: Seen) -> Any:
        if seen.headers["authorization"] == "Bearer t-1":
            error = [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
            return reply(401, error, content_type="application/json")
        return batch([account(1)])

    org = Org(query)
    with answering(tmp_path, "salesforce", org, **SIGN_IN) as (instance, vendor):
        (result,) = sync(instance, "src", "Account")
        assert result.error is None
        assert collected(instance, vendor) == ["A1"]
    assert org.tokens == 2


def test_a_rotated_refresh_token_is_written_back(tmp_path: Path) -> None:
    seen_tokens: list[str] = []

    def handle(seen: Seen) -> Any:
        if "/token" in seen.path:
            seen_tokens.append(seen.body)
            url = f"http://{seen.headers['host']}/mine"
            return {"access_token": "t", "instance_url": url, "refresh_token": f"r-{len(seen_tokens) + 1}"}
        return org(seen)

    org = Org(lambda _: batch([account(1)]))
    with answering(tmp_path, "salesforce", handle, **SIGN_IN) as (instance, _):
        assert sync(instance, "src", "Account")[0].error is None
        assert secrets.resolve("file:refresh_token", instance.secrets) == "r-2"
        assert sync(instance, "src", "Account")[0].error is None
    assert "refresh_token=r-1" in seen_tokens[0]
    assert "refresh_token=r-2" in seen_tokens[-1]


def test_used_up_calls_stop_the_run_without_spinning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """403 REQUEST_LIMIT_EXCEEDED comes without Retry-After."""
    waits: list[float] = []
    monkeypatch.setattr("ops.clock.sleep", waits.append)

    def query(_: Seen) -> Any:
        error = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]
        return reply(403, error, content_type="application/json")

    org = Org(query)
    with answering(tmp_path, "salesforce", org, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "Account")
    assert "TotalRequests Limit exceeded" in (result.error or "")
    assert "daily calls are used up" in (result.remedy or "")
    assert len(org.asked) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("data", [{"message": "No such column 'X' on entity", "errorCode": "INVALID_FIELD"}], "No such column 'X'"),
        (
            "token",
            {"error": "invalid_grant", "error_description": "expired access/refresh token"},
            "expired access/refresh",
        ),
    ],
    ids=["list", "object"],
)
def test_an_error_is_a_list_and_at_the_sign_in_an_object(tmp_path: Path, path: str, error: Any, says: str) -> None:
    org = Org(lambda _: reply(400, error, content_type="application/json"))

    def handle(seen: Seen) -> Any:
        if path == "token" and "/token" in seen.path:
            return reply(400, error, content_type="application/json")
        return org(seen)

    with answering(tmp_path, "salesforce", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "Account")
    assert says in (result.error or "")
