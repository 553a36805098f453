"""A source is set up by a person: c360.toml keeps its comments, what is wrong is refused, nothing is restarted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from ingest import configuring
from ops import clock, schedule
from ops.errors import FatalError
from ops.instance import Instance, InstanceConfig, SourceConfig
from ops.store import stamp
from ops.tables import audit, runs
from run.cli import app
from run.scheduler import Daemon, due_sources

NOON = "2026-11-21T04:00:00Z"  # Saturday, 12:00 in Shanghai
WRITTEN = """# our instance
company = "Rowan Gauges"   # fictional

[[source]]
name = "list"   # what sales sends
connector = "files"
role = "erp"
schedule = "every 15m"  # agreed with sales

[source.settings]
# the shared folder
path = "{folder}"
mapping = "invoices"
"""


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", NOON)


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    home = Instance.create(tmp_path / "i", InstanceConfig()).home
    (home / "c360.toml").write_text(WRITTEN.format(folder=tmp_path.as_posix()), encoding="utf-8")
    return Instance.load(home)


def text(instance: Instance) -> str:
    return (instance.home / "c360.toml").read_text(encoding="utf-8")


def audited(instance: Instance) -> list[tuple[str, str, dict[str, object]]]:
    with instance.store.read() as connection:
        rows = connection.execute(select(audit).order_by(audit.c.audit_id)).all()
    return [(row.actor, row.action, json.loads(row.details)) for row in rows]


def test_a_change_keeps_comments_and_is_audited_before_and_after(instance: Instance) -> None:
    wanted = {"schedule": "30 7 * * 1-5", "legal_hold": True, "settings": {"pattern": "*.csv"}}
    changed = configuring.change(instance, "list", wanted, "gao.yuan", mark=configuring.seen(instance))
    assert changed["schedule"] == ("every 15m", "30 7 * * 1-5")
    for kept in ("# our instance", "# fictional", "# what sales sends", "# agreed with sales", "# the shared folder"):
        assert kept in text(instance)
    one = Instance.load(instance.home).config.source("list")
    assert (one.schedule, one.legal_hold, one.settings["pattern"]) == ("30 7 * * 1-5", True, "*.csv")
    assert instance.config.source("list") == one, "the process that wrote it has it in effect"
    ((actor, action, details),) = audited(instance)
    assert (actor, action) == ("gao.yuan", "source.configure")
    assert details["before"] == {"schedule": "every 15m", "legal_hold": False, "settings": {}}
    assert details["after"] == {"schedule": "30 7 * * 1-5", "legal_hold": True, "settings": {"pattern": "*.csv"}}
    assert configuring.change(instance, "list", wanted, "gao.yuan") == {}, "nothing is written twice"
    assert len(audited(instance)) == 1
    configuring.change(instance, "list", {"settings": {"pattern": None}, "schedule": None}, "gao.yuan")
    assert "pattern" not in text(instance)
    assert Instance.load(instance.home).config.source("list").schedule is None


def test_a_file_that_was_changed_meanwhile_is_left_alone(instance: Instance) -> None:
    mark = configuring.seen(instance)
    by_hand = text(instance).replace("every 15m", "every 20m")
    (instance.home / "c360.toml").write_text(by_hand, encoding="utf-8")
    with pytest.raises(FatalError, match="was changed meanwhile"):
        configuring.change(instance, "list", {"legal_hold": True}, "gao.yuan", mark=mark)
    assert text(instance) == by_hand
    assert audited(instance) == []
    configuring.change(instance, "list", {"legal_hold": True}, "gao.yuan", mark=configuring.seen(instance))
    assert "every 20m" in text(instance)


def test_a_write_protected_file_is_refused(instance: Instance) -> None:
    (instance.home / "c360.toml").chmod(0o444)
    before = text(instance)
    with pytest.raises(FatalError, match="write-protected"):
        configuring.change(instance, "list", {"legal_hold": True}, "gao.yuan")
    assert text(instance) == before
    assert audited(instance) == []
    assert sorted(path.name for path in instance.home.glob(".c360.*")) == []


def test_a_link_to_the_file_stays_a_link(instance: Instance, tmp_path: Path) -> None:
    path, there = instance.home / "c360.toml", tmp_path / "real.toml"
    path.rename(there)
    path.symlink_to(there)
    configuring.change(instance, "list", {"max_age_minutes": 90}, "gao.yuan")
    assert path.is_symlink()
    assert "max_age_minutes = 90" in there.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"schedule": "whenever"}, "not understood"),
        ({"schedule": "every 0m"}, "not understood"),
        ({"schedule": "every 9999999999999d"}, "not understood"),
        ({"schedule": "0 0 30 2 *"}, "never comes"),
        ({"max_age_minutes": 0}, "1 or more|0 minutes"),
        ({"keep_versions_days": 0}, "keep_versions_days"),
        ({"stream_max_age_minutes": {"nothing": 5}}, "has no stream"),
        ({"settings": {"paht": "x"}}, "did you mean 'path'"),
        ({"settings": {"path": None}}, "required"),
        ({"connector": "odoo"}, "cannot be changed"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(
    instance: Instance, wanted: dict[str, object], said: str
) -> None:
    before = text(instance)
    with pytest.raises(FatalError, match=said):
        configuring.change(instance, "list", wanted, "gao.yuan")
    assert text(instance) == before
    assert audited(instance) == []


def test_a_secret_by_value_is_refused_and_never_repeated(instance: Instance) -> None:
    settings = {"base_url": "https://shop.example.com", "api_key": "hunter2-4711", "user": "reader", "database": "x"}
    with pytest.raises(FatalError, match="by reference only") as caught:
        configuring.add(
            instance, SourceConfig(name="shop", connector="odoo", role="erp", settings=settings), "gao.yuan"
        )
    assert "hunter2" not in str(caught.value) + text(instance)
    settings["api_key"] = "env:SHOP_KEY"
    configuring.add(instance, SourceConfig(name="shop", connector="odoo", role="erp", settings=settings), "gao.yuan")
    assert instance.config.source("shop").settings["api_key"] == "env:SHOP_KEY"
    assert 'name = "list"   # what sales sends' in text(instance)
    assert [row[1] for row in audited(instance)] == ["source.add"]
    with pytest.raises(FatalError, match="already"):
        configuring.add(instance, SourceConfig(name="shop", connector="odoo", role="erp"), "gao.yuan")


def test_a_scheduler_at_work_takes_changes_up_at_its_next_look(instance: Instance) -> None:
    at_work = Instance.load(instance.home)
    daemon = Daemon(at_work)
    with at_work.store.begin() as connection:
        entry = {"run_id": "r1", "source": "list", "stream": "record", "started_at": stamp(), "state": "done"}
        connection.execute(runs.insert().values(**entry))
    at_work.reread_sources()
    assert due_sources(at_work) == []
    configuring.change(instance, "list", {"schedule": "every 1s"}, "gao.yuan")
    folder = instance.home / "more"
    folder.mkdir()
    more = SourceConfig(
        name="more", connector="files", role="erp", settings={"path": str(folder), "mapping": "invoices"}
    )
    configuring.add(instance, more, "gao.yuan")
    assert at_work.reread_sources(), "what a tick begins with"
    assert [one.name for one in at_work.config.sources] == ["list", "more"]
    assert due_sources(at_work) == ["more"], "never collected, so due now; the other one a second after its last run"
    configuring.change(instance, "more", {"status": "off"}, "gao.yuan", note="moved")
    configuring.change(instance, "list", {"status": "off"}, "gao.yuan", note="moved")
    assert daemon.tick() == []
    assert configuring.status_before(instance.store, "more") == "active"


def test_the_next_three_times_are_told_in_the_company_zone() -> None:
    after = schedule.upcoming("30 13 * * 1-5", None, "Asia/Shanghai")
    assert after == [datetime(2026, 11, day, 5, 30, tzinfo=UTC) for day in (23, 24, 25)]
    last = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    every = schedule.upcoming("every 2h", last, "Asia/Shanghai")
    assert every == [datetime(2026, 11, 21, hour, 0, tzinfo=UTC) for hour in (5, 7, 9)]
    assert schedule.upcoming("every 2h", None, "UTC")[0] == clock.now(), "one that never ran is due now"
    assert schedule.upcoming(None, last, "UTC") == []


@pytest.mark.parametrize(
    ("days", "first", "second"),
    [
        ("1-5", 23, 24),
        ("0", 22, 29),
        ("7", 22, 29),
        ("6,0", 21, 22),
        ("*/2", 21, 22),
        ("1-5/2", 23, 25),
        ("sat", 21, 28),
    ],
)
def test_weekdays_are_counted_as_cron_counts_them(days: str, first: int, second: int) -> None:
    found = schedule.upcoming(f"0 20 * * {days}", None, "Asia/Shanghai", 2)
    assert [at.day for at in found] == [first, second], "21 November 2026 is a Saturday"


def test_the_command_sets_what_the_page_sets(instance: Instance) -> None:
    def c360(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["--home", str(instance.home), "source", *arguments])
        return found.output + ("" if found.exception is None else str(found.exception))

    said = c360("set", "list", "--schedule", "manual", "--keep-days", "365", "--legal-hold", "--set", "pattern=*.csv")
    assert "4 change(s)" in said, said
    one = Instance.load(instance.home).config.source("list")
    assert (one.schedule, one.keep_versions_days, one.legal_hold) == (None, 365, True)
    assert "status: active -> off" in c360("set", "list", "--status", "off", "--note", "moved")
    assert "status: off -> active" in c360("set", "list", "--status", "on")
    assert "0 change(s)" in c360("set", "list", "--status", "on")
    assert "STREAM=MINUTES" in c360("set", "list", "--stream-max-age", "record")
    assert "# agreed with sales" in text(instance)
