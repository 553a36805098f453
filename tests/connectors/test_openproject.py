"""OpenProject's own traps, and what its documents become."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from data import sim
from data.sim.access import Call, OAuth
from data.sim.table import iso
from model import conform, staging
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor = sim.load("openproject")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "openproject"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def lists(life: Harness, name: str, since: int = 0) -> list[Call]:
    return [call for call in life.vendor.calls[since:] if call.path == f"/api/v3/{name}"]


def test_the_user_is_the_word_apikey(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    assert life.sync("projects")["projects"].rows_landed == 7
    life.vendor.auth = type(life.vendor.auth)("admin", "demo-openproject-key")  # type: ignore[call-arg]
    assert "credentials" in (life.results("projects")[0].remedy or "")


def test_an_oauth_application_signs_in_with_client_credentials(connect: Callable[..., Harness]) -> None:
    class Application(Vendor):  # type: ignore[misc,valid-type]
        """Bearer tokens that end after every fifth call."""

        def setup(self) -> None:
            super().setup()
            form = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}
            self.auth = OAuth("/oauth/token", form)
            self.between = lambda _call: self.auth.expire() if len(self.calls) % 5 == 0 else None

        def settings(self) -> dict[str, object]:
            known = super().settings()
            del known["api_key"]
            return {**known, "auth": "client", "client_id": "demo", "client_secret": "demo-secret"}

    life = connect("openproject", Application())
    life.sync("work_packages")
    assert life.missing("work_packages") == (set(), set())


def test_closed_work_packages_are_read_because_filters_are_always_sent(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    life.sync("work_packages", days=2)
    assert any(row["status"]["isClosed"] for row in life.documents("work_packages").values())
    asked = lists(life, "work_packages")
    assert all("filters" in call.query for call in asked)
    assert [call.query["filters"] for call in asked if "select" in call.query] != []
    assert {call.query["filters"] for call in asked if "select" in call.query} == {"[]"}


def test_offset_is_the_number_of_a_page_from_one(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("projects")
    assert [call.query.get("offset", "1") for call in lists(life, "projects")] == ["1", "2"]


def test_the_page_size_that_the_instance_gives_is_the_one_that_counts(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.cap = 3  # type: ignore[attr-defined]
    life = connect("openproject", vendor, page_size=500)
    life.sync()
    life.sync(days=2)
    life.sync(days=2)
    assert {name: life.missing(name) for name in ("users", "projects", "work_packages")} == dict.fromkeys(
        ("users", "projects", "work_packages"), (set(), set())
    )
    assert [call.query["offset"] for call in lists(life, "work_packages") if "select" in call.query] == [
        str(number) for number in range(1, 11)
    ] * 2


def test_the_end_is_the_missing_link_to_a_next_page(connect: Callable[..., Harness]) -> None:
    """A last page that is full is followed by no call; an unpaged collection is one call."""
    vendor = Vendor()
    table = vendor.tables["projects"]
    for number in range(3):
        table.like(900 + number)
    life = connect("openproject", vendor)
    life.sync()
    assert len(table.rows) == 10
    assert len(lists(life, "projects")) == 2
    assert len(lists(life, "versions")) == 1
    assert life.missing("versions") == (set(), set())


def test_a_collection_paged_by_cursor_only_is_followed(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.by_cursor = True  # type: ignore[attr-defined]
    life = connect("openproject", vendor)
    life.sync("users")
    assert life.missing("users") == (set(), set())


def test_changes_are_asked_for_between_two_instants(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    since = len(life.vendor.calls)
    life.sync("work_packages", hours=1)
    before = life.vendor.clock.now - timedelta(hours=1, seconds=1, minutes=10)
    (call,) = [call for call in lists(life, "work_packages", since) if "select" not in call.query]
    assert json.loads(call.query["filters"]) == [
        {"updatedAt": {"operator": "<>d", "values": [iso(before), "2100-01-01T00:00:00Z"]}}
    ]
    assert json.loads(call.query["sortBy"]) == [["updatedAt", "asc"], ["id", "asc"]]


def test_the_name_of_the_filter_is_a_setting(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.filters = ("updated_at",)  # type: ignore[attr-defined]
    life = connect("openproject", vendor)
    refused = life.results("work_packages")[0]
    assert "filter does not exist" in (refused.error or "")
    assert "updated_filter" in (refused.remedy or "")
    other = connect("openproject", vendor, updated_filter="updated_at")
    other.sync("work_packages")
    assert other.missing("work_packages") == (set(), set())


def test_a_filter_that_is_ignored_is_noticed(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    life.vendor.between = lambda call: call.query.update(filters="[]")
    assert "asked for changes since" in (life.results("work_packages", days=1)[0].error or "")


def test_foreign_keys_are_the_last_step_of_their_link(connect: Callable[..., Harness]) -> None:
    """Also where OpenProject lies in a subfolder, and where a link leads nowhere."""
    vendor = Vendor()
    links = vendor.tables["work_packages"].rows["1501"]["_links"]
    assert links["assignee"]["href"] is None
    links["project"]["href"] = "/openproject/api/v3/projects/15"
    life = connect("openproject", vendor)
    life.sync()
    conform.stage(life.instance)
    sql = "SELECT project_id, owner_id FROM staging.milestone WHERE source_id = 'work_package-1501'"
    assert rows(life, sql) == [("15", "12")]


def test_durations_stay_as_they_are_written(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    assert {row["estimatedTime"] for row in life.documents("work_packages").values()} == {"PT10H"}


def test_a_milestone_is_known_by_its_type_and_has_one_date(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync()
    conform.stage(life.instance)
    sql = "SELECT kind, planned_on FROM staging.milestone WHERE source_id IN ('work_package-1500', 'work_package-1501')"
    assert rows(life, sql + " ORDER BY source_id") == [("milestone", date(2026, 1, 5)), ("task", date(2026, 1, 7))]


def test_status_history_is_our_own_snapshots_not_the_sentences_of_activities(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync()
    conform.stage(life.instance)
    life.vendor.clock.advance(hours=1)
    closed: dict[str, Any] = {"_links__status": {"href": "/api/v3/statuses/12", "title": "Closed"}}
    life.vendor.tables["work_packages"].edit("1501", **closed)
    life.sync(minutes=1)
    conform.stage(life.instance)
    sql = (
        "SELECT status, seen_to IS NULL FROM staging.milestone WHERE source_id = 'work_package-1501' ORDER BY seen_from"
    )
    assert rows(life, sql) == [("open", False), ("done", True)]
    assert not any("activities" in call.path for call in life.vendor.calls)


def test_a_deletion_is_found_by_comparing_ids_only(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    life.vendor.remove("work_packages", "1504")
    life.sync("work_packages", days=1)
    assert "1504" in life.documents("work_packages")
    life.sync("work_packages", days=1)
    assert "1504" not in life.documents("work_packages")
    assert {call.query["select"] for call in life.vendor.calls if "select" in call.query} == {"total,elements/id"}


def test_a_release_without_select_is_swept_all_the_same(connect: Callable[..., Harness]) -> None:
    life = connect("openproject", sweep_select="")
    life.sync("work_packages")
    life.vendor.remove("work_packages", "1504")
    life.sync("work_packages", days=1)
    life.sync("work_packages", days=1)
    assert life.missing("work_packages") == (set(), set())
    assert not any("select" in call.query for call in life.vendor.calls)


def test_a_404_can_mean_not_allowed_to_see(connect: Callable[..., Harness]) -> None:
    """The list of users belongs to administrators: left out with a warning, and all else is read."""
    vendor = Vendor()
    vendor.names_users = False  # type: ignore[attr-defined]
    life = connect("openproject", vendor)
    found = life.sync()
    assert "404" in found["users"].warnings[0]
    assert life.missing("work_packages") == (set(), set())


def test_work_packages_that_the_user_may_see_later_come_with_the_weekly_reading(
    connect: Callable[..., Harness],
) -> None:
    life = connect("openproject")
    table = life.vendor.tables["work_packages"]
    hidden = table.rows.pop("1500")
    life.sync("work_packages")
    table.rows["1500"] = hidden
    assert life.sync("work_packages", hours=1)["work_packages"].rows_landed == 0
    assert life.sync("work_packages", days=7)["work_packages"].rows_landed == 1


def test_links_to_actions_are_no_part_of_a_document(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync("work_packages")
    for row in life.vendor.tables["work_packages"].rows.values():
        row["_links"]["update"] = {"href": "/api/v3/work_packages/1", "method": "patch"}
    assert life.sync("work_packages", full=True)["work_packages"].rows_landed == 0


def test_a_setting_that_is_no_custom_field_is_named(connect: Callable[..., Harness]) -> None:
    life = connect("openproject", customer_field="Kunde")
    assert "customer_field" in (life.results("projects")[0].error or "")


def test_programs_and_portfolios_are_projects_too(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    for place, name in enumerate(("programs", "portfolios")):
        row = dict(next(iter(vendor.tables["projects"].rows.values())))
        vendor.tables[name].add({**row, "id": 800 + place, "identifier": name})
    life = connect("openproject", vendor, portfolios=True)
    life.sync()
    conform.stage(life.instance)
    sql = "SELECT source_id, code FROM staging.project WHERE source_id IN ('800', '801') ORDER BY source_id"
    assert rows(life, sql) == [("800", "programs"), ("801", "portfolios")]


def test_documents_become_rows(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    project = "SELECT code, name, status, health, customer_code, contract_number FROM staging.project"
    assert rows(life, project + " WHERE source_id IN ('13', '16', '17', '18') ORDER BY source_id") == [
        ("prj1", "Einführung 上线 1", "active", "amber", "C-1001", "HT-1"),
        ("prj4", "Einführung 上线 4", "done", None, "C-1004", "HT-4"),
        ("prj5", "Einführung 上线 5", "cancelled", None, "C-1005", "HT-5"),
        ("prj6", "Einführung 上线 6", "done", "green", "C-1006", "HT-6"),
    ]
    version = "SELECT project_id, name, kind, status, planned_on FROM staging.milestone WHERE source_id = 'version-301'"
    assert rows(life, version) == [("13", "v1", "milestone", "in_progress", date(2026, 4, 8))]
    package = "SELECT project_id, status, owner_id, progress_percent FROM staging.milestone WHERE source_id IN "
    package += "('work_package-1500', 'work_package-1501', 'work_package-1502', 'work_package-1504') ORDER BY source_id"
    assert rows(life, package) == [
        ("12", "done", "11", Decimal(40)),
        ("13", "open", "12", Decimal(40)),
        ("14", "in_progress", "13", Decimal(40)),
        ("16", "cancelled", "15", Decimal(40)),
    ]
    person = (
        "SELECT code, name, email, is_active FROM staging.employee WHERE source_id IN ('11', '16') ORDER BY source_id"
    )
    assert rows(life, person) == [
        ("e000", "Mara Muster0", "staff0@example.com", True),
        ("e005", "Emil Muster5", "staff5@example.com", False),
    ]


def test_an_error_is_told_in_its_sentence_for_people(connect: Callable[..., Harness]) -> None:
    life = connect("openproject")
    refusal = life.vendor.refuse(400, "said in words")
    life.vendor.handle = lambda _call: refusal  # type: ignore[method-assign,assignment]
    assert (life.results("projects")[0].error or "").endswith("said in words")


def test_a_link_to_nothing_is_nothing(connect: Callable[..., Harness]) -> None:
    """An unset reference is there, with an address that is null."""
    vendor = Vendor()
    row = vendor.tables["work_packages"].rows["1501"]
    nothing = {"href": None, "title": None}
    row["_links"] = {**row["_links"], "assignee": nothing, "responsible": nothing, "parent": nothing}
    life = connect("openproject", vendor)
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    sql = "SELECT owner_id FROM staging.milestone WHERE source_id = 'work_package-1501'"
    assert rows(life, sql) == [(None,)]
