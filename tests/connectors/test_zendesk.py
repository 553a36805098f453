"""Zendesk's own traps, against the demo company's simulator."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from data.demo import timing
from data.demo.simulators.base import answer
from data.sim.access import Reply
from ingest import landing
from model import conform, staging
from tests.connectors.harness import Harness

Connect = Callable[..., Harness]


@pytest.fixture
def life(demo: Connect) -> Any:
    """The account, connected; its budget of exports is large."""
    return demo("zendesk", exports_per_minute=60_000)


def table(life: Any, name: str = "tickets") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = life.vendor.company.zendesk[name]
    return rows


def living(life: Any, name: str = "tickets") -> set[str]:
    return {str(row["id"]) for row in table(life, name) if row.get("status") != "deleted"}


def touch(life: Any, row: dict[str, Any], **changes: Any) -> None:
    """A change that moves both stamps."""
    moment = int(life.vendor.clock.now.timestamp())
    quietly(life, row, updated_at=timing.utc(moment), **changes)


def quietly(life: Any, row: dict[str, Any], **changes: Any) -> None:
    """A change by the system: the feed tells it, `updated_at` stays."""
    moment = int(life.vendor.clock.now.timestamp())
    row.update({"stamp": moment, **changes})
    if "generated_timestamp" in row:
        row["generated_timestamp"] = moment
    life.vendor.company.world.version += 1


def small_pages(life: Any, monkeypatch: pytest.MonkeyPatch, size: int = 10) -> None:
    """The server gives at most so many rows a page."""
    monkeypatch.setattr("data.demo.simulators.zendesk.PAGE", size)


def starts(life: Any, words: str) -> list[str | None]:
    return [call.query.get("start_time") for call in life.vendor.asked(words)]


def rows_landed(life: Any, stream: str) -> list[str]:
    frames = landing.read(life.instance.landing, "src", stream)
    return [row_id for frame in frames for row_id in frame["id"]]


def test_an_empty_page_is_not_the_end_of_the_stream(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a page may all be filtered away: `after_url` goes on, `end_of_stream` alone says the end."""
    small_pages(life, monkeypatch)
    site, pages = life.vendor.site, iter(range(1000))
    whole = site._cursor_page

    def holed(request: Any, name: str, drop: set[str]) -> Any:
        if next(pages) != 2:
            return whole(request, name, drop)
        cursor = request.query_params["cursor"]
        url = f"{str(request.base_url).rstrip('/')}{request.url.path}?cursor={cursor}&per_page=10"
        return answer({name: [], "after_url": url, "after_cursor": cursor, "end_of_stream": False})

    monkeypatch.setattr(site, "_cursor_page", holed)
    life.sync("tickets")
    assert set(life.documents("tickets")) == living(life)


def test_the_cursor_is_the_bookmark_and_start_time_is_sent_once(life: Any) -> None:
    for stream in ("tickets", "users"):
        life.sync(stream)
        life.sync(stream, hours=1)
        sent = starts(life, f"incremental/{stream}")
        assert sent[0] == "1262304000"
        assert sent[1:] == [None] * (len(sent) - 1)
        assert life.vendor.asked(f"incremental/{stream}")[-1].query["cursor"]


def test_a_ticket_that_comes_again_with_its_old_updated_at_is_read(life: Any) -> None:
    """The feed goes by generated_timestamp: automations and SLAs move that one only."""
    life.sync("tickets")
    row = next(row for row in table(life) if row["status"] == "open")
    life.vendor.clock.advance(hours=1)
    quietly(life, row, priority="urgent")
    assert life.sync("tickets", minutes=5)["tickets"].rows_landed == 1
    assert life.documents("tickets")[str(row["id"])]["priority"] == "urgent"


def test_changes_of_the_last_minute_are_withheld_and_come_next_time(life: Any) -> None:
    life.vendor.site.withhold = 60
    life.sync("tickets")
    row = next(row for row in table(life) if row["status"] == "open")
    life.vendor.clock.advance(hours=1)
    touch(life, row, subject="withheld 稍后")
    assert life.sync("tickets", seconds=30)["tickets"].rows_landed == 0
    assert life.sync("tickets", seconds=60)["tickets"].rows_landed == 1


