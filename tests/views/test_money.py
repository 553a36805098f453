"""Receivables and finance: filters from the address, several items at once, aging cells and the lists behind tiles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from browser import CONTRAST, open_context, settle, sign_in
from playwright.sync_api import Browser, Page, expect
from test_pages import run, shown

from model import serve
from ops.errors import FatalError
from ops.texts import text
from views.parts import finance_control
from views.parts.format import Look

pytestmark = pytest.mark.usefixtures("home")


def panel_of(page: str, name: str) -> str:
    """The markup of one panel."""
    return page.split(f'id="p-{name}"')[1].split("</section>")[0]


def listed(page: str) -> list[str]:
    """Customer keys of the worklist, in order."""
    body = page.split('class="worklist"')[1].split("<tbody>")[1].split("</tbody>")[0]
    return re.findall(r'<tr[^>]*data-row="[^"]*customer=(C\d+)', body)


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ({"bucket": "FIRST"}, {"bucket": "FIRST"}),
        ({"state": "not_contacted"}, {"state": "not_contacted"}),
        ({"ccy": "CNY", "min": "100,000"}, {"currency": "CNY", "min_amount": 100_000}),
        ({"state": "nonsense", "min": "-5"}, {}),
    ],
)
def test_the_address_filters_the_worklist(
    finance: tuple[Any, Any], people: dict[str, str], given: dict[str, str], options: dict[str, Any]
) -> None:
    # A bucket that somebody is in.
    first = serve.worklist(*finance)[0]["buckets"][0]
    given = {name: value.replace("FIRST", first) for name, value in given.items()}
    options = {name: first if value == "FIRST" else value for name, value in options.items()}
    expected = serve.worklist(*finance, **options)
    assert expected
    page = shown(run("receivables", people["finance"], lang="en", **given))
    assert listed(page) == [row["customer_key"] for row in expected[:60]]


def test_a_digest_section_opens_its_rules_customers(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    late = {row["customer_key"] for row in serve.alerts(*finance) if row["rule"] == "overdue"}
    expected = [row["customer_key"] for row in serve.worklist(*finance) if row["customer_key"] in late]
    assert expected
    assert listed(shown(run("receivables", people["finance"], lang="en", rule="overdue"))) == expected[:60]


def test_filters_that_match_nobody_say_so(people: dict[str, str]) -> None:
    page = shown(run("receivables", people["finance"], lang="en", text="no such customer 99"))
    assert text("en", "work.none_filtered") in page


def test_a_past_day_shows_that_day_and_takes_no_action(people: dict[str, str]) -> None:
    app = run("receivables", people["finance"], lang="en", as_of="2026-06-30")
    assert text("en", "work.list") in shown(app)
    assert all(button.label != text("en", "act.save") for button in app.button)
    assert "data-pick" not in shown(app)


@pytest.mark.parametrize("basis", ["due", "invoice", "business", "recognition"])
@pytest.mark.parametrize("by", ["customer", "group", "owner", "region", "organisation", "product_line"])
def test_the_aging_prints_its_basis_and_totals(
    finance: tuple[Any, Any], people: dict[str, str], basis: str, by: str
) -> None:
    page = shown(run("receivables", people["finance"], lang="en", view="aging", basis=basis, by=by, net="credits"))
    assert text("en", "aging.printed", basis=text("en", f"aging.basis_{basis}"), on=finance[1].today()) in page
    assert text("en", "aging.is_netted_credits") in page
    assert text("en", "aging.is_apart_unallocated") in page
    for total in serve.aging(*finance, basis=basis, by=by, net=("credits",))["totals"]:
        assert f"{total['open']:,.2f}" in page


def test_an_aging_cell_opens_its_items(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    row = next(row for row in serve.aging(*finance)["rows"] if row["overdue"])
    bucket = next(name for name, amount in row["buckets"].items() if amount)
    where = {"group": row["customer_key"], "gccy": row["currency"], "bucket_of": bucket}
    page = shown(run("receivables", people["finance"], lang="en", view="aging", **where))
    found = serve.aging_rows(*finance, bucket, group=row["customer_key"], currency=row["currency"])
    panel = page.split('id="p-aging_items"')[1].split("</section>")[0]
    assert panel.count("<tr") == len(found) + 1
    assert all(one["invoice_number"] in panel for one in found)


def test_every_finance_tile_opens_a_list_that_is_there(people: dict[str, str]) -> None:
    page = shown(run("finance", people["leader"], lang="en"))
    doors = set(re.findall(r'data-open="(\w+)"', page))
    assert len(doors) == 7
    assert all(f'id="p-{door}"' in page for door in doors)
    assert "view=books" in page.split('class="tiles')[1]
    assert 'id="p-faults"' in shown(run("finance", people["leader"], lang="en", view="books"))


def test_finances_lists_hold_what_the_questions_answer(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    page = shown(run("finance", people["finance"], lang="zh"))
    for row in serve.unapplied(*finance):
        assert row["number"] in page
    for row in (row for row in serve.exposure(*finance)["rows"] if row["is_over"] is True):
        assert row["name"] in page
    control = panel_of(shown(run("finance", people["finance"], lang="zh", view="books")), "control")
    for row in serve.ledger_control(*finance):
        assert row["amount"] is None or f"{row['amount']:,.2f}".replace("-", "−") in control


def test_account_managers_have_no_finance_screen(people: dict[str, str]) -> None:
    page = shown(run("finance", people["account_manager"], lang="en"))
    assert text("en", "fin.not_yours") in page
    assert "p-unapplied" not in page


def test_finance_is_told_how_to_allocate_and_takes_it_back(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    viewer, db = finance
    row = next(row for row in serve.unapplied(viewer, db) if row["suggestions"] and not row["told"])
    app = run("finance", people["finance"], lang="en")
    app.selectbox(key="cash_receipt").set_value(row["receipt_key"]).run()
    app.button(key=f"cash_tell_{row['receipt_key']}").click().run()
    assert not app.exception
    told = {one["receipt_key"]: one["told"] for one in serve.unapplied(viewer, db)}[row["receipt_key"]]
    assert told["state"] == "told"
    app.button(key=f"cash_back_{row['receipt_key']}").click().run()
    assert not app.exception
    assert {one["receipt_key"]: one["told"] for one in serve.unapplied(viewer, db)}[row["receipt_key"]] is None


def test_the_erps_balances_stand_beside_what_is_shown(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    found = serve.control_balances(*finance)
    assert found
    panel = panel_of(shown(run("finance", people["finance"], lang="en", view="books")), "control_balance")
    for row in found:
        assert row["balance_on"].isoformat() in panel
        if row["shown_amount"]:
            assert f">{row['shown_amount']:,.2f}</a>".replace("-", "−") in panel
        if row["erp_amount"]:
            assert f">{row['erp_amount']:,.2f}</td>".replace("-", "−") in panel


def test_a_balance_that_differs_comes_first_and_leads_to_what_was_entered_late(finance: tuple[Any, Any]) -> None:
    real = serve.control_balances(*finance)
    oldest = {**real[-1], "currency": "XTS", "difference": Decimal("-12.34"), "agrees": False}
    counted = {**real[0], "includes": ["void"], "excluded": {**real[0]["excluded"], "void": Decimal("56.78")}}
    look = Look("en", "Asia/Shanghai", datetime(2026, 11, 22, tzinfo=UTC))
    markup = finance_control.drawn(look, [counted, *real[1:-1], oldest])
    first = markup.split("<tbody>")[1].split("</tr>")[0]
    assert "XTS" in first
    assert "✗ −12.34" in first
    assert f"as_of={oldest['balance_on'].isoformat()}" in first.split("✗")[0].rsplit("<td", 1)[1]
    assert markup.count("✗") == 1
    assert "56.78" in markup
    assert text("en", "fin.balance_differs", n="1") in markup


def _mailable(viewer: Any, db: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A line of the worklist whose customer has one finance contact with an address, and the mail as it would go."""
    written = {row["customer_key"] for row in serve.mailed_letters(viewer, db)}
    for line in serve.worklist(viewer, db):
        if line["customer_key"] in written:
            continue
        try:
            spoken = serve.contact_language(viewer, db, line["customer_key"])
            made = serve.letter(viewer, db, line["customer_key"], "reminder", language=spoken)
            shown_first = serve.mail_letter(viewer, db, made)
        except FatalError:
            continue
        if shown_first["to"]:
            return line, shown_first
    raise AssertionError("nobody can be written to")


