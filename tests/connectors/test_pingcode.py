"""PingCode's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from data import sim
from data.sim.access import Budget, Call, Reply
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("pingcode")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "pingcode"


def item(number: int) -> str:
    """The id of a work item."""
    return f"5eabcd{number:018x}"


def ticket(number: int) -> str:
    """The id of a ticket."""
    return f"5edcba{number:018x}"


def asked(life: Harness, end: str) -> list[Call]:
    """The calls whose path ends so."""
    return [call for call in life.vendor.calls if call.path.endswith(end)]


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    """The rows of one question to the warehouse."""
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def test_pages_count_from_zero(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync("work_items")
    assert [call.query["page_index"] for call in asked(life, "/work_items")] == ["0", "1", "2"]
    assert life.missing("work_items") == (set(), set())


def test_a_page_is_cut_at_a_hundred_whatever_is_asked_for(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    crowd = {vendor.tables["work_items"].like(f"5f{number:022x}") for number in range(120)}
    life = connect("pingcode", vendor, page_size=500)
    life.sync("work_items")
    assert crowd <= set(life.documents("work_items"))
    assert life.missing("work_items") == (set(), set())
    assert len(asked(life, "/work_items")) == 2


def test_expires_in_is_an_instant_and_the_token_serves_the_whole_run(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync()
    signed_in = asked(life, "/auth/token")
    assert len(signed_in) == 1
    assert signed_in[0].method == "GET"
    assert life.vendor.auth.more["expires_in"] > life.vendor.clock.now.timestamp()  # type: ignore[attr-defined]


def test_changes_are_asked_for_in_epoch_seconds_and_without_an_end_in_the_past(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync("work_items")
    life.vendor.calls.clear()
    before = life.vendor.clock.now
    life.sync("work_items", hours=1)
    start, end = asked(life, "/work_items")[0].query["updated_between"].split(",")
    assert int(start) == int((before - timedelta(minutes=10)).timestamp())
    assert int(end) > life.vendor.clock.now.timestamp() + 86_400


def test_a_row_edited_while_one_reads_shifts_no_other(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode", page_size=5)

    def between(call: Call) -> None:
        if call.path.endswith("/work_items") and call.query["page_index"] == "2":
            life.vendor.clock.advance(hours=1)
            life.vendor.tables["work_items"].edit(item(0))

    life.vendor.between = between
    life.sync("work_items")
    assert life.missing("work_items") == (set(), set())


def test_an_ignored_filter_of_changes_ends_the_run(connect: Callable[..., Harness]) -> None:
    class Deaf(Vendor):  # type: ignore[misc,valid-type]
        """Every list is the whole list."""

        def handle(self, call: Call) -> Reply:
            call.query.pop("updated_between", None)
            reply: Reply = super().handle(call)
            return reply

    life = connect("pingcode", Deaf())
    life.sync("work_items")
    life.vendor.clock.advance(days=2)
    assert "changes since" in (life.results("work_items")[0].error or "")


def test_tombstones_arrive_with_include_deleted(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync("work_items")
    life.vendor.clock.advance(hours=1)
    life.vendor.remove("work_items", item(3))
    assert life.sync("work_items", minutes=1)["work_items"].rows_landed == 1
    assert item(3) not in life.documents("work_items")
    assert all(call.query["include_deleted"] == "true" for call in asked(life, "/work_items"))


def test_archived_is_not_deleted(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync()
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["work_items"].edit(item(4), is_archived=1)
    project = min(life.vendor.tables["projects"].rows)
    life.vendor.tables["projects"].edit(project, is_archived=1)
    life.sync(minutes=1)
    assert life.documents("work_items")[item(4)]["is_archived"] == 1
    assert conform.stage(life.instance).counts.rejected == 0
    sql = f"SELECT status, is_deleted FROM staging.project WHERE source_id = '{project}' AND seen_to IS NULL"
    assert rows(life, sql) == [("done", False)]


def test_tickets_know_no_include_deleted_and_are_swept(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync("tickets")
    life.vendor.remove("tickets", ticket(5))
    for _ in range(3):
        life.sync("tickets", days=1)
    assert ticket(5) not in life.documents("tickets")
    assert life.missing("tickets") == (set(), set())
    assert all("include_deleted" not in call.query for call in asked(life, "/tickets"))


def test_a_filter_holds_at_most_twenty_ids(connect: Callable[..., Harness]) -> None:
    some = connect("pingcode", project_ids="5ebbbb000000000000000001,5ebbbb000000000000000002")
    some.sync("work_items")
    found = {row["project"]["identifier"] for row in some.documents("work_items").values()}
    assert found == {"PRJ1", "PRJ2"}
    many = connect("pingcode", project_ids=",".join(f"5ebbbb{number:018x}" for number in range(21)))
    result = many.results("work_items")[0]
    assert "names 21 projects" in (result.error or "")
    assert asked(many, "/work_items") == []


def test_two_hundred_calls_a_minute_and_the_wait_is_in_the_vendors_own_header(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    class Short(Vendor):  # type: ignore[misc,valid-type]
        """Two calls a minute; the clock moves when the budget is used up."""

        def refuse(self, status: int, reason: str, **headers: str) -> Reply:
            reply: Reply = super().refuse(status, reason, **headers)
            if status == 429:
                self.clock.advance(seconds=int(headers["Retry_After"]))
            return reply

    vendor = Short()
    vendor.budget = Budget(2)
    life = connect("pingcode", vendor)
    life.sync("work_items")
    assert life.missing("work_items") == (set(), set())
    assert 60.0 in waits
    assert life.spec.settings["calls_per_minute"].default < 200


def test_the_code_of_the_limit_is_heeded_whatever_the_status(
    connect: Callable[..., Harness], waits: list[float]
) -> None:
    class Odd(Vendor):  # type: ignore[misc,valid-type]
        """The third answer is the limit, with status 400."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return Reply(400, self.error(429, "请求频率过高")) if len(self.calls) == 3 else reply

    life = connect("pingcode", Odd())
    life.sync("work_items")
    assert life.missing("work_items") == (set(), set())
    assert len(waits) == 1


