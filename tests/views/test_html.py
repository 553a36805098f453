"""Nothing that a source system wrote can become markup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import fake_serve
import pytest

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
    viewer = fake_serve.PEOPLE["lin"]
    found = poisoned(fake_serve.customer(viewer, None, "C000001"))
    drawn = PANELS[name](LOOK, found, {})
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&lt;script" in drawn


def test_head_and_tiles_survive_an_attack() -> None:
    viewer = fake_serve.PEOPLE["lin"]
    found = poisoned(fake_serve.customer(viewer, None, "C000001"))
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
    found = fake_serve.customer(fake_serve.PEOPLE["zhou"], None, "C000001")
    strip = tiles.strip(LOOK, found)
    assert "🔒" in strip
    assert "117 %" not in strip


def test_a_breached_ticket_comes_before_asking_for_money() -> None:
    found = fake_serve.customer(fake_serve.PEOPLE["lin"], None, "C000001")
    panel, sentence = head.next_action(LOOK, found)
    assert panel == "tickets"
    assert "48213" in sentence
    calm = {**found, "tickets": []}
    panel, sentence = head.next_action(LOOK, calm)
    assert panel == "receivables"
    assert "INV-20417" in sentence
