"""Where a record stands in the system it came from: `[links]` of a connector, or `links` of a source in c360.toml.

    [links]
    ticket = "{settings.base_url}/agent/tickets/{id}"

Placeholders: {settings.x} of a setting that is no secret, {id} (the source's own id), {number} and {code} of the row.
A placeholder without a value leaves the row without a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

ROW = frozenset({"id", "number", "code"})
_PLACE = re.compile(r"\{([^{}]*)\}")
_WEB = re.compile(r"^https?://[^/\s]", re.IGNORECASE)


def problem(template: str, settings: Mapping[str, Any]) -> str | None:
    """What is wrong with a template, or None. `settings`: name → setting of the connector."""
    open_settings = sorted(name for name, setting in settings.items() if not setting.secret)
    valid = ", ".join(["{" + name + "}" for name in sorted(ROW)] + [f"{{settings.{name}}}" for name in open_settings])
    for place in _PLACE.findall(template):
        if place not in ROW and place.removeprefix("settings.") not in open_settings:
            return f"placeholder {{{place}}} is unknown; valid: {valid}"
    if not (_WEB.match(template) or template.startswith("{settings.")):
        return "a link begins with https://, http:// or a setting"
    return None


def settings_of(spec_settings: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, str]:
    """Setting name → text, without secrets: as given, else its default with the other settings filled in."""
    raw = {
        name: given.get(name, setting.default)
        for name, setting in spec_settings.items()
        if not setting.secret and isinstance(given.get(name, setting.default), (str, int))
    }
    filled: dict[str, str] = {}
    for name, value in raw.items():
        text = str(value)
        places = _PLACE.findall(text)
        if any(not raw.get(place.removeprefix("settings.")) for place in places):
            continue
        filled[name] = _PLACE.sub(lambda match: str(raw[match.group(1).removeprefix("settings.")]), text).rstrip("/")
    return filled


def render(template: str, settings: Mapping[str, str], row: Mapping[str, Any]) -> str | None:
    """The address of `row` (id, number, code), or None when a value is missing or it would not be a web address."""
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        place = match.group(1)
        value = row.get(place) if place in ROW else settings.get(place.removeprefix("settings."))
        missing = missing or value in (None, "")
        return quote(str(value), safe="") if place in ROW else str(value)

    address = _PLACE.sub(fill, template)
    return None if missing or not _WEB.match(address) else address