def test_a_start_time_that_is_too_recent_is_no_error(life: Any) -> None:
    refusal = {"error": "InvalidValue", "description": "Too recent start_time. Use a start_time older than 60 seconds"}
    life.sync("organizations")
    life.vendor.instead = lambda call: Reply(422, refusal) if "incremental/organizations" in call.path else None
    assert life.sync("organizations", seconds=5)["organizations"].rows_landed == 0
    life.vendor.instead = lambda _call: None
    life.vendor.clock.advance(hours=1)
    touch(life, table(life, "organizations")[2], name="neu 新")
    assert life.sync("organizations", minutes=5)["organizations"].rows_landed == 1, "the position was kept"


def test_rows_of_the_boundary_second_repeat_and_land_once(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(life, monkeypatch, 4)
    for place, row in enumerate(sorted(table(life, "organizations"), key=lambda row: row["id"])):
        row["stamp"] = 1_760_000_000 + place // 3
    life.vendor.company.world.version += 1
    life.sync("organizations")
    life.sync("organizations", hours=1)
    assert set(life.documents("organizations")) == living(life, "organizations")
    assert len(rows_landed(life, "organizations")) == len(table(life, "organizations"))
    assert len(life.vendor.asked("incremental/organizations")) > 4


def test_a_next_page_on_the_last_page_is_not_followed_for_ever(life: Any) -> None:
    """The time-based feed names a next page on its last page too; asking it would read the same rows without end."""
    for stream in ("organizations", "ticket_events"):
        life.sync(stream)
        assert len(life.vendor.asked(f"incremental/{stream}")) == 1
        life.sync(stream, hours=1)
        assert len(life.vendor.asked(f"incremental/{stream}")) == 2


def test_fewer_rows_than_a_thousand_are_not_the_end(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(life, monkeypatch, 7)
    life.sync("ticket_events")
    told = [event for event in life.vendor.site._all_events() if event["stamp"] < life.vendor.clock.now.timestamp()]
    assert set(life.documents("ticket_events")) == {str(event["id"]) for event in told}


def test_a_deleted_ticket_comes_with_its_status_and_its_audits_are_not_asked_for(demo: Connect) -> None:
    life: Any = demo("zendesk", exports_per_minute=60_000, audits=True)
    life.sync("tickets")
    life.sync("audits")
    row = next(row for row in table(life) if row["status"] == "open")
    life.vendor.clock.advance(hours=1)
    touch(life, row, status="deleted", subject="SCRUBBED")
    assert life.sync("tickets", minutes=5)["tickets"].rows_deleted == 1
    before = len(life.vendor.asked("audits"))
    life.sync("audits")
    assert f"tickets/{row['id']}/audits" not in [call.path for call in life.vendor.asked("audits")[before:]]
    assert set(life.documents("tickets")) == living(life)
    touch(life, row, status="open", subject="restored")
    life.sync("tickets", minutes=5)
    assert set(life.documents("tickets")) == living(life)


def test_fields_that_repeat_custom_fields_are_not_kept(life: Any) -> None:
    for row in table(life):
        row["custom_fields"] = row["fields"] = [{"id": 360, "value": "x"}]
    life.sync("tickets")
    assert life.documents("tickets")
    assert all("custom_fields" in row and "fields" not in row for row in life.documents("tickets").values())


def test_a_user_that_is_deleted_or_merged_away_becomes_inactive(life: Any) -> None:
    life.sync("users")
    row = next(row for row in table(life, "users") if row["role"] == "end-user")
    life.vendor.clock.advance(hours=1)
    touch(life, row, active=False)
    life.sync("users", minutes=5)
    assert life.documents("users")[str(row["id"])]["active"] is False
    assert conform.stage(life.instance).errors == {}


def test_no_more_exports_a_minute_are_asked_for_than_the_plan_gives(
    demo: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten by default; both sides count on one clock, and a call too many is refused."""
    now, waited = [1000.0], []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr("ops.clock.monotonic", lambda: now[0])
    monkeypatch.setattr("ops.clock.sleep", sleep)
    monkeypatch.setattr("data.demo.simulators.base.clock.tick", lambda: now[0])
    life: Any = demo("zendesk")
    life.vendor.site.budget.limit = 10
    small_pages(life, monkeypatch, 6)
    life.sync()
    assert len(life.vendor.asked("incremental")) > 50
    assert set(life.documents("tickets")) == living(life)
    assert all(wait == pytest.approx(60.0, abs=0.1) for wait in waited), "a call was refused"


def test_a_limit_is_waited_for_as_long_as_it_says(life: Any, waits: list[float]) -> None:
    refused = iter([Reply(429, {"error": "APIRateLimitExceeded"}, {"retry-after": "41"})])
    life.vendor.instead = lambda call: next(refused, None) if "incremental/tickets" in call.path else None
    life.sync("tickets")
    assert waits == [41.0]
    assert set(life.documents("tickets")) == living(life)


@pytest.mark.usefixtures("waits")
def test_a_conflict_is_asked_again(life: Any) -> None:
    refused = iter([Reply(409, {"error": "Conflict"}, {"retry-after": "1"})])
    life.vendor.instead = lambda call: next(refused, None) if "tickets" in call.path else None
    life.sync("tickets")
    assert set(life.documents("tickets")) == living(life)


@pytest.mark.parametrize(
    "body",
    [
        {"error": "RecordNotFound", "description": "said in words"},
        {"error": {"title": "Forbidden", "message": "said in words"}},
        {"error": "said in words"},
    ],
    ids=["text", "table", "alone"],
)
def test_an_error_is_a_text_or_a_table_and_is_told_either_way(life: Any, body: dict[str, Any]) -> None:
    life.vendor.instead = lambda _call: Reply(400, body)
    error = life.results("tickets")[0].error or ""
    assert error.endswith("said in words"), error


def test_the_user_is_the_address_with_the_word_token(life: Any) -> None:
    life.sync("tickets")
    given = life.vendor.calls[0].headers["authorization"].removeprefix("Basic ")
    assert base64.b64decode(given).decode() == f"{life.vendor.settings()['email']}/token:{life.clear['api_token']}"


def test_a_page_has_at_most_a_thousand_rows_and_says_so(life: Any) -> None:
    life.sync()
    asked = life.vendor.asked("incremental/tickets") + life.vendor.asked("incremental/users")
    assert {call.query["per_page"] for call in asked if "per_page" in call.query} == {"1000"}


def test_a_closed_ticket_that_a_search_no_longer_shows_is_in_the_export(life: Any) -> None:
    """Archived after some months: searches omit it, so none is ever asked."""
    life.sync()
    old = {str(row["id"]) for row in table(life) if row["status"] == "closed"}
    assert old
    assert old <= set(life.documents("tickets"))
    assert not life.vendor.asked("search")
    assert not any("exclude_deleted" in call.query for call in life.vendor.calls)


def test_a_merged_ticket_is_closed_and_no_deletion(life: Any) -> None:
    """The loser keeps its number; a tag and the way it was closed say that it was merged."""
    life.sync("tickets")
    row = next(row for row in table(life) if row["status"] == "open")
    life.vendor.clock.advance(hours=1)
    touch(life, row, status="closed", tags=["closed_by_merge"])
    landed = life.sync("tickets", minutes=5)["tickets"]
    assert (landed.rows_landed, landed.rows_deleted) == (1, 0)
    conform.stage(life.instance)
    with staging.open_warehouse(life.instance) as con:
        sql = "SELECT status, is_deleted FROM staging.ticket WHERE source_id = ? AND seen_to IS NULL"
        assert con.execute(sql, [str(row["id"])]).fetchall() == [("closed", False)]


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails_may_say_how_long_to_wait(life: Any, waits: list[float], status: int) -> None:
    refused = iter([Reply(status, {"error": "Unavailable"}, {"retry-after": "17"})])
    life.vendor.instead = lambda call: next(refused, None) if "incremental/tickets" in call.path else None
    life.sync("tickets")
    assert waits == [17.0]
    assert set(life.documents("tickets")) == living(life)


def test_a_deleted_organization_says_when_and_ends(life: Any) -> None:
    life.sync("organizations")
    row = table(life, "organizations")[3]
    life.vendor.clock.advance(hours=1)
    touch(life, row, deleted_at=timing.utc(int(life.vendor.clock.now.timestamp())))
    assert life.sync("organizations", minutes=5)["organizations"].rows_deleted == 1
    assert str(row["id"]) not in life.documents("organizations")
