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
    "other_version": r"the published build (?P<build>\S+) was made by another version",
    "reversed_period": r"the period (?P<since>\S+) to (?P<until>\S+) ends before it begins",
    "other_currency": r"the items are not in the receipt's currency",
    "other_customer": r"the items are not all of the receipt's customer",
    "other_letter": r"the letter names items of another customer",
    "no_item": r"no item is chosen",
    "no_pair": r"no pair is chosen",
    "no_open_item": r"not open: (?P<items>.+)",
    "no_overdue_item": r"not overdue items of this customer: (?P<items>.+)",
    "no_suggestion": r"a suggestion names at least one item",
    "suggestion_gone": r"no suggestion \S+ stands",
    "several_contacts": r"there are several finance contacts",
    "no_contact": r".+ is no finance contact of this customer",
    "no_mail_contact": r"this customer has no finance contact with a mail address",
    "letter_stale": r"the letter cannot be \S+: ",
    "ignored_why": r"a record is ignored for a reason",
    "reject_gone": r"there is no reject \d+ that is",
    "drift_gone": r"there is no open drift \d+",
    "change_texts": r"an announced change needs its ",
    "letter_out": r"this letter was confirmed already",
    "no_auditor": r"a confirmation request names the auditor",
    "no_mail": r"no mail server is configured",
    "source_off": r"the source (?P<source>\S+) is off",
    "no_customer": r"no customer answers to '?(?P<asked>.+?)'?$",
    "not_allowed": r"the role \S+ does not ",
}

# every kind of error → its words for what happened and what to do, where the error has none of its own
FAMILIES = {
    "NotFound": "not_found",
    "LeaseHeld": "busy",
    "SourceBusy": "busy",
    "LoginError": "login",
    "TooLong": "too_long",
    "SkippableError": "skipped",
    "RetriableError": "later",
    "FatalError": "refused",
    "C360Error": "refused",
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
    if look.language == "en":
        return error.what, [limits, remedy]
    # Chinese words for the kind of error; what the model said stands below for whoever is asked for help.
    family = next(one for kind in type(error).__mro__ if (one := FAMILIES.get(kind.__name__)))
    return look.t(f"error.{family}"), [look.t(f"error.{family}_help"), look.t("error.other", what=error.what)]