def test_a_letter_goes_by_mail_only_after_it_was_shown(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    line, mail = _mailable(*finance)
    key = line["customer_key"]
    app = run("receivables", people["finance"], lang="en", customer=key, currency=line["currency"])
    app.session_state[f"paper_l_{key}_{line['currency']}"] = True
    app.run()
    app.button(key=f"letter_mail_{key}").click().run()
    assert not app.exception
    page = shown(app)
    assert mail["to"]["email"] in page
    assert mail["subject"] in page
    assert text("en", "paper.mail_demo") in page
    assert [row for row in serve.mailed_letters(*finance) if row["customer_key"] == key] == []
    (confirm,) = [one for one in app.button if str(one.key).startswith("letter_confirm_")]
    confirm.click().run()
    assert not app.exception
    (written,) = [row for row in serve.mailed_letters(*finance) if row["customer_key"] == key]
    assert (written["recipient"], written["state"]) == (mail["to"]["email"], "kept")
    assert text("en", "paper.mailed_kept") in shown(app)
    assert "letter_confirm_" not in "".join(str(one.key) for one in app.button)


@pytest.fixture
def page(browser: Browser, url: str, people: dict[str, str]) -> Iterator[Page]:
    context = open_context(browser)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(opened, url, people["finance"], "en")
    yield opened
    context.close()
    assert errors == []


@pytest.mark.browser
def test_several_lines_are_shown_before_they_are_written(page: Page, url: str, finance: tuple[Any, Any]) -> None:
    first, second = serve.worklist(*finance)[:2]
    page.goto(f"{url}/receivables?lang=en")
    settle(page)
    boxes = page.locator("input[data-pick]")
    boxes.nth(0).check()
    bulk = page.locator(".st-key-card_bulk")
    bulk.wait_for()
    page.keyboard.press("j")
    page.wait_for_url(re.compile(second["customer_key"]))
    settle(page)
    page.keyboard.press("x")
    expect(bulk.locator("h2")).to_contain_text("2 customers")
    expect(boxes.nth(0)).to_be_checked()
    expect(boxes.nth(1)).to_be_checked()
    bulk.get_by_text("Acknowledge", exact=True).first.click()
    count = first["items"] + second["items"]
    write = bulk.get_by_role("button", name=f"Write {count} items")
    expect(write).to_be_visible()
    expect(bulk.locator("tbody tr")).to_have_count(min(count, 12))
    write.click()
    expect(page.locator("[data-testid=stToast]").first).to_contain_text("Acknowledge")
    expect(bulk).to_have_count(0)
    expect(page.locator("input[data-pick]:checked")).to_have_count(0)
    done = serve.work_history(*finance, customer=second["customer_key"])
    assert done[0]["action"] == "acknowledge"
    assert done[0]["batch_id"] is not None


@pytest.mark.browser
def test_a_row_of_finance_opens_its_record_and_escape_closes_it(page: Page, url: str) -> None:
    page.goto(f"{url}/finance?lang=en")
    page.locator("#p-unapplied tbody a[data-record]").first.click()
    expect(page.locator('.drawer[role="dialog"] dl')).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
    assert page.url.split("?")[0].endswith("/finance")


@pytest.mark.browser
@pytest.mark.parametrize("path", ["finance?", "receivables?view=aging&bucket_of=1-30&"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "light"), (1440, "dark")])
def test_money_pages_fit_and_are_legible(
    browser: Browser, url: str, people: dict[str, str], path: str, width: int, scheme: Any
) -> None:
    context = open_context(browser, width=width, scheme=scheme)
    page = context.new_page()
    sign_in(page, url, people["finance"], "en")
    page.goto(f"{url}/{path}lang=en")
    settle(page)
    page.locator(".panel table").first.wait_for()
    assert page.locator(".stMain").evaluate("node => node.scrollWidth") <= width
    assert page.evaluate(CONTRAST)["weak"] == {}
    context.close()
