"""A steward's work end to end in a real Chromium: queue, pair, decision, build, history, taken apart, restored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import open_context, settle, sign_in
from conftest import serving
from playwright.sync_api import Browser, Page, expect

from model import serve
from model.identity import match_train
from ops.instance import Instance
from ops.leases import lease
from ops.tables import sync_requests
from run import chain
from run.scheduler import take_builds
from tests.warehouse import helpers

pytestmark = pytest.mark.browser
# The CRM's name, and the ERP's name under the same phone: nobody's to say but a person's.
NAMES = [("松岭纺织有限公司", "松岭服装有限公司"), ("青禾食品有限公司", "福满园食品有限公司")]


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Instance]:
    """A built company of two systems whose customers the matcher cannot settle, with money on the ERP's side."""
    made = helpers.instance(tmp_path / "i", mode="demo")
    with helpers.open_staging(made) as con:
        helpers.put(con, "employee", "crm", [
            {"id": f"u{n}", "name": f"员工{n}", "email": f"u{n}@example.com"} for n in range(2)])  # fmt: skip
        helpers.put(con, "customer", "crm", [
            {"id": f"a{n}", "code": f"KH-{n}", "name": one, "phone": f"0215555000{n}", "city": "上海",
             "owner_id": f"u{n}"} for n, (one, _) in enumerate(NAMES)])  # fmt: skip
        helpers.put(con, "customer", "erp", [
            {"id": f"b{n}", "code": f"C-{n}", "name": other, "phone": f"0215555000{n}", "city": "上海"}
            for n, (_, other) in enumerate(NAMES)])  # fmt: skip
        helpers.put(con, "invoice", "erp", [
            {"id": f"i{n}", "number": f"INV-{n}", "customer_id": f"b{n}", "currency": "CNY",
             "invoice_on": "2026-09-01", "due_on": "2026-10-01", "gross_amount": 1000 * (2 - n)}
            for n in range(len(NAMES))])  # fmt: skip
    match_train.train(made)
    helpers.make(made)
    yield made
    made.store.close()


@pytest.fixture
def page(browser: Browser, books: Instance) -> Iterator[Page]:
    """The steward signed in, while a scheduler is there to take requests."""
    steward = next(one["user"] for one in serve.personas(books) if one["role"] == "steward")
    with serving(books.home) as address, lease(books.store, "scheduler", ttl_s=300):
        context = open_context(browser)
        opened = context.new_page()
        sign_in(opened, address, steward, "en")
        opened.goto(f"{address}/trust?lang=en")
        settle(opened)
        yield opened
        context.close()


def customers(books: Instance) -> dict[str, str]:
    """Record → customer number, as published now."""
    db = serve.open_published(books)
    rows = db.rows("select source, source_id, customer_key from identity.customer_crosswalk where source_id <> ''")
    return {f"{row['source']}:{row['source_id']}": row["customer_key"] for row in rows}


def money(books: Instance) -> list[dict[str, Any]]:
    """What every customer owes."""
    found = serve.aging(serve.sign_in(books, "operator"), serve.open_published(books))
    return sorted(
        ({name: row[name] for name in ("customer_key", "open", "currency")} for row in found["rows"]), key=str
    )


def said(page: Page, words: str) -> None:
    """See that something was done, and wait until the page stands still."""
    expect(page.locator("[data-testid=stToast]").filter(has_text=words).first).to_be_visible()
    settle(page)


def build(page: Page, books: Instance) -> None:
    """What the scheduler does with the request; the open page follows by itself."""
    strip = page.locator(".st-key-build_strip")
    expect(strip).to_contain_text("Build requested")
    assert take_builds(books)
    assert chain.refresh(books, sources=[]).problems == []
    with books.store.begin() as connection:
        connection.execute(sync_requests.update().values(state="done"))
    expect(strip).to_have_count(0)
    settle(page)


