"""What a person does about open items: call, promise, dispute, snooze, assign, stage, note, invoice received."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import streamlit as st

from model import serve
from ops import clock
from ops.errors import C360Error
from views import state
from views.parts.filters import amount
from views.parts.format import Look, as_date
from views.parts.notice import show_error

ALL = "*"
# What takes back something that stands is offered only where it stands.
UNDO = {"withdraw_promise": "promise", "close_dispute": "dispute"}
ACTIONS = [
    "call", "promise", "dispute", "stage", "snooze", "assign", "note", "acknowledge", "escalate", "invoice_received",
]  # fmt: skip
BULK = ["promise", "snooze", "assign", "stage", "call", "note", "acknowledge", "escalate"]


def action_form(
    context: state.Context, customer_key: str, items: list[dict[str, Any]], contact: str | None = None
) -> None:
    """Item, action and its own fields; saving writes work state through serve and says so."""
    look = context.look
    if done := st.session_state.pop("acted", None):
        st.toast(done)
    chosen = _item(look, customer_key, items)
    several = chosen == ALL
    item = _together(items) if several else next(one for one in items if item_key(one) == chosen)
    offered = [name for name in ACTIONS if not (several and name == "invoice_received")]
    offered += [name for name, what in UNDO.items() if item.get(what) and not several]
    action = st.pills(
        look.t("act.action"),
        offered,
        default=offered[0],
        required=True,
        format_func=lambda name: look.t(f"act.{name}"),
        key=f"action_{chosen}_{len(offered)}",
    )
    if not action:
        return
    with st.form(f"form_{customer_key}_{chosen}_{action}", border=False):
        values = fields(context, str(action), item, contact)
        pressed = st.form_submit_button(look.t("act.save"), type="primary")
    if pressed and values is not None:
        keys = [item_key(one) for one in _late(items)] if several else [str(chosen)]
        _save(context, keys, str(action), item, values)


def _save(context: state.Context, keys: list[str], action: str, item: dict[str, Any], values: dict[str, Any]) -> None:
    look = context.look
    try:
        if action == "invoice_received":
            serve.record_invoice_received(context.viewer, context.db, invoice_key(item), values["on"])
        elif len(keys) == 1:
            serve.act(context.viewer, context.db, keys[0], action, **values)
        else:
            values.pop("amount", None)
            serve.act_many(context.viewer, context.db, keys, action, **values)
    except C360Error as error:
        show_error(look, error)
        return
    st.session_state["acted"] = look.t("act.saved", action=look.t(f"act.{action}"))
    st.rerun()


def item_key(item: dict[str, Any]) -> str:
    """The key that work state is written on: the open item's record key."""
    return str(item["record_key"])


def invoice_key(item: dict[str, Any]) -> str:
    """The invoice of a plan row: its record key without the row."""
    return str(item["record_key"]).partition("#")[0]


def _late(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if (item.get("days_past_due") or 0) > 0]


def _together(items: list[dict[str, Any]]) -> dict[str, Any]:
    """All that is overdue as one thing to act on; its amount is shown, each item is written with its own."""
    late = _late(items)
    return {"record_key": ALL, "currency": late[0]["currency"], "open_amount": sum(one["open_amount"] for one in late)}


def _item(look: Look, customer_key: str, items: list[dict[str, Any]]) -> str:
    """The item to act on: the address's `item`, else the latest; several of one currency can be taken together."""
    labels = {item_key(item): _item_label(look, item) for item in items}
    late = _late(items)
    if len(late) > 1 and len({item["currency"] for item in late}) == 1:
        whole = _together(items)
        said = f"{look.amount(whole['open_amount'])} {whole['currency']}"
        labels[ALL] = look.t("act.all_late", n=look.count(len(late)), amount=said)
    key = f"item_{customer_key}"
    asked = st.query_params.get("item")
    if asked in labels and st.session_state.get("item_asked") != asked:
        st.session_state[key] = asked
    st.session_state["item_asked"] = asked
    if st.session_state.get(key) not in labels:
        st.session_state.pop(key, None)
    return str(st.selectbox(look.t("act.item"), list(labels), format_func=lambda one: labels[one], key=key))


def _item_label(look: Look, item: dict[str, Any]) -> str:
    row = f"/{item['plan_row']}" if item.get("plan_row") else ""
    return f"{item['invoice_number']}{row} · {look.amount(item['open_amount'])} {item['currency']}"


def fields(
    context: state.Context, action: str, item: dict[str, Any], contact: str | None = None, *, bulk: bool = False
) -> dict[str, Any] | None:
    """Draw an action's own fields; its arguments, or None (with the reason shown) when one is not valid."""
    look, today = context.look, clock.today(context.instance.config.zone)
    several = bulk or item["record_key"] == ALL
    made: dict[str, Any] | None = _FIELDS.get(action, _none)(
        context, look, today, {**item, "contact": contact, "several": several}
    )
    if made is None:
        return None
    if action != "invoice_received":
        note = st.text_input(look.t("act.note"), max_chars=500)
        made |= {"note": note} if note else {}
    return made


def _none(_context: state.Context, _look: Look, _today: date, _item: dict[str, Any]) -> dict[str, Any]:
    return {}


def _promise(_context: state.Context, look: Look, today: date, item: dict[str, Any]) -> dict[str, Any] | None:
    day, right = (st, None) if item["several"] else st.columns(2)
    label, usual = look.t("act.promised_on"), today + timedelta(days=7)
    on = as_date(day.date_input(label, value=usual, min_value=today, format="YYYY-MM-DD"))
    if right is None:
        return {"on": on}
    given = _amount(look, right, look.t("act.amount"), item)
    return None if given is None else {"on": on, "amount": given}


