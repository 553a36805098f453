"""Devices and warranty: the customer's devices with what each is entitled to, and a box for a serial number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import streamlit as st

from model import serve
from model.serve.entitled_words import why
from ops.errors import C360Error
from views import state
from views.parts import drawer
from views.parts.format import Look
from views.parts.freshness import source_note
from views.parts.html import Column, Html, Row, chip, empty, h, join, link, panel, table, tag
from views.parts.notice import notice, show_error

SHOW, FIELD = "devices", "device"
KEEP, SOON = 8, 30
# A word and a sign go with every colour.
TONES = {
    "in_warranty": ("green", "✓"), "in_contract": ("green", "✓"), "out": ("red", "✗"), "not_started": ("amber", "…"),
    "not_stated": ("amber", "?"), "returned": ("", "–"), "scrapped": ("", "–"), "replaced": ("", "–"),
    "other_customer": ("red", "✗"), "not_yours": ("", "–"), "unknown": ("red", "?"),
}  # fmt: skip


def is_open() -> bool:
    """Whether the address asks for the devices."""
    return st.query_params.get("show") == SHOW


def door(look: Look, text: str, serial: str | None = None) -> Html:
    """The link that opens the devices above the panels, with a serial number filled in."""
    address = state.here("customer", show=SHOW, device=serial, record=None)
    return tag("a", text, href=address, data_nav="1", data_then=SHOW, target="_self", class_="linkish")


def mark(look: Look, found: dict[str, Any]) -> Html:
    """The verdict as a chip with its sign; the reason in its tooltip. Covered, but soon over, is amber."""
    tone, sign = TONES[found["verdict"]]
    left = found.get("days_left")
    tone = "amber" if found["is_covered"] and left is not None and left <= SOON else tone
    return chip(join([sign, " ", look.label("entitled", found["verdict"])]), tone, title=why(look.language, found))


def left_of(look: Look, found: dict[str, Any]) -> Html:
    """Until when it is covered and how long that is; since when not; empty where no day is known."""
    day, left = found.get("until_on"), found.get("days_left")
    if day is not None and found["is_covered"]:
        words = look.t("entitled.last_day") if left == 0 else look.t("entitled.days_left", n=look.count(left))
        return join([look.day(day), tag("span", words, class_="second")])
    since = found.get("since_on") or found.get("next_on")
    if since is None:
        return look.na()
    if found["since_on"] and found["verdict"] != "out":  # the verdict says what happened that day
        return look.day(since)
    said = "devices.from" if found["verdict"] == "not_started" else "devices.since"
    return join([look.day(since), tag("span", look.t(said), class_="second")])


def of_ticket(look: Look, found: dict[str, Any] | None) -> Html:
    """Beneath a ticket's subject: the verdict on its device on the day it was opened, as a door to the device."""
    if found is None:
        return h("")
    title = join([look.t("devices.on_the_day", day=found["as_of"].isoformat()), " ", why(look.language, found)])
    said = join([mark(look, found), " ", found["serial_number"]])
    return tag("span", link(said, state.here("customer", show=SHOW, device=found["serial_number"], record=None),
                            title=title), class_="second")  # fmt: skip


def assets(look: Look, found: dict[str, Any], fresh: dict[str, Any]) -> Html:
    """The panel of the card: what ends next first, five and the rest; a box for a serial number opens above."""
    listed = found.get("assets") or []
    covered = sum(1 for row in listed if row["is_covered"])
    badge = (
        chip(look.t("devices.covered", n=look.count(covered), all=look.count(found["assets_count"]))) if listed else ""
    )
    note = source_note(look, fresh, "crm")
    note = join([chip(look.t("panel.as_now"), "amber"), " ", note]) if found.get("is_past") else note
    foot = door(look, look.t("devices.open"))
    title = look.t("panel.assets")
    if not listed:
        return panel("assets", title, empty(look.t("panel.assets_none")), source=note, foot=foot)
    more = _more(look, len(listed)) if len(listed) > 5 else ""
    body = tag(
        "div", table(title, _columns(look), [_row(look, row, found.get("door")) for row in listed], 5), class_="scroll"
    )
    return panel("assets", title, body, badge=badge, source=note, foot=join([more, foot]))


