"""Folders elsewhere: over SFTP and in S3-compatible stores. Files are copied to this machine one at a time."""

from __future__ import annotations

import base64
import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from cryptography.exceptions import UnsupportedAlgorithm

from ingest.errors import ContractError, LoginError, SourceBusy, SpecError
from ingest.folders import Entry, Folder

if TYPE_CHECKING:
    import paramiko

    from ingest.hooks import Call

_WAIT_S = 30.0
_COPY = "copy"
_AGAIN = "check host, port and the network; the next run goes on here"


class Sftp(Folder):
    """sftp://user@host:port/folder. The server's key must be the one in the settings; no other is spoken to."""

    def __init__(self, call: Call, address: str) -> None:
        parts = urlsplit(address)
        if not parts.hostname or not parts.username:
            raise SpecError(f"{address!r} names no user and host", valid="sftp://user@host/folder")
        if parts.password:
            raise SpecError(
                f"{call.source}: `path` holds a password", remedy="give it as `password` = file:NAME or env:NAME"
            )
        call.client.check_loopback(parts.hostname)
        self._source, self._settings = call.source, call.settings
        self._user, self._at = unquote(parts.username), (parts.hostname, parts.port or 22)
        self._path = unquote(parts.path) or "."
        self.label = f"sftp://{parts.hostname}:{self._at[1]}{self._path}"
        self._transport = self._connect()
        self._sftp = self._open()

    def _connect(self) -> paramiko.Transport:
        import socket

        import paramiko

        where = f"{self._source}: {self.label}"
        try:
            transport = paramiko.Transport(socket.create_connection(self._at, timeout=_WAIT_S))
            transport.banner_timeout = transport.auth_timeout = _WAIT_S
            if kind := str(self._settings["host_key"]).partition(" ")[0]:
                # a server has several keys: it is asked for the one that we know
                kinds = ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)
                transport.get_security_options().key_types = kinds
            transport.start_client(timeout=_WAIT_S)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise SourceBusy(f"{where}: {error or 'the connection was closed'}", remedy=_AGAIN) from error
        try:
            self._check_host(transport.get_remote_server_key(), where)
            key = self._key(where)
            if key:
                transport.auth_publickey(self._user, key)
            else:
                transport.auth_password(self._user, str(self._settings["password"] or ""))
        except paramiko.AuthenticationException as error:
            transport.close()
            raise LoginError(
                f"{where} refuses {self._user}: {error}",
                remedy="check the user in `path`, `password` and `private_key`",
            ) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            transport.close()
            raise SourceBusy(f"{where}: {error}", remedy=_AGAIN) from error
        except Exception:
            transport.close()
            raise
        return transport

    def _check_host(self, key: paramiko.PKey, where: str) -> None:
        digest = base64.b64encode(hashlib.sha256(key.asbytes()).digest()).decode().rstrip("=")
        shown = f"{key.get_name()} {key.get_base64()}"
        wanted = str(self._settings["host_key"]).split()
        if wanted[:2] != shown.split():
            told = "is not the one in `host_key`" if wanted else "is not known: `host_key` is empty"
            raise LoginError(
                f"{where}: the server's key SHA256:{digest} {told}",
                remedy=f'ask the server\'s owner for its fingerprint; if it is this one, set host_key = "{shown}"',
            )

    def _key(self, where: str) -> paramiko.PKey | None:
        if not self._settings["private_key"]:
            return None
        try:
            return _private_key(str(self._settings["private_key"]), str(self._settings["passphrase"] or ""))
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SpecError(
                f"{where}: `private_key` cannot be read: {error}",
                valid="an Ed25519, ECDSA or RSA key in OpenSSH or PEM form",
                remedy="check the key and, if it has one, `passphrase`",
            ) from error

    def _open(self) -> paramiko.SFTPClient:
        import paramiko

        try:
            client = paramiko.SFTPClient.from_transport(self._transport)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._transport.close()
            raise SourceBusy(f"{self._source}: {self.label} gives no SFTP: {error}", remedy=_AGAIN) from error
        if client is None:
            raise SourceBusy(f"{self._source}: {self.label} gives no SFTP", remedy=_AGAIN)
        client.get_channel().settimeout(_WAIT_S)
        return client

    def entries(self) -> list[Entry]:
        """Its files, by name."""
        try:
            found = self._sftp.listdir_attr(self._path)
        except FileNotFoundError as error:
            raise ContractError(f"{self._source}: {self.label} does not exist", remedy="correct `path`") from error
        except OSError as error:
            raise self._broken(error) from error
        files = [_sftp_entry(one.filename, one) for one in found if one.st_mode is None or S_ISREG(one.st_mode)]
        return sorted(files, key=lambda one: one.name)

    def entry(self, name: str) -> Entry | None:
        """One file as it is now."""
        try:
            return _sftp_entry(name, self._sftp.stat(f"{self._path}/{name}"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._broken(error) from error

    def fetch(self, name: str, place: Path) -> Path:
        """A copy."""
        try:
            with (place / _COPY).open("wb") as file:
                self._sftp.getfo(f"{self._path}/{name}", file)
        except FileNotFoundError:
            pass  # it has gone since it was listed; what was copied is too short and waits
        except OSError as error:
            raise self._broken(error) from error
        return place / _COPY

    def _broken(self, error: OSError) -> SourceBusy | ContractError:
        if isinstance(error, PermissionError):
            return ContractError(
                f"{self._source}: {self.label}: {error}", remedy=f"give {self._user} the right to list and read it"
            )
        return SourceBusy(f"{self._source}: {self.label}: {error or type(error).__name__}", remedy=_AGAIN)

    def close(self) -> None:
        """End the connection."""
        self._sftp.close()
        self._transport.close()


def _private_key(text: str, phrase: str) -> paramiko.PKey:
    """The key, read by cryptography: paramiko refuses some OpenSSH keys. ValueError or TypeError when it is none."""
    import paramiko
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    data = text.strip().encode() + b"\n"
    load = form.load_ssh_private_key if b"BEGIN OPENSSH" in data else form.load_pem_private_key
    key = load(data, phrase.encode() or None)
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey(key=key)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(key, key.public_key()))
    if isinstance(key, ed25519.Ed25519PrivateKey):
        plain = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
        made: paramiko.PKey = paramiko.Ed25519Key.from_private_key(io.StringIO(plain.decode()))
        return made
    raise ValueError(f"{type(key).__name__} is another kind of key")


def _sftp_entry(name: str, facts: Any) -> Entry:
    modified = int(facts.st_mtime or 0)
    return Entry(name, int(facts.st_size or 0), str(modified), datetime.fromtimestamp(modified, UTC))


class S3(Folder):
    """s3://bucket/folder, at Amazon or at any store that speaks S3 (`endpoint`)."""

    def __init__(self, call: Call, address: str) -> None:
        from obstore.store import S3Store

        parts, settings = urlsplit(address), call.settings
        if not parts.netloc:
            raise SpecError(f"{address!r} names no bucket", valid="s3://bucket/folder")
        endpoint = str(settings["endpoint"] or "")
        host = urlsplit(endpoint).hostname if endpoint else "amazonaws.com"
        call.client.check_loopback(host or endpoint)
        self._source, self.label = call.source, address
        self._prefix = unquote(parts.path).strip("/")
        given = {"access_key_id": "access_key", "secret_access_key": "secret_key", "region": "region"}
        options: dict[str, Any] = {name: str(settings[ours]) for name, ours in given.items() if settings[ours]}
        if endpoint:
            options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if endpoint and "region" not in options:
            options["region"] = "us-east-1"
        self._store = S3Store(
            parts.netloc,
            client_options={"timeout": f"{_WAIT_S:.0f}s", "allow_http": endpoint.startswith("http:")},
            retry_config={"max_retries": 3},
            **options,
        )

    def entries(self) -> list[Entry]:
        """Its files, by name."""
        import obstore
        from obstore.exceptions import BaseError

        try:
            listed = obstore.list_with_delimiter(self._store, prefix=self._prefix or None)
        except (BaseError, FileNotFoundError) as error:
            raise self._broken(error) from error
        found = [self._entry(one) for one in listed["objects"]]
        if not found and not listed["common_prefixes"]:
            raise ContractError(
                f"{self._source}: {self.label} holds nothing", remedy="correct `path`, or put the files there"
            )
        return sorted(found, key=lambda one: one.name)

    def _entry(self, one: Any) -> Entry:
        name = str(one["path"]).rpartition("/")[2]
        return Entry(name, int(one["size"]), str(one["e_tag"] or one["last_modified"]), one["last_modified"])

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}" if self._prefix else name

    def entry(self, name: str) -> Entry | None:
        """One file as it is now."""
        import obstore
        from obstore.exceptions import BaseError, NotFoundError

        try:
            return self._entry(obstore.head(self._store, self._key(name)))
        except (FileNotFoundError, NotFoundError):
            return None
        except BaseError as error:
            raise self._broken(error) from error

    def fetch(self, name: str, place: Path) -> Path:
        """A copy."""
        import obstore
        from obstore.exceptions import BaseError, NotFoundError

        path = place / _COPY
        try:
            with path.open("wb") as file:
                for part in obstore.get(self._store, self._key(name)).stream(min_chunk_size=4 * 1024 * 1024):
                    file.write(part)
        except (FileNotFoundError, NotFoundError):
            pass  # it has gone since it was listed; an empty copy is too short and waits
        except BaseError as error:
            raise self._broken(error) from error
        return path

    def _broken(self, error: Exception) -> Exception:
        text = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        kind = type(error).__name__
        if kind in {"UnauthenticatedError", "PermissionDeniedError"} or "AccessDenied" in str(error):
            return LoginError(
                f"{self._source}: {self.label}: {text}",
                remedy="check access_key, secret_key and region, and that the key may list and read the bucket",
            )
        if kind in {"NotFoundError", "FileNotFoundError"} or "NoSuchBucket" in str(error):
            return ContractError(f"{self._source}: {self.label}: {text}", remedy="correct `path`")
        return SourceBusy(f"{self._source}: {self.label}: {text}", remedy=_AGAIN)
