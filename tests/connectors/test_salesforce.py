"""Salesforce's own traps, against the demo company's simulator."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from typing import Any

import pytest

from data.demo import timing
from data.sim.access import Call, Reply
from model import conform, staging
from ops import secrets
from tests.connectors.harness import Harness

Connect = Callable[..., Harness]


@pytest.fixture
def life(demo: Connect) -> Harness:
    """The organisation, connected."""
    return demo("salesforce")


def table(life: Any, name: str = "Account") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = life.vendor.company.salesforce[name]
    return rows


def living(life: Harness, name: str = "Account") -> set[str]:
    return {row["Id"] for row in table(life, name) if not row["IsDeleted"]}


def touch(life: Harness, row: dict[str, Any], late_s: int = 0, **changes: Any) -> None:
    """Change a row at the vendor's now, or so much earlier: a transaction that was long in committing."""
    stamp = timing.salesforce(int(life.vendor.clock.now.timestamp()) - late_s)
    row.update({"LastModifiedDate": stamp, "SystemModstamp": stamp, **changes})


def queries(life: Any) -> list[str]:
    return [call.query["q"] for call in life.vendor.asked("/query") if "q" in call.query]


def small_batches(life: Any, *sizes: int) -> None:
    """The server sends so many rows, whatever was asked for."""
    given = chain(sizes, repeat(sizes[-1]))
    life.vendor.site._size = lambda _request: next(given)


def refusing(life: Any, status: int, code: str, path: str, times: int = 1) -> None:
    """The next calls to `path` fail with an error as REST writes it."""
    left = iter(range(times))

    def instead(call: Call) -> Reply | None:
        if path not in call.path or next(left, None) is None:
            return None
        return Reply(status, [{"message": f"said {code}", "errorCode": code}])

    life.vendor.instead = instead


def test_a_batch_shorter_than_asked_for_is_not_the_end(life: Harness) -> None:
    small_batches(life, 10, 3, 1, 10, 2)
    life.sync("Account")
    assert set(life.documents("Account")) == living(life)


def test_the_next_batch_of_query_all_says_query_and_still_holds_deleted_rows(life: Any) -> None:
    deleted = max(table(life), key=lambda row: (row["SystemModstamp"], row["Id"]))
    life.sync("Account")
    small_batches(life, 7)
    touch(life, deleted, IsDeleted=True)
    assert life.sync("Account", full=True, hours=1)["Account"].rows_deleted == 1
    followed = [call for call in life.vendor.asked("/query") if "q" not in call.query]
    assert all(call.path.rsplit("/", 2)[1] == "query" for call in followed)
    assert len(followed) >= 4


