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
_CHECK = "check the recipient and the mail settings in c360.toml"
_PORTS = "check that the server runs, and that mail.port and mail.security fit: 587 starttls, 465 tls, 25 none"


class Refused(RetriableError):  # noqa: N818 - named after what the server did
    """The server did not take the mail."""

    def __init__(self, what: str, *, permanent: bool, remedy: str = _CHECK) -> None:
        super().__init__(what, remedy=remedy)
        self.permanent = permanent


class Uncertain(RetriableError):  # noqa: N818 - named after what is known
    """Nobody knows whether the server took the mail."""


@contextmanager
def connection(config: MailConfig, secrets_dir: Path) -> Iterator[smtplib.SMTP]:
    """An authenticated connection. Refused when the server cannot be reached.

    FatalError on wrong credentials, on a certificate that is not trusted, and when the server lacks what the settings
    ask for: the password never goes over a connection that is less safe than configured.
    """
    password = resolve(config.password, secrets_dir) if config.password else None
    server: smtplib.SMTP | None = None
    try:
        server = _connect(config)
        if config.security == "starttls":
            server.starttls(context=ssl.create_default_context())
        if config.user and password is not None:
            server.login(config.user, password)
    except (smtplib.SMTPException, OSError, UnicodeEncodeError) as error:
        _quit(server)
        raise _explained(config, error) from error
    try:
        yield server
    finally:
        _quit(server)


def _connect(config: MailConfig) -> smtplib.SMTP:
    if config.security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(config.host, config.port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(config.host, config.port, timeout=TIMEOUT_S)


def _explained(config: MailConfig, error: Exception) -> FatalError | Refused:
    """What went wrong before a mail was sent, and what to do about it."""
    where = f"mail server {config.host}:{config.port}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return FatalError(
            f"{where} refused user {config.user!r} ({error.smtp_code})",
            remedy="correct mail.user and mail.password in c360.toml",
        )
    if isinstance(error, ssl.SSLCertVerificationError):
        return FatalError(
            f"the certificate of {where} is not trusted: {error.verify_message}",
            remedy="name the host as its certificate does; trust a company's own authority with SSL_CERT_FILE",
        )
    if isinstance(error, smtplib.SMTPNotSupportedError) and "STARTTLS" in str(error):
        return FatalError(f"{where} offers no STARTTLS", remedy="correct mail.security or mail.port in c360.toml")
    if isinstance(error, smtplib.SMTPNotSupportedError) or "No suitable authentication" in str(error):
        return FatalError(
            f"{where} offers no sign-in that is known here",
            valid="CRAM-MD5, PLAIN, LOGIN",
            remedy="remove mail.user and mail.password, or correct mail.port in c360.toml",
        )
    if isinstance(error, UnicodeEncodeError):
        return FatalError(
            f"the user or password for {where} holds characters that SMTP sign-in cannot carry",
            valid="ASCII letters, digits and signs",
            remedy="choose another password for this account",
        )
    return Refused(f"{where} cannot be used: {error}", permanent=False, remedy=_PORTS)


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
