"""A statement of account goes by mail only once confirmed, once, and is out when the mail server took it."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner

from model import delivery, serve
from model.policy import Viewer
from model.serve.letters import Document
from ops.errors import FatalError
from ops.instance import Instance
from run.cli import app
from tests.receivables import books
from tests.receivables.test_letter_mail import FILES, FINANCE, NOW, Sink, instance, sink, template

__all__ = ["instance", "sink", "template"]

START, END = date(2026, 8, 1), date(2026, 10, 31)
CONTACT = {
    "contact": "customer_id,name,email,is_finance,is_primary\nC1,Ann Sample,ann@customer.example,true,true\n"
    "C2,甲,a@two.example,true,false\n",
}


def made(db: serve.Served, file: str = "pdf", customer: str = "C1") -> Document:
    return serve.statement_document(FINANCE, db, customer, START, END, file=file, currency="CNY")


def only(db: serve.Served) -> dict[str, object]:
    [row] = serve.statements(FINANCE, db)
    return row


def test_shown_then_confirmed_then_sent_and_only_then_out(instance: Instance, sink: Sink) -> None:
    db = serve.open_published(instance)
    paper = made(db)
    shown = serve.mail_statement(FINANCE, db, paper)
    assert (shown["state"], shown["to"]["email"], shown["leaves"]) == ("preview", "wang@customer.example", True)
    assert "CNY 1,500.00" in shown["text"]
    assert serve.statements(FINANCE, db) == []
    assert delivery.deliver(instance)["sent"] == 0, "nothing is written before it is confirmed"
    done = serve.mail_statement(FINANCE, db, paper, confirmed=True)
    assert (done["state"], only(db)["state"]) == ("queued", "queued")
    for again in (paper, made(db, "xlsx")):
        with pytest.raises(FatalError, match=r"confirmed already|out already"):
            serve.mail_statement(FINANCE, db, again, confirmed=True)
    with pytest.raises(FatalError, match="out already"):
        serve.send_statement(FINANCE, db, "C1", "CNY", START, END)
    assert delivery.deliver(instance)["sent"] == 1
    assert delivery.deliver(instance)["sent"] == 0
    [mail] = sink.mails
    assert (mail["To"], mail["Message-ID"]) == ("王会计 <wang@customer.example>", done["message_id"])
    assert "2026-10-31" in mail["Subject"]
    [attached] = list(mail.iter_attachments())
    assert (attached.get_content(), attached.get_content_type()) == (paper.content, "application/pdf")
    row = only(db)
    assert (row["state"], row["sent_to"]) == ("sent", "王会计 <wang@customer.example>")
    assert serve.statement_file(FINANCE, db, done["statement_id"])[1] == paper.content
    assert [entry["outcome"] for entry in delivery.ledger(instance)] == ["sent"]
    history = [one["action"] for one in serve.work_history(FINANCE, db, customer="C1")]
    assert {"statement_mailed", "statement_sent"} <= set(history)
    with pytest.raises(FatalError, match=r"confirmed already|out already"):
        serve.mail_statement(FINANCE, db, paper, confirmed=True)
    assert serve.answer_statement(FINANCE, db, done["statement_id"], "confirm") == "confirmed"


def test_refused_or_returned_is_said_and_may_be_sent_anew(instance: Instance, sink: Sink) -> None:
    sink.answer = "550 no such person"
    db = serve.open_published(instance)
    first = serve.mail_statement(FINANCE, db, made(db), confirmed=True)
    assert delivery.deliver(instance)["dead"] == 1
    assert only(db)["state"] == "failed"
    with pytest.raises(FatalError, match="cannot confirm"):
        serve.answer_statement(FINANCE, db, first["statement_id"], "confirm")
    sink.answer = "250 taken"
    second = serve.mail_statement(FINANCE, db, made(db), confirmed=True)
    assert delivery.deliver(instance)["sent"] == 1
    states = {row["statement_id"]: row["state"] for row in serve.statements(FINANCE, db)}
    assert states == {first["statement_id"]: "cancelled", second["statement_id"]: "sent"}
    assert serve.answer_statement(FINANCE, db, second["statement_id"], "returned", note="mailbox full") == "failed"
    serve.mail_statement(FINANCE, db, made(db), confirmed=True)
    assert delivery.deliver(instance)["sent"] == 1
    assert len(sink.mails) == 2


def test_as_a_workbook_with_the_same_figures(instance: Instance, sink: Sink) -> None:
    db = serve.open_published(instance)
    serve.mail_statement(FINANCE, db, made(db, "xlsx"), confirmed=True)
    delivery.deliver(instance)
    [attached] = list(sink.mails[0].iter_attachments())
    assert attached.get_content_type().endswith("spreadsheetml.sheet")
    book = openpyxl.load_workbook(io.BytesIO(attached.get_content()))
    values = [cell for row in book.worksheets[0].iter_rows(values_only=True) for cell in row]
    assert 1500 in values


def test_not_with_other_figures_nor_for_somebody_elses_customer(instance: Instance, sink: Sink) -> None:
    db = serve.open_published(instance)
    paper = made(db)
    [part] = paper.facts["currencies"]
    forged = replace(
        paper, facts={**paper.facts, "currencies": [{**part, "closing_amount": part["closing_amount"] + 1}]}
    )
    with pytest.raises(FatalError, match="no longer the ledger's"):
        serve.mail_statement(FINANCE, db, forged, confirmed=True)
    with pytest.raises(FatalError, match="no longer the ledger's"):
        serve.mail_statement(FINANCE, db, replace(paper, customer_key=made(db, customer="C2").customer_key))
    with pytest.raises(FatalError, match="say which one"):
        serve.mail_statement(FINANCE, db, made(db, customer="C2"), confirmed=True)
    own = Viewer(user="a", name="a", role="account_manager", employee_key="E999999", scope="own")
    with pytest.raises(serve.NotFound):
        serve.mail_statement(own, db, paper, confirmed=True)
    assert delivery.deliver(instance)["sent"] == 0


def test_in_a_demo_it_is_kept_and_not_out(instance: Instance, sink: Sink) -> None:
    instance.config.mode = "demo"
    db = serve.open_published(instance)
    assert serve.mail_statement(FINANCE, db, made(db), confirmed=True)["state"] == "kept"
    with pytest.raises(FatalError, match="confirmed already"):
        serve.mail_statement(FINANCE, db, made(db), confirmed=True)
    assert delivery.deliver(instance)["sent"] == 0
    assert (sink.mails, serve.statements(FINANCE, db)) == ([], [])
    [kept] = (instance.home / "documents" / "statements").glob("*.eml")
    assert "wang@customer.example" in kept.read_text(encoding="utf-8")
    [row] = serve.mailed_letters(FINANCE, db, "kept")
    assert row["totals"] == {"CNY": "1500.00"}


def test_the_language_is_the_contacts(tmp_path: Path, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", NOW)
    (tmp_path / "other").mkdir()
    other = books.instance(tmp_path / "other", FILES | CONTACT, mode="demo")
    db, chinese = serve.open_published(other), serve.open_published(instance)
    assert [serve.contact_language(FINANCE, db, one) for one in ("C1", "C2", "C3")] == ["en", "zh", "zh"]
    assert serve.contact_language(FINANCE, chinese, "C1") == "zh"
    paper = serve.statement_document(FINANCE, db, "C1", START, END, currency="CNY", language="zh")
    serve.mail_statement(FINANCE, db, paper, confirmed=True)
    assert serve.contact_language(FINANCE, db, "C1") == "zh", "as the last paper was"
    other.store.close()


def test_the_command_asks_before_it_sends(instance: Instance, tmp_path: Path) -> None:
    instance.config.mode = "demo"
    instance.save()
    who = ["--home", str(instance.home), "--as", "chen.li"]
    call = [
        *who,
        "statement",
        "C1",
        "--from",
        str(START),
        "--to",
        str(END),
        "--output",
        str(tmp_path / "s.xlsx"),
        "--mail",
    ]
    without = CliRunner().invoke(app, call)
    assert without.exit_code == 1
    refused = CliRunner().invoke(app, [*call, "--currency", "CNY"], input="n\n")
    assert (refused.exit_code, "wang@customer.example" in refused.output) == (1, True), refused.output
    taken = CliRunner().invoke(app, [*call, "--currency", "CNY"], input="y\n")
    assert (taken.exit_code, "nothing leaves" in taken.output) == (0, True), taken.output
    [row] = json.loads(CliRunner().invoke(app, [*who, "letters", "--json"]).output)
    assert (row["state"], row["kind"]) == ("kept", "statement")
