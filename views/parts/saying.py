"""Errors of the model in the reader's language: those a person can cause have words of their own."""

from __future__ import annotations

import re

from ops.errors import C360Error
from views.parts.format import Look

# what the error says → its text (error.<name>), which takes the named parts
KNOWN = {
    "past_promise": r"a promise for (?P<on>\S+) is in the past",
    "disputed_already": r"(?P<amount>\S+) is more than is not disputed yet",
    "past_snooze": r"a snooze until (?P<on>\S+) is over already",
    "empty_note": r"a note without text",
    "future_day": r"(?P<on>\S+) has not come yet",
    "no_amount": r"'?(?P<value>.+?)'? is not an amount",
    "amount_range": r"the amount (?P<amount>\S+) is not possible",
    "nothing_to_ask": r"there is nothing to ask for",
    "nothing_owed": r"nothing moved and nothing is owed in (?P<currency>\w+) from (?P<start>\S+) to (?P<end>\S+)",
    "statement_out": r"statement (?P<number>\d+) of that day is out already",
    "answered_meanwhile": r"statement \d+ was answered by somebody else meanwhile",
    "confirmed_on": r"it cannot be confirmed on (?P<on>\S+)",
    "no_scan": r"this is not a scan of a sealed copy",
    "more_than_left": r"this is more than the receipt has left",
    "more_than_owed": r"(?P<amount>\S+) is more than \S+ owes",
    "no_build": r"nothing is published in",
}


def told(look: Look, error: C360Error) -> tuple[str, list[str]]:
    """What happened, then what is valid and what to do, in the reader's language where there are words for it."""
    limits = look.t("ui.valid", valid=error.valid) if error.valid else ""
    for name, pattern in KNOWN.items():
        if found := re.match(pattern, error.what):
            # Dates and amounts need no translation; words in a limit would.
            plain = limits if error.valid and not re.search(r"[A-Za-z]", error.valid) else ""
            return look.t(f"error.{name}", **found.groupdict()), [look.t(f"error.{name}_help"), plain]
    remedy = look.t("ui.remedy", remedy=error.remedy) if error.remedy else ""
    return look.t("error.other", what=error.what), [limits, remedy]
