"""Zendesk's traps, each by an answer in the vendor's shape: feeds, their ends and bookmarks, deletions, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest import landing
from ingest.collect import sync
from tests.connectors.answering import answering
from tests.ingest.fake import Seen, documents, reply

SIGN_IN = {"base_url": "{url}", "email": "it@acme.example", "api_token": "t-1", "exports_per_minute": 600}


def ticket(number: int, **more: Any) -> dict[str, Any]:
    stamps = {"created_at": "2026-07-30T08:02:11Z", "updated_at": "2026-08-01T09:15:22Z"}
    return {"id": number, "subject": f"T{number}", "status": "open", **stamps, "generated_timestamp": 1785575722} | more


def cursor_page(tickets: list[dict[str, Any]], cursor: str, *, last: bool, url: str) -> dict[str, Any]:
    after = f"{url}/api/v2/incremental/tickets/cursor.json?cursor={cursor}"
    return {"tickets": tickets, "after_cursor": cursor, "after_url": after, "before_url": None, "end_of_stream": last}


def test_an_empty_page_is_not_the_end_of_a_cursor_feed(tmp_path: Path) -> None:
    pages = {"": ([ticket(1)], "c1", False), "c1": ([], "c2", False), "c2": ([ticket(2)], "c3", True)}

    def handle(seen: Seen) -> Any:
        rows, cursor, last = pages[seen.query.get("cursor", "")]
        return cursor_page(rows, cursor, last=last, url="http://" + seen.headers["host"])

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "tickets")
        assert result.error is None
        assert sorted(documents(instance, "tickets")) == ["1", "2"]


def test_a_ticket_that_comes_again_with_an_unchanged_updated_at_is_taken(tmp_path: Path) -> None:
    """The feed orders by generated_timestamp: the server's cursor is the bookmark, start_time is sent once."""

    def handle(seen: Seen) -> Any:
        again = "cursor" in seen.query
        row = ticket(1, priority="high", generated_timestamp=1785579999) if again else ticket(1)
        return cursor_page([row], "c2" if again else "c1", last=True, url="http://" + seen.headers["host"])

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, vendor):
        sync(instance, "src", "tickets")
        (result,) = sync(instance, "src", "tickets")
        assert (result.error, result.rows_landed) == (None, 1)
        assert documents(instance, "tickets")["1"]["priority"] == "high"
    first, second = (seen.query for seen in vendor.seen)
    assert "cursor" not in first
    assert first["start_time"] == "1262304000"
    assert second["cursor"] == "c1"
    assert "start_time" not in second


def test_a_next_page_on_the_last_page_of_a_time_based_feed_is_not_followed(tmp_path: Path) -> None:
    """next_page may be there for ever; end_of_stream ends the feed, and rows of the boundary second come twice."""
    rows = [{"id": n, "name": f"O{n}", "updated_at": "2026-08-01T09:15:22Z", "url": "x"} for n in (1, 2, 3)]

    def handle(seen: Seen) -> Any:
        start = int(seen.query["start_time"])
        page = rows[:2] if start == 1262304000 else rows[1:]
        url = f"http://{seen.headers['host']}/api/v2/incremental/organizations.json?start_time=1785575722"
        return {"organizations": page, "next_page": url, "end_time": 1785575722, "end_of_stream": start != 1262304000}

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, vendor):
        (result,) = sync(instance, "src", "organizations")
        assert result.error is None
        assert sorted(documents(instance, "organizations")) == ["1", "2", "3"]
        assert sum(len(frame) for frame in landing.read(instance.landing, "src", "organizations")) == 3
    assert len(vendor.seen) == 2


