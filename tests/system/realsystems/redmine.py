"""Redmine 5 from the Debian package: projects, spoken to over its REST API. Needs root to install the package."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from realsystems.environments import NotRun, cache_folder, ordinary
from realsystems.packages import bundler, install
from realsystems.processes import free_port, run, server

_HOME = Path("/usr/share/redmine")
_DATABASE = Path("/var/lib/dbconfig-common/sqlite3/redmine/instances/default/redmine_default")
# REST on, custom fields, and the administrator's key printed: in Redmine's own words.
_PREPARE = """
Setting.rest_api_enabled = '1'
Setting.notified_events = []
admin = User.find_by_login('admin')
admin.update_columns(must_change_passwd: false)
['Customer', 'ERP number', 'Contract'].each do |name|
  ProjectCustomField.create!(name: name, field_format: 'string', is_for_all: true, visible: true)
end
puts admin.api_key
"""


@dataclass
class Redmine:
    """A running server; `http` speaks as its administrator."""

    url: str
    http: httpx.Client
    key: str

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of this system is configured with."""
        return {"base_url": self.url, "key": "env:C360_TEST_REDMINE"}

    def create(self, path: str, kind: str, **values: Any) -> int:
        """The id of a new record."""
        answer = self.http.post(f"{self.url}/{path}.json", json={kind: values})
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:500]}"
        return int(answer.json()[kind]["id"])

    def change(self, path: str, kind: str, **values: Any) -> None:
        """Change a record."""
        answer = self.http.put(f"{self.url}/{path}.json", json={kind: values})
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"

    def delete(self, path: str) -> None:
        """Delete a record."""
        answer = self.http.delete(f"{self.url}/{path}.json")
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"

    def get(self, path: str, **params: Any) -> Any:
        """What the API says."""
        answer = self.http.get(f"{self.url}/{path}.json", params=params)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"
        return answer.json()


def _install() -> None:
    if not (_DATABASE.is_file() and _HOME.is_dir()):
        install("redmine", "redmine-sqlite")


@contextmanager
def running(folder: Path) -> Iterator[Redmine]:
    """A Redmine server on a copy of the package's empty database; the package's own instance is not touched."""
    _install()
    if os.geteuid() != 0:
        raise NotRun("needs root to read the package's database and to run as www-data")
    user = ordinary("www-data")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="redmine-run-") as name:
        place = Path(name)
        base = place / "redmine.sqlite"
        with sqlite3.connect(_DATABASE) as old, sqlite3.connect(base) as new:
            old.backup(new)
        for path in (place, base):
            shutil.chown(path, user.uid, user.gid)
        env = bundler() | {
            "DATABASE_URL": f"sqlite3:{base}?timeout=20000",
            "RAILS_ENV": "production",
            "REDMINE_INSTANCE": "default",
            "RUBYOPT": "-rwebrick",
            "HOME": str(place),
            "LANG": "C.UTF-8",
        }
        said = run(["ruby", "bin/rails", "runner", _PREPARE], user=user, env=env, cwd=_HOME)
        key = said.split()[-1]
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = ["rackup", "-s", "webrick", "-E", "production", "-o", "127.0.0.1", "-p", str(port)]
        command += ["-P", str(place / "pid"), "config.ru"]
        with (
            server(command, f"{url}/issue_statuses.json", folder / "redmine.log", user=user, env=env, cwd=_HOME),
            httpx.Client(timeout=60, headers={"X-Redmine-API-Key": key}) as client,
        ):
            yield Redmine(url, client, key)
