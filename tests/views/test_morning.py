"""A morning's work in the account manager's role: from the digest's link to tomorrow's state, in a real Chromium."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from browser import open_context, settle
from conftest import serving
from playwright.sync_api import Browser, Page, expect

from model import serve
from model.alerts import listing
from model.alerts.rule import load
from model.delivery.digest import compose
from model.delivery.people import Target
from model.serve.recipients import finance_contacts
from ops import clock
from ops.instance import Instance
from ops.letter_tables import letters
from ops.tables import disputes, notes, promises, statements, suggestions, work_events

pytestmark = pytest.mark.browser
# 09:00 in Shanghai.
MORNING = datetime.combine(clock.now().date(), time(1, 0), UTC)
TOMORROW = MORNING + timedelta(days=1)


@pytest.fixture
def home(demo: Path, tmp_path: Path) -> Path:
    """A copy of the demo instance without what other tests did in it: what this test writes stays its own."""
    copy = tmp_path / "demo"
    shutil.copytree(demo, copy, ignore=shutil.ignore_patterns("documents"))
    store = Instance.load(copy).store
    with store.begin() as connection:
        for table in (promises, disputes, notes, work_events, statements, suggestions, letters):
            connection.execute(table.delete())
    store.close()
    return copy


@pytest.fixture
def manager(home: Path) -> str:
    people = {one["role"]: str(one["user"]) for one in serve.personas(Instance.load(home))}
    return people["account_manager"]


def digest_links(home: Path, user: str) -> tuple[str, str]:
    """(link of the overdue section, link of its first line) of the digest this person would receive, without host."""
    instance = Instance.load(home)
    viewer = serve.sign_in(instance, user)
    mine = {row["alert_id"] for row in serve.alerts(viewer, serve.open_published(instance))}
    rows = [row for row in listing(instance.store) if row["alert_id"] in mine and row["rule"] == "overdue"]
    customers = serve.worklist(viewer, serve.open_published(instance))
    names = {row["customer_key"]: row["name"] for row in customers}
    found = [{**row, "customer": names.get(row["customer_key"])} for row in rows if row["customer_key"] in names]
    target = Target(str(viewer.employee_key), viewer.name, "mail", "a@example.com", "en", viewer.masks)
    rules = {rule.id: rule for rule in load(instance.config_dir)}
    section = compose(instance, target, found, rules, MORNING.date()).sections[0]
    return tuple("/" + link.split("/", 3)[3] for link in (section.link, section.lines[0].link))  # type: ignore[return-value]


def open_page(browser: Browser, address: str, user: str, path: str) -> Page:
    """A page of a fresh profile that followed a link, signed in on the way."""
    context = open_context(browser)
    page = context.new_page()
    page.goto(address + path + ("&" if "?" in path else "?") + "lang=en")
    page.locator(f'.door button[value="{user}"]').click()
    page.locator(".worklist tr.chosen").wait_for()
    settle(page)
    return page


def choose(page: Page, label: str, value: str) -> None:
    """Choose `value` in the select box `label`."""
    box = page.locator(".st-key-card_detail [data-testid=stSelectbox]").filter(has_text=label).last
    box.locator("input").click()
    page.get_by_role("option", name=value).first.click()
    settle(page)


def press(page: Page, action: str) -> None:
    """Choose an action of the chosen customer's card."""
    page.locator(".st-key-card_detail").get_by_role("radio", name=action, exact=True).or_(
        page.locator(".st-key-card_detail").get_by_role("button", name=action, exact=True)
    ).first.click()
    settle(page)


def save(page: Page, said: str) -> None:
    """Press Save and see that it was saved."""
    page.locator(".st-key-card_detail").get_by_role("button", name="Save").first.click()
    expect(page.locator("[data-testid=stToast]").filter(has_text=said).first).to_be_visible()
    settle(page)


def record_morning(page: Page, customer: str, first: str, second: str) -> None:
    """Log a call, record a promise for today on `first` and a dispute over part of `second`."""
    detail = page.locator(".st-key-card_detail")
    expect(detail.locator("h2").first).to_have_text(customer)
    press(page, "Call")
    choose(page, "Result", "Promised to pay")
    detail.get_by_label("Note", exact=True).fill("Pays the first today")
    save(page, "Call")
    detail.locator(".items tr", has_text=first).locator("a").click()
    expect(page.locator('.drawer[role="dialog"] h2')).to_contain_text(first)
    page.keyboard.press("Escape")
    press(page, "Promise")
    detail.get_by_label("year, Promised on").click()
    page.keyboard.type(f"{MORNING:%Y%m%d}")
    page.keyboard.press("Tab")
    save(page, "Promise")
    expect(detail.locator(".items tr", has_text=first)).to_contain_text("Promised")
    detail.locator(".items tr", has_text=second).locator("a").click()
    page.locator(".drawer .close").wait_for()
    page.keyboard.press("Escape")
    press(page, "Dispute")
    choose(page, "Reason", "Quantity differs")
    amount = detail.get_by_role("textbox", name="Disputed amount")
    amount.fill("1000")
    amount.press("Tab")
    save(page, "Dispute")


