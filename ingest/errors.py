"""What can go wrong while collecting, by how to recover.

FatalError
├── SpecError       a connector description or a source's settings are wrong
├── LoginError      the source refuses our credentials
└── ContractError   the source answers, but not in the agreed shape (a web page, a missing id, too few rows)
    ├── CursorExpired   the server's own cursor is no longer valid: everything is read once
    └── PlaceExpired    the place within a list is no longer valid: the list is begun anew
RetriableError
└── SourceBusy      time-outs, throttling, a body cut short: the run stops and resumes next time
SkippableError
└── StreamRefused   this one object is not there or not allowed; other streams go on
"""

from __future__ import annotations

from typing import Any

from ops.errors import FatalError, RetriableError, SkippableError


class SpecError(FatalError):
    """A connector description, or a source's settings, are wrong; every problem is listed."""


class LoginError(FatalError):
    """The source refuses the credentials."""


class ContractError(FatalError):
    """The source's answer breaks the agreed shape."""


class CursorExpired(ContractError):  # noqa: N818 - named after the state it reports
    """The server's own cursor is no longer valid; `payload` is what it said, which may hold a new one."""

    def __init__(self, what: str, *, payload: Any = None) -> None:
        super().__init__(what, remedy="everything is read once")
        self.payload = payload


class PlaceExpired(ContractError):  # noqa: N818 - named after the state it reports
    """The server no longer knows how far a list was read (an expired locator)."""


class SpanTooLong(RetriableError):  # noqa: N818 - named after the state it reports
    """The source cannot answer for so long a span of changes in one query."""


class SourceBusy(RetriableError):  # noqa: N818 - named after the state it reports
    """The source cannot answer now; what was collected is kept and the next run goes on from there.

    `is_down`: nobody answered, or the server said that it cannot (ingest/breaker.py counts those).
    """

    def __init__(
        self,
        what: str,
        *,
        valid: str | None = None,
        remedy: str | None = None,
        retry_after: float | None = None,
        is_down: bool = False,
    ) -> None:
        super().__init__(what, valid=valid, remedy=remedy, retry_after=retry_after)
        self.is_down = is_down


class StreamRefused(SkippableError):  # noqa: N818 - named after the state it reports
    """The source refuses one object: unknown here, or not allowed for this user."""
