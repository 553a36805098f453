"""Nothing that a source system wrote can become markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import sample

from model.policy import HIDDEN
from views.parts import drawer, head, tiles
from views.parts.format import Look
from views.parts.html import Column, Html, Row, h, table, tag
from views.parts.panels import PANELS

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
LOOK = Look("zh", "Asia/Shanghai", NOW)
ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def poisoned(value: Any) -> Any:
    """The same shape with every text replaced by an attack, except the words that steer drawing."""
    if isinstance(value, dict):
        keep = {"status", "state", "level", "currency", "verdict", "reason", "basis"}
        return {key: item if key in keep else poisoned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item) for item in value]
    return ATTACK if isinstance(value, str) else value


def test_text_and_attributes_are_escaped() -> None:
    drawn = tag("a", ATTACK, href=ATTACK, title=ATTACK)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert drawn.count('"') == 4


def test_markup_of_this_package_is_not_escaped_twice() -> None:
    assert h(tag("b", "a & b")) == "<b>a &amp; b</b>"
    assert isinstance(h("x"), Html)


def test_a_table_says_what_it_is_and_hides_rows_past_five() -> None:
    rows = [Row([n, n], href="/customer?customer=C1" if n == 0 else None) for n in range(7)]
    drawn = table("Open items", [Column("a"), Column("b", "num")], rows, keep=5)
    assert "<caption>Open items</caption>" in drawn
    assert drawn.count('class="extra"') == 2
    assert drawn.count('scope="col"') == 2


@pytest.mark.parametrize("name", PANELS)
def test_every_panel_survives_an_attack_in_every_field(name: str) -> None:
    found = poisoned(sample.customer())
    drawn = PANELS[name](LOOK, found, {})
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&lt;script" in drawn


def test_head_and_tiles_survive_an_attack() -> None:
    found = poisoned(sample.customer())
    changes = {"since": NOW, "basis": "visit", "count": 4, "has_more": False, "events": found["timeline"]}
    drawn = head.identity(LOOK, found, NOW.date()) + str(head.since(LOOK, found, changes)) + tiles.strip(LOOK, found)
    assert "<script" not in drawn
    assert "<img" not in drawn


def test_a_customer_without_anything_still_has_every_panel() -> None:
    bare = {"customer_key": "C000009", "name": "空"}
    for name, draw in PANELS.items():
        assert f'id="p-{name}"' in draw(LOOK, bare, {})
    assert "未知" in tiles.strip(LOOK, bare)
    assert "空" in head.identity(LOOK, bare)


def test_hidden_credit_is_a_lock_not_a_number() -> None:
    found = sample.customer(frozenset({"credit"}))
    strip = tiles.strip(LOOK, found)
    assert "🔒" in strip
    assert "117 %" not in strip


@pytest.mark.parametrize(
    ("action", "panel", "said"),
    [
        ({"msgid": "action.solve_ticket", "subject": "48213", "n": None}, "tickets", "48213"),
        ({"msgid": "action.call_about_invoice", "subject": "INV-1", "n": 83}, "receivables", "83 天"),
        ({"msgid": "action.prepare_renewal", "subject": "HT-1", "n": None}, "contracts", "HT-1"),
        (None, "", ""),
    ],
)
def test_the_next_best_action_opens_its_panel(action: Any, panel: str, said: str) -> None:
    opened, sentence = head.next_action(LOOK, {"next_action": action})
    assert opened == panel
    assert said in sentence


def test_what_is_new_says_how_many_since_when_and_leaves_the_advice_out_of_a_past_day() -> None:
    found = sample.customer() | {"next_action": {"msgid": "action.solve_ticket", "subject": "48213", "n": None}}
    changes = {"since": NOW, "basis": "visit", "count": 2, "has_more": False, "events": found["timeline"][:2]}
    drawn = str(head.since(LOOK, found, changes))
    assert "以来 2 项变化" in drawn
    assert 'class="do"' in drawn
    nothing = changes | {"count": 0, "events": []}
    assert "没有变化" in str(head.since(LOOK, found, nothing))
    assert "首次查看" in str(head.since(LOOK, found, changes | {"basis": "first_visit"}))
    assert 'class="do"' not in str(head.since(LOOK, found | {"is_past": True}, changes))


@pytest.mark.parametrize("name", PANELS)
def test_rows_with_a_source_id_are_doors_to_their_record(name: str) -> None:
    found = sample.customer()
    for rows in (*(found[key] for key in found if isinstance(found[key], list)), found["receivables"]["items"]):
        for row in rows:
            row.setdefault("source", "erp")
            row["source_id"] = "77"
    found["door"] = lambda entity, source, source_id: f"/customer?record={entity}:{source}:{source_id}"
    drawn = PANELS[name](LOOK, found, {})
    assert re.search(r'<a href="/customer\?record=[a-z_]+:[a-z]+:[^"]+" data-nav="1" data-record="1"', drawn)
    assert "data-record" not in PANELS[name](LOOK, found | {"door": None}, {})


@pytest.mark.parametrize("name", PANELS)
def test_panels_without_history_say_so_on_a_past_day(name: str) -> None:
    drawn = PANELS[name](LOOK, sample.customer() | {"is_past": True}, {})
    assert ("现在</span>" in drawn) is (name != "receivables")


def test_a_record_shows_each_field_by_its_type() -> None:
    def cell(kind: str, value: Any, name: str = "x", entity: str = "ticket") -> str:
        return drawer.value(LOOK, entity, {"name": name, "type": kind, "value": value})

    assert cell("money", "1234.5") == "1,234.50"
    assert cell("quantity", "3.500000") == "3.5"
    assert cell("date", "2026-08-30") == "2026-08-30"
    assert "2026-11-22 12:00" in cell("instant", NOW)
    assert cell("boolean", False) == "否"
    assert cell("text", "urgent", "priority") == "紧急"
    assert cell("text", "<b>") == "&lt;b&gt;"
    assert "🔒" in cell("text", HIDDEN, "phone", "contact")
