"""Side environments: where they live, which interpreter makes them, who may run them."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
REPOSITORY = FOLDER.parent.parent
_PROBE = "import sys; print(*sys.version_info[:2])"


class NotRun(Exception):  # noqa: N818 - a reason, shown as such
    """Why a system cannot be started on this machine."""


@dataclass(frozen=True)
class User:
    """An ordinary user to run servers as; `None` ids mean the present user."""

    uid: int | None
    gid: int | None

    def popen(self) -> dict[str, object]:
        """The arguments of subprocess that drop to this user."""
        return {} if self.uid is None else {"user": self.uid, "group": self.gid, "extra_groups": []}


def ordinary(name: str = "nobody") -> User:
    """The user `name` when we are root, else ourselves."""
    if os.geteuid() != 0:
        return User(None, None)
    entry = pwd.getpwnam(name)
    return User(entry.pw_uid, entry.pw_gid)


@cache
def cache_folder() -> Path:
    """C360_SYSTEMS_CACHE, else .cache/systems of the repository; a place that an ordinary user can reach."""
    named = os.environ.get("C360_SYSTEMS_CACHE")
    folder = Path(named) if named else REPOSITORY / ".cache" / "systems"
    folder.mkdir(parents=True, exist_ok=True)
    if not _may_enter(folder):
        # PostgreSQL and Roundup refuse to run as root; a folder under /root would be closed to them.
        folder = Path("/var/tmp") / f"c360-systems-{os.geteuid()}"
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    return folder.resolve()


def _may_enter(folder: Path) -> bool:
    return _works_for(ordinary(), ["/bin/sh", "-c", 'cd "$0"', str(folder)])


def _works_for(user: User, command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=30, cwd="/", check=False, **user.popen())  # type: ignore[call-overload]
    except OSError:
        return False
    return bool(done.returncode == 0)


def interpreter(at_least: tuple[int, int], user: User | None = None) -> Path:
    """A Python of this version or newer, one that `user` can run. NotRun names what was looked at."""
    seen: list[str] = []
    for path in _candidates():
        version = _version(path)
        if version is None or str(path) in seen:
            continue
        seen.append(str(path))
        if version >= at_least and (user is None or _works_for(user, [str(path), "-c", _PROBE])):
            return path
    wanted = ".".join(map(str, at_least))
    raise NotRun(f"needs Python {wanted} or newer; found only {', '.join(seen) or 'none'}")


def _candidates() -> list[Path]:
    names = ["python3.12", "python3.13", "python3.14", "python3.11", "python3"]
    found = [Path(hit) for name in names if (hit := shutil.which(name)) and "shims" not in hit]
    found = [*sorted(Path("/usr/bin").glob("python3.[0-9]*")), *found, Path(sys.executable).resolve()]
    for root in {Path.home() / ".pyenv", Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")}:
        found += sorted(root.glob("versions/3.1*/bin/python3"))
    for version in ("3.12", "3.13"):
        uv = _uv()
        done = (
            subprocess.run([uv, "python", "find", version], capture_output=True, text=True, check=False) if uv else None
        )
        if done and done.returncode == 0:
            found.append(Path(done.stdout.strip()))
    return [path for path in found if path.is_file() and not path.name.endswith("-config")]


@cache
def _version(path: Path) -> tuple[int, int] | None:
    try:
        done = subprocess.run([str(path), "-c", _PROBE], capture_output=True, text=True, timeout=30, check=False)
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return int(major), int(minor)


def environment(name: str, at_least: tuple[int, int], user: User | None = None) -> Path:
    """The bin folder of a virtual environment with exactly what tests/system/<name>.txt lists; made once."""
    wanted = FOLDER / f"{name}.txt"
    python = interpreter(at_least, user)
    mark = hashlib.sha256(wanted.read_bytes() + str(python).encode()).hexdigest()[:12]
    home = cache_folder() / f"{name}-{mark}"
    if (home / "ready").is_file():
        return home / "bin"
    shutil.rmtree(home, ignore_errors=True)
    uv = _uv()
    if uv:
        _run([uv, "venv", "--quiet", "--python", str(python), str(home)])
        _run([uv, "pip", "install", "--quiet", "--python", str(home / "bin" / "python"), "-r", str(wanted)])
    else:
        _run([str(python), "-m", "venv", str(home)])
        _run([str(home / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(wanted)])
    (home / "ready").touch()
    return home / "bin"


def mark_of(*files: Path) -> str:
    """A short mark of what a cached database was built from."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return str(beside) if beside.is_file() else shutil.which("uv")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotRun(f"{' '.join(command[:4])} … failed: {done.stderr.strip()[-400:]}")
