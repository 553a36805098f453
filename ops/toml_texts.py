"""TOML texts that a process reads again and again, parsed once."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any


def read(text: str) -> dict[str, Any]:
    """What `text` says, as dictionaries and lists of the caller's own. Raises tomllib.TOMLDecodeError."""
    return {key: _own(value) for key, value in _parsed(text).items()}


@lru_cache(maxsize=256)
def _parsed(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def _own(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _own(item) for key, item in value.items()}
    return [_own(item) for item in value] if isinstance(value, list) else value
