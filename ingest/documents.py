"""Documents as received: reading without losing digits, writing, hashing, and finding a value by path."""

from __future__ import annotations

import hashlib
import json
import re
from decimal import Decimal
from typing import Any

import orjson

_LONG_INTEGER = re.compile(r"\d{19}")


def loads(text: str) -> Any:
    """The JSON value of `text`; decimals stay Decimal and long integers keep every digit. ValueError if broken."""
    whole: Any = _whole if _LONG_INTEGER.search(text) else int
    return json.loads(text, parse_float=Decimal, parse_int=whole)


def _whole(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < 19 else Decimal(digits)


def dumps(value: Any) -> str:
    """JSON text of what `loads` read: same key order, same digits, no blanks."""
    return orjson.dumps(value, default=_verbatim).decode()


def _verbatim(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no place in a document")


def digest(document: bytes) -> str:
    """blake2b-128 of a document, in hex."""
    return hashlib.blake2b(document, digest_size=16).hexdigest()


def find(value: Any, path: str) -> Any:
    """The value at `path` ("a.b.0.c"), None when absent. A key that itself contains dots is tried first."""
    if path in {"", "."}:
        return value
    if isinstance(value, dict):
        if path in value:
            return value[path]
        for cut in (place for place, letter in enumerate(path) if letter == "."):
            head, rest = path[:cut], path[cut + 1 :]
            for key in (head, head + "."):
                if key in value and (found := find(value[key], rest)) is not None:
                    return found
        return None
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        place = int(head) if head.lstrip("-").isdigit() else None
        return find(value[place], rest) if place is not None and -len(value) <= place < len(value) else None
    return None


def text_of(value: Any) -> str:
    """A value as descriptions compare it: true/false in small letters, nothing as ""."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def identify(record: dict[str, Any], paths: list[str]) -> str | None:
    """The record's id: the values at `paths` joined by ":"; None when the first is missing."""
    values = [text_of(find(record, path)) for path in paths]
    return ":".join(values) if values[0] else None
