"""Nothing that a source system wrote can become markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sample

from views.parts import head, tiles
from views.parts.format import Look
from views.parts.html import Column, Html, Row, h, table, tag
from views.parts.panels import PANELS

LOOK = Look("zh", "Asia/Shanghai", datetime(2026, 11, 22, 4, 0, tzinfo=UTC))
ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def poisoned(value: Any) -> Any:
    """The same shape with every text replaced by an attack, except the words that steer drawing."""
    if isinstance(value, dict):
        keep = {"status", "state", "level", "currency"}
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
    drawn = head.identity(LOOK, found) + str(head.since(LOOK, found)) + tiles.strip(LOOK, found)
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
