"""One source record beside the card: every field as it was mapped, how it got here, and the way to its system."""

from __future__ import annotations

from typing import Any

import streamlit as st

from model import serve
from ops.errors import C360Error
from ops.texts import catalogue
from views import state
from views.parts.format import Look
from views.parts.html import Html, chip, h, join, link, tag
from views.parts.notice import notice

NUMERIC = {"money", "quantity", "price", "rate", "integer"}


def address(entity: str, source: str, source_id: str) -> str:
    """The present page with the record opened."""
    return state.here("customer", record=f"{entity}:{source}:{source_id}")


def drawer(context: state.Context, page: str = "customer") -> Html | None:
    """The record that `?record=entity:source:id` names; None without one. A record that is not there is said.

    `page` is the page it stands on, which its closing link shows again.
    """
    asked = st.query_params.get("record")
    if not asked:
        return None
    entity, _, rest = asked.partition(":")
    source, _, source_id = rest.partition(":")
    look = context.look
    closing = link(look.t("record.close"), state.here(page, record=None), "close", look.t("record.close_hint"))
    try:
        found = serve.record(context.viewer, context.db, source, entity, source_id)
    except C360Error:
        said = notice(look.t("record.none"), look.t("record.none_help"), tone="amber")
        return _aside(
            look.t("record.title"), tag("div", tag("h2", look.t("record.title")), closing, class_="phead"), said
        )
    return _aside(found["label"], *_parts(look, found, closing, page))


def _aside(label: str, *content: object) -> Html:
    return tag("aside", *content, class_="drawer", role="dialog", aria_label=label)


def _parts(look: Look, found: dict[str, Any], closing: Html, page: str) -> list[Html]:
    filled = [column for column in found["columns"] if column["value"] not in {None, ""}]
    empty = [column["label"] for column in found["columns"] if column["value"] in {None, ""}]
    gone = chip(look.t("record.deleted"), "red") if found["is_deleted"] else ""
    head = tag(
        "div", tag("h2", _title(found)), chip(look.label("source", found["source"])), gone, closing, class_="phead"
    )
    drawn = [_pair(look, found, column, page) for column in filled]
    parts = [head, tag("dl", *drawn, class_="pairs")]
    if found.get("link"):
        said = join([look.t("record.open", system=look.label("source", found["source"])), " ↗"])
        parts.insert(1, tag("a", said, href=found["link"], target="_blank", rel="noopener noreferrer", class_="open"))
    if empty:
        parts.append(
            tag("p", look.t("record.empty", n=len(empty)), " ", look.dotted(*(h(one) for one in empty)), class_="muted")
        )
    parts.append(tag("p", look.dotted(*_history(look, found)), class_="muted"))
    return parts


def _title(found: dict[str, Any]) -> str:
    """What kind of record and which one: its number, code or name."""
    values = {column["name"]: column["value"] for column in found["columns"]}
    name = next((values[key] for key in ("number", "code", "name", "subject") if values.get(key)), found["source_id"])
    return f"{found['label']} {name}"


def _history(look: Look, found: dict[str, Any]) -> list[Html]:
    said = [join([look.t("record.id"), " ", tag("code", found["source_id"])])]
    moments = ("entered_at", "source_updated_at", "seen_from")
    said += [join([look.t(f"record.{name}"), " ", look.stamp(found[name])]) for name in moments if found.get(name)]
    said.append(h(look.t("record.versions", n=look.count(found["versions"]))))
    if not found.get("link"):
        said.append(h(look.t("record.no_link")))
    return said


def _pair(look: Look, found: dict[str, Any], column: dict[str, Any], page: str) -> Html:
    numeric = "num" if column["type"] in NUMERIC else None
    shown = _referred(found["source"], column, page) or value(look, found["entity"], column)
    return join([tag("dt", column["label"], title=column["name"]), tag("dd", shown, class_=numeric)])


def _referred(source: str, column: dict[str, Any], page: str) -> Html | None:
    """The name of the record a foreign id means, as a door to it; the id stays in its tooltip."""
    known = column.get("refers")
    if not known:
        return None
    there = state.here(page, record=f"{known['entity']}:{source}:{known['source_id']}")
    return link(known["name"], there, title=str(column["value"]), is_record=True)


def value(look: Look, entity: str, column: dict[str, Any]) -> Html:
    """One field written by its type, an enumeration in words; a hidden one keeps its lock."""
    kind, given = column["type"], column["value"]
    if mark := look.state(given):
        return mark
    if kind == "money":
        return look.exact(given)
    if kind in NUMERIC:
        return h(look.plain(given))
    if kind == "instant":
        return look.stamp(given)
    if kind == "date":
        return look.day(given)
    if kind == "boolean":
        return h(look.t("record.yes" if given else "record.no"))
    groups = (f"{entity}_{column['name']}", column["name"])
    known = [one for one in groups if f"enum.{one}.{given}" in catalogue()]
    return look.label(known[0], given) if known else h(given)
