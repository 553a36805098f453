"""Jira Service Management's own traps, and what its documents become."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from data import sim
from data.sim.access import OAuth
from data.sim.engine import Fault
from data.sim.table import START
from model import conform, staging
from ops import secrets
from tests.connectors.conformance import Conformance
from tests.connectors.harness import Harness

Vendor: Any = sim.load("jsm")


class TestConformance(Conformance):
    """What every connector must do."""

    connector = "jsm"


def rows(life: Harness, sql: str) -> list[tuple[object, ...]]:
    with staging.open_warehouse(life.instance) as con:
        return pl.DataFrame(con.sql(sql).to_arrow_table()).rows()


def searches(life: Harness) -> list[dict[str, Any]]:
    return [call.body for call in life.vendor.calls if call.path.endswith("/search/jql")]


def test_minutes_are_written_in_the_zone_of_the_calling_user(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.sync("issues")
    life.sync("issues", days=1)
    assert any('updated >= "2026-06-15 16:30"' in body["jql"] for body in searches(life)), "09:00 UTC less the overlap"
    life.vendor.tables["issues"].edit("10404")
    assert life.sync("issues", minutes=1)["issues"].rows_landed == 1


@pytest.mark.parametrize("fold", [0, 1])
def test_no_change_is_lost_in_the_hour_that_comes_twice(connect: Callable[..., Harness], fold: int) -> None:
    vendor = Vendor()
    vendor.zone, vendor.fold = "Europe/Berlin", fold
    vendor.clock.now = datetime(2026, 10, 24, 23, 25, tzinfo=UTC)
    life = connect("jsm", vendor)
    life.sync("issues")
    landed = []
    for _ in range(5):
        vendor.clock.advance(minutes=15)
        vendor.tables["issues"].edit("10404")
        landed.append(life.sync("issues", minutes=15)["issues"].rows_landed)
    assert landed == [1] * 5


def test_an_index_that_lags_is_waited_for_by_the_overlap(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    life = connect("jsm", vendor)
    life.sync("issues")
    vendor.lag = timedelta(minutes=20)
    life.vendor.tables["issues"].edit("10402")
    assert life.sync("issues", minutes=1)["issues"].rows_landed == 0
    assert life.sync("issues", minutes=21)["issues"].rows_landed == 1


def test_a_page_with_fewer_rows_than_asked_for_is_not_the_last(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.short = 4
    life = connect("jsm", vendor, page_size=100)
    life.sync()
    for name in ("issues", "users", "organizations", "changelog"):
        assert life.missing(name) == (set(), set()), name


def test_a_query_is_never_unbounded_and_names_its_fields(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.sync()
    assert all(body["jql"].startswith("projectType = service_desk") for body in searches(life))
    assert all(len(body["fields"]) > 5 for body in searches(life))
    assert all("fields" in row for row in life.documents("issues").values())


def test_a_page_token_that_has_expired_begins_the_list_anew(
    connect: Callable[..., Harness], waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    vendor = Vendor()
    life = connect("jsm", vendor)
    vendor.faults = [Fault("status", status=503, times=60, path="search/jql", after=2)]
    assert life.results("issues")[0].error
    life.vendor.faults = []
    asked = len(life.vendor.calls)
    vendor.token_life = timedelta(hours=1)
    life.sync("issues", hours=2)
    tokens = [call.body.get("nextPageToken") for call in life.vendor.calls[asked:] if call.path.endswith("search/jql")]
    assert tokens[0], "it goes on where it was"
    assert tokens[1] is None, "and begins anew when it is refused"
    assert life.missing("issues") == (set(), set())


def test_a_running_sla_moves_no_stamp_and_its_clock_is_no_change(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.vendor.clock.now = START + timedelta(days=10)
    life.sync("issues")
    assert life.documents("issues")["10400"]["sla"]["resolution"]["verdict"] == "active"
    assert life.sync("issues", hours=5)["issues"].rows_landed == 0
    life.vendor.clock.now = START + timedelta(days=61)
    opened = sum(row["fields"]["resolution"] is None for row in life.vendor.tables["issues"].rows.values())
    assert life.sync("issues", hours=1)["issues"].rows_landed == opened
    assert life.documents("issues")["10400"]["sla"]["resolution"]["verdict"] == "missed"
    assert life.sync("issues", hours=1)["issues"].rows_landed == 0


def test_an_issue_that_moves_keeps_its_id_and_changes_its_key(connect: Callable[..., Harness]) -> None:
    life = connect("jsm", history=False, comments=False)
    life.sync("issues")
    life.vendor.clock.advance(hours=1)
    life.vendor.tables["issues"].edit("10405", key="FIELD-9")
    life.sync("issues", minutes=1)
    conform.stage(life.instance)
    assert rows(life, "SELECT number FROM staging.ticket WHERE source_id = '10405' AND seen_to IS NULL") == [
        ("FIELD-9",)
    ]
    assert life.missing("issues") == (set(), set())


def test_a_site_that_is_open_to_strangers_does_not_pass_for_an_empty_one(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.anonymous = True
    life = connect("jsm", vendor)
    life.sync("issues")
    secrets.write("api_token", "wrong", life.instance.secrets)
    (result,) = life.results("issues", full=True, minutes=1)
    assert result.state == "failed"
    assert "credentials" in (result.remedy or "")
    assert life.missing("issues") == (set(), set())


@pytest.mark.parametrize(("reset", "state"), [("2020-01-01T00:00Z", "done"), ("2999-01-01T00:00Z", "failed")])
def test_a_limit_that_ends_at_an_iso_instant_is_understood(
    connect: Callable[..., Harness], waits: list[float], monkeypatch: pytest.MonkeyPatch, reset: str, state: str
) -> None:
    """X-RateLimit-Reset is no number of seconds; one that lies far away ends the run, and the next one goes on."""
    life = connect("jsm")
    limited = life.vendor.refuse(
        429, "Rate limit exceeded", X_RateLimit_Reset=reset, RateLimit_Reason="jira-burst-based"
    )
    life.vendor.faults = [Fault("status", status=429, path="search/jql", after=1)]
    monkeypatch.setattr(life.vendor, "refuse", lambda *_args, **_more: limited)
    assert life.results("issues")[0].state == state
    life.vendor.faults = []
    life.sync("issues", minutes=1)
    assert life.missing("issues") == (set(), set())


def test_a_refresh_token_that_rotates_is_written_back(connect: Callable[..., Harness]) -> None:
    class Rotating(Vendor):  # type: ignore[misc]
        """Signs in by OAuth; each refresh token works once."""

        def setup(self) -> None:
            super().setup()
            form = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "demo-refresh-0000"}
            self.auth = OAuth("/oauth/token", form, rotates=True)

        def settings(self) -> dict[str, object]:
            known = {key: value for key, value in super().settings().items() if key not in {"email", "api_token"}}
            app = {"client_id": "app", "client_secret": "app-secret", "refresh_token": "demo-refresh-0000"}
            return {**known, "auth": "oauth", "token_url": f"{self.url}/oauth/token", **app}

    vendor: Any = Rotating()
    life = connect("jsm", vendor)
    life.sync("issues")
    vendor.auth.expire()
    life.sync("issues", hours=2)
    assert vendor.auth.issued >= 2


def test_fields_of_service_management_are_found_by_type_or_named(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.sync("issues")
    assert "customfield_10002" in searches(life)[0]["fields"]
    found = life.documents("issues")["10403"]
    assert found["organizations"] == ["4"]
    assert not any(name.startswith("customfield") for name in found["fields"])
    named = connect("jsm", organizations_field="customfield_10777")
    named.sync("issues")
    assert "customfield_10777" in searches(named)[0]["fields"]
    assert "customfield_10002" not in searches(named)[0]["fields"]


def test_a_person_in_two_organizations_is_one_contact_of_the_first(connect: Callable[..., Harness]) -> None:
    life = connect("jsm", history=False, comments=False)
    life.sync()
    assert life.documents("organization_users")["5b10c0000"]["organizations"] == ["1", "2"]
    conform.stage(life.instance)
    assert rows(life, "SELECT customer_id FROM staging.contact WHERE source_id = '5b10c0000'") == [("1",)]


def test_an_issue_that_is_no_request_has_no_comments_and_is_no_error(connect: Callable[..., Harness]) -> None:
    life = connect("jsm", history=False)
    life.vendor.faults = [Fault("status", status=404, path="request/10406/comment")]
    life.sync()
    assert not any(key.startswith("10406") for key in life.documents("comments"))


def test_documents_become_rows_with_their_sla_history_and_people(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.sync()
    assert conform.stage(life.instance).counts.rejected == 0
    ticket = (
        "SELECT number, description, customer_id, contact_id, assignee_id, status, priority, kind, created_at, "
        "first_responded_at, solved_at, response_sla, resolution_sla, satisfaction FROM staging.ticket "
        "WHERE source_id = '{}'"
    )
    hour = timedelta(hours=1)
    who = ("5b10c0002", "5b10s0002")
    day = START + timedelta(days=1)
    solved = (
        "HELP-3",
        "Nach dem Einschalten 2",
        "3",
        *who,
        "solved",
        "normal",
        "Get help",
        START,
        START + 3 * hour,
        day,
    )
    assert rows(life, ticket.format(10402)) == [(*solved, "met", "met", None)]
    found = rows(life, ticket.format(10401))[0]
    assert (found[5], found[9], found[10], found[11], found[12]) == (
        "pending",
        START + 5 * hour,
        None,
        "missed",
        "active",
    )
    assert rows(life, "SELECT resolution_due_at FROM staging.ticket WHERE source_id = '10401'") == [
        (START + timedelta(days=60),)
    ]
    event = "SELECT field, from_value, to_value, author_id FROM staging.ticket_event WHERE ticket_id = '10402'"
    assert sorted(rows(life, event), key=str) == [
        ("assignee", None, "Mara", "5b10s0001"),
        *[("status", "open", "open", "5b10s0001")] * 2,
    ]
    spoken = "SELECT kind, employee_id, body, happened_at FROM staging.interaction WHERE ticket_id = '10402' ORDER BY 4"
    assert rows(life, spoken) == [
        ("note", "5b10s0002", "Antwort 回复 0", START),
        ("mail", "5b10c0006", "Antwort 回复 1", START + hour),
    ]
    assert rows(life, "SELECT count(*) FROM staging.employee") == [(6,)]
    assert rows(life, "SELECT count(*), count(DISTINCT customer_id) FROM staging.contact") == [(31, 23)]


def test_rich_text_is_a_tree_and_becomes_plain_words(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    words = [{"type": "text", "text": "Pumpe "}, {"type": "text", "text": "steht 停机", "marks": [{"type": "strong"}]}]
    item = {"type": "listItem", "content": [{"type": "paragraph", "content": [{"type": "text", "text": "E12"}]}]}
    tree = [{"type": "paragraph", "content": words}, {"type": "bulletList", "content": [item]}]
    vendor.tables["issues"].edit("10404", fields__description={"type": "doc", "version": 1, "content": tree})
    vendor.tables["issues"].edit("10405", fields__description=None)
    life = connect("jsm", vendor)
    life.sync("issues")
    assert life.documents("issues")["10404"]["fields"]["description"] == "Pumpe steht 停机\nE12"
    assert life.documents("issues")["10405"]["fields"]["description"] == ""


def test_an_offset_without_a_colon_is_an_instant(connect: Callable[..., Harness]) -> None:
    life = connect("jsm")
    life.sync("issues")
    assert life.documents("issues")["10404"]["fields"]["created"] == "2026-05-04T10:00:00.000+0200"
    conform.stage(life.instance)
    assert rows(life, "SELECT created_at FROM staging.ticket WHERE source_id = '10404'") == [(START,)]


def test_the_history_is_asked_for_at_its_issue_because_a_search_cuts_it_short(connect: Callable[..., Harness]) -> None:
    vendor = Vendor()
    vendor.short = 1
    life = connect("jsm", vendor)
    life.sync()
    assert life.missing("changelog") == (set(), set())
    assert not any("expand" in body for body in searches(life))
    assert len([call for call in vendor.calls if call.path.endswith("/10404/changelog")]) > 1
