"""A rule against history: the same days, judged one by one through the as-of ledger, give the same fires."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from model.alerts import evaluate, try_rule
from model.alerts.rule import find, load, parse
from model.alerts.trial import last_quarter
from ops.errors import FatalError
from ops.instance import Instance
from tests.alerts.conftest import Build

LIMIT = 1_000_000


def _history(build: Build) -> None:
    build.item("A1", "2026-07-10", 1000)  # fires on the 11th, steps at 30 days, paid on 20 August
    build.pay("A1", "2026-08-20", 1000)
    build.item("A2", "2026-06-01", 2000)  # true on the first day
    build.item("A3", "2026-08-05", 500)  # covered from the start, and paid in time of it
    build.cash("R9", "2026-08-01", 600)
    build.item("A4", "2026-11-01", 9000)  # not due within the quarter


def test_the_last_quarter_is_the_default(instance: Instance, build: Build) -> None:
    _history(build)
    found = try_rule(instance, "overdue", published=build)
    assert (found.start, found.end) == (date(2026, 7, 1), date(2026, 9, 30)) == last_quarter(date(2026, 11, 23))
    assert (found.already, found.fires, found.steps, found.cures) == (1, 1, 3, 1)
    assert found.held == 1
    assert found.knowledge == "as known now"
    assert [week for week in found.weeks if week["fired"]] == [{"week": date(2026, 7, 6), "fired": 1, "stepped": 0}]
    [example] = found.examples
    assert (example["on"], example["document"], example["days"]) == (date(2026, 7, 11), "A1", 1)
    assert found.owners == {"E2": 1}


def test_trying_agrees_with_having_judged_every_day(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    _history(build)
    assert build.path.is_file()
    # judged sixty times: the rule that is tried, not those that have nothing to do with it
    monkeypatch.setattr("model.alerts.engine.load", lambda _folder: [find("overdue")])
    start, end = date(2026, 7, 1), date(2026, 8, 31)
    fired = stepped = cured = 0
    day = start
    while day <= end:
        monkeypatch.setenv("C360_NOW", f"{day}T02:00:00Z")
        result = evaluate(instance, build)
        fired += result.by_rule.get("overdue", 0) if day > start else 0
        stepped += result.stepped
        cured += result.cured
        day += timedelta(days=1)
    monkeypatch.setenv("C360_NOW", "2026-11-23T02:00:00Z")
    tried = try_rule(instance, "overdue", start, end, published=build)
    assert (tried.fires, tried.steps) == (fired, stepped)
    assert tried.cures == cured == 1, "the receipt's news was never told, so it did not end"


def test_credit_freed_follows_the_limit(instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build.item("A1", "2026-12-10", LIMIT + 1, posted="2026-07-05")
    build.pay("A1", "2026-08-12", LIMIT)
    days = date(2026, 7, 3), date(2026, 8, 14)
    found = try_rule(instance, "credit_freed", *days, published=build)
    assert (found.fires, found.examples[0]["on"]) == (1, date(2026, 8, 12))
    assert try_rule(instance, "credit_over_limit", *days, published=build).fires == 1
    for day in ("2026-08-11", "2026-08-12"):
        monkeypatch.setenv("C360_NOW", f"{day}T02:00:00Z")
        result = evaluate(instance, build)
    assert result.by_rule["credit_freed"] == 1


def test_a_rule_file_is_tried_before_it_is_switched_on(instance: Instance, build: Build, tmp_path: Path) -> None:
    _history(build)
    shipped = find("overdue")
    path = tmp_path / "sixty.toml"
    path.write_text(
        '[rule]\nid = "sixty"\nenabled = false\nsubject = "item"\nseverity = ["warning"]\nsteps = [60]\n'
        f'cured_when = "paid"\nlabel = {{zh = "六十天", en = "sixty"}}\n'
        f'condition = {{sql = """{shipped.condition.sql}"""}}\n',
        encoding="utf-8",
    )
    found = try_rule(instance, parse(path), published=build)
    assert (found.already, found.fires) == (0, 1)
    assert found.examples[0]["document"] == "A2"


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(2026, 9, 2), date(2026, 9, 1)),
        (date(2026, 11, 1), date(2026, 12, 1)),
        (date(2024, 1, 1), date(2026, 1, 1)),
    ],
)
def test_an_impossible_period_is_refused(instance: Instance, build: Build, start: date, end: date) -> None:
    with pytest.raises(FatalError, match="cannot be tried"):
        try_rule(instance, "overdue", start, end, published=build)
    with pytest.raises(FatalError, match="no alert rule 'overdu'"):
        try_rule(instance, "overdu", published=build)


def _by_rule(instance: Instance, build: Build) -> dict[str, Any]:
    return dict(evaluate(instance, build).by_rule)


def test_every_shipped_rule_runs_and_has_texts_in_both_languages(instance: Instance, build: Build) -> None:
    from ops.texts import text

    evaluate(instance, build)
    for rule in load():
        for language in ("zh", "en"):
            assert text(language, f"alerts.what.{rule.id}", document="D", days=1, due="x")
        assert all("," not in form or "，" in form for form in (rule.label.zh,))


def test_chinese_texts_use_full_width_punctuation() -> None:
    import tomllib

    from ops.texts import FOLDER

    def forms(tree: dict[str, Any]) -> list[str]:
        return [tree["zh"]] if "zh" in tree else [form for branch in tree.values() for form in forms(branch)]

    found = forms(tomllib.loads((FOLDER / "alerts.toml").read_text(encoding="utf-8")))
    found += [rule.label.zh for rule in load()]
    assert [form for form in found if set(form) & set(",;?!()")] == []


def test_tickets_milestones_orders_and_scores(
    instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import UTC, datetime
    from decimal import Decimal

    from sqlalchemy import insert

    from ops.store import stamp
    from ops.tables import scores

    at = datetime(2026, 11, 10, tzinfo=UTC)
    build.run("insert into identity.project_crosswalk values ('erp', 'J1', 'C000001', 'own', null)")
    orders = [
        {"source_id": f"O{month}", "number": f"SO{month}", "customer_id": "C000001", "order_on": date(2026, month, 1),
         "document_status": "approved", "currency": "CNY", "gross_amount": Decimal(200_000), "is_closed": True}
        for month in range(1, 8)
    ]  # fmt: skip
    prepaid = {
        "source_id": "OP", "number": "SO-P", "customer_id": "C000001", "order_on": date(2026, 11, 10),
        "document_status": "approved", "currency": "CNY", "gross_amount": Decimal(9000), "payment_terms": "款到发货",
    }  # fmt: skip
    build.stage(
        ticket=[
            {"source_id": "T1", "number": "T-1", "customer_id": "C000001", "status": "open", "created_at": at,
             "resolution_due_at": at, "resolution_sla": "missed"},
            {"source_id": "T2", "number": "T-2", "customer_id": "C000001", "status": "open", "created_at": at,
             "resolution_due_at": at, "resolution_sla": "met"},
        ],
        project=[{"source_id": "J1", "customer_id": "C000001", "code": "J1", "name": "项目", "status": "active"}],
        milestone=[
            {"source_id": "M1", "project_id": "J1", "name": "验收", "kind": "milestone", "status": "open",
             "planned_on": date(2026, 11, 1)},
        ],
        sales_order=[*orders, prepaid],
        contract=[
            {"source_id": "K1", "customer_id": "C000001", "number": "HT-1", "status": "in_force", "is_recurring": True,
             "start_on": date(2026, 1, 1), "end_on": date(2026, 12, 31), "currency": "CNY", "amount": Decimal(50_000)},
        ],
    )  # fmt: skip
    build.cash("R1", "2026-11-20", 9000, purpose="prepayment")
    fixed = {"model": "renewal", "model_version": "1", "record_key": "erp:K1", "scored_at": stamp()}
    with instance.store.begin() as connection:
        for day, likelihood in (("2026-10-01", 0.8), ("2026-11-20", 0.45)):
            connection.execute(insert(scores).values(**fixed, as_of=day, likelihood=likelihood))
    fired = _by_rule(instance, build)
    assert fired == {
        "milestone_late": 1, "order_drop": 1, "prepaid_may_ship": 1, "receipt_arrived": 1, "renewal_falling": 1,
        "ticket_breached": 1,
    }  # fmt: skip
    from model.alerts import listing

    found = {row["rule"]: row for row in listing(instance.store)}
    assert found["renewal_falling"]["days"] == 35
    assert (found["renewal_falling"]["severity"], found["order_drop"]["step"]) == ("critical", 2)
    assert found["ticket_breached"]["document"] == "T-1"


def test_a_dispute_ages(instance: Instance, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import insert

    from ops.tables import disputes

    build.item("A1", "2026-12-20", 1000)
    with instance.store.begin() as connection:
        connection.execute(
            insert(disputes).values(
                item_key="erp:A1#1", amount="1000", currency="CNY", reason="quality", opened_by="li",
                opened_at="2026-11-01T02:00:00.000000Z",
            )
        )  # fmt: skip
    assert _by_rule(instance, build) == {"dispute_aged": 1}
