"""The promises people rely on, in a real Chromium against the demo company."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium, open_context, settle, sign_in
from playwright.sync_api import Browser, Page, expect

from model import serve
from ops.instance import Instance

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def people(demo: Path) -> dict[str, str]:
    return {one["role"]: one["user"] for one in serve.personas(Instance.load(demo))}


@pytest.fixture(scope="module")
def debtor(demo: Path) -> dict[str, Any]:
    instance = Instance.load(demo)
    return serve.worklist(serve.sign_in(instance, "operator"), serve.open_published(instance))[0]


@pytest.fixture
def page(browser: Browser, url: str, people: dict[str, str]) -> Iterator[Page]:
    """A signed-in leader on a desktop, failing on any script error."""
    context = open_context(browser)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(opened, url, people["leader"])
    yield opened
    context.close()
    assert errors == []


def test_search_as_you_type_by_keyboard_opens_the_customer(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/overview")
    settle(page)
    page.keyboard.press("/")
    page.keyboard.type(debtor["name"][:6])
    page.locator(".hits li[role=option]").first.wait_for()
    page.keyboard.press("Enter")
    page.locator(".ident h1").wait_for()
    assert re.search(r"/customer\?customer=C\d+", page.url)


def test_back_returns_to_the_page_before(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}")
    page.locator(".ident h1").wait_for()
    page.locator('.c360bar nav a[href^="/sources"]').click()
    page.locator("#p-runs").wait_for()
    page.go_back()
    expect(page.locator(".ident h1")).to_have_text(debtor["name"])


def test_the_language_switch_keeps_the_customer(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=zh")
    page.locator(".ident h1").wait_for()
    page.locator(".c360bar .side a").first.click()
    expect(page.locator(".c360bar nav a").first).to_have_text("Customer")
    expect(page.locator(".ident h1")).to_have_text(debtor["name"])
    assert "lang=en" in page.url


def test_a_tile_opens_its_rows_in_place(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}")
    page.locator(".tiles").wait_for()
    page.locator('.tile[data-open="receivables"]').first.click()
    expect(page.locator("#p-receivables")).to_have_class(re.compile(r"\ball\b"))


def test_j_moves_down_the_worklist(page: Page, url: str) -> None:
    page.goto(f"{url}/receivables")
    page.locator(".worklist tr.chosen").wait_for()
    page.keyboard.press("j")
    page.wait_for_url(re.compile(r"customer=C"))
    expect(page.locator(".worklist tbody tr").nth(1)).to_have_class(re.compile("chosen"))


def test_a_deep_link_survives_signing_in(
    browser: Browser, url: str, people: dict[str, str], debtor: dict[str, Any]
) -> None:
    context = open_context(browser)
    page = context.new_page()
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en")
    page.locator(f'.door button[value="{people["leader"]}"]').click()
    expect(page.locator(".ident h1")).to_have_text(debtor["name"])
    context.close()


def test_nothing_of_the_host_shows(page: Page, url: str) -> None:
    page.goto(f"{url}/overview")
    settle(page)
    for part in ("stHeader", "stToolbar", "stAppDeployButton", "stStatusWidget", "stSidebar"):
        assert page.locator(f'[data-testid="{part}"]:visible').count() == 0
    assert page.locator('[role="dialog"]').count() == 0


@pytest.mark.parametrize("name", ["customer", "receivables", "renewals", "overview", "sources"])
def test_phone_pages_do_not_scroll_sideways(
    browser: Browser, url: str, people: dict[str, str], debtor: dict[str, Any], name: str
) -> None:
    context = open_context(browser, width=390, height=844)
    page = context.new_page()
    sign_in(page, url, people["leader"])
    page.goto(f"{url}/{name}?customer={debtor['customer_key']}")
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator(".stMain").evaluate("node => node.scrollWidth") <= 390
    context.close()


def test_dark_theme_follows_the_browser(browser: Browser, url: str, people: dict[str, str]) -> None:
    context = open_context(browser, scheme="dark")
    page = context.new_page()
    sign_in(page, url, people["leader"])
    settle(page)
    surface = page.locator(".c360bar").evaluate("node => getComputedStyle(node).backgroundColor")
    assert surface == "rgb(23, 27, 33)"
    context.close()


def test_a_note_with_markup_stays_text(page: Page, url: str, debtor: dict[str, Any]) -> None:
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(f"{url}/receivables?customer={debtor['customer_key']}&lang=en")
    page.get_by_role("button", name="Save").wait_for()
    page.get_by_label("Note", exact=True).fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Save").click()
    page.locator("[data-testid=stToast]").wait_for()
    settle(page)
    assert page.locator('img[src="x"]').count() == 0
    assert alerts == []


def test_a_forged_cookie_and_a_foreign_host_are_refused(browser: Browser, url: str) -> None:
    context = open_context(browser)
    context.add_cookies([{"name": "c360_session", "value": "ImxlYWRlciI.forged.forged", "url": url}])
    page = context.new_page()
    page.goto(url)
    page.locator(".door button").first.wait_for()
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "10.0.0.1"}):
        assert context.request.get(f"{url}/healthz", headers=headers).status == 403
    answer = context.request.post(f"{url}/session", form={"user": "operator"})
    assert answer.status == 403
    context.close()


def test_health_and_metrics_routes(browser: Browser, url: str) -> None:
    context = open_context(browser)
    health = context.request.get(f"{url}/healthz").json()
    assert health["status"] == "ok"
    metrics = context.request.get(f"{url}/metrics").text()
    assert "c360_up 1" in metrics
    assert 'c360_source_fresh{source="crm"} 1' in metrics
    context.close()
