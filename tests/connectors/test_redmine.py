"""Redmine's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("redmine")
Connect = Callable[..., Harness]


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "redmine"


def asked(life: Harness, path: str) -> list[Call]:
    return [call for call in life.vendor.calls if path in call.path]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_closed_issues_are_read_though_the_list_holds_open_ones_only(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("issues")
    closed = [row["id"] for row in life.documents("issues").values() if row["status"]["is_closed"]]
    assert len(closed) > 5
    life.vendor.tables["issues"].edit("4703", subject="changed while closed")
    life.sync("issues", hours=1)
    assert life.documents("issues")["4703"]["subject"] == "changed while closed"
    for _ in range(3):
        life.sync("issues", days=1)
    assert life.missing("issues") == (set(), set()), "and the list of ids names them"


def test_a_limit_that_is_cut_without_a_word_is_not_the_end(connect: Connect) -> None:
    vendor = Vendor()
    vendor.most = 3
    life = connect("redmine", vendor)
    life.sync()
    for stream in ("issues", "projects", "versions", "users", "time_entries"):
        assert life.missing(stream) == (set(), set()), stream


def test_closed_projects_are_read_and_archived_ones_are_never_listed(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("projects")
    assert {row["status"] for row in life.documents("projects").values()} == {1, 5}
    life.vendor.tables["projects"].edit("12", status=9)
    for _ in range(2):
        life.sync("projects", hours=1)
    assert "12" not in life.documents("projects")


def test_locked_users_are_read_though_the_list_holds_active_ones_only(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("users")
    assert 3 in {row["status"] for row in life.documents("users").values()}


def test_the_lower_bound_is_a_time_because_a_bare_date_is_a_whole_day_elsewhere(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("issues")
    life.vendor.tables["issues"].edit("4702")
    assert life.sync("issues", seconds=0)["issues"].rows_landed == 1
    bounds = [call.query["updated_on"] for call in asked(life, "/issues.json") if "updated_on" in call.query]
    assert bounds[-1].startswith(">=2026-06-15T08:5")
    assert bounds[-1].endswith("Z")


def test_time_entries_have_no_filter_of_changes_and_are_read_whole(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("time_entries")
    life.vendor.tables["time_entries"].quietly("803", hours=7.25)
    life.vendor.tables["time_entries"].remove("804")
    assert life.sync("time_entries", hours=1)["time_entries"].rows_landed == 1
    life.sync("time_entries", hours=1)
    assert life.missing("time_entries") == (set(), set())


def test_a_changed_version_does_not_touch_its_project_and_is_read_in_every_run(connect: Connect) -> None:
    life = connect("redmine")
    life.sync()
    life.vendor.tables["versions"].edit("31", due_date="2027-01-15")
    life.sync(hours=1)
    assert life.documents("versions")["31"]["due_date"] == "2027-01-15"


def test_a_project_without_issue_tracking_refuses_its_versions_and_stops_no_other(connect: Connect) -> None:
    vendor = Vendor()
    vendor.without_versions = {12, 14}
    life = connect("redmine", vendor)
    life.sync("versions")
    assert set(life.documents("versions")) == {"31", "33", "34", "35", "36"}


def test_a_shared_version_is_listed_by_every_project_and_is_one_document(connect: Connect) -> None:
    vendor = Vendor()
    vendor.tables["versions"].rows["30"]["sharing"] = "system"
    life = connect("redmine", vendor)
    assert life.sync("versions")["versions"].rows_landed == 7
    assert life.documents("versions")["30"]["project"]["id"] == 12


def test_the_list_shows_no_journals_and_each_changed_issue_is_asked_for_its_own(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("issues")
    life.sync("issue_journals")
    assert not any("journals" in row for row in life.documents("issues").values())
    assert life.missing("issue_journals") == (set(), set())
    journals = [*life.vendor.tables["issues"].rows["4703"]["journals"], {"id": 9999, "notes": "neu 新", "details": []}]
    life.vendor.tables["issues"].edit("4703", journals=journals)
    life.sync("issues", hours=1)
    before = len(asked(life, "/issues/"))
    life.sync("issue_journals")
    assert [call.path for call in asked(life, "/issues/")[before:]] == ["/issues/4703.json"]
    assert life.missing("issue_journals") == (set(), set())


def test_what_is_not_set_is_an_omitted_key_and_no_error(connect: Connect) -> None:
    life = connect("redmine")
    life.sync()
    assert "assigned_to" not in life.documents("issues")["4700"]
    assert conform.stage(life.instance).errors == {}
    assert rows(life, "SELECT owner_id FROM staging.milestone WHERE source_id = 'issue-4700'") == [(None,)]


def test_deletions_leave_nothing_and_are_found_by_comparing_ids(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("issues")
    life.vendor.remove("issues", "4705")
    for _ in range(2):
        life.sync("issues", days=1)
    assert life.missing("issues") == (set(), set())


def test_an_issue_that_the_user_may_see_later_comes_with_the_weekly_reading(connect: Connect) -> None:
    """Private issues depend on the role, and a right that is given moves no stamp."""
    vendor = Vendor()
    table = vendor.tables["issues"]
    private = table.rows.pop("4706")
    life = connect("redmine", vendor)
    life.sync("issues")
    table.rows["4706"] = private
    assert life.sync("issues", hours=2)["issues"].rows_landed == 0
    life.sync("issues", days=7)
    assert "4706" in life.documents("issues")


def test_rest_that_is_switched_off_answers_403_without_a_word(connect: Connect) -> None:
    life = connect("redmine")
    life.vendor.faults = [Fault("status", status=403, times=99)]
    result = next(one for one in life.results() if one.stream == "projects")
    assert result.state == "failed"
    assert "403" in (result.error or "")
    assert "right" in (result.remedy or "")


def test_an_error_is_told_in_its_own_words(connect: Connect) -> None:
    class Picky(Vendor):  # type: ignore[misc]
        """Understands no filter."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return self.refuse(422, "Updated is invalid") if call.path == "/issues.json" else reply

    assert (connect("redmine", Picky()).results("issues")[0].error or "").endswith("Updated is invalid")


def test_the_key_stands_in_a_header_because_a_name_may_need_a_second_factor(connect: Connect) -> None:
    life = connect("redmine")
    life.sync("users")
    assert {call.headers["x-redmine-api-key"] for call in life.vendor.calls} == {life.clear["key"]}
    assert not any("authorization" in call.headers or "key" in call.query for call in life.vendor.calls)


def test_a_list_without_counters_is_read_to_its_end(connect: Connect) -> None:
    """A proxy may send X-Redmine-Nometa: no total, no limit, no offset."""
    vendor = Vendor()
    whole = vendor.handle

    def bare(call: Call) -> Reply:
        reply: Reply = whole(call)
        if isinstance(reply.body, dict):
            reply.body = {k: v for k, v in reply.body.items() if k not in {"total_count", "offset", "limit"}}
        return reply

    vendor.handle = bare
    life = connect("redmine", vendor)
    life.sync("issues")
    assert life.missing("issues") == (set(), set())
