"""PostgreSQL from the Debian package, as an operational store: a throw-away server on loopback."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from realsystems.environments import NotRun, cache_folder, ordinary
from realsystems.packages import install
from realsystems.processes import free_port, run, started

_PASSWORD = "c360-of-a-throw-away-server"


@dataclass(frozen=True)
class PostgreSql:
    """A running server. Every database is new and belongs to the ordinary role `c360`."""

    tools: Path
    port: int

    def database(self) -> str:
        """The URL of a fresh, empty database (UTF-8)."""
        name = f"c360_{uuid.uuid4().hex[:12]}"
        self.psql(f"create database {name} owner c360")
        return f"postgresql://c360:{_PASSWORD}@127.0.0.1:{self.port}/{name}"

    def is_ready(self) -> bool:
        """Whether the server takes connections."""
        command = [str(self.tools / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0

    def psql(self, statement: str, *, name: str = "postgres") -> str:
        """The bare output of one statement, as the superuser."""
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", name]
        command = [str(self.tools / "psql"), *where, "-v", "ON_ERROR_STOP=1", "-Atc", statement]
        return run(command, env={"PGPASSWORD": _PASSWORD}).strip()


def _tools() -> Path:
    """The folder of the newest installed server's programs; the package is installed when we may."""
    for attempt in (False, True):
        if attempt:
            install("postgresql")
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parts[4]))
        if found:
            return found[-1].parent
        if shutil.which("postgres") and shutil.which("initdb"):
            return Path(str(shutil.which("postgres"))).parent
    raise NotRun("the Debian package postgresql is installed and brought no server")


@contextmanager
def running(folder: Path) -> Iterator[PostgreSql]:
    """A server on a cluster of its own; the package's own cluster is not touched."""
    tools = _tools()
    user = ordinary("postgres")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="postgres-run-") as name:
        place = Path(name)
        secret = place / "password"
        secret.write_text(_PASSWORD)
        if user.uid is not None:
            for path in (place, secret):
                shutil.chown(path, user.uid, user.gid)
        data = place / "data"
        settings = ["--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C.UTF-8"]
        run([str(tools / "initdb"), "-D", str(data), "-U", "postgres", *settings], user=user, cwd=place)
        port = free_port()
        command = [str(tools / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(place)]
        server = PostgreSql(tools, port)
        with started(command, server.is_ready, folder / "postgresql.log", user=user, cwd=place):
            server.psql(f"create role c360 login password '{_PASSWORD}'")
            yield server
