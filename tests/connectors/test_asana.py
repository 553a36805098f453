"""Asana's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from data import sim
from data.sim.access import Budget, Call, OAuth
from data.sim.engine import Fault
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("asana")
FIRST, SECOND = "1203000000000012", "1203000000000013"
TASK, NEXT, DOUBLE = "1204711000000042", "1204711000000043", "1204711000000047"


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "asana"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def lists(life: Harness, name: str, since: int = 0) -> list[Call]:
    return [call for call in life.vendor.calls[since:] if call.path == f"/api/1.0/{name}"]


def test_pages_come_only_with_a_limit_so_one_is_always_sent(connect: Callable[..., Harness]) -> None:
    life = connect("asana", subtasks=True)
    life.sync()
    asked = [call for name in ("users", "projects", "tasks") for call in lists(life, name)]
    assert asked
    assert all("limit" in call.query for call in asked)
    assert all("limit" in call.query for call in life.vendor.calls if call.path.endswith("/subtasks"))


def test_more_rows_a_page_than_a_hundred_is_said(connect: Callable[..., Harness]) -> None:
    life = connect("asana", page_size=200)
    assert "between 1 and 100" in (life.results("users")[0].error or "")


def test_answers_are_compact_unless_fields_are_named(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    assert all(call.query.get("opt_fields") for call in life.vendor.calls)
    document = life.documents("tasks")[TASK]
    assert document["assignee"] == {"gid": "1200000000000011"}
    assert document["memberships"] == [{"project": {"gid": FIRST}}]


def test_ids_are_text(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    assert all(isinstance(row["gid"], str) for row in life.documents("tasks").values())


def test_a_page_token_that_has_expired_begins_the_list_anew(
    connect: Callable[..., Harness], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    life = connect("asana")
    life.vendor.faults = [Fault("status", status=503, times=60, path="users", after=1)]
    assert life.results("users")[0].error
    life.vendor.faults = []
    life.vendor.turn += 1  # type: ignore[attr-defined]
    found = life.sync("users")["users"]
    assert "begun anew" in found.warnings[0]
    assert life.missing("users") == (set(), set())


def test_every_project_is_asked_for_its_tasks_though_its_own_stamp_stays(connect: Callable[..., Harness]) -> None:
    """There is no filter by change on projects, and their stamp does not move with their tasks."""
    life = connect("asana")
    life.sync()
    since = len(life.vendor.calls)
    life.vendor.clock.advance(hours=5)
    life.vendor.tables["tasks"].edit(TASK)
    found = life.sync(minutes=1)
    assert (found["projects"].rows_landed, found["tasks"].rows_landed) == (0, 1)
    windowed = [call for call in lists(life, "tasks", since) if call.query["opt_fields"] != "gid"]
    before = life.vendor.clock.now - timedelta(hours=5, minutes=11, seconds=1)
    assert {call.query["project"] for call in windowed} == set(life.vendor.tables["projects"].rows)
    assert {call.query["modified_since"] for call in windowed} == {f"{before:%Y-%m-%dT%H:%M:%S}.000Z"}
    assert not any("modified_since" in call.query for call in lists(life, "projects"))


def test_the_first_sync_token_comes_inside_an_error(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    first = lists(life, "events")
    assert [call.query.get("sync") for call in first] == [None] * 7
    life.sync(hours=1)
    assert [call.query.get("sync") for call in lists(life, "events")[7:]] == ["sync-0"] * 7


def test_the_token_is_taken_before_the_tasks_are_read(connect: Callable[..., Harness]) -> None:
    """What is deleted between the token and the list must be told by the next run's events."""
    life = connect("asana")
    life.sync("tasks")
    asked = [call for call in life.vendor.calls if call.path.endswith(("/events", "/tasks"))]
    assert [call.path.rpartition("/")[2] for call in asked[:2]] == ["events", "tasks"]
    assert asked[0].query["resource"] == asked[1].query["project"]


