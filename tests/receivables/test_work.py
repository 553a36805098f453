"""A morning's work on open items: disputes, assignments, calls, stages, bulk, letters, statements, unapplied cash."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from model import policy, serve
from model.policy import Viewer
from model.serve import NotFound
from model.serve.statements import FOLLOWS
from ops.errors import FatalError
from ops.instance import Instance
from run.cli import app
from tests.warehouse import helpers

NOW = "2026-11-21T02:00:00+00:00"
FINANCE = Viewer(user="chen.li", name="陈立", role="finance", masks=frozenset({"phone"}))
SERVICE = Viewer(user="zhou.min", name="周敏", role="service")
Clock = Callable[[str], None]


def stage(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        helpers.put(con, "employee", "erp", [
            {"id": "E1", "code": "E1", "name": "林北", "email": "north@example.com", "team": "north"},
            {"id": "E2", "code": "E2", "name": "林南", "email": "south@example.com", "team": "south"},
        ])  # fmt: skip
        helpers.put(con, "customer", "erp", [
            {"id": "N", "code": "N", "name": "北岭示例仪器有限公司", "owner_id": "E1", "address": "示例市示例路 1 号"},
            {"id": "S", "code": "S", "name": "南岭示例仪器有限公司", "owner_id": "E2"}])  # fmt: skip
        bills = [
                 ("N1", "N", "2023-11-01", "2023-12-15", "CNY", 1000),
                 ("N2", "N", "2026-08-01", "2026-08-31", "CNY", 500),
                 ("N3", "N", "2026-09-01", "2026-10-01", "CNY", 300),
                 ("N4", "N", "2026-08-01", "2026-09-30", "EUR", 70),
                 ("S1", "S", "2026-08-01", "2026-08-31", "CNY", 800),
                 ("S2", "S", "2026-08-01", "2026-08-31", "CNY", 250)]  # fmt: skip
        helpers.put(con, "invoice", "erp", [
            {"id": key, "number": f"INV-{key}", "customer_id": who, "invoice_on": on, "due_on": due, "currency": money,
             "gross_amount": amount} for key, who, on, due, money, amount in bills])  # fmt: skip
        helpers.put(con, "receipt", "erp", [
            {"id": "P1", "number": "P1", "customer_id": "S", "received_on": "2026-11-02", "method": "transfer",
             "currency": "CNY", "amount": 250, "payer_name": "南岭示例仪器有限公司"},
            {"id": "P2", "number": "P2", "customer_id": None, "received_on": "2026-11-03", "method": "transfer",
             "currency": "CNY", "amount": 800, "payer_name": "北岭示例仪器 有限公司 INV-N2"},
            {"id": "P3", "number": "P3", "customer_id": None, "received_on": "2026-11-04", "method": "transfer",
             "currency": "CNY", "amount": 300, "payer_name": "北岭示例仪器（有限公司）"}])  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        made = helpers.instance(tmp_path_factory.mktemp("work") / "i", company="示例测控有限公司")
        stage(made)
        helpers.make(made)
        yield made
        made.store.close()


@pytest.fixture
def db(built: Instance, clock: Clock) -> serve.Served:
    """The build with an empty record of work."""
    clock(NOW)
    with built.store.begin() as connection:
        for table in ("promises", "disputes", "notes", "work_events", "statements", "suggestions", "audit"):
            connection.exec_driver_sql(f"delete from {table}")
    return serve.open_published(built)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return lambda now: monkeypatch.setenv("C360_NOW", now)


def manager(db: serve.Served, side: str) -> Viewer:
    (row,) = db.rows("select employee_key, team from core.dim_employee where team = ?", [side])
    return policy.viewer(side, side, "account_manager", employee_key=row["employee_key"], team=side)


def items(db: serve.Served, **options: Any) -> dict[str, dict[str, Any]]:
    return {row["invoice_number"]: row for row in serve.work_items(FINANCE, db, **options)}


def line(db: serve.Served, currency: str = "CNY", name: str = "北岭") -> dict[str, Any]:
    (found,) = serve.worklist(FINANCE, db, currency=currency, text=name)
    return found


def test_a_part_is_disputed_several_times_and_ages_by_who_must_resolve_it(db: serve.Served, clock: Clock) -> None:
    serve.act(FINANCE, db, "erp:N1#1", "dispute", amount=400, reason="quality", owner="south@example.com")
    serve.act(FINANCE, db, "erp:N1#1", "dispute", amount="100.00", reason="price")
    with pytest.raises(FatalError, match="more than is not disputed yet"):
        serve.act(FINANCE, db, "erp:N1#1", "dispute", amount="500.01", reason="price")
    with pytest.raises(FatalError, match="dispute reason"):
        serve.act(FINANCE, db, "erp:N1#1", "dispute", amount=1, reason="mood")
    found = items(db)["INV-N1"]
    assert (found["status"], found["disputed_amount"], found["chaseable_amount"]) == ("dispute", 500, 500)
    assert line(db)["disputed_amount"] == 500
    clock("2026-12-11T02:00:00+00:00")
    first, second = serve.disputes(FINANCE, db)
    assert (first["dispute_owner"], first["days"], first["is_late"], first["label"]) == ("林南", 20, True, "质量问题")
    assert (second["dispute_owner"], second["amount"]) == (None, 100)
    assert [row["dispute_id"] for row in serve.disputes(FINANCE, db, owner="unowned")] == [second["dispute_id"]]
    serve.act(FINANCE, db, "erp:N1#1", "close_dispute", dispute_id=first["dispute_id"], outcome="credit_note")
    assert items(db)["INV-N1"]["disputed_amount"] == 100
    assert [row["outcome"] for row in serve.disputes(FINANCE, db, closed=True) if row["closed_on"]] == ["credit_note"]
    with pytest.raises(FatalError, match="no dispute"):
        serve.act(FINANCE, db, "erp:N1#1", "close_dispute", dispute_id=first["dispute_id"])
    assert serve.disputes(manager(db, "south"), db) == []


def test_assigning_moves_the_line_to_another_worklist(db: serve.Served) -> None:
    (south,) = db.rows("select employee_key from core.dim_employee where team = 'south'")
    key = south["employee_key"]
    serve.act_many(FINANCE, db, ["erp:N1#1", "erp:N2#1"], "assign", to="south@example.com", until="2026-12-31")
    assert {row["invoice_number"] for row in serve.work_items(FINANCE, db, owner=key)} == {
        "INV-N1", "INV-N2", "INV-S1", "INV-S2",
    }  # fmt: skip
    serve.act(FINANCE, db, "erp:N1#1", "assign", to=None)
    assert "INV-N1" not in items(db, owner=key)
    with pytest.raises(FatalError, match="nobody answers"):
        serve.act(FINANCE, db, "erp:N1#1", "assign", to="nobody@example.com")


def test_calls_have_a_result_and_a_next_step(db: serve.Served) -> None:
    serve.act(
        FINANCE, db, "erp:N1#1", "call", contact="王会计", result="will_check", next_on="2026-11-25", note="下周答复"
    )
    serve.log_call(FINANCE, db, "N", result="not_reached", contact="王会计")
    assert line(db)["next_step_on"] == date(2026, 11, 25)
    history = serve.work_history(FINANCE, db, customer="N")
    assert [(row["action"], row["label"], row["item_key"]) for row in history] == [
        ("call", "未联系上", None), ("call", "对方核实中", "erp:N1#1"),
    ]  # fmt: skip
    (one,) = serve.work_history(FINANCE, db, item_key="erp:N1#1")
    assert (one["person"], one["body"], one["actor"]) == ("王会计", "下周答复", "chen.li")
    with pytest.raises(FatalError, match="call result"):
        serve.log_call(FINANCE, db, "N", result="fine")
    with pytest.raises(NotFound):
        serve.work_history(manager(db, "south"), db, item_key="erp:N1#1")


def test_bulk_is_all_or_nothing_with_a_preview(db: serve.Served) -> None:
    keys = ["erp:N1#1", "erp:N2#1", "erp:N4#1"]
    shown = serve.act_many(FINANCE, db, keys, "promise", preview=True, on="2026-12-01")
    assert shown["totals"] == {"CNY": Decimal(1500), "EUR": Decimal(70)}
    assert (len(shown["rows"]), shown["problems"], shown["batch_id"]) == (3, [], None)
    assert serve.work_history(FINANCE, db, customer="N") == []
    bad = serve.act_many(FINANCE, db, [*keys, "erp:X#1"], "promise", preview=True, on="2026-12-01", amount=600)
    assert {row["item_key"] for row in bad["problems"]} == {"erp:N2#1", "erp:N4#1", "erp:X#1"}
    with pytest.raises(FatalError, match="nothing was written"):
        serve.act_many(FINANCE, db, [*keys, "erp:X#1"], "promise", on="2026-12-01")
    assert serve.work_history(FINANCE, db, customer="N") == []
    done = serve.act_many(FINANCE, db, keys, "promise", on="2026-12-01")
    assert {row["batch_id"] for row in serve.work_history(FINANCE, db, customer="N")} == {done["batch_id"]}
    with pytest.raises(FatalError, match="nothing was written"):
        serve.act_many(manager(db, "south"), db, keys, "acknowledge")
    with pytest.raises(FatalError, match="does not work receivables"):
        serve.act_many(SERVICE, db, keys, "acknowledge", preview=True)


def test_stages_and_promises_move_the_limitation_clock(db: serve.Served, clock: Clock) -> None:
    found = items(db)["INV-N1"]
    assert (found["limitation_on"], found["limitation_days"]) == (date(2026, 12, 15), 24)
    assert found["is_limitation_near"]
    assert serve.worklist(FINANCE, db, sort="limitation")[0]["limitation_on"] == date(2026, 12, 15)
    serve.act(FINANCE, db, "erp:N1#1", "stage", stage="stop_supply")
    assert items(db)["INV-N1"]["limitation_on"] == date(2026, 12, 15)
    serve.act(FINANCE, db, "erp:N1#1", "stage", stage="demand_letter", on="2026-11-20")
    assert items(db)["INV-N1"]["limitation_on"] == date(2029, 11, 20)
    serve.act(FINANCE, db, "erp:N1#1", "promise", on="2026-12-01", amount=10)
    assert items(db)["INV-N1"]["limitation_on"] == date(2029, 11, 21)
    with pytest.raises(FatalError, match="has not come yet"):
        serve.act(FINANCE, db, "erp:N1#1", "stage", stage="lawsuit", on="2026-11-22")
    clock("2026-11-22T02:00:00+00:00")
    serve.act(FINANCE, db, "erp:N1#1", "stage", stage="lawsuit")
    assert items(db)["INV-N1"]["stage"]["stage"] == "lawsuit"


def test_waiting_money_keeps_one_promise_whichever_item_is_asked_for(db: serve.Served, clock: Clock) -> None:
    clock("2026-11-01T02:00:00+00:00")
    serve.act(FINANCE, db, "erp:S2#1", "promise", on="2026-11-12", amount=250)
    serve.act(FINANCE, db, "erp:S1#1", "promise", on="2026-11-10", amount=250)
    clock(NOW)
    together = serve.work.state_of(db, ["erp:S1#1", "erp:S2#1"])
    assert {key: state["promise"]["state"] for key, state in together.items()} == {
        "erp:S1#1": "paid_check", "erp:S2#1": "broken",
    }  # fmt: skip
    for key, state in together.items():
        assert serve.work.state_of(db, [key]) == {key: state}
    for on in (date(2026, 11, 11), date(2026, 11, 13)):
        both = serve.work.state_of(db, ["erp:S1#1", "erp:S2#1"], on)
        assert serve.work.state_of(db, ["erp:S2#1"], on) == {"erp:S2#1": both["erp:S2#1"]}


def test_filters_sort_and_pages(db: serve.Served) -> None:
    everything = serve.worklist_page(FINANCE, db)
    assert everything["total"] == 3
    assert {row["currency"]: row["overdue_amount"] for row in everything["totals"]} == {"CNY": 2850, "EUR": 70}
    page = serve.worklist_page(FINANCE, db, sort="amount", limit=1, offset=1)
    assert (page["total"], [row["overdue_amount"] for row in page["rows"]]) == (3, [1050])
    assert [row["currency"] for row in serve.worklist(FINANCE, db, bucket="over_365")] == ["CNY"]
    assert {row["name"][:2] for row in serve.worklist(FINANCE, db, text="inv-s")} == {"南岭"}
    assert [row["overdue_amount"] for row in serve.worklist(FINANCE, db, min_amount=Decimal(1100))] == [1800]
    assert {row["status"] for row in serve.work_items(FINANCE, db, state="paid_check")} == {"paid_check"}
    with pytest.raises(FatalError, match="sorted by"):
        serve.worklist(FINANCE, db, sort="moon")


def test_letters_in_both_languages_keep_file_stage_and_history(db: serve.Served) -> None:
    for language in ("zh", "en"):
        made = serve.letter(FINANCE, db, "N", "demand_letter", language=language)
        assert made.content.startswith(b"%PDF")
        assert len(made.content) < 400_000
        assert b"/FontFile" in made.content
        assert made.facts["totals"] == {"CNY": "1800.00", "EUR": "70.00"}
        assert serve.letter(FINANCE, db, "N", "demand_letter", language=language).content == made.content
    where = serve.record_letter(FINANCE, db, made, note="快递")
    assert (db.instance.home / where).read_bytes() == made.content
    assert {row["stage"]["stage"] for row in items(db, text="北岭").values()} == {"demand_letter"}
    assert [row["action"] for row in serve.work_history(FINANCE, db, customer="N")].count("letter") == 1
    again = serve.record_letter(FINANCE, db, made)
    assert again != where


def test_nobody_is_chased_for_what_waiting_money_covers(db: serve.Served) -> None:
    made = serve.letter(FINANCE, db, "S", "reminder")
    assert made.item_keys == ("erp:S1#1",)
    serve.act(FINANCE, db, "erp:S1#1", "dispute", reason="quality")
    with pytest.raises(FatalError, match="nothing to ask for"):
        serve.letter(FINANCE, db, "S", "reminder")
    assert line(db, name="南岭")["state"] == "paid_check"
    with pytest.raises(NotFound):
        serve.letter(manager(db, "north"), db, made.customer_key, "reminder")


PERIOD = (date(2026, 8, 1), date(2026, 10, 31))


def test_a_statement_is_sent_confirmed_with_a_difference_and_resolved(db: serve.Served) -> None:
    number = serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD, sent_to="王会计")
    with pytest.raises(FatalError, match="out already"):
        serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD)
    name, content = serve.statement_file(FINANCE, db, number)
    assert name.endswith(".pdf")
    assert content.startswith(b"%PDF")
    with pytest.raises(FatalError, match="difference reason"):
        serve.answer_statement(FINANCE, db, number, "confirm", amount=1700)
    state = serve.answer_statement(
        FINANCE, db, number, "confirm", amount=1700, reason="returned_goods", owner="林北", copy=b"%PDF sealed",
        copy_name="回函.pdf",
    )  # fmt: skip
    assert state == "difference"
    (row,) = serve.statements(FINANCE, db)
    assert (row["difference_amount"], row["difference_owner"], row["label"]) == (-100, "林北", "退货未入账")
    assert serve.statement_file(FINANCE, db, number, copy=True)[1] == b"%PDF sealed"
    assert items(db)["INV-N1"]["limitation_on"] == date(2029, 11, 21)
    assert serve.answer_statement(FINANCE, db, number, "resolve", outcome="agreed") == "resolved"
    with pytest.raises(FatalError, match="nothing more"):
        serve.answer_statement(FINANCE, db, number, "confirm")
    with pytest.raises(NotFound):
        serve.answer_statement(manager(db, "south"), db, number, "cancel")
    (db.instance.home / row["file"]).write_bytes(b"other")
    with pytest.raises(FatalError, match="not the file that was recorded"):
        serve.statement_file(FINANCE, db, number)


def test_an_auditors_request_is_a_form_of_its_own(db: serve.Served) -> None:
    with pytest.raises(FatalError, match="names the auditor"):
        serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD, kind="confirmation")
    number = serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD, kind="confirmation", auditor="示例会计师事务所")
    assert [row["statement_id"] for row in serve.statements(FINANCE, db, kind="confirmation")] == [number]
    assert serve.statements(FINANCE, db, kind="statement") == []


def test_the_workbook_has_the_figures_of_the_statement(db: serve.Served) -> None:
    found = serve.statement(FINANCE, db, "N", *PERIOD, currency="CNY")["currencies"][0]
    made = serve.statement_document(FINANCE, db, "N", *PERIOD, currency="CNY", file="xlsx", language="en")
    sheet = openpyxl.load_workbook(io.BytesIO(made.content))["CNY Entries"]
    last = next(row for row in sheet.iter_rows(values_only=True) if row[1] == "Closing balance")
    assert Decimal(str(last[5])) == found["closing_amount"] == 1800


ANSWERS: dict[str, dict[str, Any]] = {
    "differ": {"amount": 1, "reason": "cutoff"}, "resolve": {"outcome": "agreed"},
}  # fmt: skip


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.sampled_from(["confirm", "differ", "resolve", "cancel"]), max_size=5))
def test_whatever_is_answered_the_states_follow_each_other(db: serve.Served, answers: list[str]) -> None:
    with db.instance.store.begin() as connection:
        connection.exec_driver_sql("delete from statements")
    number, state = serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD), "sent"
    for answer in answers:
        action = "confirm" if answer == "differ" else answer
        given_ = ANSWERS.get(answer, {})
        wanted = {"confirm": "confirmed", "differ": "difference", "resolve": "resolved", "cancel": "cancelled"}[answer]
        if action in FOLLOWS[state]:
            state = serve.answer_statement(FINANCE, db, number, action, **given_)
            assert state == wanted
        else:
            with pytest.raises(FatalError):
                serve.answer_statement(FINANCE, db, number, action, **given_)
        (row,) = serve.statements(FINANCE, db)
        assert row["state"] == state


def test_unapplied_money_finds_its_items_and_its_customer(db: serve.Served) -> None:
    queue = {row["number"]: row for row in serve.unapplied(FINANCE, db)}
    best = {number: row["suggestions"][0] for number, row in queue.items()}
    assert (best["P1"]["reason"], best["P1"]["items"][0]["item_key"]) == ("exact", "erp:S2#1")
    # named by the payer; the invoice number in the text comes before the sum of two items
    assert (best["P2"]["name"][:2], best["P2"]["reason"]) == ("北岭", "number_in_text")
    assert (best["P3"]["items"][0]["item_key"], best["P3"]["reason"]) == ("erp:N3#1", "exact")
    assert {row["number"] for row in serve.unapplied(manager(db, "south"), db)} == {"P1"}
    number = serve.tell_finance(FINANCE, db, "erp:P1", {"erp:S2#1": "250"}, reason="exact")
    told = next(row["told"] for row in serve.unapplied(FINANCE, db) if row["number"] == "P1")
    assert (told["state"], told["items"], told["suggestion_id"]) == ("told", {"erp:S2#1": Decimal(250)}, number)
    for wrong, says in (({"erp:S1#1": 251}, "more than the receipt"), ({"erp:S2#1": 250.01}, "more than erp:S2#1 owes"),
                        ({"erp:N1#1": 1}, "not all of the receipt's customer"), ({"erp:N4#1": 1}, "currency"),
                        ({"erp:X#1": 1}, "not open"), ({}, "at least one")):  # fmt: skip
        with pytest.raises(FatalError, match=says):
            serve.tell_finance(FINANCE, db, "erp:P1", wrong)
    serve.withdraw_suggestion(FINANCE, db, number)
    assert all(row["told"] is None for row in serve.unapplied(FINANCE, db))


def test_a_manager_sees_only_what_is_theirs(db: serve.Served) -> None:
    serve.act(FINANCE, db, "erp:N1#1", "promise", on="2026-11-30", amount=10)
    serve.act(FINANCE, db, "erp:N1#1", "dispute", amount=10)
    serve.send_statement(FINANCE, db, "N", "CNY", *PERIOD)
    north, south = manager(db, "north"), manager(db, "south")
    period = (date(2026, 11, 1), date(2026, 11, 30))
    asked: list[Callable[[Viewer], list[Any]]] = [
        lambda viewer: serve.disputes(viewer, db), lambda viewer: serve.statements(viewer, db),
        lambda viewer: serve.promise_performance(viewer, db, *period),
        lambda viewer: serve.work_items(viewer, db, text="北岭"),
        lambda viewer: serve.worklist(viewer, db, text="北岭"),
    ]  # fmt: skip
    assert [len(ask(north)) for ask in asked] == [1, 1, 1, 4, 2]
    assert [len(ask(south)) for ask in asked] == [0, 0, 0, 0, 0]
    for wrong in (
        lambda: serve.act(south, db, "erp:N1#1", "note", note="x"),
        lambda: serve.statement(south, db, "INV-N1"),
        lambda: serve.log_call(south, db, "INV-N1", result="not_reached"),
        lambda: serve.tell_finance(south, db, "erp:P2", {"erp:N2#1": 1}),
    ):
        with pytest.raises(NotFound):
            wrong()
    with pytest.raises(FatalError, match="does not work receivables"):
        serve.send_statement(SERVICE, db, "N", "CNY", *PERIOD)


def test_the_command_line_says_the_same(db: serve.Served, tmp_path: Path) -> None:
    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["--home", str(db.instance.home), *words])
        assert result.exit_code == 0, result.output
        return result.output

    found = json.loads(run("worklist", "--json", "--currency", "CNY", "--sort", "amount"))
    assert [row["overdue_amount"] for row in found["rows"]] == ["1800.00", "1050.00"]
    assert json.loads(run("worklist", "--items", "--json", "--text", "INV-N2"))["total"] == 1
    (part,) = json.loads(run("statement", "N", "--from", "2026-08-01", "--currency", "CNY", "--json"))["currencies"]
    assert (part["opening_amount"], part["closing_amount"], len(part["lines"])) == ("1000.00", "1800.00", 2)
    for name in ("s.pdf", "s.xlsx"):
        run("statement", "N", "--from", "2026-08-01", "--output", str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 4000
    assert "P1" in run("unapplied")
    run("letter", "N", "reminder", "--output", str(tmp_path / "r.pdf"))
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")


PLANS = st.lists(
    st.tuples(st.sampled_from(["erp:N1#1", "erp:N2#1", "erp:N3#1"]),
              st.sampled_from(["promise", "dispute", "withdraw_promise", "close_dispute", "snooze", "acknowledge",
                               "escalate"]),
              st.integers(1, 1000)),
    max_size=12,
)  # fmt: skip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(PLANS)
def test_whatever_is_done_the_amounts_add_up_and_nothing_is_lost(
    db: serve.Served, plans: list[tuple[str, str, int]]
) -> None:
    with db.instance.store.begin() as connection:
        for table in ("promises", "disputes", "notes", "work_events"):
            connection.exec_driver_sql(f"delete from {table}")
    written = 0
    for key, action, amount in plans:
        arguments: dict[str, dict[str, Any]] = {
            "promise": {"amount": amount, "on": "2026-12-01"}, "dispute": {"amount": amount},
            "snooze": {"until": "2026-12-01"},
        }  # fmt: skip
        try:
            serve.act(FINANCE, db, key, action, **arguments.get(action, {}))
            written += 1
        except FatalError:
            continue
    assert len(serve.work_history(FINANCE, db, customer="N")) == written
    for row in serve.work_items(FINANCE, db, text="北岭"):
        assert min(row["disputed_amount"], row["promised_amount"], row["chaseable_amount"]) >= 0
        held = row["disputed_amount"] + row["promised_amount"]
        assert held + row["chaseable_amount"] == row["open_amount"] or row["status"] == "snoozed"
    assert line(db)["overdue_amount"] == 1800
