"""Texts in Chinese and English, shared by screens, mails, exports and the command line.

Catalogues are the TOML files of `ops/locales/`: one table per message id with a `zh` and an `en` form.
Every area has a file of its own; all of them form one name space, and a message id defined twice is an error.
"""

from __future__ import annotations

import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from ops.errors import FatalError

LANGUAGES = ("zh", "en")
FOLDER = Path(__file__).parent / "locales"
# `{n} item(|s)`, `{n} compan(y|ies)`: the ending for one, then for any other number
_ENDINGS = re.compile(r"\(([a-z]*)\|([a-z]*)\)")
_PLACE = re.compile(r"\{(\w+)\}")


def _flatten(tree: dict[str, Any], prefix: str, where: str, into: dict[str, dict[str, str]]) -> None:
    if "zh" in tree or "en" in tree:
        missing = [language for language in LANGUAGES if not isinstance(tree.get(language), str)]
        if missing or prefix in into:
            reason = f"lacks {', '.join(missing)}" if missing else "is defined twice"
            raise FatalError(
                f"{where}: text {prefix!r} {reason}", remedy="give every message id one zh and one en form"
            )
        into[prefix] = {language: tree[language] for language in LANGUAGES}
        return
    for key, value in tree.items():
        if not isinstance(value, dict):
            raise FatalError(f"{where}: {prefix}.{key} is not a text", valid="a table with zh and en")
        _flatten(value, f"{prefix}.{key}" if prefix else key, where, into)


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Message id → language → text, from every file of the folder."""
    messages: dict[str, dict[str, str]] = {}
    for path in sorted(FOLDER.glob("*.toml")):
        _flatten(tomllib.loads(path.read_text(encoding="utf-8")), "", path.name, messages)
    return messages


def _counted(form: str, values: dict[str, Any]) -> str:
    """`form` with each pair of endings resolved by the value of the place before it."""

    def ending(found: re.Match[str]) -> str:
        named = _PLACE.findall(form[: found.start()])
        return found[1] if named and str(values.get(named[-1])) == "1" else found[2]

    return _ENDINGS.sub(ending, form)


def text(language: str, msgid: str, **values: Any) -> str:
    """The text `msgid` in `language` with `{name}` places filled from `values` and `(one|many)` endings chosen.

    An unknown id raises under C360_STRICT_TEXTS (set by the tests) and shows itself otherwise.
    """
    entry = catalogue().get(msgid)
    if entry is None:
        if os.environ.get("C360_STRICT_TEXTS"):
            raise FatalError(f"no text for {msgid!r}", remedy="add it to a file in ops/locales")
        return msgid
    form = entry[language if language in LANGUAGES else "en"]
    return _counted(form, values).format(**values) if values else form
