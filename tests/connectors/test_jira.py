"""Jira's own traps, against the demo company's simulator. Those of service management stand in test_jsm.py."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from data.demo import timing
from data.sim.access import Call, Reply
from model import conform, staging
from tests.connectors.harness import Harness

Connect = Callable[..., Harness]


@pytest.fixture
def life(demo: Connect) -> Any:
    """The site, connected; versions are read too."""
    return demo("jira", versions=True)


def table(life: Any, name: str = "issues") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = life.vendor.company.jira[name]
    return rows


def ids(life: Any, name: str = "issues") -> set[str]:
    return {str(row["id"]) for row in table(life, name)}


def touch(life: Any, row: dict[str, Any], late_s: int = 0, **fields: Any) -> None:
    moment = int(life.vendor.clock.now.timestamp()) - late_s
    row["stamp"] = moment
    row["fields"].update({"updated": timing.jira(moment), **fields})


def searches(life: Any) -> list[dict[str, Any]]:
    return [call.body for call in life.vendor.asked("search/jql") if call.body]


def small_pages(monkeypatch: pytest.MonkeyPatch, size: int = 10) -> None:
    """The server gives fewer rows a page than were asked for."""
    monkeypatch.setattr("data.demo.simulators.jira.ISSUE_PAGE", size)
    monkeypatch.setattr("data.demo.simulators.jira.PROJECT_PAGE", 3)


def test_a_page_with_fewer_rows_than_asked_for_is_not_the_last(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch)
    life.sync("issues")
    assert set(life.documents("issues")) == ids(life)
    assert len(searches(life)) == 4


def test_the_next_start_is_counted_from_the_rows_that_came(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list by startAt is clamped: fifty projects are asked for, three a page come."""
    small_pages(monkeypatch)
    life.sync("projects")
    assert set(life.documents("projects")) == ids(life, "projects")
    assert {call.query["maxResults"] for call in life.vendor.asked("project/search")} == {"50"}


def test_minutes_are_written_in_the_zone_of_the_calling_user(life: Any) -> None:
    life.sync("issues")
    life.sync("issues", hours=1)
    (asked,) = [body["jql"] for body in searches(life) if body["jql"].startswith("updated")]
    there = datetime.fromisoformat(asked.split('"')[1] + "+08:00")
    assert (life.vendor.clock.now - there).total_seconds() == pytest.approx(3600 + 1800, abs=61)


