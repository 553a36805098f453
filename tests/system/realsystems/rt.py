"""Request Tracker 5 from the Debian packages: tickets, spoken to over REST2. Needs root to install them."""

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
from realsystems.packages import install
from realsystems.processes import free_port, run, server

_SERVER = Path("/usr/share/request-tracker5/libexec/rt-server")
_DATABASE = Path("/var/lib/dbconfig-common/sqlite3/request-tracker5/rtdb")
_PACKAGES = ("request-tracker5", "rt5-db-sqlite", "rt5-standalone", "starlet")
_RIGHTS = ("SeeQueue", "ShowTicket", "ShowTicketComments", "SeeCustomField", "AdminUsers")
_CONFIG = """
Set($DatabaseType, 'SQLite');
Set($DatabaseName, '{place}/rt.sqlite');
Set($rtname, 'desk.example.com');
Set($Organization, 'desk.example.com');
Set($WebDomain, '127.0.0.1');
Set($WebPort, {port});
Set($WebBaseURL, 'http://127.0.0.1:{port}');
Set($Timezone, 'UTC');
Set($MailCommand, 'mbox');
Set($LogToSyslog, undef);
Set($LogToSTDERR, 'error');
Set($MasonDataDir, '{place}/mason');
Set($MasonSessionDir, '{place}/session');
1;
"""
# A user for the collector with the rights that docs/connectors/rt.md asks for, one without, a custom field; prints
# their tokens and the administrator's.
_PREPARE = """
use strict; use warnings;
use lib '/usr/share/request-tracker5/lib';
use RT -init;
my $system = RT->SystemUser;
sub ok { my ($ok, $said) = @_; die "$said\\n" unless $ok; return $ok }
sub token {
    my $user = RT::CurrentUser->new($system);
    $user->Load($_[0]);
    my ($ok, $said, $token) = RT::AuthToken->new($user)->Create(Owner => $user->Id, Description => 'tests');
    die "$said\\n" unless $ok;
    return $token;
}
for my $name ('collector', 'outsider') {
    my $user = RT::User->new($system);
    ok($user->Create(Name => $name, Privileged => 1, EmailAddress => "$name\\@desk.example.com", Timezone => 'UTC'));
    ok($user->PrincipalObj->GrantRight(Right => 'ManageAuthTokens', Object => RT->System));
    next if $name eq 'outsider';
    ok($user->PrincipalObj->GrantRight(Right => $_, Object => RT->System)) for qw(RIGHTS);
}
my $field = RT::CustomField->new($system);
ok($field->Create(Name => 'Customer', Type => 'FreeformSingle', LookupType => 'RT::Queue-RT::Ticket', Queue => 0));
print join(' ', 'TOKENS', map { token($_) } 'root', 'collector', 'outsider'), "\\n";
"""


@dataclass
class RequestTracker:
    """A running server; `http` speaks as its administrator, `token` and `outsider` are those of two users."""

    url: str
    http: httpx.Client
    token: str
    outsider: str

    @property
    def settings(self) -> dict[str, Any]:
        """What a source of this system is configured with."""
        return {"base_url": self.url, "token": "env:C360_TEST_RT", "calls_per_second": 200}

    def create(self, kind: str, **values: Any) -> str:
        """The id of a new record."""
        answer = self.http.post(f"{self.url}/REST/2.0/{kind}", json=values)
        assert answer.status_code == 201, f"{answer.status_code} {answer.text[:500]}"
        return str(answer.json()["id"])

    def change(self, path: str, **values: Any) -> None:
        """Change a record."""
        answer = self.http.put(f"{self.url}/REST/2.0/{path}", json=values)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"

    def reply(self, ticket: str, text: str) -> None:
        """Write to whoever opened the ticket."""
        body = {"Content": text, "ContentType": "text/plain"}
        answer = self.http.post(f"{self.url}/REST/2.0/ticket/{ticket}/correspond", json=body)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"

    def get(self, path: str, **params: Any) -> Any:
        """What the API says."""
        answer = self.http.get(f"{self.url}/REST/2.0/{path}", params=params)
        assert answer.is_success, f"{answer.status_code} {answer.text[:500]}"
        return answer.json()


def _install() -> None:
    if not (_DATABASE.is_file() and _SERVER.is_file()):
        # the package asks for a mail server; msmtp sends nothing without a configuration
        install(*_PACKAGES, *(() if Path("/usr/sbin/sendmail").exists() else ("msmtp-mta",)))


@contextmanager
def running(folder: Path) -> Iterator[RequestTracker]:
    """Request Tracker on a copy of the package's empty database; the package's own instance is not touched."""
    _install()
    if os.geteuid() != 0:
        raise NotRun("needs root to read the package's database and to run as www-data")
    user = ordinary("www-data")
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="rt-run-") as name:
        place = Path(name)
        port = free_port()
        for part in ("mason", "session", "parts"):
            (place / part).mkdir()
        (place / "site.pm").write_text(_CONFIG.format(place=place, port=port))
        (place / "prepare.pl").write_text(_PREPARE.replace("RIGHTS", " ".join(_RIGHTS)))
        with sqlite3.connect(_DATABASE) as old, sqlite3.connect(place / "rt.sqlite") as new:
            old.backup(new)
        for path in (place, *place.iterdir()):
            shutil.chown(path, user.uid, user.gid)
        env = {
            "RT_SITE_CONFIG": str(place / "site.pm"),
            "RT_SITE_CONFIG_DIR": str(place / "parts"),
            "HOME": str(place),
            "TMPDIR": str(place),
            "PLACK_ENV": "production",
        }
        said = run(["perl", "prepare.pl"], user=user, env=env, cwd=place)
        root, token, outsider = said[said.index("TOKENS") :].split()[1:4]
        command = ["plackup", "-s", "Starlet", "--host", "127.0.0.1", "--port", str(port), "--max-workers", "3"]
        url = f"http://127.0.0.1:{port}"
        with (
            server([*command, str(_SERVER)], f"{url}/REST/2.0/rt", folder / "rt.log", user=user, env=env, cwd=place),
            httpx.Client(timeout=60, headers={"Authorization": f"token {root}"}) as client,
        ):
            yield RequestTracker(url, client, token, outsider)
