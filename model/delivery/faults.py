"""How a hand-over fails, by what to do about it.

Refused        nothing was accepted; `permanent` says whether trying again can help (defined beside the mail sender)
└── Throttled  too fast: nothing more to this channel for `retry_after` seconds
Uncertain      the message went out and no answer came back: it is sent again under the same id
"""

from __future__ import annotations

from model.delivery.smtp import Refused, Uncertain

__all__ = ["Refused", "Throttled", "Uncertain"]


class Throttled(Refused):
    """The other side asks for a pause."""

    def __init__(self, what: str, retry_after: float) -> None:
        super().__init__(what, permanent=False)
        self.retry_after = retry_after
