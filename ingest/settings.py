"""What a company set for one source: checked against the connector, defaults filled in, secrets resolved."""

from __future__ import annotations

import difflib
import hashlib
from pathlib import Path
from typing import Any

from ingest import links
from ingest.errors import SpecError
from ingest.spec import SettingSpec, SourceSpec
from ingest.template import render
from ops import secrets
from ops.errors import FatalError
from ops.instance import SourceConfig

_TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
}


def resolve(spec: SourceSpec, source: SourceConfig, secrets_dir: Path, redactor: secrets.Redactor) -> dict[str, Any]:
    """Setting name → value, secrets in clear (and known to `redactor`). SpecError lists every problem at once."""
    values = checked(spec, source)
    for name, setting in spec.settings.items():
        if setting.secret and values[name]:
            values[name] = _secret(source.name, name, values[name], secrets_dir)
            redactor.add(values[name])
    return values | {
        name: render(setting.default, {"settings": values})
        for name, setting in spec.settings.items()
        if setting.type == "text" and values[name] == setting.default and not setting.secret
    }


def checked(spec: SourceSpec, source: SourceConfig) -> dict[str, Any]:
    """Setting name → value, defaults filled in, secrets still by reference. SpecError lists every problem at once."""
    problems = [_unknown(name, spec) for name in source.settings if name not in spec.settings]
    for entity, template in source.links.items():
        if wrong := links.problem(template, spec.settings):
            problems.append(f"links.{entity}: {wrong}")
    values: dict[str, Any] = {}
    for name, setting in spec.settings.items():
        value = source.settings.get(name, setting.default)
        problem = _problem(name, setting, value)
        if problem:
            problems.append(problem)
        values[name] = value
    if problems:
        raise SpecError(
            f"source {source.name} ({spec.connector.name}): " + "; ".join(problems),
            remedy="correct settings of this source in c360.toml",
        )
    return values


def typed(name: str, setting: SettingSpec, text: str) -> Any:
    """What a person wrote for a setting, as its type; None for nothing. A list is written with commas or line ends.

    FatalError, without the text, for one that is not of the type.
    """
    text = text.strip()
    if not text:
        return None
    try:
        if setting.type == "boolean":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if setting.type in {"integer", "number"}:
            return int(text) if setting.type == "integer" else float(text)
    except (KeyError, ValueError) as error:
        raise FatalError(f"{name} is not of type {setting.type}", remedy="correct it") from error
    if setting.type == "list":
        return [one.strip() for one in text.replace("\n", ",").split(",") if one.strip()]
    return text


def _unknown(name: str, spec: SourceSpec) -> str:
    near = difflib.get_close_matches(name, spec.settings, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"unknown setting {name!r}{hint}; valid: {', '.join(sorted(spec.settings))}"


def _problem(name: str, setting: SettingSpec, value: Any) -> str | None:
    if value in (None, ""):
        return f"setting {name!r} is required: {setting.help}" if setting.required else None
    wrong_bool = isinstance(value, bool) and setting.type != "boolean"
    if wrong_bool or not isinstance(value, _TYPES[setting.type]):
        return f"setting {name!r} must be of type {setting.type}, not {type(value).__name__}"
    if setting.choices and value not in setting.choices:
        return f"setting {name!r} is {value!r}; valid: {', '.join(setting.choices)}"
    return None


def _secret(source: str, name: str, ref: str, folder: Path) -> str:
    given = secrets.resolve(ref, folder)
    rotated = folder / f"{source}-{name}"
    if ref == f"file:{rotated.name}" or not rotated.is_file():
        return given
    origin, _, value = rotated.read_text(encoding="utf-8").strip().partition("\n")
    return value if origin == fingerprint(given) else given


def fingerprint(value: str) -> str:
    """A short one-way mark of a secret, to notice that an operator configured a new one."""
    return hashlib.blake2b(value.encode(), digest_size=8, person=b"c360-secret").hexdigest()


def rotate(source: SourceConfig, name: str, value: str, folder: Path) -> None:
    """Keep a rotated secret: in the file it came from, or beside it when it came from the environment."""
    ref = str(source.settings[name])
    kind, _, place = ref.partition(":")
    if kind == "file":
        secrets.write(place, value, folder)
        return
    origin = fingerprint(secrets.resolve(ref, folder))
    secrets.write(f"{source.name}-{name}", f"{origin}\n{value}", folder)