def send_statement(page: Page) -> None:
    """Download the statement in both forms, mail it after a look at the mail, then record it as sent."""
    detail = page.locator(".st-key-card_detail")
    detail.get_by_text("Statement of account").first.click()
    button = detail.get_by_role("button", name="PDF").first
    button.wait_for()
    settle(page)
    with page.expect_download() as got:
        button.click()
    assert got.value.path().read_bytes().startswith(b"%PDF")
    with page.expect_download() as got:
        detail.get_by_role("button", name="Excel").first.click()
    assert got.value.path().read_bytes().startswith(b"PK")
    settle(page)
    detail.get_by_role("button", name="Send by mail").first.click()
    envelope = detail.locator(".envelope")
    expect(envelope).to_contain_text("In a demo no mail leaves")
    expect(envelope.locator("dd").first).to_contain_text("@")
    detail.get_by_role("radio", name="Excel").first.click()
    expect(envelope).to_contain_text(".xlsx")
    settle(page)
    detail.get_by_role("button", name="Confirm (demo, nothing leaves)").click()
    expect(page.locator("[data-testid=stToast]").filter(has_text="kept as a file").first).to_be_visible()
    expect(detail.get_by_text("kept (demo)").first).to_be_visible()
    expect(envelope).to_have_count(0)
    settle(page)
    detail.get_by_role("button", name="Record as sent").first.click()
    expect(page.locator("[data-testid=stToast]").filter(has_text="Recorded as sent").first).to_be_visible()
    expect(detail.get_by_text("waiting").first).to_be_visible()


def lines(home: Path, user: str, customer_key: str) -> dict[str, dict[str, Any]]:
    """Invoice number → work item of the customer, as the account manager's questions answer."""
    instance = Instance.load(home)
    viewer = serve.sign_in(instance, user)
    found = serve.work_items(viewer, serve.open_published(instance), customer_key=customer_key)
    return {row["invoice_number"]: row for row in found}


def test_a_mornings_work_and_the_next_one(
    browser: Browser, home: Path, manager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("C360_NOW", MORNING.isoformat())
    section, line = digest_links(home, manager)
    assert section.startswith("/receivables?rule=overdue")
    key = re.search(r"customer=(C\d+)", line)
    assert key is not None
    instance = Instance.load(home)
    worklist = serve.worklist(serve.sign_in(instance, manager), serve.open_published(instance))
    served = serve.open_published(instance)
    customer = next(row for row in worklist if row["items"] >= 2 and row["state"] == "not_contacted"
                    and len(finance_contacts(served, row["customer_key"])) == 1)  # fmt: skip
    items = lines(home, manager, customer["customer_key"])
    first, second = sorted(items, key=lambda number: items[number]["open_amount"])[:2]

    with serving(home, MORNING) as address:
        page = open_page(browser, address, manager, section)
        expect(page.locator(".rest .chip")).to_contain_text("Alert")
        page.get_by_label("Search", exact=True).fill(customer["name"][:4])
        page.get_by_label("Search", exact=True).press("Enter")
        page.wait_for_url(re.compile("text="))
        settle(page)
        expect(page.locator(".worklist tbody tr")).to_have_count(1)
        page.reload()
        settle(page)
        expect(page.get_by_label("Search", exact=True)).to_have_value(customer["name"][:4])
        record_morning(page, customer["name"], first, second)
        send_statement(page)
        expect(page.locator("#p-promises")).to_contain_text("Promised for today: 1")
        page.context.close()

    state = lines(home, manager, customer["customer_key"])
    assert state[first]["promise"]["state"] == "open"
    assert state[first]["promise"]["amount"] == items[first]["open_amount"]
    assert state[second]["dispute"]["amount"] == Decimal(1000)
    assert state[second]["chaseable_amount"] == items[second]["open_amount"] - 1000

    monkeypatch.setenv("C360_NOW", TOMORROW.isoformat())
    with serving(home, TOMORROW) as address:
        page = open_page(browser, address, manager, "/receivables")
        strip = page.locator("#p-promises")
        expect(strip).to_contain_text("Broken promises: 1")
        expect(strip).to_contain_text("yesterday")
        strip.get_by_role("link", name=customer["name"]).click()
        detail = page.locator(".st-key-card_detail")
        expect(detail.locator(".items tr", has_text=first)).to_contain_text("Promise broken")
        expect(detail.locator(".items tr", has_text=second)).to_contain_text("Disputed")
        history = detail.locator("#p-history")
        for action in ("Call", "Promise", "Dispute", "Statement sent"):
            expect(history).to_contain_text(action)
        expect(page.locator(".worklist tr.chosen")).to_contain_text("Promise broken")
        page.context.close()

    tomorrow = lines(home, manager, customer["customer_key"])
    assert tomorrow[first]["status"] == "promise_broken"
    assert tomorrow[first]["promise"]["broken_amount"] == items[first]["open_amount"]
    assert tomorrow[second]["status"] == "dispute"
    sent = serve.statements(serve.sign_in(instance, manager), serve.open_published(instance))
    assert [row["state"] for row in sent] == ["sent"]
    assert sent[0]["days"] == 1
    [mail] = serve.mailed_letters(serve.sign_in(instance, manager), serve.open_published(instance))
    assert (mail["kind"], mail["state"], mail["customer_key"]) == ("statement", "kept", customer["customer_key"])
    [kept] = (home / "documents" / "statements").glob("*.eml")
    [attached] = list(message_from_bytes(kept.read_bytes(), policy=default).iter_attachments())
    assert attached.get_content().startswith(b"PK")
