"""Errors by how to recover from them; each says what happened, what is valid and what to do.

C360Error
├── FatalError        configuration, credentials, contracts: stop this command or this source
├── RetriableError    a time-out, a throttle, a busy resource: try again, after `retry_after` seconds if given
└── SkippableError    one record or one page: set it aside and go on
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class C360Error(Exception):
    """An error with a remedy. `str()` is one readable paragraph."""

    def __init__(self, what: str, *, valid: str | None = None, remedy: str | None = None) -> None:
        self.what, self.valid, self.remedy = what, valid, remedy
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what.rstrip(".") + "."]
        if self.valid:
            parts.append(f"Valid: {self.valid.rstrip('.')}.")
        if self.remedy:
            parts.append(f"To do: {self.remedy.rstrip('.')}.")
        return " ".join(parts)


class FatalError(C360Error):
    """Nothing will change by trying again: configuration, credentials or a broken contract."""


class RetriableError(C360Error):
    """The same call may succeed later; `retry_after` is the other side's wish in seconds, if it had one."""

    def __init__(
        self,
        what: str,
        *,
        valid: str | None = None,
        remedy: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(what, valid=valid, remedy=remedy)
        self.retry_after = retry_after


class SkippableError(C360Error):
    """One record or page is unusable; the rest goes on."""


def unknown_keys(given: Iterable[str], valid: Iterable[str], where: str) -> FatalError | None:
    """A FatalError naming every key of `given` that is not in `valid`, with the nearest valid one; else None."""
    valid = sorted(valid)
    wrong = sorted(set(given) - set(valid))
    if not wrong:
        return None
    hints = []
    for key in wrong:
        near = difflib.get_close_matches(key, valid, n=1)
        hints.append(f"{key!r} (did you mean {near[0]!r}?)" if near else repr(key))
    return FatalError(f"{where}: unknown key {', '.join(hints)}", valid=", ".join(valid), remedy="correct or remove it")
