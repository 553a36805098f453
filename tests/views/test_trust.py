"""The data trust page through AppTest: every tab in both languages, who sees which, and what it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from model import serve
from model.policy import HIDDEN
from ops import clock
from ops.instance import Instance
from ops.texts import text
from views.parts import cluster_graph, match_pair, trust_tabs, waterfall
from views.parts.format import Look

pytestmark = pytest.mark.usefixtures("home")
ROOT = Path(__file__).parents[2]
PANELS = {"matches": "queue", "fields": "conflicts", "notices": "notices", "leavers": "leavers", "reconcile": "rules"}
PANELS |= {"quality": "quality-rules"}
LOOK = Look("en", "Asia/Shanghai", clock.now())


def run(user: str, **params: str) -> AppTest:
    """The data trust page open for `user`."""
    app = AppTest.from_file(str(ROOT / "views" / "main.py"), default_timeout=60)
    app.session_state["user"] = user
    app.run()
    app.switch_page("trust.py")
    for key, value in params.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


def shown(app: AppTest) -> str:
    return "\n".join(str(block.value) for block in app.html)


def asked(demo: Path, user: str) -> tuple[Any, Any]:
    """(viewer, published build) to ask directly what the page shows."""
    instance = Instance.load(demo)
    return serve.sign_in(instance, user), serve.open_published(instance)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("view", trust_tabs.ALL)
def test_every_tab_has_content_in_both_languages(view: str, language: str, people: dict[str, str]) -> None:
    page = shown(run(people["steward"], view=view, lang=language, customer="C000001"))
    assert text(language, f"trust.basis_{view}") in page
    assert f'id="p-{PANELS.get(view, "members")}"' in page


def test_who_has_which_tabs() -> None:
    assert trust_tabs.of_role("steward") == list(trust_tabs.ALL)
    assert "matches" not in trust_tabs.of_role("finance")
    assert trust_tabs.of_role("finance")[0] == "reconcile"
    assert not trust_tabs.offered("service")
    assert trust_tabs.of_role("nobody") == ["customer"]


def test_a_tab_of_others_is_not_opened_by_its_address(people: dict[str, str]) -> None:
    page = shown(run(people["service"], view="matches", lang="en"))
    assert text("en", "trust.basis_customer") in page
    assert 'id="p-queue"' not in page


def test_who_may_not_decide_sees_the_records_without_a_way_to_change_them(people: dict[str, str]) -> None:
    page = shown(run(people["service"], view="customer", customer="C000001", lang="en"))
    assert 'id="p-members"' in page
    assert "data-pick" not in page


def test_conflicts_are_those_of_the_model_and_masked_values_stay_hidden(demo: Path, people: dict[str, str]) -> None:
    viewer, db = asked(demo, people["steward"])
    found = serve.field_conflicts(viewer, db, field="bank_account")
    page = shown(run(people["steward"], view="fields", field="bank_account", lang="en"))
    assert found["rows"]
    assert found["rows"][0]["name"] in page
    assert HIDDEN in page


def test_finance_accepts_a_difference_and_withdraws(demo: Path, people: dict[str, str]) -> None:
    viewer, db = asked(demo, people["finance"])
    item = next(one for one in serve.reconciliation(viewer, db)["items"] if one["state"] == "open")
    app = run(people["finance"], view="reconcile", item=item["item_id"], lang="en")
    assert item["name"] in shown(app)
    next(one for one in app.button if one.label == text("en", "trust.accept")).click().run()
    assert not app.exception
    assert serve.difference(viewer, db, item["item_id"])["state"] == "accepted"
    app = run(people["finance"], view="reconcile", state="accepted", item=item["item_id"], lang="en")
    assert text("en", "trust.accepted") in shown(app)
    app.button(key="withdraw").click().run()
    assert serve.difference(viewer, db, item["item_id"])["state"] == "open"


def test_the_steward_sees_differences_but_does_not_accept(people: dict[str, str]) -> None:
    app = run(people["steward"], view="reconcile", lang="en")
    assert 'id="p-items"' in shown(app)
    assert text("en", "trust.accept") not in {one.label for one in app.button}


def test_a_notice_is_done_and_opened_again(demo: Path, people: dict[str, str]) -> None:
    viewer, db = asked(demo, people["steward"])
    row = serve.notices(viewer, db)["rows"][0]
    app = run(people["steward"], view="notices", notice=row["notice_key"], lang="en")
    assert row["what"] or row["name"] in shown(app)
    app.button(key="notice_done").click().run()
    assert not app.exception
    done = {one["notice_key"] for one in serve.notices(viewer, db, state="done")["rows"]}
    assert row["notice_key"] in done
    app = run(people["steward"], view="notices", state="done", notice=row["notice_key"], lang="en")
    app.button(key="notice_reopen").click().run()
    assert row["notice_key"] in {one["notice_key"] for one in serve.notices(viewer, db)["rows"]}


def test_the_waterfall_starts_each_bar_where_the_one_before_ended() -> None:
    steps = [
        {"comparison": "prior", "level": "", "bits": -8.0},
        {"comparison": "city", "level": "different", "bits": -2.0},
        {"comparison": "tax", "level": "equal", "bits": 20.0},
    ]
    found = {"steps": steps, "bits": 10.0, "probability": 0.9995, "rule": "tax number", "veto": "branch",
             "refused": "", "basis": "build"}  # fmt: skip
    page = waterfall.drawn(LOOK, found)
    # from −8 to 12 is the whole width; the strongest comparison comes first
    assert page.index("Tax number") < page.index("City")
    for place in ("left:0.00%;width:40.00%", "left:0.00%;width:100.00%", "left:90.00%;width:10.00%"):
        assert f"seg {'grey' if place.endswith('40.00%') else 'green' if '100' in place else 'red'}" in page
        assert place in page
    assert "left:40.00%;width:50.00%" in page
    assert "−8.0" in page
    assert "&gt; 99.9 %" in page or "> 99.9 %" in page
    assert text("en", "enum.veto.branch") in page


def test_differences_are_marked_and_escaped() -> None:
    left, right = match_pair.marked(LOOK, "松岭<b>纺织", "松岭<b>服装")
    assert left == "松岭&lt;b&gt;<mark>纺织</mark>"
    assert right == "松岭&lt;b&gt;<mark>服装</mark>"
    assert "<mark>" not in "".join(match_pair.marked(LOOK, HIDDEN, "x"))


def test_the_graph_draws_each_record_and_the_best_link_of_a_pair() -> None:
    def node(source: str, number: int) -> dict[str, Any]:
        return {"source": source, "source_id": str(number), "record_key": f"{source}:{number}", "code": None,
                "name": "<i>松岭", "customer_key": "C000001", "is_deleted": False}  # fmt: skip

    def edge(left: str, right: str, kind: str, probability: float | None = None) -> dict[str, Any]:
        return {"left": left, "right": right, "kind": kind, "rule": "uscc", "evidence": None,
                "probability": probability}  # fmt: skip

    nodes = [node("crm", 1), node("erp", 2), node("service", 3)]
    edges = [edge("crm:1", "erp:2", "match", 0.95), edge("crm:1", "erp:2", "identifier"),
             edge("erp:2", "service:3", "match", 0.93)]  # fmt: skip
    assert [one["kind"] for one in cluster_graph.best_links(edges)] == ["identifier", "match"]
    outside = [{"left": node("erp", 9) | {"customer_key": "C000009"}, "right": nodes[0], "probability": None,
                "why": "refused"}]  # fmt: skip
    vetoes = [{"left": "crm:1", "right": "service:3"}]
    page = cluster_graph.drawn(LOOK, {"nodes": nodes, "edges": edges, "outside": outside, "vetoes": vetoes})
    assert page.count('class="node"') == 3
    assert page.count('class="node out"') == 1
    assert page.count("doubtful") == 1
    assert page.count('class="link maybe"') == 1
    assert page.count('class="link apart"') == 1
    assert "<i>" not in page


def test_the_quality_tab_shows_the_score_and_only_the_records_of_the_chosen_rule(
    demo: Path, people: dict[str, str]
) -> None:
    viewer, db = asked(demo, people["steward"])
    rules = [row for row in serve.quality(viewer, db)["rules"] if row["entity"] and row["failed"]]
    rule, other = rules[0], rules[1]
    found = serve.quality_worklist(viewer, db, rule=rule["rule"], limit=1)
    page = shown(run(people["steward"], view="quality", rule=rule["rule"], lang="zh"))
    assert str(serve.quality(viewer, db)["score"]) in page
    listed = page.split('id="p-quality-records"', 1)[1]
    assert found["rows"][0]["source_id"] in listed
    assert rule["action"] in listed
    assert other["label"] not in listed


def test_the_quality_of_one_customer_is_theirs_and_history_is_of_those_who_see_all(
    demo: Path, people: dict[str, str]
) -> None:
    viewer, db = asked(demo, people["account_manager"])
    worst = serve.quality_worklist(viewer, db, limit=1)["rows"][0]
    page = shown(run(people["account_manager"], view="quality", lang="en"))
    assert text("en", "quality.trend_hidden") in page
    one = shown(run(people["account_manager"], view="quality", customer=worst["customer_key"], lang="en"))
    assert str(serve.quality(viewer, db, customer=worst["customer_key"])["score"]) in one
    assert text("en", "quality.every_customer") in one
