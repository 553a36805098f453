"""Tryton 8.2: an ERP, spoken to over its JSON-RPC."""

from __future__ import annotations

import base64
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from realsystems.environments import FOLDER, cache_folder, environment, mark_of
from realsystems.processes import free_port, run, server

PASSWORD = "admin12345"
MODULES = ["party", "product", "account", "account_invoice", "account_payment"]
MODULES += ["sale", "sale_opportunity", "stock", "project", "timesheet"]
_INSIDE = Path(__file__).parent / "inside" / "tryton_setup.py"


@dataclass
class Tryton:
    """A running server; `call` is its own interface, used to change things and to ask what it says."""

    url: str
    database: str
    http: httpx.Client
    context: dict[str, Any]

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of this system is configured with."""
        return {"base_url": self.url, "database": self.database, "user": "admin", "password": "env:C360_TEST_TRYTON"}

    def call(self, method: str, *arguments: Any) -> Any:
        """The result of one RPC, warnings confirmed; AssertionError when Tryton answers with an error."""
        payload = self._post(method, [*wrap(list(arguments)), self.context])
        if "error" in payload and payload["error"][0] == "UserWarning":
            seen = {"user": 1, "name": payload["error"][1][0], "always": False}
            self._post("model.res.user.warning.create", [[seen], self.context])
            payload = self._post(method, [*wrap(list(arguments)), self.context])
        assert "error" not in payload, payload["error"]
        return unwrap(payload["result"])

    def _post(self, method: str, params: list[Any]) -> dict[str, Any]:
        answer = self.http.post(f"{self.url}/{self.database}/rpc/", json={"id": 1, "method": method, "params": params})
        answer.raise_for_status()
        return dict(answer.json())

    def create(self, model: str, **values: Any) -> int:
        """The id of a new record."""
        return int(self.call(f"model.{model}.create", [values])[0])

    def write(self, model: str, record: int, **values: Any) -> None:
        """Change a record."""
        self.call(f"model.{model}.write", [record], values)

    def delete(self, model: str, record: int) -> None:
        """Delete a record."""
        self.call(f"model.{model}.delete", [record])

    def wizard(self, name: str, model: str, record: int, data: dict[str, Any], *states: str) -> None:
        """Walk a wizard on one record: its own dialogue, as the client does it."""
        session = self.call(f"wizard.{name}.create")[0]
        context = {**self.context, "active_model": model, "active_id": record, "active_ids": [record]}
        for state in states:
            payload = self._post(f"wizard.{name}.execute", [session, wrap(data), state, context])
            assert "error" not in payload, payload["error"]
        self.call(f"wizard.{name}.delete", session)

    def read(self, model: str, domain: list[Any], fields: list[str]) -> list[dict[str, Any]]:
        """All records of a domain."""
        return list(self.call(f"model.{model}.search_read", domain, 0, None, [["id", "ASC"]], fields))


def wrap(value: Any) -> Any:
    """Python values in Tryton's JSON clothes."""
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": str(value)}
    if isinstance(value, date):
        return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dict):
        return {key: wrap(item) for key, item in value.items()}
    return [wrap(item) for item in value] if isinstance(value, list | tuple) else value


def unwrap(value: Any) -> Any:
    """Tryton's JSON clothes taken off (decimals and dates; the rest stays)."""
    if isinstance(value, dict):
        kind = value.get("__class__")
        if kind == "Decimal":
            return Decimal(value["decimal"])
        if kind == "date":
            return date(value["year"], value["month"], value["day"])
        return {key: unwrap(item) for key, item in value.items()}
    return [unwrap(item) for item in value] if isinstance(value, list) else value


def _database(tools: Path) -> Path:
    """A database with a company in it, made by Tryton's own tools and kept in the cache."""
    made = cache_folder() / f"tryton-{mark_of(FOLDER / 'tryton.txt', _INSIDE)}.sqlite"
    if made.is_file():
        return made
    with tempfile.TemporaryDirectory(dir=cache_folder()) as name:
        folder = Path(name)
        conf, base = _config(folder, 0), folder / "c360.sqlite"
        base.touch()
        (folder / "password").write_text(PASSWORD)
        env = {"TRYTONPASSFILE": str(folder / "password")}
        admin = [str(tools / "trytond-admin"), "-c", str(conf), "-d", "c360", "--email", "admin@demo.example"]
        run([*admin, "-u", *MODULES, "--activate-dependencies"], env=env)
        run([str(tools / "python"), str(_INSIDE), str(conf), "c360"], env=env)
        shutil.copyfile(base, made.with_suffix(".part"))
    made.with_suffix(".part").replace(made)
    return made


def _config(folder: Path, port: int) -> Path:
    conf = folder / "trytond.conf"
    # our own session may wait for the tests of slower systems
    session = "[session]\ntimeout = 86400\n"
    conf.write_text(f"[database]\nuri = sqlite://\npath = {folder}\n[web]\nlisten = 127.0.0.1:{port}\n{session}")
    return conf


@contextmanager
def running(folder: Path) -> Iterator[Tryton]:
    """A Tryton server on a fresh copy of the cached database."""
    tools = environment("tryton", (3, 10))
    shutil.copyfile(_database(tools), folder / "c360.sqlite")
    port = free_port()
    command = [str(tools / "trytond"), "-c", str(_config(folder, port)), "-d", "c360"]
    url = f"http://127.0.0.1:{port}"
    with server(command, url, folder / "trytond.log"), httpx.Client(timeout=60) as client:
        body = {"id": 1, "method": "common.db.login", "params": ["admin", {"password": PASSWORD}, "en"]}
        user, session, *_ = client.post(f"{url}/c360/rpc/", json=body).json()["result"]
        token = base64.b64encode(f"admin:{user}:{session}".encode()).decode()
        client.headers["Authorization"] = f"Session {token}"
        tryton = Tryton(url, "c360", client, {})
        tryton.context = {"company": 1, "employee": 1}
        yield tryton
