"""The promises people rely on, in a real Chromium against the demo company."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from browser import CONTRAST, open_context, settle, sign_in
from playwright.sync_api import Browser, Dialog, Page, expect
from sqlalchemy import delete

from model import serve
from ops import clock
from ops.instance import Instance
from ops.leases import lease
from ops.store import stamp
from ops.tables import sync_requests, visits
from run.scheduler import take_requests

pytestmark = pytest.mark.browser


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
    page.locator(".c360bar .in").wait_for()
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


@pytest.mark.parametrize("name", ["customer", "receivables", "renewals", "overview", "trust", "sources"])
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

    def note(dialog: Dialog) -> None:
        alerts.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    page.goto(f"{url}/receivables?customer={debtor['customer_key']}&lang=en")
    page.get_by_role("button", name="Save").wait_for()
    page.get_by_label("Note", exact=True).fill("<img src=x onerror=alert(1)>")
    page.get_by_role("button", name="Save").click()
    page.locator("[data-testid=stToast]").wait_for()
    settle(page)
    assert page.locator('img[src="x"]').count() == 0
    assert alerts == []


@pytest.fixture
def integration(browser: Browser, url: str, people: dict[str, str]) -> Iterator[Page]:
    """A signed-in integration owner on the sources page, with no request in the store before and after."""
    context = open_context(browser)
    opened = context.new_page()
    sign_in(opened, url, people["integration"], "en")
    opened.goto(f"{url}/sources?lang=en")
    opened.locator("#p-runs").wait_for()
    yield opened
    context.close()


@pytest.fixture
def requests(demo: Path) -> Iterator[Instance]:
    """The instance, without sync requests before and after."""
    instance = Instance.load(demo)
    with instance.store.begin() as connection:
        connection.execute(delete(sync_requests))
    yield instance
    with instance.store.begin() as connection:
        connection.execute(delete(sync_requests))


def test_sync_now_writes_a_request_and_follows_it_to_its_end(requests: Instance, integration: Page) -> None:
    page, card = integration, integration.locator(".st-key-card_src_erp")
    card.get_by_role("button", name="Sync ERP now").click()
    expect(card.locator(".syncing")).to_contain_text("queued")
    expect(page.locator(".notice.amber")).to_contain_text("No scheduler is running")
    with lease(requests.store, "scheduler", ttl_s=60):
        page.reload()
        expect(card.locator(".syncing")).to_contain_text("starting", timeout=20_000)
        assert take_requests(requests) == ["erp"]
        expect(card.locator(".syncing")).to_contain_text("Collecting: 0 of", timeout=20_000)
        card.get_by_role("button", name="Stop ERP").click()
        expect(card.get_by_role("button", name="Stop ERP")).to_be_disabled()
        with requests.store.begin() as connection:
            connection.execute(sync_requests.update().values(state="done"))
        expect(card.locator(".syncing")).to_contain_text("Synced", timeout=20_000)
        expect(card.get_by_role("button", name="Sync ERP now")).to_be_enabled()


def test_a_chosen_stream_can_be_collected_alone(requests: Instance, integration: Page, url: str) -> None:
    integration.locator('.st-key-card_src_erp a[href*="source=erp"]').click()
    integration.locator("#p-streams").wait_for()
    integration.locator('.st-key-card_streams tr[data-row*="stream=BD_Customer"] a').click()
    integration.get_by_role("button", name="Sync BD_Customer now").click()
    expect(integration.locator(".st-key-card_src_erp .syncing")).to_contain_text("BD_Customer")
    assert take_requests(requests) == ["erp/BD_Customer"]


def test_other_roles_have_no_sync_button(page: Page, url: str) -> None:
    page.goto(f"{url}/sources")
    page.locator("#p-runs").wait_for()
    assert page.locator("[class*=st-key-card_src]").count() == 4
    assert page.locator("[class*=st-key-card_src] button").count() == 0


def test_a_pinned_customer_and_a_recent_one_stand_under_the_search_box(
    page: Page, url: str, debtor: dict[str, Any]
) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en")
    page.locator(".pin").wait_for()
    assert page.locator(".pin").get_attribute("aria-pressed") == "false"
    page.locator(".pin").click()
    expect(page.locator('.pin[aria-pressed="true"]')).to_have_count(1)
    page.goto(f"{url}/overview?lang=en")
    settle(page)
    page.keyboard.press("/")
    first = page.locator(".hits li[role=option]").first
    expect(first).to_contain_text(debtor["name"])
    expect(first).to_contain_text("Pinned")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator(".ident h1")).to_have_text(debtor["name"])
    page.locator(".pin").click()
    expect(page.locator('.pin[aria-pressed="false"]')).to_have_count(1)
    page.goto(f"{url}/customer?lang=en")
    row = page.locator("#p-kept tbody tr").first
    expect(row).to_contain_text(debtor["name"])
    expect(row).to_contain_text("today")


def test_what_is_new_since_the_last_visit_is_counted_and_dated(
    browser: Browser, url: str, people: dict[str, str], demo: Path, debtor: dict[str, Any]
) -> None:
    instance = Instance.load(demo)
    with instance.store.begin() as connection:
        connection.execute(delete(visits).where(visits.c.user == people["finance"]))
    context = open_context(browser)
    page = context.new_page()
    sign_in(page, url, people["finance"], "en")
    address = f"{url}/customer?customer={debtor['customer_key']}&lang=en"
    page.goto(address)
    expect(page.locator(".since")).to_contain_text("First look")
    days_ago = stamp(clock.now() - timedelta(days=3))
    with instance.store.begin() as connection:
        old = {"last_at": days_ago, "last_data": days_ago}
        connection.execute(visits.update().where(visits.c.user == people["finance"]).values(**old))
    viewer = serve.sign_in(instance, people["finance"])
    changes = serve.changes_since(viewer, serve.open_published(instance), debtor["customer_key"])
    assert changes["basis"] == "visit"
    page.goto(address)
    page.locator(".since b").first.wait_for()
    title = page.locator(".since b").first.inner_text()
    assert str(changes["count"]) in title if changes["count"] else "Nothing new since" in title
    assert "First look" not in title
    context.close()


def test_a_row_opens_its_source_record_and_escape_closes_it(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en")
    door = page.locator("#p-receivables tbody a[data-record]").first
    number = door.inner_text().split(" ")[0]
    door.click()
    drawer = page.locator('.drawer[role="dialog"]')
    expect(drawer.locator("h2")).to_contain_text(number)
    expect(drawer.locator(".close")).to_be_focused()
    assert drawer.locator("dl dt").count() > 5
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert "record=" not in page.url
    expect(door).to_be_focused()


def test_a_record_that_is_not_there_is_said(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en&record=invoice:erp:none")
    expect(page.locator(".drawer .notice")).to_contain_text("no such record")


def test_a_past_day_is_said_and_left_again(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en&as_of=2026-01-31")
    banner = page.locator(".notice.amber")
    expect(banner).to_contain_text("As it stood on 2026-01-31")
    expect(page.locator("#p-tickets .phead")).to_contain_text("as now")
    expect(page.locator("#p-receivables .phead")).not_to_contain_text("as now")
    assert page.locator(".since .do").count() == 0
    banner.get_by_role("link").click()
    expect(page.locator(".notice.amber")).to_have_count(0)
    assert "as_of" not in page.url


def test_the_card_prints_on_few_pages_without_controls(page: Page, url: str, debtor: dict[str, Any]) -> None:
    page.goto(f"{url}/customer?customer={debtor['customer_key']}&lang=en")
    settle(page)
    page.emulate_media(media="print")
    for hidden in (".c360bar", ".kinds", ".pin"):
        expect(page.locator(hidden).first).to_be_hidden()
    printed = page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type /Page\b", printed)) <= 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_contrast_is_at_least_4_5(
    browser: Browser, url: str, people: dict[str, str], debtor: dict[str, Any], scheme: str
) -> None:
    context = open_context(browser, scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    sign_in(page, url, people["finance"], "en")
    for path in (f"customer?customer={debtor['customer_key']}&", "receivables?", "renewals?", "trust?"):
        page.goto(f"{url}/{path}lang=en")
        settle(page)
        measured = page.evaluate(CONTRAST)
        assert measured["texts"] > 60
        assert measured["weak"] == {}
    context.close()


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
