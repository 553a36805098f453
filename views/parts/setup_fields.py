"""The fields in which a source is set up: one per setting of its connector, and when it is collected."""

from __future__ import annotations

from typing import Any

import streamlit as st

from ingest import settings as given
from ingest.spec import SettingSpec
from model import serve
from ops.errors import FatalError
from ops.instance import MANUAL
from ops.secrets import is_ref
from views import state
from views.parts.format import Look
from views.parts.html import chip, tag

_KINDS = ("every", "cron", "manual")
_GENERATION = "setup_generation"


class Keys:
    """Names of the fields of one source; new ones after each change, so that they show what is in effect.

    `mark` is of c360.toml as it was when these fields were first drawn.
    """

    def __init__(self, source: str, mark: str) -> None:
        self._prefix = f"setup_{st.session_state.setdefault(_GENERATION, 0)}_{source}"
        self.mark: str = st.session_state.setdefault(f"{self._prefix}_mark", mark)

    def __call__(self, field: str) -> str:
        return f"{self._prefix}_{field}"


def afresh() -> None:
    """Fields begin anew with what is in effect."""
    st.session_state[_GENERATION] = st.session_state.get(_GENERATION, 0) + 1


def look_again(key: Keys) -> None:
    """What was typed stays; the file is looked at as it is when the fields are drawn next."""
    st.session_state.pop(key("mark"), None)


def schedule(look: Look, now: str, key: Keys) -> str:
    """Fields for when a source is collected; what they say, as it is written into c360.toml."""
    kind = "manual" if now == MANUAL else "every" if now.startswith("every") else "cron"
    st.radio(look.t("setup.kind"), _KINDS, index=_KINDS.index(kind), key=key("kind"), horizontal=True,
             format_func=lambda one: look.t(f"setup.{one}"))  # fmt: skip
    chosen = st.session_state[key("kind")]
    if chosen == "every":
        value = now.removeprefix("every").strip() if kind == "every" else "15m"
        st.text_input(look.t("setup.every_field"), value, key=key("every"), help=look.t("setup.every_help"))
    elif chosen == "cron":
        st.text_input(look.t("setup.cron_field"), now if kind == "cron" else "*/15 8-20 * * 1-5", key=key("cron"),
                      help=look.t("setup.cron_help", zone=look.zone))  # fmt: skip
    return scheduled(key)


def scheduled(key: Keys) -> str:
    """What the fields of `schedule` say at this moment."""
    got = st.session_state
    if got[key("kind")] == "manual":
        return MANUAL
    if got[key("kind")] == "every":
        return f"every {str(got[key('every')]).strip()}"
    return str(got[key("cron")]).strip()


def draw(context: state.Context, settings: list[dict[str, Any]], key: Keys) -> None:
    """One field per setting, the required ones first and marked; a secret is asked for by reference and looked up."""
    look = context.look
    for one in sorted(settings, key=lambda one: not one["required"]):
        label = look.t("setup.required", name=one["name"]) if one["required"] else one["name"]
        _field(look, one, label, key(f"set_{one['name']}"))
        if one["is_secret"]:
            _looked_up(context, str(st.session_state.get(key(f"set_{one['name']}")) or ""))


def _field(look: Look, one: dict[str, Any], label: str, key: str) -> None:
    default = look.t("setup.default", value=_text(one["default"])) if one["default"] not in (None, "", []) else ""
    value = "" if one["is_default"] else _text(one["value"])
    if one["choices"]:
        options = ["", *one["choices"]]
        st.selectbox(label, options, index=options.index(value) if value in options else 0, help=one["help"], key=key,
                     format_func=lambda choice: choice or default or "—")  # fmt: skip
    elif one["type"] == "boolean":
        options = ["", "true", "false"]
        words = {"": default or "—", "true": look.t("setup.yes"), "false": look.t("setup.no")}
        st.selectbox(
            label, options, index=options.index(value), help=one["help"], key=key, format_func=words.__getitem__
        )
    else:
        hint = "env:NAME / file:NAME" if one["is_secret"] else default
        st.text_input(label, value, help=one["help"], key=key, placeholder=hint)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _looked_up(context: state.Context, written: str) -> None:
    """Below a secret's field: whether a secret stands behind the reference, or that it is none."""
    look = context.look
    if not written:
        return
    if not is_ref(written.strip()):
        st.html(tag("p", chip(look.t("setup.no_reference"), "red"), class_="muted"))
        return
    is_there = serve.resolves(context.viewer, context.db, written.strip())
    said = chip(look.t("setup.resolves" if is_there else "setup.unresolved"), "green" if is_there else "red")
    st.html(tag("p", said, class_="muted"))


def read(settings: list[dict[str, Any]], key: Keys) -> dict[str, Any]:
    """Setting → what its field says, as its type; None for one at its default. FatalError names what is no value."""
    found: dict[str, Any] = {}
    for one in settings:
        written = str(st.session_state.get(key(f"set_{one['name']}")) or "")
        if one["is_secret"] and written.strip() and not is_ref(written.strip()):
            raise FatalError(f"{one['name']} is a secret: it is given by reference only", valid="env:NAME or file:NAME")
        found[one["name"]] = given.typed(one["name"], SettingSpec(type=one["type"], help=one["help"]), written)
    return found
