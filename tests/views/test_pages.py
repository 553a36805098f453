"""Every page through AppTest, on the demo warehouse, as every persona and in both languages."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from model import serve
from ops.instance import Instance
from ops.texts import text

pytestmark = pytest.mark.usefixtures("home")
ROOT = Path(__file__).parents[2]
PAGES = ["customer", "receivables", "finance", "renewals", "overview", "trust", "sources"]
Open = Callable[..., str]


def run(page: str, user: str | None, **params: str) -> AppTest:
    """views/main.py with `page` open for `user`."""
    app = AppTest.from_file(str(ROOT / "views" / "main.py"), default_timeout=60)
    if user:
        app.session_state["user"] = user
    for key, value in params.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    if user and page != "home":
        app.switch_page(f"{page}.py")
        for key, value in params.items():
            app.query_params[key] = value
        app.run()
        assert not app.exception
    return app


def shown(app: AppTest) -> str:
    """All markup of the page."""
    return "\n".join(str(block.value) for block in app.html)


def test_nobody_sees_anything_before_signing_in() -> None:
    page = shown(run("customer", None, lang="en"))
    assert text("en", "signin.title") in page
    assert "tile" not in page.split("</style>")[-1]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_content_in_both_languages(
    name: str, language: str, people: dict[str, str], debtor: dict[str, Any]
) -> None:
    who = people["leader"]
    page = shown(run(name, who, lang=language, customer=debtor["customer_key"]))
    expected = {
        "customer": "panel.receivables",
        "receivables": "work.list",
        "finance": "panel.unapplied",
        "renewals": "nav.renewals",
        "overview": "panel.debtors",
        "trust": "trust.rules",
        "sources": "panel.runs",
    }[name]
    assert text(language, expected) in page
    if name in {"customer", "receivables", "overview"}:
        assert debtor["name"] in page


def test_the_pipeline_is_summed_per_currency(people: dict[str, str], demo: Path) -> None:
    instance = Instance.load(demo)
    db = serve.open_published(instance)
    listed = serve.overview(serve.sign_in(instance, people["leader"]), db, months=12)["pipeline_by_stage"]
    sums = {row["currency"]: Decimal(0) for row in listed}
    for row in listed:
        sums[row["currency"]] += row["amount"] or 0
    foot = shown(run("overview", people["leader"], lang="en")).split('id="p-pipeline"')[1].split("<tfoot>")[1]
    foot = foot.split("</tfoot>")[0]
    assert foot.count("<tr") == len(sums)
    for currency, amount in sums.items():
        assert f'title="{amount:,.2f} {currency}"' in foot


@pytest.mark.parametrize("role", ["service", "account_manager", "finance", "leader", "steward", "integration"])
def test_the_customer_screen_opens_for_every_role(role: str, people: dict[str, str], demo: Path) -> None:
    instance = Instance.load(demo)
    viewer = serve.sign_in(instance, people[role])
    hits = serve.worklist(viewer, serve.open_published(instance)) or serve.search(
        viewer, serve.open_published(instance), "公司", limit=1
    )
    page = shown(run("customer", people[role], customer=hits[0]["customer_key"]))
    for panel in ("receivables", "tickets", "opportunities", "projects", "contracts", "orders", "contacts"):
        assert f'id="p-{panel}"' in page


def test_a_customer_is_found_by_any_systems_code(people: dict[str, str], demo: Path, debtor: dict[str, Any]) -> None:
    instance = Instance.load(demo)
    db = serve.open_published(instance)
    found = serve.customer(serve.sign_in(instance, people["leader"]), db, debtor["customer_key"])
    for codes in found["codes"].values():
        code = codes[0]["code"] if isinstance(codes[0], dict) else codes[0]
        assert found["name"] in shown(run("customer", people["leader"], q=str(code)))


def test_an_unknown_code_says_what_to_do(people: dict[str, str]) -> None:
    page = shown(run("customer", people["leader"], q="NO-SUCH-CODE-99", lang="en"))
    assert text("en", "customer.not_found_help") in page


def test_the_timeline_filters_by_kind(people: dict[str, str], debtor: dict[str, Any]) -> None:
    page = shown(run("customer", people["leader"], customer=debtor["customer_key"], kind="money"))
    line = page.split('<ol class="line">')[1].split("</ol>")[0]
    assert 'class="money"' in line
    assert all(f'class="{kind}"' not in line for kind in ("comm", "service", "project", "sale"))


def test_service_sees_credit_as_hidden(people: dict[str, str], debtor: dict[str, Any]) -> None:
    page = shown(run("customer", people["service"], customer=debtor["customer_key"]))
    assert "🔒" in page


def test_a_promise_is_written_and_shown(people: dict[str, str], demo: Path) -> None:
    instance = Instance.load(demo)
    user = people["finance"]
    viewer = serve.sign_in(instance, user)
    rows = serve.worklist(viewer, serve.open_published(instance))
    chosen = next(row for row in rows if row["state"] == "not_contacted" and row["promise"] is None)
    app = run("receivables", user, customer=chosen["customer_key"], currency=chosen["currency"], lang="en")
    next(pill for pill in app.button_group if text("en", "act.promise") in pill.options).set_value("promise").run()
    app.text_input[-1].set_value("said <b>Friday</b>")
    next(button for button in app.button if button.label == text("en", "act.save")).click().run()
    assert not app.exception
    assert [toast.value for toast in app.toast] == [text("en", "act.saved", action=text("en", "act.promise"))]
    assert "<b>Friday" not in shown(app)
    after = serve.customer(viewer, serve.open_published(instance), chosen["customer_key"])
    assert any(item["status"] in {"promise", "promised"} for item in after["receivables"]["items"])