def test_a_deleted_ticket_ends_and_its_audits_are_not_asked(tmp_path: Path) -> None:
    """A soft-deleted ticket comes with status deleted and a scrubbed subject; its audits answer 404."""
    gone = ticket(2, status="deleted", subject="SCRUBBED")

    def handle(seen: Seen) -> Any:
        if seen.path.endswith("audits.json"):
            if "/2/" in seen.path:
                return reply(
                    404, {"error": "RecordNotFound", "description": "Not found"}, content_type="application/json"
                )
            return {"audits": [{"id": 71, "ticket_id": 1, "events": []}], "next_page": None}
        return cursor_page([ticket(1), gone], "c1", last=True, url="http://" + seen.headers["host"])

    with answering(tmp_path, "zendesk", handle, **SIGN_IN, audits=True) as (instance, vendor):
        for stream in ("tickets", "audits"):
            assert [result.error for result in sync(instance, "src", stream)] == [None]
        assert list(documents(instance, "tickets")) == ["1"]
        assert list(documents(instance, "audits")) == ["71"]
    assert [seen.path for seen in vendor.seen if "audits" in seen.path] == ["/api/v2/tickets/1/audits.json"]


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ({"error": "Forbidden", "description": "You do not have access to this page"}, "You do not have access"),
        ({"error": {"title": "Forbidden", "message": "Access is not allowed"}}, "Access is not allowed"),
    ],
    ids=["text", "object"],
)
def test_an_error_is_a_text_or_an_object_and_is_told_either_way(tmp_path: Path, error: Any, says: str) -> None:
    def handle(_: Seen) -> Any:
        return reply(403, error, content_type="application/json")

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "tickets")
    assert says in (result.error or "")


def test_a_start_time_that_is_too_recent_is_nothing_new_yet(tmp_path: Path) -> None:
    """Changes of the last minute are withheld; older installations refuse such a start with 422."""
    refused = {"error": "InvalidValue", "description": "Too recent start_time. Use a start_time older than 1 minute"}

    def handle(_: Seen) -> Any:
        return reply(422, refused, content_type="application/json")

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "organizations")
    assert (result.error, result.rows_landed) == (None, 0)


@pytest.mark.parametrize("status", [409, 429, 503])
def test_a_refusal_says_how_long_to_wait_and_that_is_waited(tmp_path: Path, status: int, waits: list[float]) -> None:
    def handle(seen: Seen) -> Any:
        if seen.number == 0:
            return reply(status, {"error": "Busy"}, content_type="application/json", Retry_After="7")
        return cursor_page([ticket(1)], "c1", last=True, url="http://" + seen.headers["host"])

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, _):
        (result,) = sync(instance, "src", "tickets")
        assert result.error is None
        assert list(documents(instance, "tickets")) == ["1"]
    assert max(waits) >= 7


def test_fields_that_say_custom_fields_again_are_not_kept(tmp_path: Path) -> None:
    own = [{"id": 360001, "value": "SN-1"}]

    def handle(seen: Seen) -> Any:
        row = ticket(1, custom_fields=own, fields=own)
        return cursor_page([row], "c1", last=True, url="http://" + seen.headers["host"])

    with answering(tmp_path, "zendesk", handle, **SIGN_IN) as (instance, _):
        sync(instance, "src", "tickets")
        row = documents(instance, "tickets")["1"]
    assert row["custom_fields"] == own
    assert "fields" not in row


def test_incremental_exports_have_a_budget_of_their_own(tmp_path: Path, waits: list[float]) -> None:
    """Ten a minute for all exports together, however many other calls are allowed."""
    pages = 12

    def handle(seen: Seen) -> Any:
        number = int(seen.query.get("cursor") or 0)
        return cursor_page([ticket(number)], str(number + 1), last=number == pages - 1,
                           url="http://" + seen.headers["host"])  # fmt: skip

    with answering(tmp_path, "zendesk", handle, **SIGN_IN | {"exports_per_minute": 10}) as (instance, vendor):
        (result,) = sync(instance, "src", "tickets")
        assert result.error is None
        assert len(documents(instance, "tickets")) == pages
    assert len(vendor.seen) == pages
    assert sum(waits) > 5