def show(context: state.Context, customer_key: str, day: date | None) -> None:
    """The box and the devices it leaves; a number that is none of theirs gets the verdict on it."""
    look = context.look
    st.session_state[FIELD] = asked = st.query_params.get(FIELD, "")
    with st.container(key="device_box"):
        st.text_input(look.t("devices.box"), key=FIELD, placeholder=look.t("devices.box_hint"), max_chars=80,
                      on_change=_write, width=420)  # fmt: skip
    try:
        listed = serve.assets(context.viewer, context.db, customer_key, day, asked)
        exact = _verdict(context, customer_key, day, asked, listed)
    except C360Error as error:
        show_error(look, error)
        return
    said = _said(look, exact) if exact else ""
    rows = [_row(look, row, drawer.address) for row in listed["devices"]]
    closing = link(look.t("record.close"), state.here("customer", show=None, device=None), "linkish")
    badge = chip(look.count(listed["count"])) if rows else ""
    body = tag("div", table(look.t("panel.assets"), _columns(look), rows, KEEP), class_="scroll") if rows else (
        "" if said else empty(look.t("panel.assets_none"))
    )  # fmt: skip
    beyond = h(look.t("devices.first", n=look.count(len(rows)))) if listed["count"] > len(rows) else ""
    foot = join([_more(look, len(rows)) if len(rows) > KEEP else "", beyond])
    st.html(panel(SHOW, look.t("panel.assets"), join([said, body]), badge=badge, source=closing, foot=foot))


def _verdict(
    context: state.Context, key: str, day: date | None, asked: str, listed: dict[str, Any]
) -> dict[str, Any] | None:  # fmt: skip
    """The verdict on what was typed: a whole number of theirs, or a number that is not among their devices."""
    typed = serve.serial_key(asked)
    mine = any(row["serial_key"] == typed for row in listed["devices"])
    if not typed or (listed["devices"] and not mine) or not any(sign.isdigit() for sign in typed):
        return None
    return serve.entitlement(context.viewer, context.db, asked, key, day)


def _said(look: Look, found: dict[str, Any]) -> Html:
    """The verdict in words, with the device and the rows it follows from."""
    tone, sign = TONES[found["verdict"]]
    device = found["device"] or {}
    named = look.dotted(*(h(one) for one in (device.get("product_code"), device.get("product_name")) if one))
    doors = look.dotted(*(
        link(f"{look.t('devices.row_' + row['entity'])} {row['number'] or row['source_id']}",
             drawer.address(row["entity"], row["source"], row["source_id"]), is_record=True)
        for row in found["records"]
    ))  # fmt: skip
    title = join(
        [sign, " ", look.label("entitled", found["verdict"]), " · ", device.get("serial_number") or found["serial"]]
    )
    return notice(title, why(look.language, found), named, doors, tone=tone if tone in {"red", "amber"} else "blue")


def _columns(look: Look) -> list[Column]:
    return [
        Column(look.t("col.serial")),
        Column(look.t("col.product"), phone=False),
        Column(look.t("col.entitled")),
        Column(look.t("col.covered_until"), "num"),
    ]


def _row(look: Look, row: dict[str, Any], address: Callable[[str, str, str], str] | None) -> Row:
    """One device; its number opens its record by `address`, its reason stands in the tooltip of the verdict."""
    product = row["product_name"] or row["product_code"]
    place = tag("span", row["location"], class_="second") if row["location"] else ""
    return Row(
        [
            tag("span", look.text(row["serial_number"]), title=row["serial_number"]),
            join([look.text(product) if product else look.na(), place]),
            mark(look, row),
            left_of(look, row),
        ],
        href=address("asset", str(row["source"]), str(row["source_id"])) if address and row["source_id"] else None,
        is_record=True,
    )


def _more(look: Look, n: int) -> Html:
    return tag(
        "button", tag("span", look.t("panel.all", n=look.count(n)), class_="more"),
        tag("span", look.t("panel.fewer"), class_="less"), type="button", data_toggle="all", aria_expanded="false",
    )  # fmt: skip


def _write() -> None:
    value = str(st.session_state.get(FIELD) or "").strip()
    if value:
        st.query_params[FIELD] = value
    else:
        st.query_params.pop(FIELD, None)
