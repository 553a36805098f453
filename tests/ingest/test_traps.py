"""The traps of vendors' lists, filters and cursors, each by its name; what is tested elsewhere is not repeated here.

Elsewhere: a last page that repeats, empty pages, crowded stamps, rows edited between pages, late commits, open items
that close without a stamp (test_paging); flags, sweeps with their stop, children of changed parents (test_deletes);
rotating tokens, errors inside 200, throttling (test_faults); deletes and merges of each vendor (tests/connectors).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake import BASE, Seen, documents, make_instance, reply, serving

from ingest import landing
from ingest.collect import sync
from ingest.errors import SpecError
from ingest.spec import SourceSpec
from ops import secrets

ITEM = """
[[stream]]
name = "things"
path = "things"
records = "items"
id = "id"
updated = "at"
"""
PAGED = {
    "next_url": ('{ type = "next_url", path = "next" }', ""),
    "cursor": ('{ type = "cursor", path = "token" }', 'params = { token = "{page.cursor}" }'),
    "link": ('{ type = "link" }', ""),
    "offset": (
        '{ type = "offset", limit = 10, short_is_last = false, overlap = 0 }',
        'params = { token = "{page.offset}" }',
    ),
    "number": (
        '{ type = "number", limit = 10, first = 0, short_is_last = false }',
        'params = { token = "{page.number}" }',
    ),
    "keyset": (
        '{ type = "keyset", key = "id", limit = 10, short_is_last = false }',
        'params = { token = "{page.after}" }',
    ),
}


def at(hour: int, minute: int = 0) -> str:
    return f"2026-03-02T{hour:02}:{minute:02}:00Z"


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The clock stands at noon; `setenv("C360_NOW", at(13))` moves it."""
    monkeypatch.setenv("C360_NOW", at(12))
    return monkeypatch


@pytest.mark.parametrize("kind", PAGED)
def test_a_short_page_is_not_the_end(tmp_path: Path, kind: str) -> None:
    """Filters applied after the limit (ServiceNow), locators that give fewer rows than asked (Salesforce)."""
    sizes = [10, 3, 10, 1, 0]
    rows = [[{"id": 1 + sum(sizes[:place]) + n} for n in range(size)] for place, size in enumerate(sizes)]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]

    def handle(seen: Seen) -> Any:
        token = int(seen.query.get("token", 0))
        place = starts.index(token) if kind in {"offset", "keyset"} else token
        is_last = place >= 3 and kind in {"next_url", "cursor", "link"}
        body: dict[str, Any] = {"items": rows[place]}
        if is_last:
            return body
        body |= {"next": f"/things?token={place + 1}", "token": str(place + 1)}
        return reply(200, body, link=f'</things?token={place + 1}>; rel="next"', content_type="application/json")

    page, params = PAGED[kind]
    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, f"{ITEM}{params}\npage = {page}\n")
        (result,) = sync(instance, "src")
    assert result.error is None
    assert len(documents(instance, "things")) == 24


BOUNDED = (
    ITEM
    + """params = { since = "{window.start}" }
page = { type = "single" }
incremental = { type = "window", overlap_s = 60 }
assertions = { bounded = true }
"""
)