def look_at_the_pair(page: Page) -> None:
    """Walk the queue by key; the shown pair marks what differs, says why, and what deciding would do."""
    rows, detail = page.locator(".worklist tbody tr"), page.locator(".st-key-card_detail")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text(NAMES[0][0])
    page.keyboard.press("j")
    expect(detail.locator(".sides")).to_contain_text("青禾")
    page.keyboard.press("k")
    expect(detail.locator(".sides tbody tr").first).to_contain_text("≠")
    expect(detail.locator(".sides mark").first).to_have_text("纺织")
    fall = detail.locator("table.fall")
    expect(fall).to_contain_text("Name")
    expect(fall).to_contain_text("Phone")
    expect(fall.locator("tr").last).to_contain_text("Total")
    effect = detail.locator(".effects")
    expect(detail).to_contain_text("2 customers become 1")
    expect(effect.locator("tbody tr").last).to_contain_text("2.00k")


def decide(page: Page) -> None:
    """The first pair the same, with a reason; the next one unsure by key, and taken back."""
    detail, waiting = page.locator(".st-key-card_detail"), page.locator(".st-key-cardlet_waiting")
    reason = detail.get_by_label("Reason")
    settle(page)  # while the page is drawn anew, what it replaces may still be there and take the words with it
    expect(reason).to_have_count(1)
    reason.fill("one company, two trades")
    reason.press("Tab")
    settle(page)
    expect(reason).to_have_value("one company, two trades")
    detail.get_by_role("button", name="Same (1)").click()
    said(page, "Decided the same: 1 pair")
    expect(waiting).to_contain_text("one company, two trades")
    expect(page.locator(".worklist tbody tr")).to_have_count(1)
    expect(detail.locator(".sides")).to_contain_text("青禾")
    page.keyboard.press("3")
    said(page, "Noted as unsure")
    expect(page.locator("#p-queue")).to_contain_text("Nothing to review")
    waiting.get_by_role("button", name="Take back").first.click()
    said(page, "Taken back")
    expect(page.locator(".worklist tbody tr")).to_have_count(1)


def take_apart(page: Page) -> None:
    """Tick the ERP's record on the customer's records, read the effect, take it out."""
    page.locator('input[data-pick="erp:b0"]').check()
    card = page.locator(".st-key-cardlet_apart")
    expect(card).to_contain_text("1 customer becomes 2")
    expect(card).to_contain_text("1 decision taken back")
    card.get_by_role("button", name="Take apart").click()
    said(page, "1 record taken out")


def test_two_customers_become_one_and_are_taken_apart_again(page: Page, books: Instance) -> None:
    before, owed = customers(books), money(books)
    assert before["crm:a0"] != before["erp:b0"]
    look_at_the_pair(page)
    decide(page)
    build(page, books)
    joined = customers(books)
    assert joined["crm:a0"] == joined["erp:b0"]

    page.goto(re.sub(r"/trust.*", "/customer?lang=en&customer=KH-0", page.url))
    records = page.locator("#p-records")
    expect(records.locator("tbody tr")).to_have_count(2)
    expect(records).to_contain_text(NAMES[0][0])
    expect(records).to_contain_text(NAMES[0][1])
    expect(page.locator("#p-receivables")).to_contain_text("INV-0")
    records.get_by_role("link", name="Records behind this customer").click()
    drawing = page.locator("svg.cluster")
    expect(drawing.locator(".node")).to_have_count(2)
    expect(drawing.locator(".link.decision")).to_have_count(1)
    life = page.locator("#p-life")
    expect(life).to_contain_text("merged into")
    expect(life).to_contain_text("one company, two trades")

    take_apart(page)
    build(page, books)
    expect(drawing.locator(".node:not(.out)")).to_have_count(1)
    expect(life).to_contain_text("Taken back")
    assert customers(books) == before
    assert money(books) == owed
    rows = serve.review_queue(serve.sign_in(books, "operator"), serve.open_published(books))["rows"]
    assert len(rows) == len(NAMES)
