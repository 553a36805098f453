"""A letter goes by mail only to the finance contact, only once confirmed, and is a demand only when it was taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from typer.testing import CliRunner

from model import delivery, serve
from model.policy import Viewer
from ops.errors import FatalError
from ops.instance import Instance, MailConfig
from run.cli import app
from tests.ports import free_port
from tests.receivables import books

NOW = "2026-11-21T02:00:00+00:00"
FINANCE = Viewer(user="chen.li", name="陈立", role="finance")
FILES = {
    "customer": "code,name\nC1,示例仪器有限公司\nC2,示例测控有限公司\nC3,示例电子有限公司\n",
    "contact": "customer_id,name,email,is_finance,is_primary\n"
    "C1,王会计,wang@customer.example,true,false\nC1,李采购,li@customer.example,false,true\n"
    "C2,甲,a@two.example,true,false\nC2,乙,b@two.example,true,false\nC3,丙,c@three.example,false,true\n",
    "invoice": "customer_id,number,invoice_on,due_on,currency,gross_amount\n"
    "C1,A1,2026-08-01,2026-09-01,CNY,1000\nC1,A2,2026-08-01,2026-10-01,CNY,500\n"
    "C2,B1,2026-08-01,2026-09-01,CNY,70\nC3,D1,2026-08-01,2026-09-01,CNY,80\n",
}


class Sink:
    """Takes, or refuses for good."""

    def __init__(self) -> None:
        self.answer = "250 taken"
        self.mails: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        _ = server, session
        if self.answer.startswith("250"):
            message = message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.mails.append(message)
        return self.answer


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("letters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        books.instance(folder, FILES, company="示例测控集团").store.close()
    return folder


@pytest.fixture
def instance(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setenv("C360_NOW", NOW)
    made = books.copied(template, tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def sink(instance: Instance) -> Iterator[Sink]:
    handler = Sink()
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    instance.config.mail = MailConfig(
        host="127.0.0.1", port=controller.port, security="none", sender="c360@company.example"
    )
    instance.save()
    yield handler
    controller.stop()


def stages(db: serve.Served) -> dict[str, str | None]:
    rows = serve.work_items(FINANCE, db, customer_key=serve.resolve(FINANCE, db, "C1"))
    return {row["invoice_number"]: (row["stage"] or {}).get("stage") for row in rows}


def test_shown_then_confirmed_then_sent_and_only_then_a_demand(instance: Instance, sink: Sink) -> None:
    db = serve.open_published(instance)
    made = serve.letter(FINANCE, db, "C1", "demand_letter")
    shown = serve.mail_letter(FINANCE, db, made)
    assert (shown["state"], shown["to"]["email"], shown["leaves"]) == ("preview", "wang@customer.example", True)
    assert "王会计" in shown["text"]
    assert delivery.deliver(instance)["sent"] == 0, "nothing is written before it is confirmed"
    done = serve.mail_letter(FINANCE, db, made, confirmed=True)
    assert done["state"] == "queued"
    assert stages(db) == {"A1": None, "A2": None}, "not a demand before it left"
    assert delivery.deliver(instance)["sent"] == 1
    [mail] = sink.mails
    assert (mail["To"], mail["Message-ID"]) == ("王会计 <wang@customer.example>", done["message_id"])
    [attached] = list(mail.iter_attachments())
    assert attached.get_content() == made.content
    assert attached.get_filename() == made.name
    assert stages(db) == {"A1": "demand_letter", "A2": "demand_letter"}
    [row] = serve.mailed_letters(FINANCE, db)
    assert (row["state"], row["recipient"], row["confirmed_by"]) == ("sent", "wang@customer.example", "chen.li")
    assert [entry["outcome"] for entry in delivery.ledger(instance)] == ["sent"]
    history = [row["action"] for row in serve.work_history(FINANCE, db, customer="C1")]
    assert {"letter_confirmed", "letter_sent", "stage"} <= set(history)
    with pytest.raises(FatalError, match="confirmed already"):
        serve.mail_letter(FINANCE, db, made, confirmed=True)
    assert delivery.deliver(instance)["sent"] == 0


def test_a_letter_that_is_refused_for_good_is_no_demand(instance: Instance, sink: Sink) -> None:
    sink.answer = "550 no such person"
    db = serve.open_published(instance)
    serve.mail_letter(FINANCE, db, serve.letter(FINANCE, db, "C1", "demand_letter"), confirmed=True)
    assert delivery.deliver(instance)["dead"] == 1
    assert stages(db) == {"A1": None, "A2": None}
    assert [row["state"] for row in serve.mailed_letters(FINANCE, db)] == ["dead"]


def test_only_to_a_finance_contact_of_the_customer(instance: Instance, sink: Sink) -> None:
    db = serve.open_published(instance)
    first = serve.letter(FINANCE, db, "C1", "reminder")
    with pytest.raises(FatalError, match="no finance contact of this customer"):
        serve.mail_letter(FINANCE, db, first, contact="li@customer.example", confirmed=True)
    with pytest.raises(FatalError, match="has no finance contact with a mail address"):
        serve.mail_letter(FINANCE, db, serve.letter(FINANCE, db, "C3", "reminder"), confirmed=True)
    second = serve.letter(FINANCE, db, "C2", "reminder")
    assert serve.mail_letter(FINANCE, db, second)["to"] is None
    with pytest.raises(FatalError, match="say which one"):
        serve.mail_letter(FINANCE, db, second, confirmed=True)
    serve.mail_letter(FINANCE, db, second, contact="b@two.example", confirmed=True)
    delivery.deliver(instance)
    assert [mail["To"] for mail in sink.mails] == ["乙 <b@two.example>"]


def test_in_a_demo_nothing_leaves(instance: Instance, sink: Sink) -> None:
    instance.config.mode = "demo"
    db = serve.open_published(instance)
    done = serve.mail_letter(FINANCE, db, serve.letter(FINANCE, db, "C1", "reminder"), confirmed=True)
    assert done["state"] == "kept"
    assert delivery.deliver(instance)["sent"] == 0
    assert sink.mails == []
    [kept] = (instance.home / "documents" / "letters").glob("*.eml")
    assert message_from_bytes(kept.read_bytes(), policy=default)["To"] == "王会计 <wang@customer.example>"
    assert stages(db) == {"A1": None, "A2": None}


def test_the_command_asks_before_it_sends(instance: Instance, tmp_path: Path) -> None:
    instance.config.mode = "demo"
    instance.save()
    who = ["--home", str(instance.home), "--as", "chen.li"]
    call = [*who, "letter", "C1", "reminder", "--output", str(tmp_path / "l.pdf"), "--mail"]
    refused = CliRunner().invoke(app, call, input="n\n")
    assert (refused.exit_code, "wang@customer.example" in refused.output) == (1, True), refused.output
    listed = CliRunner().invoke(app, [*who, "letters", "--json"])
    assert json.loads(listed.output) == []
    taken = CliRunner().invoke(app, call, input="y\n")
    assert (taken.exit_code, "nothing leaves" in taken.output) == (0, True), taken.output
    [row] = json.loads(CliRunner().invoke(app, [*who, "letters", "--json"]).output)
    assert (row["state"], row["recipient"]) == ("kept", "wang@customer.example")
