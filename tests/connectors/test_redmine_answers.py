"""Redmine's traps, each by an answer in its shape: what lists leave out unless asked, and what they cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.collect import sync
from tests.connectors.answering import answering
from tests.ingest.fake import Seen, documents, reply

SIGN_IN = {"base_url": "{url}", "key": "k-1"}


def issue(number: int, **more: Any) -> dict[str, Any]:
    """Associations that are not there are omitted keys, not null."""
    status = {"id": 2, "name": "In Progress", "is_closed": False}
    stamps = {"created_on": "2026-07-30T08:02:11Z", "updated_on": "2026-08-01T09:15:22Z", "closed_on": None}
    return (
        {"id": number, "project": {"id": 12, "name": "Retrofit"}, "status": status, "subject": f"I{number}"}
        | stamps
        | more
    )


class Redmine:
    """A server that cuts `limit` to 100, lists open issues unless asked for all, and active projects unless told."""

    def __init__(self, issues: list[dict[str, Any]], projects: list[dict[str, Any]] | None = None) -> None:
        self.issues = issues
        self.projects = projects or [{"id": 12, "identifier": "retrofit", "name": "Retrofit", "status": 1}]
        self.versions: dict[int, list[dict[str, Any]]] = {}

    def __call__(self, seen: Seen) -> Any:
        name = seen.path.strip("/").removesuffix(".json")
        if name == "issues":
            every = seen.query.get("status_id") == "*"
            rows = [row for row in self.issues if every or not row["status"]["is_closed"]]
        elif name == "projects":
            wanted = set(seen.query.get("status", "1").split("|"))
            rows = [row for row in self.projects if str(row["status"]) in wanted]
        else:
            return {"versions": self.versions.get(int(name.split("/")[1]), []), "total_count": 1}
        start, limit = int(seen.query.get("offset", 0)), min(int(seen.query.get("limit", 25)), 100)
        return {name: rows[start : start + limit], "total_count": len(rows), "offset": start, "limit": limit}


def test_closed_issues_are_asked_for(tmp_path: Path) -> None:
    """Without status_id=* only open issues come."""
    closed = {"id": 5, "name": "Closed", "is_closed": True}
    with answering(tmp_path, "redmine", Redmine([issue(1), issue(2, status=closed)]), **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
        assert result.error is None
        assert sorted(documents(instance, "issues")) == ["1", "2"]


def test_a_limit_that_is_silently_cut_skips_nothing(tmp_path: Path) -> None:
    vendor = Redmine([issue(number) for number in range(1, 252)])
    with answering(tmp_path, "redmine", vendor, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
        assert result.error is None
        assert len(documents(instance, "issues")) == 251


def test_closed_projects_are_asked_for_and_a_star_is_not_sent(tmp_path: Path) -> None:
    """Projects default to active ones; status=* empties the list."""
    projects = [{"id": number, "identifier": f"p{number}", "name": f"P{number}", "status": status, "updated_on": None}
                for number, status in ((1, 1), (2, 5))]  # fmt: skip
    with answering(tmp_path, "redmine", Redmine([], projects), **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "projects")
        assert result.error is None
        assert sorted(documents(instance, "projects")) == ["1", "2"]


def test_issues_are_read_from_an_inclusive_instant_in_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare date would be a whole day in the user's zone."""
    monkeypatch.setenv("C360_NOW", "2026-08-02T12:00:00Z")
    with answering(tmp_path, "redmine", Redmine([issue(1)]), **SIGN_IN) as (instance, vendor):
        sync(instance, "src", "issues")
        monkeypatch.setenv("C360_NOW", "2026-08-02T13:00:00Z")
        sync(instance, "src", "issues")
    asked = [seen.query["updated_on"] for seen in vendor.seen if "updated_on" in seen.query]
    assert asked[-1].startswith(">=2026-08-02T11:")
    assert asked[-1].endswith("Z")


def test_versions_are_read_in_every_run_and_only_where_they_belong(tmp_path: Path) -> None:
    """A changed version touches no project; a shared one is listed by every project that sees it."""
    projects = [{"id": number, "identifier": f"p{number}", "name": f"P{number}", "status": 1} for number in (1, 2)]
    vendor = Redmine([], projects)
    shared = {"id": 31, "project": {"id": 1, "name": "P1"}, "name": "M1", "status": "open", "updated_on": None}
    vendor.versions = {1: [shared], 2: [shared]}
    with answering(tmp_path, "redmine", vendor, **SIGN_IN) as (instance, _):
        assert [result.error for result in sync(instance, "src", "versions")] == [None]
        shared["status"] = "closed"
        (result,) = sync(instance, "src", "versions")
        assert (result.error, result.rows_landed) == (None, 1)
        assert documents(instance, "versions")["31"]["status"] == "closed"


@pytest.mark.parametrize(("status", "says"), [(403, "403, no explanation"), (401, "401, no explanation")])
def test_a_refusal_without_a_word_is_named(tmp_path: Path, status: int, says: str) -> None:
    """REST switched off answers 403, nobody signed in 401, both with an empty body."""
    with answering(tmp_path, "redmine", lambda _: reply(status, ""), **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "issues")
    assert says in (result.error or "")
    assert result.remedy


def test_an_issue_that_is_gone_leaves_no_trace_and_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor = Redmine([issue(number) for number in range(1, 31)])
    monkeypatch.setenv("C360_NOW", "2026-08-02T12:00:00Z")
    with answering(tmp_path, "redmine", vendor, **SIGN_IN) as (instance, _):
        sync(instance, "src", "issues")
        del vendor.issues[0]
        for day in (4, 6):  # missing twice
            monkeypatch.setenv("C360_NOW", f"2026-08-{day:02d}T12:00:00Z")
            assert [result.error for result in sync(instance, "src", "issues")] == [None]
        assert sorted(map(int, documents(instance, "issues"))) == list(range(2, 31))
