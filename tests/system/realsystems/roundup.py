"""Roundup: a ticket tracker, spoken to over its REST API. It refuses to run as root."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from realsystems.environments import User, cache_folder, environment, ordinary
from realsystems.processes import free_port, run, server

PASSWORD = "admin12345"


@dataclass
class Roundup:
    """A running tracker; `http` speaks as its administrator."""

    url: str
    http: httpx.Client
    run_admin: Callable[[str], str]

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of this system is configured with."""
        return {"base_url": self.url, "user": "admin", "password": "env:C360_TEST_ROUNDUP"}

    def create(self, kind: str, **values: Any) -> str:
        """The id of a new record."""
        answer = self.http.post(f"{self.url}/rest/data/{kind}", json=values)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    def many(self, commands: list[str]) -> list[str]:
        """The output lines of commands of the tracker's own administration tool, in one go."""
        said = self.run_admin("\n".join([*commands, "commit", ""]))
        return [line.strip() for line in said.replace("roundup>", "\n").splitlines() if line.strip()]

    def change(self, kind: str, record: str, **values: Any) -> None:
        """Change a record; Roundup wants to see that we know its present state."""
        self._with_tag("PATCH", kind, record, values)

    def delete(self, kind: str, record: str) -> None:
        """Retire a record: it vanishes from the lists."""
        self._with_tag("DELETE", kind, record, None)

    def get(self, path: str, **params: Any) -> Any:
        """The `data` of an answer."""
        answer = self.http.get(f"{self.url}/rest/data/{path}", params=params)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def _with_tag(self, method: str, kind: str, record: str, values: dict[str, Any] | None) -> None:
        tag = self.get(f"{kind}/{record}")["@etag"]
        url = f"{self.url}/rest/data/{kind}/{record}"
        answer = self.http.request(method, url, json=values, headers={"If-Match": tag})
        assert answer.is_success, answer.text


def _tracker(tools: Path, home: Path, url: str, user: User) -> None:
    admin = [str(tools / "python"), str(tools / "roundup-admin"), "-i", str(home)]
    run([*admin, "install", "classic", "sqlite"], user=user, cwd=home.parent)
    config = home / "config.ini"
    text = config.read_text(encoding="utf-8")
    wanted = {"web": f"{url}/", "domain": "tracker.example", "host": "localhost"}
    # every call checks the password; the default rounds take a second of it
    wanted |= {"password_pbkdf2_default_rounds": "10000"}
    for key, value in wanted.items():
        text = re.sub(rf"(?m)^#?{key} *=.*$", f"{key} = {value}", text)
    head, mail, tail = text.partition("\n[mail]\n")
    # mail goes into a file
    tail = re.sub(r"(?m)^debug *=.*$", f"debug = {home.parent / 'outbox.mbox'}", tail, count=1)
    config.write_text(head + mail + tail, encoding="utf-8")
    run([*admin, "initialise", PASSWORD], user=user, cwd=home.parent)


@contextmanager
def running(folder: Path) -> Iterator[Roundup]:
    """A fresh classic tracker."""
    user = ordinary()
    tools = environment("roundup", (3, 9), user)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="roundup-run-") as name:
        place = Path(name)
        if user.uid is not None:
            shutil.chown(place, user.uid, user.gid)
        port = free_port()
        url = f"http://127.0.0.1:{port}/t"
        _tracker(tools, place / "tracker", url, user)
        command = [str(tools / "python"), str(tools / "roundup-server"), "-n", "127.0.0.1", "-p", str(port)]
        command += ["-t", "thread", f"t={place / 'tracker'}"]
        headers = {"X-Requested-With": "rest", "Referer": f"{url}/", "Origin": url.removesuffix("/t")}
        with (
            server(command, f"{url}/rest/", folder / "roundup.log", user=user, cwd=place),
            httpx.Client(timeout=60, auth=("admin", PASSWORD), headers=headers) as client,
        ):
            home = {"HOME": str(place)}
            admin = [str(tools / "python"), str(tools / "roundup-admin"), "-i", str(place / "tracker")]
            yield Roundup(url, client, lambda given: run(admin, user=user, cwd=place, env=home, given=given))