def test_histories_follow_changed_records(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode", ticket_histories=True, work_item_histories=True)
    life.sync()
    assert life.missing("ticket_histories") == (set(), set())
    assert life.missing("work_item_histories") == (set(), set())
    life.vendor.clock.advance(hours=1)
    state = life.vendor.tables["tickets"].rows[ticket(2)]["state"]
    life.vendor.tables["tickets"].edit(ticket(0), state=state)
    life.vendor.calls.clear()
    assert life.sync(minutes=1)["ticket_histories"].rows_landed == 1
    assert [call.path for call in asked(life, "/transition_histories")] == [
        f"/v1/ship/tickets/{ticket(0)}/transition_histories"
    ]


def test_a_history_begins_with_no_state(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode", ticket_histories=True)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    sql = (
        "SELECT field, from_value, to_value, happened_at FROM staging.ticket_event "
        f"WHERE ticket_id = '{ticket(1)}' ORDER BY happened_at"
    )
    begun = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
    assert rows(life, sql) == [
        ("status", None, "待处理", begun),
        ("status", "待处理", "处理中", begun + timedelta(minutes=1)),
    ]


def test_a_sprint_moves_no_project_and_is_read_in_every_run(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync()
    life.vendor.tables["sprints"].edit("5eabba" + f"{1:018x}", status="completed")
    landed = life.sync(minutes=1)
    assert (landed["projects"].rows_landed, landed["sprints"].rows_landed) == (0, 1)
    kinds = {row["type"] for row in life.documents("projects").values()}
    assert kinds == {"scrum", "kanban", "hybrid", "waterfall"}
    read = {call.path.split("/")[4] for call in asked(life, "/sprints")}
    assert {life.documents("projects")[one]["type"] for one in read} == {"scrum", "hybrid"}


def test_a_company_without_ship_is_read_all_the_same(connect: Callable[..., Harness]) -> None:
    class Plain(Vendor):  # type: ignore[misc,valid-type]
        """Ship is not bought."""

        def handle(self, call: Call) -> Reply:
            reply: Reply = super().handle(call)
            return self.refuse(403, "没有权限") if "/ship/" in call.path else reply

    life = connect("pingcode", Plain())
    assert life.sync()["tickets"].rows_landed == 0
    assert life.missing("work_items") == (set(), set())


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("pingcode")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    project = (
        "SELECT code, name, manager_id, status, customer_code, start_on, planned_end_on FROM staging.project "
        "WHERE code = 'PRJ1'"
    )
    days = (date(2026, 1, 8), date(2026, 4, 8))
    manager = "5eaaaa000000000000000001"
    assert rows(life, project) == [("PRJ1", "Einführung 上线 1", manager, "active", "C-1001", *days)]
    work = (
        "SELECT project_id, name, kind, status, planned_on, done_on FROM staging.milestone "
        f"WHERE source_id IN ('{item(0)}', '{item(1)}') ORDER BY source_id"
    )
    assert rows(life, work) == [
        ("5ebbbb000000000000000000", "Schritt 步骤 0", "milestone", "done", date(2026, 1, 5), date(2026, 1, 5)),
        ("5ebbbb000000000000000001", "Schritt 步骤 1", "task", "in_progress", date(2026, 1, 7), None),
    ]
    sprint = "SELECT name, kind, status, planned_on FROM staging.milestone WHERE source_id LIKE 'sprint-%1'"
    assert rows(life, sprint) == [("迭代 1", "milestone", "in_progress", date(2026, 6, 2))]
    service = (
        "SELECT customer_id, assignee_id, subject, description, status, priority, kind, solved_at, resolution_due_at "
        "FROM staging.ticket WHERE number = 'SLC-T2'"
    )
    solved, due = datetime(2026, 5, 4, 9, 0, tzinfo=UTC), datetime(2026, 5, 5, 8, 0, tzinfo=UTC)
    words = ("Anzeige ohne Wert 压力表 2", "Nach dem Einschalten 2", "solved", "high", "需求")
    ids = ("5ecccc000000000000000002", "5eaaaa000000000000000002")
    assert rows(life, service) == [(*ids, *words, solved, due)]
    customer = "SELECT name FROM staging.customer WHERE source_id = '5ecccc000000000000000002'"
    assert rows(life, customer) == [("北辰精工 Example 2",)]
    staff = "SELECT code, name, email, is_active FROM staging.employee WHERE code IN ('E000', 'E005') ORDER BY code"
    assert rows(life, staff) == [
        ("E000", "Mara Muster0", "staff0@example.com", True),
        ("E005", "Emil Muster5", "staff5@example.com", False),
    ]
