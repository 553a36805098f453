"""One mail over one SMTP connection, with failures told apart by what to do about them.

Refused        nothing was accepted; `permanent` says whether trying again can help
Uncertain      the connection broke after the mail was sent and before the server answered
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import getaddresses, parseaddr
from pathlib import Path

from ops.errors import FatalError, RetriableError
from ops.instance import MailConfig
from ops.secrets import resolve

TIMEOUT_S = 30.0


class Refused(RetriableError):  # noqa: N818 - named after what the server did
    """The server did not take the mail."""

    def __init__(self, what: str, *, permanent: bool) -> None:
        super().__init__(what, remedy="check the recipient and the mail settings in c360.toml")
        self.permanent = permanent


class Uncertain(RetriableError):  # noqa: N818 - named after what is known
    """Nobody knows whether the server took the mail."""


@contextmanager
def connection(config: MailConfig, secrets_dir: Path) -> Iterator[smtplib.SMTP]:
    """An authenticated connection. Refused when the server cannot be reached; FatalError on wrong credentials."""
    password = resolve(config.password, secrets_dir) if config.password else None
    context = ssl.create_default_context()
    server: smtplib.SMTP | None = None
    try:
        if config.security == "tls":
            server = smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_S)
        if config.security == "starttls":
            server.starttls(context=context)
        if config.user and password is not None:
            server.login(config.user, password)
    except smtplib.SMTPAuthenticationError as error:
        _quit(server)
        raise FatalError(
            f"mail server {config.host}:{config.port} refused user {config.user!r} ({error.smtp_code})",
            remedy="correct mail.user and mail.password in c360.toml",
        ) from error
    except (smtplib.SMTPException, OSError) as error:
        _quit(server)
        raise Refused(f"mail server {config.host}:{config.port} cannot be used: {error}", permanent=False) from error
    try:
        yield server
    finally:
        _quit(server)


def _quit(server: smtplib.SMTP | None) -> None:
    if server is None:
        return
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def send(server: smtplib.SMTP, message: EmailMessage) -> str:
    """Hand one mail over; returns the server's answer. Raises Refused or Uncertain."""
    sender = parseaddr(str(message["From"]))[1]
    recipients = [address for _, address in getaddresses([str(message["To"])])]
    try:
        server.ehlo_or_helo_if_needed()
        _expect(server.mail(sender), "MAIL FROM")
        for address in recipients:
            _expect(server.rcpt(address), f"RCPT TO {address}")
    except (smtplib.SMTPException, OSError) as error:
        raise Refused(f"the connection broke before the mail was sent: {error}", permanent=False) from error
    try:
        code, answer = server.data(message.as_bytes())
    except smtplib.SMTPDataError as error:
        _expect((error.smtp_code, _bytes(error.smtp_error)), "DATA")
        raise
    except (smtplib.SMTPException, OSError) as error:
        raise Uncertain(f"the connection broke before the server answered: {error}") from error
    _expect((code, answer), "DATA")
    return answer.decode("utf-8", "replace")


def _bytes(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _expect(reply: tuple[int, bytes], step: str) -> None:
    code, answer = reply
    if 200 <= code < 300:
        return
    shown = answer.decode("utf-8", "replace")
    raise Refused(f"{step} was answered {code} {shown}", permanent=500 <= code < 600)
