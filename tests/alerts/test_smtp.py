"""SMTP as mail servers speak it: STARTTLS and TLS with a certificate of our own making, sign-in, refusals."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from model.delivery import smtp
from ops import secrets
from ops.errors import FatalError
from ops.instance import MailConfig

USER, PASSWORD = "c360@demo.example", "pass-word-4711"
Server = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key) for localhost, signed by itself."""
    folder = tmp_path_factory.mktemp("certificate")
    key, made = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(made)],
        check=True, capture_output=True,
    )  # fmt: skip
    return made, key


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine trusts the certificate, as a company's machine trusts the company's authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))


class Mailbox:
    """Takes mail for known people; remembers what came and over what."""

    def __init__(self) -> None:
        self.mails: list[bytes] = []
        self.users: list[str] = []
        self.encrypted: list[bool] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:  # noqa: N802
        if address.startswith("nobody@"):
            return "550 5.1.1 no such person here"
        if address.startswith("full@"):
            return "452 4.2.2 the mailbox is full"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.mails.append(envelope.content)
        self.encrypted.append(bool(session.ssl) or server.transport.get_extra_info("ssl_object") is not None)
        return "250 taken as 4711"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> AuthResult:
        if mechanism not in {"LOGIN", "PLAIN"} or not isinstance(data, LoginPassword):
            return AuthResult(success=False, handled=False)
        right = data.login == USER.encode() and data.password == PASSWORD.encode()
        if right:
            self.users.append(f"{data.login.decode()} by {mechanism}")
        return AuthResult(success=right, handled=False)


@contextmanager
def _running(make: Callable[[], SMTP], context: ssl.SSLContext | None) -> Iterator[int]:
    """The port of a server in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(make, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox, certificate: tuple[Path, Path], tmp_path: Path) -> Iterator[Server]:
    """Start a server of one kind: (security, without=…) → MailConfig that fits it."""
    stack: list[Any] = []
    secrets.write("mail", PASSWORD, tmp_path)

    def start(security: str, *, without: tuple[str, ...] = ()) -> MailConfig:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)

        def make() -> SMTP:
            return SMTP(
                mailbox, hostname="localhost", authenticator=mailbox.authenticate,
                auth_required=True, auth_require_tls=security == "starttls", auth_exclude_mechanism=without,
                tls_context=context if security == "starttls" else None, require_starttls=security == "starttls",
            )  # fmt: skip

        running = _running(make, context if security == "tls" else None)
        stack.append(running)
        port = running.__enter__()
        return MailConfig(
            host="localhost", port=port, security=security, user=USER,  # type: ignore[arg-type]
            password="file:mail", sender="c360@demo.example",
        )  # fmt: skip

    yield start
    for running in stack:
        running.__exit__(None, None, None)


def mail(to: str = "李销售 <li@demo.example>") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "c360@demo.example", to, "逾期提醒"
    message["Message-ID"] = "<c360.test@demo.example>"
    message.set_content("北辰仪器 700,000.00")
    return message


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize(("without", "used"), [(("LOGIN",), "PLAIN"), (("PLAIN",), "LOGIN")])
def test_a_mail_goes_encrypted_and_signed_in(
    server: Server, mailbox: Mailbox, tmp_path: Path, security: str, without: tuple[str, ...], used: str
) -> None:
    with smtp.connection(server(security, without=without), tmp_path) as opened:
        answer = smtp.send(opened, mail())
    assert "4711" in answer
    assert mailbox.users == [f"{USER} by {used}"]
    assert mailbox.encrypted == [True]
    assert b"Message-ID: <c360.test@demo.example>" in mailbox.mails[0]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_wrong_password_stops_and_is_never_shown(
    server: Server, mailbox: Mailbox, tmp_path: Path, security: str
) -> None:
    config = server(security)
    secrets.write("mail", "wrong-word", tmp_path)
    with pytest.raises(FatalError, match="refused user") as error, smtp.connection(config, tmp_path):
        pass
    assert "535" in str(error.value)
    assert "mail.password" in str(error.value)
    assert "wrong-word" not in str(error.value)
    assert mailbox.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_refused(
    server: Server, mailbox: Mailbox, tmp_path: Path, security: str
) -> None:
    with pytest.raises(FatalError, match="certificate") as error, smtp.connection(server(security), tmp_path):
        pass
    assert "self-signed" in str(error.value)
    assert "SSL_CERT_FILE" in str(error.value)
    assert mailbox.users == [], "no password before trust"


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_host_is_refused(server: Server, tmp_path: Path, security: str) -> None:
    config = server(security).model_copy(update={"host": "127.0.0.1"})
    with pytest.raises(FatalError, match="certificate"), smtp.connection(config, tmp_path):
        pass


@pytest.mark.usefixtures("trusted")
def test_refused_recipients_say_whether_to_try_again(server: Server, tmp_path: Path) -> None:
    config = server("starttls")
    for address, permanent in (("nobody@demo.example", True), ("full@demo.example", False)):
        with smtp.connection(config, tmp_path) as opened, pytest.raises(smtp.Refused) as error:
            smtp.send(opened, mail(address))
        assert error.value.permanent is permanent
        assert address in str(error.value)


@pytest.mark.usefixtures("trusted")
def test_a_server_without_starttls_is_not_spoken_to_in_clear(server: Server, mailbox: Mailbox, tmp_path: Path) -> None:
    config = server("none").model_copy(update={"security": "starttls"})
    with pytest.raises(FatalError, match="STARTTLS") as error, smtp.connection(config, tmp_path):
        pass
    assert "mail.security" in str(error.value)
    assert mailbox.users == []


@pytest.mark.usefixtures("trusted")
def test_tls_and_starttls_ports_confused_is_said(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 2.0)
    for kind, asked in (("starttls", "tls"), ("tls", "starttls")):
        config = server(kind).model_copy(update={"security": asked})
        with (
            pytest.raises((FatalError, smtp.Refused), match="cannot be used") as error,
            smtp.connection(config, tmp_path),
        ):
            pass
        assert "mail.security" in str(error.value)


@pytest.mark.usefixtures("trusted")
def test_a_server_that_offers_no_sign_in_is_said(server: Server, tmp_path: Path) -> None:
    config = server("tls", without=("LOGIN", "PLAIN"))
    with pytest.raises(FatalError, match="sign-in") as error, smtp.connection(config, tmp_path):
        pass
    assert "mail.user" in str(error.value)


@pytest.mark.usefixtures("trusted")
def test_a_password_that_smtp_cannot_carry_is_said_without_showing_it(server: Server, tmp_path: Path) -> None:
    config = server("tls")
    secrets.write("mail", "密码密码", tmp_path)
    with pytest.raises(FatalError, match="cannot carry") as error, smtp.connection(config, tmp_path):
        pass
    assert "密码" not in str(error.value)