def test_a_filter_that_is_silently_ignored_fails_the_run(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    rows = [{"id": number, "at": at(number)} for number in range(1, 8)]
    with serving(lambda _: {"items": rows}) as fake:
        instance = make_instance(tmp_path, fake.url, BOUNDED)
        assert sync(instance, "src")[0].error is None
        noon.setenv("C360_NOW", "2026-03-03T12:00:00Z")
        (result,) = sync(instance, "src")
    assert "asked for changes since 2026-03-02 11:59:00 UTC, got one of 2026-03-02T01:00:00Z" in (result.error or "")
    assert "ignores the filter" in (result.remedy or "")


STAMPS = [
    *("2026-03-02T12:00:00+00:00", "2026-03-02", "20260302", 1772452800, "1772452800000"),
    *("/Date(1772452800000)/", "2026-03-02 12:00:00.123456", None, ""),
]


@pytest.mark.parametrize("late", STAMPS)
def test_a_null_or_date_only_stamp_is_no_ignored_filter(tmp_path: Path, noon: pytest.MonkeyPatch, late: Any) -> None:
    rows: list[dict[str, Any]] = [{"id": 1, "at": at(1)}]
    with serving(lambda _: {"items": rows}) as fake:
        instance = make_instance(tmp_path, fake.url, BOUNDED)
        sync(instance, "src")
        rows[:] = [{"id": 2, "at": late}]
        noon.setenv("C360_NOW", at(18))
        (result,) = sync(instance, "src")
    assert result.error is None
    assert sorted(documents(instance, "things")) == ["1", "2"]


def test_a_stamp_that_cannot_be_read_is_said(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    with serving(lambda _: {"items": [{"id": 1, "at": "yesterday"}]}) as fake:
        instance = make_instance(tmp_path, fake.url, BOUNDED)
        assert sync(instance, "src")[0].error is None
        (result,) = sync(instance, "src")
    assert "'yesterday' cannot be read" in (result.error or "")


def test_a_date_only_cursor_reads_its_day_again(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    """SAP's LastChangeDate: a change in the afternoon has the same stamp as one in the morning."""
    rows = [{"id": 1, "v": 1, "at": "2026-03-02"}]
    stream = ITEM + 'params = { since = "{window.start}" }\npage = { type = "single" }\n'
    stream += 'incremental = { type = "window", format = "%Y-%m-%d", granularity_s = 86400, overlap_s = 86400 }\n'
    with serving(lambda seen: {"items": [row for row in rows if row["at"] >= seen.query["since"]]}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        rows[0] = {**rows[0], "v": 2}
        noon.setenv("C360_NOW", at(18))
        (result,) = sync(instance, "src")
        assert fake.seen[-1].query["since"] == "2026-03-01"
    assert result.rows_landed == 1


def test_a_filter_literal_is_in_the_zone_in_which_the_source_reads_it(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    stream = ITEM + 'params = { since = "{window.start}" }\npage = { type = "single" }\n'
    stream += 'incremental = { type = "window", format = "%Y-%m-%d %H:%M:%S", zone = "Asia/Shanghai", overlap_s = 0 }\n'
    with serving(lambda _: {"items": []}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        sync(instance, "src")
        assert fake.seen[-1].query["since"] == "2026-03-02 20:00:00"


CAPPED = (
    ITEM
    + """params = { since = "{window.start}", per_page = 5 }
page = { type = "link", restart = { pages = 3, key = "at" } }
incremental = { type = "window" }
"""
)


class Capped:
    """Rows by stamp, five a page; page four is an error."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __call__(self, seen: Seen) -> Any:
        number = int(seen.query.get("page", 1))
        if number > 3:
            return reply(400, {"message": "page 4 does not exist"})
        rows = [row for row in self.rows if row["at"] >= seen.query["since"]]
        part, more = rows[number * 5 - 5 : number * 5], number * 5 < len(rows)
        link = f'</things?since={seen.query["since"]}&page={number + 1}>; rel="next"' if more else ""
        return reply(200, {"items": part}, link=link, content_type="application/json")


@pytest.mark.parametrize("early", ["false", "true"])
def test_a_hard_cap_is_passed_by_a_new_window(tmp_path: Path, early: str) -> None:
    rows = [{"id": number, "at": at(number // 60, number % 60)} for number in range(1, 61)]
    with serving(Capped(rows)) as fake:
        instance = make_instance(tmp_path, fake.url, CAPPED.replace('key = "at"', f'key = "at", early = {early}'))
        (result,) = sync(instance, "src")
    assert result.error is None
    assert len(documents(instance, "things")) == 60


@pytest.mark.parametrize("early", ["false", "true"])
def test_a_cap_full_of_one_stamp_is_said_instead_of_lost(tmp_path: Path, early: str) -> None:
    rows = [{"id": number, "at": at(1)} for number in range(1, 21)]
    with serving(Capped(rows)) as fake:
        instance = make_instance(tmp_path, fake.url, CAPPED.replace('key = "at"', f'key = "at", early = {early}'))
        (result,) = sync(instance, "src")
        assert len(fake.seen) < 12
    assert f"pages share one at, {at(1)}" in (result.error or "")


def test_a_sort_order_that_is_ignored_is_said(tmp_path: Path) -> None:
    rows = [{"id": number, "at": at(number // 60, number % 60)} for number in range(60, 0, -1)]
    with serving(Capped(rows)) as fake:
        instance = make_instance(tmp_path, fake.url, CAPPED)
        (result,) = sync(instance, "src")
    assert "is not sorted by at" in (result.error or "")


DELTA = (
    BASE.format(name="fake")
    + 'errors = [ { status = [410, 412], action = "restart" } ]\n'
    + ITEM
    + """params = { cursor = "{cursor}" }
page = { type = "single" }
incremental = { type = "token", path = "delta" }
deletes = { type = "flag", path = "gone" }
"""
)


class Delta:
    """Everything without a cursor, changes with one; `valid` are the cursors that are still known."""

    def __init__(self, count: int) -> None:
        self.rows = {number: {"id": number} for number in range(1, count + 1)}
        self.valid: set[str] = set()
        self.serial = 0
        self.refusal: Any = reply(410, {"message": "the link has expired"})

    def __call__(self, seen: Seen) -> Any:
        cursor = seen.query.get("cursor")
        if cursor and cursor not in self.valid:
            return self.refusal
        self.serial += 1
        self.valid.add(f"d{self.serial}")
        return {"items": [] if cursor else list(self.rows.values()), "delta": f"d{self.serial}"}


def test_an_expired_server_cursor_falls_back_to_a_full_read(tmp_path: Path) -> None:
    """What was deleted while the cursor was lost shows only as missing: twice missing is deleted."""
    delta = Delta(30)
    with serving(delta) as fake:
        instance = make_instance(
            tmp_path, fake.url, DELTA[len(BASE.format(name="fake")) :], head=BASE.format(name="fake")
        )
        path = tmp_path / "config" / "sources" / "fake" / "source.toml"
        path.write_text(DELTA, encoding="utf-8")
        sync(instance, "src")
        delta.valid.clear()
        del delta.rows[7]
        delta.rows[99] = {"id": 99}
        (expired,) = sync(instance, "src")
        assert expired.error is None
        assert "cursor has expired" in expired.warnings[0]
        assert {"7", "99"} <= set(documents(instance, "things"))
        (settled,) = sync(instance, "src")
        assert "cursor" not in fake.seen[-1].query, "missing once: everything is listed once more"
        assert (settled.error, settled.rows_deleted) == (None, 1)
        assert "7" not in documents(instance, "things")
        sync(instance, "src")
        assert fake.seen[-1].query["cursor"] == "d3"


def test_a_new_cursor_that_comes_with_the_refusal_is_kept(tmp_path: Path) -> None:
    """Asana: 412 with a fresh sync token in its body."""
    delta = Delta(3)
    text = DELTA.replace('"delta" }', '"delta", filter = "things", full = "all" }').replace(
        'path = "things"', 'path = "{filter}"'
    )

    def handle(seen: Seen) -> Any:
        if seen.path == "/all":
            return {"items": list(delta.rows.values())}
        return delta(seen)

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, ITEM)
        (tmp_path / "config" / "sources" / "fake" / "source.toml").write_text(text, encoding="utf-8")
        sync(instance, "src")
        delta.valid = {"fresh"}
        sync(instance, "src")
        delta.refusal = reply(412, {"message": "too old", "delta": "fresh"})
        delta.valid = set()
        (result,) = sync(instance, "src")
        assert result.error is None
        assert [seen.path for seen in fake.seen[-2:]] == ["/things", "/all"]
        delta.valid = {"fresh"}
        sync(instance, "src")
        assert fake.seen[-1].query["cursor"] == "fresh"


GONE = {
    "feed": 'deletes = { type = "feed", path = "deleted", params = {}, records = "ids", id = "k" }',
    "pass": 'deletes = { passes = [ { params = { filter = "deleted" } }, { params = { filter = "spam" } } ] }',
    "status": 'deletes = { type = "flag", path = "status", values = ["deleted", "2"] }',
}


@pytest.mark.parametrize("kind", GONE)
def test_a_deletion_told_by_a_feed_an_extra_pass_or_a_status(tmp_path: Path, kind: str) -> None:
    rows = {number: {"id": number, "status": 1} for number in range(1, 6)}
    hidden: dict[int, str] = {}

    def handle(seen: Seen) -> Any:
        if seen.path == "/deleted":
            return {"ids": [{"k": number} for number in hidden] + [{"k": 4711}]}
        wanted = seen.query.get("filter")
        return {"items": [row for key, row in rows.items() if hidden.get(key) == wanted]}

    stream = ITEM + 'page = { type = "single" }\nincremental = { type = "window" }\n' + GONE[kind] + "\n"
    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        if kind == "status":
            rows[2], rows[3] = {"id": 2, "status": "deleted"}, {"id": 3, "status": 2}
        else:
            hidden.update({2: "deleted", 3: "spam"})
        (result,) = sync(instance, "src")
        assert (result.error, result.rows_deleted) == (None, 2)
        assert sorted(documents(instance, "things")) == ["1", "4", "5"]
        hidden.clear()
        rows.update({2: {"id": 2, "status": 1}, 3: {"id": 3, "status": 1}})
        sync(instance, "src")
    assert sorted(documents(instance, "things")) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize("changed", [2, 3, 30])
def test_an_extra_pass_whose_filter_is_ignored_deletes_nothing(tmp_path: Path, changed: int) -> None:
    """A source that does not know `filter=deleted` answers with the living records."""
    rows = {number: {"id": number, "v": 1} for number in range(1, 31)}
    stream = ITEM + 'page = { type = "single" }\nincremental = { type = "window" }\n' + GONE["pass"] + "\n"
    listed = list(rows)

    def handle(seen: Seen) -> Any:
        return {"items": [rows[number] for number in listed]}

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        listed = list(range(1, changed + 1))
        rows.update({number: {"id": number, "v": 2} for number in listed})
        (result,) = sync(instance, "src")
    assert (result.error, result.rows_deleted) == (None, 0)
    assert "may ignore the filter" in result.warnings[0]
    assert len(documents(instance, "things")) == 30


def test_an_extra_pass_that_names_a_large_share_needs_a_person(tmp_path: Path) -> None:
    rows = {number: {"id": number} for number in range(1, 31)}
    stream = ITEM + 'page = { type = "single" }\nincremental = { type = "window" }\n' + GONE["pass"] + "\n"
    with serving(lambda seen: {"items": list(rows.values()) if gone == ("filter" in seen.query) else []}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        gone = False
        sync(instance, "src")
        gone = True
        (result,) = sync(instance, "src")
    assert "names 30 of 30 known ones, more than 20 %" in result.warnings[0]
    assert len(documents(instance, "things")) == 30


def test_an_extra_pass_is_as_rare_as_it_says(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    stream = ITEM + 'page = { type = "single" }\ndeletes = { passes = [ { path = "old", every_h = 6 } ] }\n'
    with serving(lambda _: {"items": []}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        for hour in (12, 13, 14, 20):
            noon.setenv("C360_NOW", at(hour))
            sync(instance, "src")
        assert [seen.path for seen in fake.seen].count("/old") == 2


def test_everything_is_read_again_as_often_as_full_every_h_says(tmp_path: Path, noon: pytest.MonkeyPatch) -> None:
    """For changes that move no stamp, such as an association in HubSpot."""
    rows = [{"id": 1, "at": at(1), "v": 1}]
    stream = ITEM + 'params = { since = "{window.start}" }\npage = { type = "single" }\n'
    stream += 'incremental = { type = "window", full_every_h = 6 }\n'
    with serving(lambda seen: {"items": [row for row in rows if row["at"] >= seen.query["since"]]}) as fake:
        instance = make_instance(tmp_path, fake.url, stream)
        sync(instance, "src")
        rows[0] = {**rows[0], "v": 2}
        landed = []
        for hour in (14, 17, 19, 20):
            noon.setenv("C360_NOW", at(hour))
            landed.append(sync(instance, "src")[0].rows_landed)
    assert landed == [0, 0, 1, 0]


ABSORBED = ITEM + 'page = { type = "single" }\nmerges = { path = "absorbed", on = "survivor", separator = ";" }\n'


def test_a_merge_that_only_the_survivor_tells_ends_the_loser_with_its_survivor(tmp_path: Path) -> None:
    rows: dict[int, dict[str, Any]] = {number: {"id": number, "name": f"n{number}"} for number in range(1, 5)}
    with serving(lambda _: {"items": list(rows.values())}) as fake:
        instance = make_instance(tmp_path, fake.url, ABSORBED)
        sync(instance, "src")
        del rows[2], rows[3]
        rows[1] = {**rows[1], "absorbed": "2;3"}
        (result,) = sync(instance, "src")
        assert result.rows_deleted == 2
        assert sorted(documents(instance, "things")) == ["1", "4"]
        last = landing.runs(instance.landing, "src", "things")[-1]
        assert landing.manifest(instance.landing, "src", "things", last)["merges"] == [["2", "1"], ["3", "1"]]
        frames = landing.read_run(instance.landing, "src", "things", last)
        ended = {row[0]: row[1] for frame in frames for row in frame.filter("deleted").select("id", "document").rows()}
        assert ended == {"2": '{"id":2,"name":"n2"}', "3": '{"id":3,"name":"n3"}'}
        rows[2] = {"id": 2, "name": "back"}
        for _ in range(2):
            sync(instance, "src")
    assert documents(instance, "things")["2"]["name"] == "back", "an old merge does not end a record twice"


JOB = """
[[stream]]
name = "things"
method = "POST"
path = "jobs"
body = { query = "SELECT * FROM things" }
id = "Id"

[stream.page]
type = "job"

[stream.page.job]
id = "id"
poll = "jobs/{page.job}"
done = { path = "state", values = ["JobComplete"] }
failed = { path = "state", values = ["Failed", "Aborted"] }
FORM
"""
CSV = """result = "jobs/{page.job}/results"
result_params = { locator = "{page.locator}" }
locator = "Sforce-Locator"
format = "csv"
"""


def test_a_job_and_its_file_in_parts_until_the_locator_is_the_word_null(tmp_path: Path, waits: list[float]) -> None:
    """Salesforce Bulk 2: later parts may or may not repeat the header line; an empty cell is null."""
    first = 'Id,Name,Note\n1,"北辰, ""x""",\n2,a\u2028b,n\n'
    parts = {"": (first, "A1"), "A1": ("Id,Name,Note\n3,c,\n", "A2"), "A2": ("Id,Name,Note\n", "null")}
    states = iter(["UploadComplete", "InProgress", "JobComplete"])

    def handle(seen: Seen) -> Any:
        if seen.path == "/jobs":
            return {"id": "750"}
        if seen.path == "/jobs/750":
            return {"state": next(states)}
        text, locator = parts[seen.query.get("locator", "")]
        return reply(200, text, Sforce_Locator=locator, content_type="text/csv; charset=UTF-8")

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, JOB.replace("FORM", CSV))
        (result,) = sync(instance, "src")
    assert result.error is None
    assert waits == [5.0, 5.0]
    assert documents(instance, "things") == {
        "1": {"Id": "1", "Name": '北辰, "x"', "Note": None},
        "2": {"Id": "2", "Name": "a\u2028b", "Note": "n"},
        "3": {"Id": "3", "Name": "c", "Note": None},
    }


def test_a_job_is_gone_on_with_after_a_fault(
    tmp_path: Path, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    broken = True

    def handle(seen: Seen) -> Any:
        if not seen.path.endswith("results"):
            return {"id": "750", "state": "JobComplete"}
        if seen.query.get("locator") and broken:
            return reply(500, "down")
        row, locator = ("2", "null") if seen.query.get("locator") else ("1", "A1")
        return reply(200, f"Id\n{row}\n", Sforce_Locator=locator, content_type="text/csv")

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, JOB.replace("FORM", CSV))
        assert "500" in (sync(instance, "src")[0].error or "")
        broken = False
        assert sync(instance, "src")[0].error is None
        assert sum(seen.path == "/jobs" for seen in fake.seen) == 1
    assert sorted(documents(instance, "things")) == ["1", "2"]


def test_a_job_that_fails_is_said(tmp_path: Path) -> None:
    with serving(lambda _: {"id": "750", "state": "Aborted"}) as fake:
        instance = make_instance(tmp_path, fake.url, JOB.replace("FORM", CSV))
        (result,) = sync(instance, "src")
    assert "job failed, Aborted" in (result.error or "")


def test_a_file_on_another_host_is_fetched_without_credentials(tmp_path: Path) -> None:
    """Shopify: one JSON object a line, on a storage host."""
    form = 'result_path = "url"\nformat = "jsonl"\nhosts = ["127.0.0.1"]\n'
    head = BASE.format(name="fake") + '[auth]\ntype = "header"\nvalue = "Bearer {settings.token}"\n'
    with serving(lambda _: reply(200, '{"Id":"1","n":1.50}\n{"Id":"2"}\n', content_type="application/jsonl")) as store:
        address = store.url + "/file?sig=1"
        with serving(lambda _: {"id": "750", "state": "JobComplete", "url": address}) as fake:
            instance = make_instance(tmp_path, fake.url, JOB.replace("FORM", form), head=head)
            secrets.write("tok", "S3cretTok", instance.secrets)
            instance.config.sources[0].settings["token"] = "file:tok"
            (result,) = sync(instance, "src")
        assert "authorization" not in store.seen[0].headers
    assert result.error is None
    assert sorted(documents(instance, "things")) == ["1", "2"]


def test_a_job_that_found_nothing_has_no_file(tmp_path: Path) -> None:
    form = 'result_path = "url"\n'
    with serving(lambda _: {"id": "750", "state": "JobComplete", "url": None}) as fake:
        instance = make_instance(tmp_path, fake.url, JOB.replace("FORM", form))
        (result,) = sync(instance, "src")
    assert (result.error, result.rows_received) == (None, 0)


@pytest.mark.parametrize(
    ("status", "body", "rules"),
    [
        (204, "", ""),
        (304, "", "{ status = [304], action = 'skip' }"),
        (
            404,
            {"message": "Not Found: Thirdparties not found"},
            "{ status = [404], contains = 'not found', action = 'skip' }",
        ),
    ],
)
def test_nothing_changed_has_many_spellings(tmp_path: Path, status: int, body: Any, rules: str) -> None:
    """Zoho: 204 without a body or 304; Dolibarr and ServiceNow v1: 404 for an empty list."""
    head = BASE.format(name="fake") + f"errors = [ {rules} ]\n"
    stream = ITEM + 'headers = { "If-Modified-Since" = "{window.start}" }\npage = { type = "number", limit = 10 }\n'
    stream += 'incremental = { type = "window" }\n'
    with serving(lambda _: reply(status, body)) as fake:
        instance = make_instance(tmp_path, fake.url, stream, head=head)
        (result,) = sync(instance, "src")
        assert fake.seen[0].headers["if-modified-since"] == "1970-01-01T00:00:00Z"
    assert (result.error, result.rows_received) == (None, 0)


OAUTH = (
    BASE.format(name="fake")
    + """
[auth]
type = "client"
token_url = "{settings.base_url}/token"
client_id = "id"
client_secret = "S3cretPhrase"
form = { scope = "x/.default" }
prefix = "Zoho-oauthtoken "
"""
)


def test_a_token_refused_inside_a_good_answer_is_a_refused_sign_in(tmp_path: Path) -> None:
    with serving(lambda _: {"error": "invalid_code"}) as fake:
        instance = make_instance(tmp_path, fake.url, ITEM, head=OAUTH)
        (result,) = sync(instance, "src")
        assert [seen.path for seen in fake.seen] == ["/token"]
    assert "invalid_code" in (result.error or "")


def test_client_credentials_with_a_scope_and_an_odd_prefix(tmp_path: Path) -> None:
    def handle(seen: Seen) -> Any:
        if seen.path == "/token":
            assert "grant_type=client_credentials" in seen.body
            assert "scope=x%2F.default" in seen.body
            return {"access_token": "t1"}
        return {"items": [{"id": 1}]} if seen.headers["authorization"] == "Zoho-oauthtoken t1" else reply(401)

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, ITEM, head=OAUTH)
        (result,) = sync(instance, "src")
    assert (result.error, result.rows_landed) == (None, 1)


def test_a_session_that_ends_is_opened_again_with_its_header(tmp_path: Path) -> None:
    head = BASE.format(name="fake") + (
        '[auth]\ntype = "session"\npath = "login"\nbody = { user = "u" }\nheaders = { "X-Session" = "data.session" }\n'
        'success = { path = "ok", values = ["true"] }\n'
    )
    serial = 0

    def handle(seen: Seen) -> Any:
        nonlocal serial
        if seen.path == "/login":
            serial += 1
            return {"ok": True, "data": {"session": f"s{serial}"}}
        return {"items": [{"id": 1}]} if seen.headers["x-session"] == "s2" else reply(401)

    with serving(handle) as fake:
        instance = make_instance(tmp_path, fake.url, ITEM, head=head)
        (result,) = sync(instance, "src")
    assert (result.error, serial) == (None, 2)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"assertions": {"bounded": True}}, "bounded needs updated and a window"),
        ({"page": {"type": "job"}}, "needs the table job"),
        ({"page": {"type": "single", "restart": {"pages": 3, "key": "at"}}}, "has no restart"),
        ({"page": {"type": "job", "job": {"id": "id", "poll": "p", "done": {"path": "d"}}}}, "needs result"),
    ],
)
def test_a_strategy_that_cannot_work_is_refused_when_it_is_read(keys: dict[str, Any], says: str) -> None:
    raw = {"connector": {"name": "fake", "label": "Fake", "role": "crm"}, "stream": [{"name": "a", "id": "id", **keys}]}
    with pytest.raises(SpecError, match=says):
        SourceSpec.parse(raw, "fake/source.toml", Path("fake"))