@pytest.mark.usefixtures("waits")
def test_a_locator_that_has_expired_begins_the_query_anew(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.stream_run.FLUSH_EVERY_S", 0.0)
    small_batches(life, 10)
    life.vendor.instead = lambda call: Reply(503, []) if call.path.endswith("-20") else None
    assert life.results("Account")[0].error
    life.vendor.instead = lambda _call: None
    life.vendor.site.locators.clear()
    assert "begun anew" in life.sync("Account", minutes=5)["Account"].warnings[0]
    assert set(life.documents("Account")) == living(life)


def days_asked(call: Call) -> float:
    """How many days of changes the query asks for."""
    start, end = (
        datetime.fromisoformat(text) for text in re.findall(r"SystemModstamp >?<?=? ?(\S+Z)", call.query["q"])
    )
    return (end - start) / timedelta(days=1)


def test_a_query_that_timed_out_halves_its_window(life: Any) -> None:
    error = Reply(400, [{"message": "said QUERY_TIMEOUT", "errorCode": "QUERY_TIMEOUT"}])
    answered: list[float] = []

    def instead(call: Call) -> Reply | None:
        if "/queryAll" not in call.path:
            return None
        if days_asked(call) > 200:
            return error
        answered.append(days_asked(call))
        return None

    life.vendor.instead = instead
    result = life.sync("Account")["Account"]
    assert set(life.documents("Account")) == living(life)
    assert len(answered) > 100
    assert sum(answered) == pytest.approx((datetime.now(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days, abs=2000)
    assert "asked in halves" in result.warnings[0]


def test_halves_of_a_window_go_on_after_a_failure(life: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusing(life, 400, "QUERY_TIMEOUT", "/queryAll")
    halved = life.vendor.instead
    asked: list[Call] = []

    def instead(call: Call) -> Reply | None:
        asked.append(call)
        return Reply(503, []) if len([one for one in asked if "/queryAll" in one.path]) > 2 else halved(call)

    life.vendor.instead = instead
    assert life.results("Account")[0].error
    before = len(life.vendor.asked("/queryAll"))
    life.vendor.instead = lambda _call: None
    life.sync("Account", minutes=5)
    assert set(life.documents("Account")) == living(life)
    assert len(life.vendor.asked("/queryAll")) == before + 1  # the second half alone


def test_a_list_of_ids_that_timed_out_is_begun_anew(life: Any) -> None:
    life.sync("Account")
    refusing(life, 400, "QUERY_TIMEOUT", "/queryAll", times=2)
    seen = life.vendor.instead
    life.vendor.instead = lambda call: seen(call) if "SystemModstamp >=" not in call.query.get("q", "") else None
    result = life.sync("Account", days=1)["Account"]
    assert [text for text in result.warnings if "begun anew" in text]
    assert set(life.documents("Account")) == living(life)


def test_a_minute_that_times_out_is_an_error(life: Any) -> None:
    refusing(life, 400, "QUERY_TIMEOUT", "/queryAll", times=10**6)
    assert "QUERY_TIMEOUT" in (life.results("Account")[0].error or "")


def test_a_session_tells_no_end_and_is_renewed_once_when_refused(life: Any) -> None:
    small_batches(life, 10)
    seen = iter(range(100))

    def instead(call: Call) -> None:
        if "/query" in call.path and next(seen) == 2:
            life.vendor.site.tokens.clear()

    life.vendor.instead = instead
    life.sync("Account")
    assert len(life.vendor.asked("oauth2/token")) == 2
    assert set(life.documents("Account")) == living(life)
    refusing(life, 401, "INVALID_SESSION_ID", "/queryAll", times=99)
    before = len(life.vendor.asked("oauth2/token"))
    assert life.results("Account", hours=1)[0].state == "failed"
    assert len(life.vendor.asked("oauth2/token")) <= before + 2


def test_a_refresh_token_that_rotates_is_written_back(life: Any) -> None:
    def instead(call: Call) -> Reply | None:
        if "oauth2/token" not in call.path:
            return None
        given = call.body["refresh_token"]
        if given != secrets.resolve("file:refresh_token", life.instance.secrets):
            return Reply(400, {"error": "invalid_grant", "error_description": "expired access/refresh token"})
        life.vendor.site.tokens.add(token := f"token-after-{given}")
        return Reply(
            200,
            {
                "access_token": token,
                "refresh_token": given + "+",
                "instance_url": life.vendor.simulators.roots["salesforce"],
            },
        )

    life.vendor.instead = instead
    life.sync("Account")
    life.sync("Account", hours=1)
    assert secrets.resolve("file:refresh_token", life.instance.secrets) == life.clear["refresh_token"] + "++"


def test_data_are_asked_of_the_instance_and_never_of_the_login_host(life: Any) -> None:
    """The token's answer names the host; here it differs from the login's by name only."""
    there = life.vendor.simulators.roots["salesforce"].replace("127.0.0.1", "localhost")

    def instead(call: Call) -> Reply | None:
        if "oauth2/token" not in call.path:
            return None
        life.vendor.site.tokens.add("somewhere-else")
        return Reply(200, {"access_token": "somewhere-else", "instance_url": there})

    life.vendor.instead = instead
    life.sync("Account")
    assert {call.headers["host"] for call in life.vendor.asked("/query")} == {there.removeprefix("http://")}


@pytest.mark.usefixtures("waits")
def test_daily_calls_that_are_used_up_end_the_run_without_spinning(life: Any) -> None:
    refusing(life, 403, "REQUEST_LIMIT_EXCEEDED", "/queryAll", times=999)
    result = life.results("Account")[0]
    assert result.error
    assert "daily calls are used up" in (result.remedy or "")
    assert len(life.vendor.asked("/queryAll")) == 1


def test_a_column_that_is_hidden_or_not_there_is_never_selected(life: Any) -> None:
    """CurrencyIsoCode exists with several currencies only; rights hide a column without a word."""
    shown = life.vendor.site.fields
    shown["Account"] = [name for name in shown["Account"] if name not in {"CurrencyIsoCode", "Rating"}] + ["Own__c"]
    life.sync("Account")
    (text,) = [text for text in queries(life) if "FROM Account" in text]
    assert "CurrencyIsoCode" not in text
    assert "Own__c" in text
    assert set(life.documents("Account")) == living(life)


def test_changes_are_asked_for_by_system_modstamp_because_the_other_stamp_can_be_back_dated(life: Harness) -> None:
    life.sync("Account")
    row = table(life)[3]
    touch(life, row, Name="imported 导入", LastModifiedDate="2020-01-01T00:00:00.000+0000")
    assert life.sync("Account", hours=1)["Account"].rows_landed == 1
    assert life.documents("Account")[row["Id"]]["Name"] == "imported 导入"


def test_an_instant_in_a_query_stands_without_quotes(life: Harness) -> None:
    life.sync("Account")
    life.sync("Account", minutes=5)
    bounds = [text.partition("SystemModstamp >= ")[2].split()[0] for text in queries(life) if ">=" in text]
    assert [datetime.fromisoformat(bound).isoformat() for bound in bounds][-1].startswith("2026-01-20T00:50")


def test_a_stamp_that_is_older_than_its_commit_is_found_within_the_overlap(life: Harness) -> None:
    life.sync("Account")
    touch(life, table(life)[2], late_s=300, Name="late")
    assert life.sync("Account", seconds=30)["Account"].rows_landed == 1


def test_a_formula_field_moves_no_stamp_and_comes_with_the_weekly_reading(life: Any) -> None:
    life.vendor.site.fields["Account"].append("Score__c")
    life.sync("Account")
    row = table(life)[4]
    row["Score__c"] = 7
    assert life.sync("Account", hours=2)["Account"].rows_landed == 0
    assert life.sync("Account", days=7)["Account"].rows_landed == 1
    assert life.documents("Account")[row["Id"]]["Score__c"] == 7


def test_a_deleted_row_says_so_and_comes_back_from_the_recycle_bin(life: Harness) -> None:
    life.sync("Account")
    row = next(row for row in table(life) if not row["IsDeleted"])
    touch(life, row, IsDeleted=True)
    assert life.sync("Account", hours=1)["Account"].rows_deleted == 1
    assert row["Id"] not in life.documents("Account")
    touch(life, row, IsDeleted=False)
    life.sync("Account", hours=1)
    assert row["Id"] in life.documents("Account")


@pytest.mark.parametrize("name", ["Account", "Contact", "Opportunity", "Contract", "Asset", "Task", "Event"])
def test_a_row_deleted_for_good_leaves_nothing_and_is_found_by_comparing_ids(life: Harness, name: str) -> None:
    """It left the recycle bin before the collector came by again."""
    life.sync(name)
    gone = next(row for row in table(life, name) if not row["IsDeleted"])
    table(life, name).remove(gone)
    for _ in range(2):
        life.sync(name, days=1)
    assert gone["Id"] not in life.documents(name)
    assert set(life.documents(name)) == living(life, name)
    table(life, name).append(gone)
    for _ in range(2):
        life.sync(name, days=1)
    assert set(life.documents(name)) == living(life, name)


def test_a_merge_ends_the_loser_with_its_survivor_and_children_follow(life: Any) -> None:
    for name in ("Account", "Contact"):
        life.sync(name)
    child = next(row for row in table(life, "Contact") if not row["IsDeleted"] and row["AccountId"] in living(life))
    loser = next(row for row in table(life) if row["Id"] == child["AccountId"])
    survivor = next(row for row in table(life) if not row["IsDeleted"] and row is not loser)
    touch(life, loser, IsDeleted=True, MasterRecordId=survivor["Id"])
    touch(life, child, AccountId=survivor["Id"])
    life.sync("Account", hours=1)
    life.sync("Contact")
    assert [loser["Id"], survivor["Id"]] in life.merges("Account")
    assert loser["Id"] not in life.documents("Account")
    assert life.documents("Contact")[child["Id"]]["AccountId"] == survivor["Id"]


def test_errors_come_in_an_array_and_those_of_the_sign_in_in_an_object(life: Any) -> None:
    refusing(life, 400, "INVALID_FIELD", "/queryAll")
    assert (life.results("Account")[0].error or "").endswith("400, said INVALID_FIELD")
    life.vendor.instead = lambda _call: None
    secrets.write("refresh_token", "no-such-token", life.instance.secrets)
    assert "expired access/refresh token" in (life.results("Account", hours=1)[0].error or "")


def test_offset_stops_at_2000_rows_and_is_never_used(life: Any) -> None:
    small_batches(life, 10)
    life.sync()
    life.sync(days=1)
    assert queries(life)
    assert not any("OFFSET" in text.upper() for text in queries(life))


def staged(life: Any, sql: str) -> list[tuple[Any, ...]]:
    conform.stage(life.instance)
    with staging.open_warehouse(life.instance) as con:
        return con.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("who", "what", "owner", "kept"),
    [
        ("003AAA", "006AAA", "005AAA", ("003AAA", "006AAA", "005AAA")),
        ("00QAAA", "001AAA", "00GAAA", (None, None, None)),
        (None, "500AAA", "005AAA", (None, None, "005AAA")),
        (None, None, "005AAA", (None, None, "005AAA")),
    ],
    ids=["contact and opportunity", "lead, account and queue", "case", "nothing"],
)
def test_a_task_may_be_with_a_lead_about_anything_and_of_a_queue(
    life: Any, who: str | None, what: str | None, owner: str, kept: tuple[str | None, ...]
) -> None:
    """An id that is not of the object wanted is no reference to it."""
    row = next(row for row in table(life, "Task") if not row["IsDeleted"])
    touch(life, row, WhoId=who, WhatId=what, OwnerId=owner)
    life.sync("Task")
    sql = "SELECT contact_id, opportunity_id, employee_id FROM staging.interaction"
    assert staged(life, f"{sql} WHERE source_id = '{row['Id']}'") == [kept]


def test_an_offset_without_a_colon_is_an_instant_and_a_date_has_no_zone(life: Any) -> None:
    row = next(row for row in table(life, "Opportunity") if not row["IsDeleted"])
    touch(life, row, CreatedDate="2026-01-02T23:15:22.000+0000", CloseDate="2026-09-30")
    life.sync("Opportunity")
    sql = f"SELECT created_at, close_on FROM staging.opportunity WHERE source_id = '{row['Id']}'"
    assert staged(life, sql) == [(datetime(2026, 1, 2, 23, 15, 22, tzinfo=UTC), date(2026, 9, 30))]
