"""MariaDB from the Debian package, as a source: a throw-away server on loopback."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pymysql
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from realsystems.environments import NotRun, cache_folder, ordinary
from realsystems.packages import install
from realsystems.processes import free_port, run, started

PASSWORD = "c360 of a throw-away/server"


@dataclass(frozen=True)
class MariaDb:
    """A running server. The user `reader` may read what is granted to it, and nothing else."""

    port: int
    socket: str
    certificate: Path

    def database(self) -> str:
        """The name of a fresh, empty database that `reader` may read."""
        name = f"c360_{uuid.uuid4().hex[:12]}"
        self.sql(f"create database {name} character set utf8mb4", f"grant select on {name}.* to reader@'%'", name="")
        return name

    def sql(self, *statements: str, name: str) -> list[tuple[object, ...]]:
        """Run statements as the superuser in the database `name`; the rows of the last one."""
        with (
            pymysql.connect(unix_socket=self.socket, user="root", database=name or None, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        try:
            pymysql.connect(unix_socket=self.socket, user="root").close()
        except pymysql.MySQLError:
            return False
        return True


def _tool(name: str) -> str:
    """A program of the server; the package is installed when we may."""
    for attempt in (False, True):
        if attempt:
            install("mariadb-server")
        found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
        if found:
            return found
    raise NotRun("the Debian package mariadb-server is installed and brought no server")


def _certify(place: Path) -> tuple[Path, Path]:
    """A certificate that signs itself for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    (place / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (place / "key.pem").write_bytes(text)
    return place / "cert.pem", place / "key.pem"


@contextmanager
def running(folder: Path) -> Iterator[MariaDb]:
    """A server on a data folder of its own; the package's own is not touched."""
    daemon = _tool("mariadbd")
    user = ordinary("mysql")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="mariadb-run-") as name:
        place = Path(name)
        certificate, key = _certify(place)
        if user.uid is not None:
            for path in (place, certificate, key):
                shutil.chown(path, user.uid, user.gid)
        data, socket = place / "data", place / "s"
        make = [_tool("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db"]
        run([*make, "--auth-root-authentication-method=normal"], user=user, cwd=place)
        port = free_port()
        command = [daemon, "--no-defaults", f"--datadir={data}", f"--socket={socket}", f"--port={port}"]
        command += ["--bind-address=127.0.0.1", f"--pid-file={place / 'pid'}", "--innodb-buffer-pool-size=64M"]
        command += [f"--ssl-cert={certificate}", f"--ssl-key={key}", "--default-time-zone=+00:00"]
        server = MariaDb(port, str(socket), certificate)
        with started(command, server.is_ready, folder / "mariadb.log", user=user, cwd=place):
            server.sql(f"create user reader@'%' identified by '{PASSWORD}'", name="mysql")
            yield server