def test_an_expired_sync_token_reads_the_project_whole_and_the_new_one_is_used(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync("tasks")
    vendor = life.vendor
    vendor.tables["tasks"].quietly(NEXT, name="written without a stamp")
    vendor.happen("changed", vendor.tables["tasks"].rows[NEXT], [SECOND])  # type: ignore[attr-defined]
    vendor.oldest = 1  # type: ignore[attr-defined]
    since = len(vendor.calls)
    assert life.sync("tasks", hours=5)["tasks"].rows_landed == 1
    assert not any("modified_since" in call.query for call in lists(life, "tasks", since))
    since = len(vendor.calls)
    life.sync("tasks", hours=1)
    assert {call.query["sync"] for call in lists(life, "events", since)} == {"sync-1"}
    assert all("modified_since" in call.query for call in lists(life, "tasks", since))


def test_a_project_that_the_user_may_see_later_is_read_whole(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    hidden = life.vendor.tables["projects"].rows.pop(SECOND)
    life.sync()
    assert NEXT not in life.documents("tasks")
    life.vendor.tables["projects"].rows[SECOND] = hidden
    life.sync(hours=5)
    assert life.missing("tasks") == (set(), set())


def test_a_feed_of_many_events_is_read_to_its_end(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync("tasks")
    life.vendor.events_at_once = 2  # type: ignore[attr-defined]
    gone = sorted(life.vendor.tables["tasks"].rows)[:5]
    for gid in gone:
        life.vendor.remove("tasks", gid)
    assert life.sync("tasks", minutes=1)["tasks"].rows_deleted == 5
    assert life.missing("tasks") == (set(), set())


def test_a_deleted_task_is_told_by_events_and_comes_back_with_undeleted(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync("tasks")
    life.vendor.remove("tasks", TASK)
    life.sync("tasks", minutes=1)
    assert TASK not in life.documents("tasks")
    life.vendor.remove("tasks", NEXT)
    life.vendor.restore("tasks", NEXT)
    life.vendor.restore("tasks", TASK)
    life.sync("tasks", minutes=1)
    assert {TASK, NEXT} <= set(life.documents("tasks"))


def test_a_task_that_is_moved_without_a_stamp_follows_its_events(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    conform.stage(life.instance)
    life.vendor.clock.advance(hours=5)
    life.vendor.move(TASK, [SECOND])  # type: ignore[attr-defined]
    life.vendor.move(NEXT, [])  # type: ignore[attr-defined]
    life.sync(minutes=1)
    conform.stage(life.instance)
    assert NEXT not in life.documents("tasks")
    sql = f"SELECT source_id, is_deleted FROM staging.milestone WHERE seen_to IS NULL AND source_id LIKE '{TASK}-%'"
    assert rows(life, sql + " ORDER BY source_id") == [(f"{TASK}-{FIRST}", True), (f"{TASK}-{SECOND}", False)]


def test_without_events_the_comparison_of_ids_finds_deletions(connect: Callable[..., Harness]) -> None:
    life = connect("asana", events=False)
    life.sync("tasks")
    life.vendor.remove("tasks", TASK)
    life.sync("tasks", days=1)
    assert TASK in life.documents("tasks")
    life.sync("tasks", days=1)
    assert TASK not in life.documents("tasks")
    assert lists(life, "events") == []


def test_search_which_needs_a_paid_plan_is_not_used(connect: Callable[..., Harness]) -> None:
    life = connect("asana", subtasks=True)
    life.sync()
    life.sync(days=1)
    assert not any("search" in call.path for call in life.vendor.calls)


def test_a_task_in_two_projects_is_one_document_and_a_row_in_each(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    conform.stage(life.instance)
    assert len(life.documents("tasks")) == 29
    sql = f"SELECT project_id FROM staging.milestone WHERE source_id LIKE '{DOUBLE}-%' ORDER BY project_id"
    assert rows(life, sql) == [("1203000000000017",), ("1203000000000018",)]


def test_subtasks_are_in_no_project_and_are_asked_for_at_their_task(connect: Callable[..., Harness]) -> None:
    life = connect("asana", subtasks=True)
    life.sync()
    asked = [call.path for call in life.vendor.calls if call.path.endswith("/subtasks")]
    assert asked == ["/api/1.0/tasks/1204711000000045/subtasks"]
    conform.stage(life.instance)
    sql = "SELECT project_id, name FROM staging.milestone WHERE source_id = 'subtask-1205000000000100'"
    assert rows(life, sql) == [("1203000000000015", "Teilschritt")]


def test_calls_that_are_refused_count_too_so_retry_after_is_waited_for(
    connect: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strict(Budget):
        """Refused calls use up the budget as well."""

        refused = 0

        def take(self, now: datetime) -> int:
            wait = super().take(now)
            if wait:
                self.taken.append(now)
                self.refused += 1
            return wait

    vendor = Vendor()
    vendor.budget = budget = Strict(10)
    monkeypatch.setattr("ops.clock.sleep", lambda seconds: vendor.clock.advance(seconds=seconds))
    life = connect("asana", vendor)
    life.sync()
    assert life.missing("tasks") == (set(), set())
    assert 0 < budget.refused <= len(vendor.calls) // 5


def test_an_error_is_told_in_its_own_words(connect: Callable[..., Harness], waits: list[float]) -> None:
    life = connect("asana", workspace="12")
    assert "workspace: Missing input" in (life.results("users")[0].error or "")
    other = connect("asana")
    other.vendor.faults = [Fault("status", status=500, times=60)]
    assert "6 sad squid snuggle softly" in (other.results("users")[0].error or "")


def test_a_list_of_projects_that_times_out_is_asked_for_again(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    life = connect("asana")
    life.vendor.faults = [Fault("status", status=504, times=2, path="projects")]
    life.sync("projects")
    assert life.missing("projects") == (set(), set())
    assert len(waits) == 2


def test_an_access_token_that_lives_an_hour_is_renewed(connect: Callable[..., Harness]) -> None:
    class App(Vendor):  # type: ignore[misc,valid-type]
        """An OAuth app: every ninth call meets an expired token."""

        def setup(self) -> None:
            super().setup()
            self.auth = OAuth("/-/oauth_token", {"grant_type": "refresh_token", "refresh_token": "demo-refresh"})
            self.between = lambda _call: self.auth.expire() if len(self.calls) % 9 == 0 else None

        def settings(self) -> dict[str, object]:
            known = super().settings()
            del known["token"]
            secret = {"client_secret": "demo-secret", "refresh_token": "demo-refresh"}
            return {**known, "auth": "refresh", "client_id": "demo", "token_url": f"{self.url}/-/oauth_token", **secret}

    life = connect("asana", App())
    life.sync("tasks")
    assert life.missing("tasks") == (set(), set())


def test_a_deletion_told_to_a_run_that_broke_off_is_told_again(
    connect: Callable[..., Harness], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source is down after the first page of projects: their feeds are read again from the tokens committed."""
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    life = connect("asana")
    life.sync("tasks")
    life.vendor.remove("tasks", TASK)
    life.vendor.faults = [Fault("status", status=503, times=60, path="events", after=4)]
    assert life.results("tasks", minutes=1)[0].error
    life.vendor.faults = []
    life.vendor.remove("tasks", "1204711000000048")
    life.sync("tasks", minutes=1)
    life.sync("tasks", minutes=1)
    assert life.missing("tasks") == (set(), set())


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("asana")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    project = "SELECT name, manager_id, status, health, customer_code, contract_number, start_on, planned_end_on"
    project += f" FROM staging.project WHERE code IN ('{SECOND}', '1203000000000017', '1203000000000018') ORDER BY code"
    first = (date(2026, 1, 8), date(2026, 4, 8))
    second, third = (date(2026, 1, 20), date(2026, 4, 20)), (date(2026, 1, 23), date(2026, 4, 23))
    assert rows(life, project) == [
        ("Einführung 上线 1", "1200000000000012", "active", "amber", "C-1001", "HT-1", *first),
        ("Einführung 上线 5", "1200000000000011", "cancelled", None, "C-1005", "HT-5", *second),
        ("Einführung 上线 6", "1200000000000012", "done", "green", "C-1006", "HT-6", *third),
    ]
    task = "SELECT project_id, name, kind, status, owner_id, planned_on, done_on FROM staging.milestone"
    task += f" WHERE source_id IN ('{TASK}-{FIRST}', '{NEXT}-{SECOND}') ORDER BY source_id"
    done = ("milestone", "done", "1200000000000011", date(2026, 1, 5), date(2026, 5, 4))
    assert rows(life, task) == [
        (FIRST, "Schritt 步骤 0", *done),
        (SECOND, "Schritt 步骤 1", "task", "open", None, date(2026, 1, 7), None),
    ]
    person = "SELECT name, email FROM staging.employee WHERE source_id = '1200000000000011'"
    assert rows(life, person) == [("Mara Muster0", "staff0@example.com")]
