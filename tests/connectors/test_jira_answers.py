"""Jira Cloud's traps, each by an answer in the vendor's shape: minutes in a person's zone, pages without a total."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.collect import sync
from tests.connectors.answering import answering
from tests.ingest.fake import Seen, documents, reply

SIGN_IN = {"site": "acme", "base_url": "{url}", "email": "it@acme.example", "api_token": "t-1"}
ZONE = "America/St_Johns"  # three and a half hours behind UTC: neither UTC nor ours


def issue(number: int, key: str | None = None, **fields: Any) -> dict[str, Any]:
    plain = {
        "summary": f"I{number}",
        "updated": "2026-03-02T08:00:00.431+0100",
        "project": {"id": "10001", "key": "FSM"},
    }
    return {"id": str(number), "key": key or f"FSM-{number}", "fields": plain | fields}


class Site:
    """`pages`: what search/jql answers, one after the other; sweeps are answered from `alive`."""

    def __init__(self, *pages: dict[str, Any], alive: list[int] | None = None) -> None:
        self.pages, self.alive = list(pages), alive
        self.asked: list[dict[str, Any]] = []

    def __call__(self, seen: Seen) -> Any:
        if seen.path.endswith("/myself"):
            return {"accountId": "a", "timeZone": ZONE}
        self.asked.append(seen.body)
        if seen.body["fields"] == ["id"]:
            return {"issues": [{"id": str(number)} for number in self.alive or []], "isLast": True}
        return self.pages.pop(0) if self.pages else {"issues": [], "isLast": True}


def test_search_takes_minutes_in_the_calling_users_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`updated >=` has no zone and no seconds: /myself tells the zone; floored, never rounded up."""
    site = Site({"issues": [issue(1)], "isLast": True}, alive=[1])
    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:45Z")
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        sync(instance, "src", "issues")
        monkeypatch.setenv("C360_NOW", "2026-03-02T13:00:00Z")
        (result,) = sync(instance, "src", "issues")
    assert result.error is None
    asked = [body["jql"] for body in site.asked if body["fields"] != ["id"]]
    # half an hour of overlap, for the search index lags behind
    assert asked[-1] == 'updated >= "2026-03-02 08:00" ORDER BY updated ASC, id ASC'


def test_a_search_without_any_restriction_is_refused_so_a_full_read_has_one(tmp_path: Path) -> None:
    site = Site({"issues": [issue(1)], "isLast": True})
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        sync(instance, "src", "issues")
    assert site.asked[0]["jql"].startswith('created >= "')
    assert site.asked[0]["fields"] == ["*all"]  # the default is ids only


def test_fewer_issues_than_asked_are_not_the_end(tmp_path: Path) -> None:
    """There is neither total nor startAt: the end is isLast, or no token."""
    site = Site(
        {"issues": [issue(1), issue(2)], "nextPageToken": "t1", "isLast": False},
        {"issues": [], "nextPageToken": "t2", "isLast": False},
        {"issues": [issue(3)], "isLast": True},
        alive=[1, 2, 3],
    )
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
        assert result.error is None
        assert sorted(documents(instance, "issues")) == ["1", "2", "3"]
    assert [body.get("nextPageToken") for body in site.asked[:3]] in ([None, "t1", "t2"], ["", "t1", "t2"])


def test_a_token_on_the_last_page_is_not_followed(tmp_path: Path) -> None:
    site = Site({"issues": [issue(1)], "nextPageToken": "t1", "isLast": True}, alive=[1])
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
    assert result.error is None
    assert len([body for body in site.asked if body["fields"] == ["*all"]]) == 1


def test_an_issue_that_moves_to_another_project_stays_the_same_record(tmp_path: Path) -> None:
    """Moving changes the key; the id stays."""
    site = Site({"issues": [issue(1)], "isLast": True}, {"issues": [issue(1, "OPS-9")], "isLast": True}, alive=[1])
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        sync(instance, "src", "issues")
        (result,) = sync(instance, "src", "issues")
        assert (result.error, result.rows_landed) == (None, 1)
        assert {row["key"] for row in documents(instance, "issues").values()} == {"OPS-9"}


