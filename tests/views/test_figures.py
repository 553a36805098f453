"""Expected cash, ratios, books, contract chain, papers and the renewal card show what the questions answer."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from browser import CONTRAST, open_context, settle, sign_in
from playwright.sync_api import Browser, expect
from test_pages import run, shown

from model import serve
from model.serve.overview import month_starts
from model.serve.renewals import APART_POINTS
from ops.instance import Instance
from ops.texts import text
from views.parts import words
from views.parts.format import Look
from views.parts.panels import contacts
from views.parts.renewal_card import drift

pytestmark = pytest.mark.usefixtures("home")
ZERO = Decimal(0)


@pytest.fixture
def chained(finance: tuple[Any, Any]) -> dict[str, Any]:
    """The chains of a customer that owes something."""
    return serve.chain(*finance, serve.worklist(*finance)[0]["customer_key"])


def panel_of(page: str, name: str) -> str:
    """The markup of one panel."""
    return page.split(f'id="p-{name}"')[1].split("</section>")[0]


def money(value: Decimal) -> str:
    """An exact amount as every table writes it."""
    return f"{value:,.2f}".replace("-", "−")


def test_expected_cash_shows_every_week_and_what_is_left_out(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    page = shown(run("finance", people["finance"], lang="en", view="cash", ccy="CNY"))
    found = next(row for row in serve.expected_cash(*finance)["currencies"] if row["currency"] == "CNY")
    assert sum(week["expected"] for week in found["weeks"]) > 0
    for week in found["weeks"]:
        assert money(week["expected"]) in page
        assert money(week["high"]) in page
    assert all(money(amount) in page for amount in found["left_out"].values() if amount)
    first = min(
        (row for row in serve.expected_days(*finance) if row["expected_on"] and row["currency"] == "CNY"),
        key=lambda row: (row["expected_on"], -row["amount"], row["record_key"]),
    )
    listed = panel_of(page, "expected_items").split("<tbody>")[1].split("</tr>")[0]
    assert first["invoice_number"] in listed
    assert first["expected_on"].isoformat() in listed


def test_the_worklist_tells_when_the_money_is_expected(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    line = next(row for row in serve.worklist(*finance) if any(
        one["expected_on"] and one["currency"] == row["currency"]
        for one in serve.expected_days(*finance, row["customer_key"])
    ))  # fmt: skip
    first = min(
        (one for one in serve.expected_days(*finance, line["customer_key"])
         if one["expected_on"] and one["currency"] == line["currency"]),
        key=lambda one: (one["expected_on"], one["record_key"]),
    )  # fmt: skip
    where = {"customer": line["customer_key"], "currency": line["currency"]}
    page = shown(run("receivables", people["finance"], lang="zh", **where))
    look = Look("zh", "Asia/Shanghai", None)  # type: ignore[arg-type]
    said = text("zh", "cash.first_expected", on=f"{first['expected_on']:%m-%d}", amount=look.short(first["amount"]))
    assert said in page


@pytest.mark.parametrize("include", ["", "bills,retention"])
def test_ratios_print_their_basis_and_change_with_it(
    finance: tuple[Any, Any], people: dict[str, str], include: str
) -> None:
    viewer, db = finance
    start = month_starts(db.today(), 6)[0]
    given = {"net": include} if include else {}
    page = shown(run("finance", people["finance"], lang="en", view="ratios", by="6", **given))
    found = serve.ratios(viewer, db, start, db.today(), include.split(",") if include else [])
    rows = panel_of(page, "ratios")
    for one in found:
        assert (
            one["dso_ratio"] is None or f"{one['dso_ratio'].quantize(Decimal('0.1')):f}".rstrip("0").rstrip(".") in rows
        )
    assert text("en", "ratios.formula.cei") in rows.replace("&gt;", ">")
    assert start.isoformat() in page
    named = "unmatured bills, retention"
    assert (text("en", "ratios.is_in", names=named) in page) == bool(include)


def test_an_input_of_a_ratio_opens_the_documents_that_add_up_to_it(
    finance: tuple[Any, Any], people: dict[str, str]
) -> None:
    viewer, db = finance
    app = run("finance", people["finance"], lang="en", view="ratios", ccy="CNY", show="overdue_ratio.overdue")
    found = serve.ratio_rows(viewer, db, "overdue", "CNY", month_starts(db.today(), 3)[0], db.today())
    assert found
    rows = panel_of(shown(app), "ratio_rows")
    assert rows.count("<tr") == min(len(found), 200) + 1
    assert all(row["number"] in rows and money(row["amount"]) in rows for row in found[:200])
    assert 'id="p-ratio_rows"' not in shown(
        run("finance", people["finance"], view="ratios", show="overdue_ratio.nonsense")
    )


def test_the_books_show_a_day_then_and_now(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    viewer, db = finance
    day = month_starts(db.today(), 1)[0] - timedelta(days=1)
    page = shown(run("finance", people["finance"], lang="en", view="books"))
    found = serve.entered_late(viewer, db, day)
    late = panel_of(page, "entered_late")
    assert day.isoformat() in late
    for one in found["currencies"]:
        assert money(one["open"]["then"]) in late
        assert money(one["open"]["now"]) in late
    documents = panel_of(page, "late_documents")
    assert all(row["number"] in documents for row in found["documents"] if row["number"])


def test_the_aging_of_a_past_day_as_it_was_known_then(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    viewer, db = finance
    day = month_starts(db.today(), 2)[0] - timedelta(days=1)
    given = {"lang": "en", "view": "aging", "as_of": day.isoformat(), "ccy": "CNY"}
    then = shown(run("receivables", people["finance"], show="then", **given))
    assert text("en", "aging.known_printed") in then
    assert money(serve.aging(viewer, db, day, day, currency="CNY")["totals"][0]["open"]) in then
    now = shown(run("receivables", people["finance"], **given))
    assert text("en", "aging.known_printed") not in now
    assert money(serve.aging(viewer, db, day, currency="CNY")["totals"][0]["open"]) in now


def test_the_chain_opens_on_the_customer_screen(chained: dict[str, Any], people: dict[str, str]) -> None:
    key = chained["customer_key"]
    closed = shown(run("customer", people["finance"], lang="en", customer=key))
    assert 'id="p-chain"' not in closed
    assert "show=chain" in closed
    chain = panel_of(shown(run("customer", people["finance"], lang="en", customer=key, show="chain")), "chain")
    assert chain.count("<tr") == len(chained["chains"]) + 1
    for line in chained["chains"]:
        named = line["contract"]["number"] if line["contract"] else line["contract_number"] or line["order_number"]
        assert named is None or named in chain
        assert line["not_yet_paid"] == 0 or f'title="{money(line["not_yet_paid"])}"' in chain
        for rows in line["documents"].values():
            assert all(row["number"] in chain for row in rows)


def test_the_chain_is_open_to_everyone_who_sees_the_customer_and_says_when_there_is_none(
    demo: Path, people: dict[str, str]
) -> None:
    instance = Instance.load(demo)
    viewer, db = serve.sign_in(instance, people["service"]), serve.open_published(instance)
    bare = db.rows(
        """select customer_key from core.dim_customer where customer_key not in (
               select customer_key from core.fct_contract where customer_key is not null
               union all select customer_key from core.fct_order where customer_key is not null
               union all select customer_key from core.fct_invoice where customer_key is not null) limit 1"""
    )
    assert bare
    assert serve.chain(viewer, db, bare[0]["customer_key"])["chains"] == []
    page = shown(run("customer", people["service"], lang="zh", customer=bare[0]["customer_key"], show="chain"))
    assert text("zh", "chain.none") in panel_of(page, "chain")


def test_a_record_names_what_it_refers_to(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    viewer, db = finance
    line = serve.worklist(viewer, db)[0]
    item = serve.work_items(viewer, db, customer_key=line["customer_key"])[0]
    source, source_id = item["record_key"].partition("#")[0].split(":", 1)
    record = serve.record(viewer, db, source, "invoice", source_id)
    known = {column["name"]: column["refers"] for column in record["columns"]}
    assert known["customer_id"]["entity"] == "customer"
    assert known["number"] is None
    page = shown(
        run("customer", people["finance"], customer=line["customer_key"], record=f"invoice:{source}:{source_id}")
    )
    drawer = page.split('class="drawer"')[1]
    assert f">{known['customer_id']['name']}</a>" in drawer.replace("&amp;", "&")
    assert f"record=customer%3A{source}%3A" in drawer


def test_an_account_manager_is_not_told_the_names_of_others_records(people: dict[str, str], demo: Path) -> None:
    instance = Instance.load(demo)
    db = serve.open_published(instance)
    manager = serve.sign_in(instance, people["account_manager"])
    own = {row["customer_key"] for row in db.rows(
        "select customer_key from core.dim_customer where owner_key = ?", [manager.employee_key])}  # fmt: skip
    rows = db.rows("select customer_key, source, source_id from core.dim_customer_record order by customer_key")
    for row in (row for row in rows if row["customer_key"] in own):
        columns = serve.record(manager, db, row["source"], "customer", row["source_id"])["columns"]
        for column in (one for one in columns if one["name"] in {"parent_id", "master_id"} and one["refers"]):
            there = next(
                one for one in rows
                if (one["source"], one["source_id"]) == (row["source"], column["refers"]["source_id"])
            )  # fmt: skip
            assert there["customer_key"] in own
    assert own


def test_a_confirmation_request_is_made_and_recorded(finance: tuple[Any, Any], people: dict[str, str]) -> None:
    viewer, db = finance
    line = serve.worklist(viewer, db)[1]
    key = f"{line['customer_key']}_{line['currency']}"
    where = {"customer": line["customer_key"], "currency": line["currency"]}
    app = run("receivables", people["finance"], lang="en", **where)
    app.session_state[f"paper_c_{key}"] = True
    before = len(serve.statements(viewer, db, kind="confirmation", customer_key=line["customer_key"]))
    app.run()
    assert text("en", "paper.auditor_needed") in [one.value for one in app.caption]
    app.text_input(key=f"cf_auditor_{key}").set_value("Probe & Partner").run()
    app.button(key=f"cf_send_{key}").click().run()
    assert not app.exception
    found = serve.statements(viewer, db, kind="confirmation", customer_key=line["customer_key"])
    assert len(found) == before + 1
    name, content = serve.statement_file(viewer, db, found[0]["statement_id"])
    assert name.startswith("A-")
    assert content.startswith(b"%PDF")
    serve.answer_statement(viewer, db, found[0]["statement_id"], "cancel")


def test_renewals_show_drift_and_where_owner_and_model_disagree(
    finance: tuple[Any, Any], people: dict[str, str]
) -> None:
    rows = serve.renewals(*finance)
    apart = [row for row in rows if row["disagreement"] is not None]
    page = shown(run("renewals", people["leader"], lang="en"))
    assert text("en", "renew.apart_help", points=APART_POINTS) in page
    for row in apart:
        said = "renew.above" if row["disagreement"] > 0 else "renew.below"
        assert text("en", said, points=abs(row["disagreement"])) in page
    only = shown(run("renewals", people["leader"], lang="en", show="apart"))
    listed = only.split('id="p-renewals"')[1].split("</section>")[0]
    assert listed.count("data-row") == len(apart)
    card = serve.renewal_card(*finance)
    assert ('id="p-drift"' in page) == bool(card.get("auc") is not None and card.get("drift"))


def test_drift_is_told_with_what_moved_and_what_to_do() -> None:
    look = Look("en", "Asia/Shanghai", None)  # type: ignore[arg-type]
    rate = {"before": 0.83, "recent": 0.6, "recent_contracts": 82, "change": -0.23, "is_significant": True}
    moved = [{"feature": "order_trend", "psi": 0.399}]
    told = str(
        drift(look, {"verdict": "shifted", "trained": 478, "present": 111, "features": moved, "base_rate": rate})
    )
    assert "0.40" in told
    assert text("en", "renewal.feature.order_trend") in told
    assert "83 % → 60 %" in told
    assert text("en", "renew.drift_rate_moved") in told
    assert text("en", "renew.drift_do") in told
    calm = {"before": None, "recent": None, "recent_contracts": 0, "change": None, "is_significant": False}
    told = str(drift(look, {"verdict": "stable", "trained": 9, "present": 40, "features": [], "base_rate": calm}))
    assert text("en", "renew.drift_stable") in told
    assert text("en", "renew.drift_do") not in told
    assert drift(look, None) == ""


@pytest.mark.parametrize(
    ("value", "shown_value", "said"),
    [
        (12.0, "12", "usually pays 12 days late"),
        (-3.0, "-3", "usually pays 3 days early"),
        (0.0, "0", "usually pays on the due day"),
    ],
)
def test_days_before_the_due_day_are_early(value: float, shown_value: str, said: str) -> None:
    look = Look("en", "Asia/Shanghai", None)  # type: ignore[arg-type]
    one = {"feature": "usual_days_late", "msgid": "renewal.driver.usual_days_late", "args": {"value": shown_value}}
    assert words.driver(look, {**one, "value": value}) == said


def test_a_person_in_two_systems_is_listed_once() -> None:
    look = Look("en", "Asia/Shanghai", None)  # type: ignore[arg-type]
    chen = {"name": "Chen Probe", "email": "chen@example.com", "title": "CFO"}
    found = {
        "contacts": [
            {**chen, "mobile": None, "is_primary": True},
            {**chen, "mobile": "13800000000", "title": None, "is_finance": True},
            {"name": "Chen Probe", "email": "other@example.com"},
        ]
    }
    drawn = str(contacts(look, found, {}))
    assert drawn.count("<tr") == 3
    assert "138 0000 0000" in drawn
    assert "CFO" in drawn


@pytest.mark.browser
@pytest.mark.parametrize("path", ["finance?view=cash&", "finance?view=ratios&", "finance?view=books&", "renewals?"])
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1440, "dark")])
def test_the_new_views_fit_and_are_legible(
    browser: Browser, url: str, people: dict[str, str], path: str, width: int, scheme: Any
) -> None:
    context = open_context(browser, width=width, scheme=scheme)
    page = context.new_page()
    sign_in(page, url, people["finance"], "zh")
    page.goto(f"{url}/{path}lang=zh")
    settle(page)
    page.locator(".panel table").first.wait_for()
    assert page.locator(".stMain").evaluate("node => node.scrollWidth") <= width
    assert page.evaluate(CONTRAST)["weak"] == {}
    context.close()


@pytest.mark.browser
def test_the_chain_opens_from_a_panel_and_its_documents_lead_to_the_record(
    browser: Browser, url: str, people: dict[str, str], chained: dict[str, Any]
) -> None:
    context = open_context(browser)
    page = context.new_page()
    sign_in(page, url, people["finance"], "en")
    page.goto(f"{url}/customer?customer={chained['customer_key']}&lang=en")
    settle(page)
    page.locator("#p-receivables a[data-then=chain]").click()
    expect(page.locator("#p-chain")).to_be_in_viewport()
    assert re.search(r"[?&]show=chain", page.url)
    page.locator("#p-chain details.docs summary").first.click()
    page.locator("#p-chain details.docs a").first.click()
    expect(page.locator('.drawer[role="dialog"] dl')).to_be_visible()
    document = page.locator(".drawer h2").inner_text()
    page.locator(".drawer dd a").first.click()
    expect(page.locator(".drawer h2")).not_to_have_text(document)
    page.keyboard.press("Escape")
    expect(page.locator(".drawer")).to_have_count(0)
    expect(page.locator("#p-chain")).to_be_visible()
    context.close()