def test_a_zone_west_of_greenwich_loses_no_change(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written in UTC, the filter of a user in New York would begin hours after the change."""
    monkeypatch.setattr("data.demo.simulators.jira.ZONE", ZoneInfo("America/New_York"))
    me = {"accountId": "5b10aintegration", "timeZone": "America/New_York", "active": True}
    life.vendor.instead = lambda call: Reply(200, me) if call.path.endswith("myself") else None
    life.sync("issues")
    row = table(life)[4]
    touch(life, row, summary="neu 新")
    assert life.sync("issues", minutes=5)["issues"].rows_landed == 1


def test_no_change_is_lost_in_the_hour_that_comes_twice(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks of Berlin go back at 01:00 UTC on the 25th of October 2026: 02:30 is there twice."""
    zone = ZoneInfo("Europe/Berlin")

    class Later(datetime):
        """Jira reads an ambiguous minute as the second of the two."""

        def replace(self, **fields: Any) -> Any:  # type: ignore[override]
            return super().replace(**fields, fold=1)

    monkeypatch.setattr("data.demo.simulators.jira.ZONE", zone)
    monkeypatch.setattr("data.demo.simulators.jira.datetime", Later)
    me = {"accountId": "5b10aintegration", "timeZone": "Europe/Berlin", "active": True}
    life.vendor.instead = lambda call: Reply(200, me) if call.path.endswith("myself") else None
    life.vendor.clock.now = datetime(2026, 10, 25, 0, 20, tzinfo=UTC)
    life.sync("issues")
    found = 0
    for place in range(12):
        touch(life, table(life)[place], summary=f"in the night {place}")
        found += life.sync("issues", minutes=10)["issues"].rows_landed
    assert found == 12


def test_an_index_that_lags_is_waited_for_by_the_overlap(life: Any) -> None:
    life.sync("issues")
    touch(life, table(life)[2], late_s=1500, summary="late")
    assert life.sync("issues", seconds=30)["issues"].rows_landed == 1


def test_a_query_is_never_unbounded_and_names_its_fields(life: Any) -> None:
    life.sync("issues")
    life.sync("issues", days=2)
    assert len(searches(life)) >= 3
    assert all(body["jql"].partition("ORDER BY")[0].strip() and body["fields"] for body in searches(life))
    assert not [call for call in life.vendor.calls if call.path.endswith("/search")], "the old search is withdrawn"


@pytest.mark.usefixtures("waits")
def test_a_page_token_that_has_expired_begins_the_list_anew(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token lives seven days; the answer to a dead one is an error like any other."""
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    small_pages(monkeypatch)
    counted = iter(range(1000))
    life.vendor.instead = lambda call: Reply(503, {}) if "search/jql" in call.path and next(counted) >= 2 else None
    assert life.results("issues")[0].error
    life.vendor.instead = lambda _call: None
    life.vendor.site.searches.clear()
    before = len(searches(life))
    assert "begun anew" in life.sync("issues", minutes=5)["issues"].warnings[0]
    tokens = [body.get("nextPageToken") for body in searches(life)[before:]]
    assert tokens[0], "it goes on where it was"
    assert tokens[1] is None, "and begins anew when it is refused"
    assert set(life.documents("issues")) == ids(life)


def test_an_issue_that_moves_keeps_its_id_and_changes_its_key(life: Any) -> None:
    life.sync("issues")
    row = table(life)[3]
    row["key"] = "MOVED-1"
    touch(life, row)
    assert life.sync("issues", minutes=5)["issues"].rows_landed == 1
    assert life.documents("issues")[row["id"]]["key"] == "MOVED-1"
    assert set(life.documents("issues")) == ids(life)


def test_a_deleted_issue_vanishes_and_is_found_by_comparing_ids(life: Any) -> None:
    life.sync("issues")
    gone = table(life).pop(5)
    for _ in range(2):
        life.sync("issues", days=1)
    assert gone["id"] not in life.documents("issues")
    assert set(life.documents("issues")) == ids(life)


def test_an_issue_that_the_user_may_see_later_comes_without_a_change(life: Any) -> None:
    """A right that is given moves no stamp."""
    hidden = table(life).pop(5)
    life.sync("issues")
    table(life).insert(5, hidden)
    assert life.sync("issues", hours=2)["issues"].rows_landed == 0
    life.sync("issues", days=7)
    assert hidden["id"] in life.documents("issues")


def test_a_version_moves_no_project_and_is_read_in_every_run(life: Any) -> None:
    for stream in ("projects", "versions"):
        life.sync(stream)
    row = table(life, "versions")[2]
    row["name"] = "renamed 改名"
    gone = table(life, "versions").pop(4)
    assert life.sync("projects", hours=1)["projects"].rows_landed == 0
    life.sync("versions")
    assert life.documents("versions")[row["id"]]["name"] == "renamed 改名"
    assert gone["id"] not in life.documents("versions")


def test_a_site_that_is_open_to_strangers_does_not_pass_for_an_empty_one(life: Any) -> None:
    """Without a valid sign-in such a site answers 200 with fewer issues; who one is must be asked."""
    life.sync("issues")

    def instead(call: Call) -> Reply | None:
        if call.path.endswith("myself"):
            return Reply(401, {"errorMessages": ["Client must be authenticated"]})
        return Reply(200, {"issues": [], "isLast": True}) if "search/jql" in call.path else None

    life.vendor.instead = instead
    for _ in range(3):
        (result,) = life.results("issues", days=1)
        assert result.state == "failed"
        assert "credentials" in (result.remedy or "")
    assert set(life.documents("issues")) == ids(life)


@pytest.mark.parametrize(("reset", "state"), [("2020-01-01T00:00Z", "done"), ("2999-01-01T00:00Z", "failed")])
def test_a_limit_that_ends_at_an_iso_instant_is_understood(
    life: Any, waits: list[float], reset: str, state: str
) -> None:
    refusal = Reply(429, {"errorMessages": ["Rate limit exceeded"]}, {"x-ratelimit-reset": reset})
    refused = iter([refusal])
    life.vendor.instead = lambda call: next(refused, None) if "search/jql" in call.path else None
    assert life.results("issues")[0].state == state
    life.sync("issues", minutes=5)
    assert set(life.documents("issues")) == ids(life)


def test_a_query_that_is_refused_is_told_in_its_own_words(life: Any) -> None:
    body = {"errorMessages": ["The value of updated is not valid"], "errors": {"jql": "not valid"}}
    life.vendor.instead = lambda call: Reply(400, body) if "search/jql" in call.path else None
    assert "The value of updated is not valid" in (life.results("issues")[0].error or "")


def test_an_offset_without_a_colon_is_an_instant(life: Any) -> None:
    """The day is the one in the zone of the mapping, which is UTC."""
    row = table(life)[3]
    touch(life, row, resolutiondate="2026-01-02T23:30:00.431-0500")
    life.sync("issues")
    conform.stage(life.instance)
    with staging.open_warehouse(life.instance) as con:
        sql = "SELECT done_on FROM staging.milestone WHERE source_id = ? AND seen_to IS NULL"
        assert con.execute(sql, [row["id"]]).fetchall() == [(date(2026, 1, 3),)]


def test_a_person_who_left_is_read_and_not_active(life: Any) -> None:
    row = next(row for row in table(life, "users") if row.get("accountType") == "atlassian")
    row["active"] = False
    life.sync("users")
    conform.stage(life.instance)
    with staging.open_warehouse(life.instance) as con:
        sql = "SELECT is_active FROM staging.employee WHERE source_id = ? AND seen_to IS NULL"
        assert con.execute(sql, [row["accountId"]]).fetchall() == [(False,)]