def _amount(look: Look, where: Any, label: str, item: dict[str, Any]) -> Any:
    hint = look.t("act.part_help", open=look.amount(item["open_amount"]))
    written = where.text_input(label, value=look.amount(item["open_amount"]), help=hint)
    found = amount(written)
    if found is None:
        st.caption(look.t("act.bad_amount", value=written))
    return found


def _dispute(context: state.Context, look: Look, _today: date, item: dict[str, Any]) -> dict[str, Any] | None:
    left, right = st.columns(2)
    reason = _code(context, left, "dispute_reason", look.t("act.reason"))
    given = None if item["several"] else _amount(look, right, look.t("act.disputed_amount"), item)
    owner = person(context, look.t("act.dispute_owner"))
    if given is None and not item["several"]:
        return None
    made: dict[str, Any] = {"reason": reason} | ({"amount": given} if given is not None else {})
    return made | ({"owner": owner} if owner else {})


def _call(context: state.Context, look: Look, today: date, item: dict[str, Any]) -> dict[str, Any]:
    left, right = st.columns(2)
    result = _code(context, left, "call_result", look.t("act.result"))
    who = right.text_input(look.t("act.contact"), value=item.get("contact") or "", max_chars=100)
    following = st.date_input(look.t("act.next_on"), value=None, min_value=today, format="YYYY-MM-DD")
    made: dict[str, Any] = {"result": result} | ({"contact": who} if who else {})
    return made | ({"next_on": as_date(following)} if following else {})


def _stage(context: state.Context, look: Look, today: date, _item: dict[str, Any]) -> dict[str, Any]:
    left, right = st.columns(2)
    stage = _code(context, left, "stage", look.t("act.stage"))
    on = right.date_input(look.t("act.done_on"), value=today, max_value=today, format="YYYY-MM-DD")
    return {"stage": stage, "on": as_date(on)}


def _snooze(_context: state.Context, look: Look, today: date, _item: dict[str, Any]) -> dict[str, Any]:
    first = today + timedelta(days=1)
    until = st.date_input(look.t("act.until"), value=today + timedelta(days=7), min_value=first, format="YYYY-MM-DD")
    return {"until": as_date(until)}


def _assign(context: state.Context, look: Look, today: date, _item: dict[str, Any]) -> dict[str, Any]:
    left, right = st.columns(2)
    with left:
        to = person(context, look.t("act.to"))
    kind = right.selectbox(look.t("act.as"), ["owner", "deputy"], format_func=lambda one: look.t(f"act.as_{one}"))
    until = st.date_input(look.t("act.assigned_until"), value=None, min_value=today, format="YYYY-MM-DD")
    return {"to": to or "", "as": kind} | ({"until": as_date(until)} if until else {})


def _received(_context: state.Context, look: Look, today: date, item: dict[str, Any]) -> dict[str, Any]:
    st.caption(look.t("act.received_help"))
    first = as_date(item["invoice_on"])
    on = st.date_input(look.t("act.received_on"), value=max(today, first), min_value=first, format="YYYY-MM-DD")
    return {"on": as_date(on)}


def _close(context: state.Context, look: Look, _today: date, item: dict[str, Any]) -> dict[str, Any]:
    found = {one["dispute_id"]: one for one in item.get("disputes") or []}
    made = _one_of(look, found, "dispute_id")
    return made | {"outcome": _code(context, st, "dispute_outcome", look.t("act.outcome"))}


def _withdraw(_context: state.Context, look: Look, _today: date, item: dict[str, Any]) -> dict[str, Any]:
    return _one_of(look, {one["promise_id"]: one for one in item.get("promises") or []}, "promise_id")


def _one_of(look: Look, found: dict[int, dict[str, Any]], name: str) -> dict[str, Any]:
    if len(found) < 2:
        return {}
    labels = {key: f"{look.amount(one['amount'])} · {one.get('on') or one['opened_on']}" for key, one in found.items()}
    return {name: st.selectbox(look.t(f"act.{name}"), list(labels), format_func=lambda key: labels[key])}


def _code(context: state.Context, where: Any, group: str, label: str) -> str:
    found = {row["code"]: row["label"] for row in serve.work_codes(context.viewer, context.db)[group]}
    return str(where.selectbox(label, list(found), format_func=lambda one: found[one]))


def person(context: state.Context, label: str) -> str | None:
    """Somebody to give work to: one of the owners the viewer knows, or a mail address typed in; None for nobody."""
    found = owners(context)
    chosen = st.selectbox(
        label, list(found), index=None, format_func=lambda one: found.get(one, one), accept_new_options=True,
        placeholder=context.look.t("act.person_hint"),
    )  # fmt: skip
    return str(chosen) if chosen else None


def owners(context: state.Context) -> dict[str, str]:
    """Employee key → name of the account managers of the viewer's customers, by name; the viewer among them."""
    rows = serve.aging(context.viewer, context.db, by="owner")["rows"]
    found = {str(row["owner_key"]): str(row["owner"]) for row in rows if row["owner_key"]}
    if context.viewer.employee_key:
        found[context.viewer.employee_key] = context.viewer.name
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def codes(context: state.Context, groups: Sequence[str]) -> dict[str, str]:
    """Code → word of several groups."""
    known = serve.work_codes(context.viewer, context.db)
    return {row["code"]: row["label"] for group in groups for row in known[group]}


_FIELDS: dict[str, Any] = {
    "promise": _promise, "dispute": _dispute, "call": _call, "stage": _stage, "snooze": _snooze, "assign": _assign,
    "invoice_received": _received, "close_dispute": _close, "withdraw_promise": _withdraw,
}  # fmt: skip
