"""Secrets by reference: `env:NAME` or `file:NAME` (a file in the instance's secrets folder). Never by value."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from ops.errors import FatalError

_REF = re.compile(r"^(env|file):([A-Za-z0-9_.-]+)$")
MASK = "‹secret›"


def is_ref(text: str) -> bool:
    """Whether `text` has the form of a secret reference."""
    return bool(_REF.match(text))


def resolve(ref: str, secrets_dir: Path) -> str:
    """The secret that `ref` names. Raises FatalError that names the reference, never a value."""
    match = _REF.match(ref)
    if not match:
        raise FatalError(
            "a secret is given by value or in an unknown form",
            valid="env:NAME or file:NAME",
            remedy=f"put the value into a file below {secrets_dir} (mode 0600) and write file:NAME",
        )
    kind, name = match.groups()
    if kind == "env":
        value = os.environ.get(name)
        if value is None:
            raise FatalError(f"secret env:{name} is not set", remedy=f"export {name} before starting c360")
        return value
    path = secrets_dir / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise FatalError(f"secret file:{name} cannot be read", remedy=f"create {path} with mode 0600") from error


def write(name: str, value: str, secrets_dir: Path) -> None:
    """Store a secret atomically with mode 0600 (rotated refresh tokens are written back through this)."""
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=secrets_dir, prefix=f".{name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    Path(temporary).chmod(0o600)
    Path(temporary).replace(secrets_dir / name)


class Redactor:
    """Replaces every known secret value in a text, for logs, ledgers and errors."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def add(self, value: str) -> None:
        """Remember a value; very short ones are ignored because they would blank ordinary words."""
        if len(value) >= 4:
            self._values.add(value)

    def clean(self, text: str) -> str:
        """`text` with every known value replaced."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        return text