def test_a_deleted_issue_leaves_no_trace_and_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = [issue(number) for number in range(1, 31)]
    site = Site({"issues": many, "isLast": True}, alive=list(range(1, 31)))
    monkeypatch.setenv("C360_NOW", "2026-03-02T12:00:00Z")
    with answering(tmp_path, "jira", site, **SIGN_IN) as (instance, _):
        sync(instance, "src", "issues")
        site.alive = list(range(2, 31))
        for day in (4, 6):  # missing twice
            monkeypatch.setenv("C360_NOW", f"2026-03-{day:02d}T12:00:00Z")
            assert [result.error for result in sync(instance, "src", "issues")] == [None]
        assert sorted(map(int, documents(instance, "issues"))) == list(range(2, 31))


def test_lists_by_start_at_go_on_from_what_was_returned(tmp_path: Path) -> None:
    """The server may cap maxResults: the next start is what came, not what was asked for."""
    people = [{"accountId": f"a{n}", "accountType": "atlassian", "displayName": f"P{n}"} for n in range(7)]

    def handle(seen: Seen) -> Any:
        if seen.path.endswith("/myself"):
            return {"timeZone": ZONE}
        start = int(seen.query["startAt"])
        return people[start : start + 3]

    with answering(tmp_path, "jira", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "users")
        assert result.error is None
        assert len(documents(instance, "users")) == 7


def test_versions_are_read_in_every_run_because_they_move_no_project(tmp_path: Path) -> None:
    name = ["M1"]
    project = {"id": "10001", "key": "FSM", "name": "Field service"}

    def handle(seen: Seen) -> Any:
        if seen.path.endswith("/myself"):
            return {"timeZone": ZONE}
        if seen.path.endswith("/versions"):
            return [{"id": "31", "name": name[0], "projectId": 10001}]
        return {"values": [project], "total": 1, "isLast": True, "startAt": 0, "maxResults": 50}

    with answering(tmp_path, "jira", handle, **SIGN_IN, versions=True) as (instance, _):
        for stream in ("projects", "versions"):
            assert [result.error for result in sync(instance, "src", stream)] == [None]
        name[0] = "M1 accepted"
        sync(instance, "src", "projects")
        (result,) = sync(instance, "src", "versions")
        assert result.error is None
        assert documents(instance, "versions")["31"]["name"] == "M1 accepted"


def test_a_rate_limit_whose_reset_is_a_date_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """X-RateLimit-Reset is an ISO date and no number of seconds; Retry-After counts."""
    waits: list[float] = []
    monkeypatch.setattr("ops.clock.sleep", waits.append)
    site = Site({"issues": [issue(1)], "isLast": True}, alive=[1])
    refused: list[int] = []

    def handle(seen: Seen) -> Any:
        if seen.path.endswith("/search/jql") and not refused:
            refused.append(seen.number)
            headers = {
                "Retry_After": "11",
                "X_RateLimit_Reset": "2026-03-02T12:01Z",
                "RateLimit_Reason": "jira-burst-based",
            }
            return reply(429, {"errorMessages": ["Rate limit exceeded"]}, content_type="application/json", **headers)
        return site(seen)

    with answering(tmp_path, "jira", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
        assert result.error is None
        assert list(documents(instance, "issues")) == ["1"]
    assert max(waits) >= 11


def test_what_jira_says_of_a_query_is_told(tmp_path: Path) -> None:
    """Errors stand in errorMessages, or beside the field they are about."""

    def handle(seen: Seen) -> Any:
        if seen.path.endswith("/myself"):
            return {"timeZone": ZONE}
        body = {"errorMessages": [], "errors": {"jql": "The value 'FSM' does not exist for the field 'project'."}}
        return reply(400, body, content_type="application/json")

    with answering(tmp_path, "jira", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
    assert "does not exist for the field 'project'" in (result.error or "")
