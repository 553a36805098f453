"""Setting up a source on its page: who may, what is told, what the fields read, in both languages."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete
from streamlit.testing.v1 import AppTest

from model import serve
from model.policy import Viewer
from model.serve import Served
from ops import config_file
from ops.care import FULL
from ops.errors import FatalError
from ops.instance import Instance
from ops.tables import audit, sync_requests
from ops.texts import text
from run.scheduler import take_marked
from views.parts import setup_panel
from views.parts.format import Look

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOKS = {language: Look(language, "Asia/Shanghai", NOW) for language in ("zh", "en")}


@pytest.fixture
def db(demo: Path) -> Iterator[Served]:
    made = Instance.load(demo)
    written = (demo / "c360.toml").read_bytes()

    def clear() -> None:
        (demo / "c360.toml").write_bytes(written)
        with made.store.begin() as connection:
            connection.execute(delete(sync_requests))
            connection.execute(delete(audit).where(audit.c.subject == "erp"))

    clear()
    yield serve.open_published(made)
    clear()


@pytest.fixture
def owner(db: Served) -> Viewer:
    return serve.sign_in(db.instance, "gao.yuan")


def test_everything_is_read_again_on_request_and_its_cost_is_told(db: Served, owner: Viewer) -> None:
    cost = serve.full_cost(owner, db, "erp")
    assert cost["rows_landed"] > 0
    assert cost["requests"] > 0
    number = serve.request_full(owner, db, "erp")
    assert serve.request_full(owner, db, "erp") == number
    found = serve.sync_state(owner, db, "erp")
    assert found is not None
    assert (found["stream"], found["streams_total"]) == (FULL, cost["streams"])
    assert take_marked(db.instance, FULL) == ["erp"]
    assert take_marked(db.instance, FULL) == []


def test_a_source_is_switched_off_for_a_reason_and_becomes_what_it_was(db: Served, owner: Viewer) -> None:
    with pytest.raises(FatalError, match="for a reason"):
        serve.switch_source(owner, db, "erp", is_on=False)
    assert serve.switch_source(owner, db, "erp", is_on=False, note="the tenant moves") == "off"
    assert "erp" not in [row["source"] for row in serve.status(owner, db)["sources"]]
    assert serve.source_setup(owner, db, "erp")["next"] == []
    with pytest.raises(FatalError, match="is off"):
        serve.request_full(owner, db, "erp")
    assert serve.switch_source(owner, db, "erp", is_on=True) == "active"
    done = serve.source_history(owner, db, "erp")
    assert [(row["action"], row["note"]) for row in done][:2] == [
        ("source.on", None), ("source.off", "the tenant moves")]  # fmt: skip


def test_only_who_looks_after_sources_sets_them_up(db: Served, people: dict[str, str]) -> None:
    viewer = serve.sign_in(db.instance, people["leader"])
    before = (db.instance.home / "c360.toml").read_bytes()
    calls: list[Callable[[], object]] = [
        lambda: serve.connectors(viewer, db),
        lambda: serve.source_setup(viewer, db, "erp"),
        lambda: serve.configure_source(viewer, db, "erp", {"legal_hold": True}),
        lambda: serve.add_source(viewer, db, {"name": "x", "connector": "files", "role": "erp"}),
        lambda: serve.switch_source(viewer, db, "erp", is_on=False, note="x"),
        lambda: serve.request_full(viewer, db, "erp"),
    ]
    for call in calls:
        with pytest.raises(FatalError, match="does not look after sources"):
            call()
    assert (db.instance.home / "c360.toml").read_bytes() == before


def test_no_secret_is_shown_and_a_reference_says_whether_it_resolves(db: Served, owner: Viewer) -> None:
    found = {one["name"]: one for one in serve.source_setup(owner, db, "erp")["settings"]}
    assert found["app_secret"]["value"].startswith("file:")
    assert found["app_secret"]["resolves"] is True
    assert not serve.resolves(owner, db, "env:C360_NOT_SET_ANYWHERE")
    config_file.change_source(db.instance.home / "c360.toml", "erp", {"settings": {"app_secret": "by-value-4711"}})
    db.instance.reread_sources()
    assert "4711" not in json.dumps(serve.source_setup(owner, db, "erp"), default=str)


def setup(**more: Any) -> dict[str, Any]:
    setting = {"name": "api_key", "help": "x", "type": "text", "required": True, "is_secret": True, "choices": [],
               "default": None, "value": "env:<KEY>", "is_default": False, "resolves": False}  # fmt: skip
    row = {"source": "erp", "status": "active", "schedule": "every 2h", "problem": None, "max_age_minutes": 90,
           "next": [NOW + timedelta(hours=at) for at in (1, 3, 5)], "limits": {"": 90, "AR_Match": 30},
           "keep_versions_days": 365, "legal_hold": True, "settings": [setting]}  # fmt: skip
    return row | more


def test_what_is_in_effect_is_told_in_both_languages() -> None:
    zh = setup_panel.in_effect(LOOKS["zh"], setup())
    for word in ("正式", "11-22 13:00、11-22 15:00、11-22 17:00", "保留 365 天", "AR_Match 30 分", "未找到密钥"):
        assert word in zh
    assert "env:&lt;KEY&gt;" in zh
    by_hand = setup(schedule=None, next=[], keep_versions_days=None, legal_hold=False, status="off")
    en = setup_panel.in_effect(LOOKS["en"], by_hand)
    for word in ("by hand only", "all kept", "off", "no secret found"):
        assert word in en
    assert "whenever &lt;" in setup_panel.in_effect(LOOKS["en"], setup(problem="whenever <"))


def test_what_reading_everything_again_costs_is_told() -> None:
    found = {"streams": 4, "rows_landed": 1348, "requests": 8, "bytes": 321_600, "seconds": 1.2}
    assert "4 个对象，约 1,348 行、8 次请求、321.6 kB" in setup_panel.cost(LOOKS["zh"], found)
    assert "4 streams, about 1,348 rows, 8 requests, 321.6 kB" in setup_panel.cost(LOOKS["en"], found)


def opened(user: str, **params: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "views" / "main.py"), default_timeout=60)
    app.session_state["user"] = user
    app.query_params["lang"] = "en"
    app.run()
    app.switch_page("sources.py")
    for name, value in {"lang": "en", **params}.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def fill(app: AppTest, label: str, value: str) -> None:
    next(one for one in app.text_input if one.label == label).set_value(value)
    app.run()


def press(app: AppTest, msgid: str) -> None:
    next(one for one in app.button if one.label == text("en", msgid)).click()
    app.run()
    assert not app.exception


def shown(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in app.html)


@pytest.mark.usefixtures("home")
def test_the_owner_adds_a_source_and_a_secret_is_never_typed_in(
    db: Served, people: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_SHOP_KEY", "hunter2-4711")
    path = db.instance.home / "c360.toml"
    app = opened(people["integration"], add="1")
    next(one for one in app.selectbox if one.label == "Connector").set_value("odoo")
    app.run()
    fill(app, text("en", "setup.name"), "shop")
    fill(app, "base_url (required)", "https://shop.example.com")
    fill(app, "api_key (required)", "swordfish-99")
    assert text("en", "setup.no_reference") in shown(app)
    before = path.read_bytes()
    press(app, "setup.add")
    assert path.read_bytes() == before
    assert "by reference only" in shown(app)
    assert "swordfish" not in shown(app)
    fill(app, "api_key (required)", "env:C360_SHOP_KEY")
    assert text("en", "setup.resolves") in shown(app)
    press(app, "setup.add")
    added = Instance.load(db.instance.home).config.source("shop")
    assert (added.connector, added.role, added.status, added.schedule) == ("odoo", "erp", "shadow", "every 15m")
    assert added.settings == {"base_url": "https://shop.example.com", "api_key": "env:C360_SHOP_KEY"}
    assert "hunter2" not in path.read_text(encoding="utf-8") + shown(app)


@pytest.mark.usefixtures("home")
def test_a_schedule_is_saved_when_its_times_have_been_seen(db: Served, people: dict[str, str]) -> None:
    app = opened(people["integration"], source="erp")
    save = next(one for one in app.button if one.label == text("en", "setup.save"))
    assert save.disabled, "nothing has changed"
    fill(app, text("en", "setup.every_field"), "sometimes")
    assert text("en", "setup.not_understood") in shown(app)
    fill(app, text("en", "setup.every_field"), "2h")
    assert text("en", "setup.not_understood") not in shown(app)
    press(app, "setup.save")
    assert Instance.load(db.instance.home).config.source("erp").schedule == "every 2h"
    assert "every 2h" in shown(app)
    assert text("en", "whole.did.source_configure") in shown(app)


@pytest.mark.usefixtures("home")
def test_who_does_not_look_after_sources_sees_no_setup(people: dict[str, str]) -> None:
    app = opened(people["leader"], source="erp")
    assert "p-setup" not in shown(app)
    assert text("en", "setup.add") not in shown(app)
    assert "p-add" not in shown(opened(people["leader"], add="1"))
