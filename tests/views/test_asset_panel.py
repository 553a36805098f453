"""Devices and warranty on the customer screen: every device with its verdict, and the box for a serial number."""

from __future__ import annotations

from typing import Any

import pytest

from model import serve
from model.serve import Served
from ops.texts import text
from tests.views.test_pages import run, shown

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def held(finance: tuple[Any, Any]) -> dict[str, Any]:
    """The card of the customer whose open ticket names a device of its own."""
    viewer, db = finance
    key = db.rows(
        """select t.customer_key from core.fct_ticket as t
           join core.dim_asset as a on a.customer_key = t.customer_key and a.serial_key = t.serial_key
           where t.is_open order by t.customer_key limit 1"""
    )[0]["customer_key"]
    return serve.customer(viewer, db, key)


def panel_of(page: str, name: str) -> str:
    return page.split(f'id="p-{name}"')[1].split("</section>")[0]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_panel_says_the_verdict_on_every_device_in_words(
    held: dict[str, Any], people: dict[str, str], language: str
) -> None:
    page = shown(run("customer", people["service"], lang=language, customer=held["customer_key"]))
    drawn = panel_of(page, "assets")
    assert drawn.count("<tr") == len(held["assets"]) + 1
    for row in held["assets"]:
        assert row["serial_number"] in drawn
        assert text(language, f"enum.entitled.{row['verdict']}") in drawn
    named = [row["device"] for row in held["tickets"] if row["is_open"] and row["device"]]
    tickets = panel_of(page, "tickets")
    assert named
    for device in named:
        assert device["serial_number"] in tickets
        assert text(language, f"enum.entitled.{device['verdict']}") in tickets


def test_service_agents_read_devices_right_after_tickets(held: dict[str, Any], people: dict[str, str]) -> None:
    page = shown(run("customer", people["service"], lang="en", customer=held["customer_key"]))
    assert page.index('id="p-tickets"') < page.index('id="p-assets"') < page.index('id="p-contracts"')


def test_a_typed_number_gets_its_verdict_and_a_word_narrows_the_list(
    held: dict[str, Any], people: dict[str, str], finance: tuple[Any, Served]
) -> None:
    key, own = held["customer_key"], held["assets"][0]
    asked = {"lang": "en", "customer": key, "show": "devices"}
    assert 'id="p-devices"' not in shown(run("customer", people["service"], lang="en", customer=key))
    everything = panel_of(shown(run("customer", people["service"], **asked)), "devices")
    assert everything.count("<tr") == len(held["assets"]) + 1
    assert 'class="notice' not in everything
    typed = panel_of(shown(run("customer", people["service"], **asked, device=own["serial_number"].lower())), "devices")
    assert typed.count("<tr") == 2
    said = typed.split('class="notice')[1].split("<table")[0]
    assert text("en", f"enum.entitled.{own['verdict']}") in said
    assert "record=asset" in said
    nobody = panel_of(shown(run("customer", people["service"], **asked, device="ZZ-40404")), "devices")
    assert text("en", "entitled.why.unknown") in nobody
    assert "<table" not in nobody
    viewer, db = finance
    other = db.rows(
        """select serial_number from core.dim_asset where customer_key <> ? and serial_key not in (
               select serial_key from core.dim_asset where customer_key = ?) order by serial_key limit 1""",
        [key, key],
    )[0]["serial_number"]
    found = serve.entitlement(viewer, db, other, key)
    assert found["verdict"] == "other_customer"
    page = panel_of(shown(run("customer", people["service"], **asked, device=other)), "devices")
    assert found["customer"]["name"] in page
    del viewer
