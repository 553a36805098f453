"""ZenTao's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from data import sim
from data.sim.access import Call, Reply
from data.sim.engine import Fault
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("zentao")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "zentao"


def asked(life: Harness, end: str) -> list[Call]:
    """The calls whose path ends so."""
    return [call for call in life.vendor.calls if call.path.endswith(end)]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse, after staging."""
    assert conform.stage(life.instance).counts.rejected == 0
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def bugs(life: Harness) -> None:
    """Collect what bugs need."""
    life.sync("products")
    life.sync("bugs")


def tasks(life: Harness) -> None:
    """Collect what tasks need."""
    for stream in ("projects", "executions", "tasks"):
        life.sync(stream)


def test_closed_bugs_stories_and_tickets_are_read_too(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", stories=True, tickets=True, page_size=50)
    life.sync()
    assert {name: life.missing(name) for name in ("bugs", "stories", "tickets")} == dict.fromkeys(
        ("bugs", "stories", "tickets"), (set(), set())
    )
    assert "closed" in {row["status"]["code"] for row in life.documents("bugs").values()}
    assert "closed" in {row["status"] for row in life.documents("stories").values()}
    assert {row["status"] for row in life.documents("tickets").values()} == {"wait", "doing", "done", "closed"}


def test_a_limit_is_always_sent_because_twenty_come_unasked(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=100)
    life.sync()
    lists = [call for call in life.vendor.calls if call.method == "GET"]
    assert lists
    assert {call.query.get("limit") for call in lists} == {"100"}
    assert life.missing("tasks") == (set(), set())


def test_there_is_no_filter_of_changes_and_a_new_bug_without_an_edit_is_found(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    bugs(life)
    first = life.vendor.tables["bugs"].rows["411"]
    life.vendor.tables["bugs"].rows["999"] = {**first, "id": 999, "title": "neu 新", "lastEditedDate": None}
    assert life.sync("bugs", hours=1)["bugs"].rows_landed == 1
    assert life.documents("bugs")["999"]["lastEditedDate"] is None
    assert {call.query["order"] for call in asked(life, "/bugs")} == {"id_asc"}


def test_an_edit_of_a_child_that_does_not_touch_its_parent_is_found(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    tasks(life)
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["tasks"].edit("1002", status="done")
    life.vendor.tables["tasks"].quietly("1003", consumed=3)
    assert life.sync("projects")["projects"].rows_landed == 0
    assert life.sync("executions")["executions"].rows_landed == 0
    assert life.sync("tasks")["tasks"].rows_landed == 2


def test_deleted_rows_vanish_from_their_list(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    tasks(life)
    life.vendor.remove("tasks", "1005")
    life.vendor.remove("executions", "104")
    for stream in ("executions", "tasks"):
        life.sync(stream, hours=1)
    assert "1005" not in life.documents("tasks")
    assert life.missing("executions") == (set(), set())
    assert {row["execution"] for row in life.documents("tasks").values()} == {101, 102, 103}


def test_the_last_page_that_is_sent_again_doubles_nothing(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=29)
    for _ in range(29):
        life.vendor.tables["users"].like(life.vendor.new_id("users"))
        life.vendor.clock.advance(seconds=1)
    life.sync("users")
    assert life.missing("users") == (set(), set())
    assert [call.query["page"] for call in asked(life, "/users")] == ["1", "2"]


@pytest.mark.parametrize("stream", ["products", "tasks"])
def test_a_list_that_ignores_page_and_limit_ends_the_run_and_deletes_nothing(
    connect: Callable[..., Harness], stream: str
) -> None:
    class Old(Vendor):  # type: ignore[misc,valid-type]
        """The list comes as a first page of two, whatever is asked for."""

        old = False

        def handle(self, call: Call) -> Reply:
            if self.old and call.path.endswith(f"/{stream}"):
                call.query.update(page="1", limit="2")
            reply: Reply = super().handle(call)
            return reply

    vendor = Old()
    life = connect("zentao", vendor, page_size=50)
    tasks(life)
    life.sync("products")
    vendor.old = True
    for _ in range(3):
        assert "came twice" in (life.results(stream, days=1)[0].error or "")
    assert life.missing(stream) == (set(), set())


def test_the_token_is_a_session_that_dies_and_is_renewed(connect: Callable[..., Harness]) -> None:
    life = connect("zentao")
    for stream in ("projects", "executions", "tasks"):
        life.vendor.faults = [Fault("expire", after=2)]
        life.sync(stream)
    assert life.missing("tasks") == (set(), set())
    tokens = asked(life, "/tokens")
    assert len(tokens) == 6
    assert {call.method for call in tokens} == {"POST"}


def test_a_wrong_password_is_tried_once_because_repeats_lock_the_user(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", account="somebody-else")
    results = life.results()
    assert {result.state for result in results} == {"failed"}
    assert "登录失败" in (results[0].error or "")
    assert len(asked(life, "/tokens")) == 1


def test_a_missing_right_fails_and_is_no_empty_list(connect: Callable[..., Harness]) -> None:
    class Narrow(Vendor):  # type: ignore[misc,valid-type]
        """The group of the user loses the right to see tasks."""

        narrow = False

        def handle(self, call: Call) -> Reply:
            if self.narrow and call.path.endswith("/tasks"):
                call.path = "/zentao/refused"
            reply: Reply = super().handle(call)
            return Reply(403, {"error": "Access not allowed"}) if call.path == "/zentao/refused" else reply

    vendor = Narrow()
    life = connect("zentao", vendor, page_size=50)
    tasks(life)
    vendor.narrow = True
    result = life.results("tasks", hours=1)[0]
    assert "Access not allowed" in (result.error or "")
    assert "group" in (result.remedy or "")
    assert life.missing("tasks") == (set(), set())


def test_a_state_is_an_object_with_computed_codes_in_a_list(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    table = vendor.tables["bugs"]
    table.edit("411", status={"code": "storyChanged", "name": "需求变动"}, resolvedDate="2026-05-08T16:30:00Z")
    table.edit("412", status={"code": "postponed", "name": "延期处理"}, resolvedDate=None)
    table.edit("416", status="active")
    life = connect("zentao", vendor, page_size=50)
    life.sync()
    sql = (
        "SELECT source_id, status FROM staging.milestone WHERE source_id IN "
        "('bug-411', 'bug-412', 'bug-413', 'bug-414', 'bug-416') ORDER BY source_id"
    )
    states = [("bug-411", "done"), ("bug-412", "done"), ("bug-413", "open"), ("bug-414", "done"), ("bug-416", "open")]
    assert rows(life, sql) == states


def test_users_are_objects_or_accounts_and_numbers_sometimes_text(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    life.sync()
    sql = (
        "SELECT source_id, project_id, owner_id FROM staging.milestone WHERE source_id IN "
        "('task-1001', 'task-1002', 'task-1003', 'bug-411', 'bug-412') ORDER BY source_id"
    )
    assert rows(life, sql) == [
        ("bug-411", "11", None),
        ("bug-412", "12", "staff1"),
        ("task-1001", "11", None),
        ("task-1002", "12", "staff1"),
        ("task-1003", "13", "staff2"),
    ]
    owner = "SELECT count(*) FROM staging.employee WHERE code = 'staff1'"
    assert rows(life, owner) == [(1,)]


@pytest.mark.parametrize(("has_zone", "form"), [(True, "utc"), (True, "local"), (False, "local")])
def test_a_server_whose_php_has_no_zone_is_read_by_its_wall_clock(
    connect: Callable[..., Harness], has_zone: bool, form: str
) -> None:
    vendor = Vendor()
    vendor.php_zone = has_zone  # type: ignore[attr-defined]
    life = connect("zentao", vendor, tickets=True, time_format=form, page_size=50)
    life.sync("tickets")
    sql = "SELECT created_at, solved_at, closed_at FROM staging.ticket WHERE number IN ('901', '904') ORDER BY number"
    begun = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert rows(life, sql) == [(begun, None, None), (begun, begun, begun + timedelta(days=1))]


def test_zero_dates_are_none_and_a_deadline_is_a_plain_date(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.tables["tasks"].edit("1003", deadline="0000-00-00")
    life = connect("zentao", vendor, time_format="local", page_size=50)
    life.sync()
    sql = (
        "SELECT source_id, planned_on, done_on FROM staging.milestone WHERE source_id IN "
        "('task-1001', 'task-1003', 'task-1005', 'bug-412', 'bug-414') ORDER BY source_id"
    )
    assert rows(life, sql) == [
        ("bug-412", date(2026, 5, 15), None),
        ("bug-414", date(2026, 5, 15), date(2026, 5, 9)),
        ("task-1001", date(2026, 1, 5), date(2026, 1, 6)),
        ("task-1003", None, None),
        ("task-1005", None, None),
    ]


def test_estimates_are_hours_and_stay_in_the_document(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    tasks(life)
    assert life.documents("tasks")["1001"]["estimate"] == 8


def test_the_sets_of_states_of_projects_executions_and_tasks(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", page_size=50)
    life.sync()
    known = "SELECT DISTINCT status FROM staging.project ORDER BY status"
    assert rows(life, known) == [("active",), ("done",), ("on_hold",), ("planned",)]
    sql = (
        "SELECT source_id, status FROM staging.milestone WHERE source_id IN ('task-1001', 'task-1002', 'task-1003', "
        "'task-1006', 'task-1008', 'task-1010', 'execution-101', 'execution-103') ORDER BY source_id"
    )
    assert rows(life, sql) == [
        ("execution-101", "open"),
        ("execution-103", "done"),
        ("task-1001", "done"),
        ("task-1002", "in_progress"),
        ("task-1003", "in_progress"),
        ("task-1006", "in_progress"),
        ("task-1008", "cancelled"),
        ("task-1010", "cancelled"),
    ]


def test_a_subtask_stands_inside_its_task(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    child = {"id": 5001, "name": "子任务", "status": "done", "assignedTo": "staff3", "deadline": "2026-06-01"}
    vendor.tables["tasks"].edit("1002", children=[child])
    life = connect("zentao", vendor, page_size=50)
    tasks(life)
    sql = "SELECT project_id, name, status, owner_id, planned_on FROM staging.milestone WHERE source_id = 'task-5001'"
    assert rows(life, sql) == [("12", "子任务", "done", "staff3", date(2026, 6, 1))]


def test_actions_follow_changed_records_and_hold_the_changes_of_states(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", histories=True, tickets=True, page_size=50)
    life.sync()
    kinds = ("task_actions", "bug_actions", "ticket_actions")
    assert {name: life.missing(name) for name in kinds} == dict.fromkeys(kinds, (set(), set()))
    sql = "SELECT field, from_value, to_value, happened_at FROM staging.ticket_event WHERE ticket_id = '902'"
    moved = datetime(2026, 5, 4, 8, 5, tzinfo=UTC)
    assert rows(life, sql) == [("status", "wait", "doing", moved)]
    life.vendor.calls.clear()
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["bugs"].edit("413")
    life.sync(minutes=1)
    assert [call.path for call in life.vendor.calls if call.path.rpartition("/")[2].isdigit()] == [
        "/zentao/api.php/v1/bugs/413"
    ]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("zentao", tickets=True, page_size=50)
    life.sync()
    project = (
        "SELECT code, name, manager_id, status, customer_code, start_on, planned_end_on, actual_end_on, "
        "CAST(progress_percent AS INTEGER) FROM staging.project WHERE source_id IN ('12', '14', '16') "
        "ORDER BY source_id"
    )
    assert [tuple(map(str, row)) for row in rows(life, project)] == [
        ("PRJ1", "Einführung 上线 1", "staff1", "active", "C-1001", "2026-01-08", "2026-04-08", "None", "10"),
        ("PRJ3", "Einführung 上线 3", "staff3", "done", "C-1003", "2026-01-14", "None", "2026-04-14", "30"),
        ("16", "Einführung 上线 5", "staff0", "active", "C-1005", "2026-01-20", "2026-04-20", "None", "50"),
    ]
    step = "SELECT project_id, name, kind, owner_id, planned_on, done_on FROM staging.milestone"
    assert rows(life, step + " WHERE source_id = 'execution-103'") == [
        ("13", "阶段 2", "milestone", "staff2", date(2026, 6, 30), date(2026, 6, 20))
    ]
    without = "SELECT count(*) FROM staging.milestone WHERE source_id = 'bug-415'"
    assert rows(life, without) == [(0,)]
    ticket = "SELECT subject, description, assignee_id, status, priority, kind FROM staging.ticket WHERE number = '903'"
    words = ("Anzeige ohne Wert 压力表 2", "Nach dem Einschalten 2", "staff2", "solved", "normal", "stuck")
    assert rows(life, ticket) == [words]
    product = "SELECT code, name FROM staging.product ORDER BY code"
    assert rows(life, product) == [("YLB0", "压力表 0"), ("YLB1", "压力表 1")]
    staff = "SELECT code, name, email, is_active FROM staging.employee WHERE source_id = '300'"
    assert rows(life, staff) == [("staff0", "Mara Muster0", "staff0@example.com", True)]
