"""Notices: a customer was merged, deleted, deactivated or blocked in one system while another still has it.

What is to be done, where and by whom, is told by the build (mart_customer_notice) and ends there by itself when the
other system follows; that a person did it, or that nothing needs doing, is kept in the operational store.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from model import policy
from model.policy import Viewer
from model.serve.connection import Served
from model.serve.find import NotFound
from model.serve.links import link
from ops.errors import FatalError
from ops.store import stamp, unstamp
from ops.tables import audit, notice_events
from ops.texts import catalogue, text

STATES = ("open", "done", "not_needed")
_BETWEEN = re.compile(r"(?<=[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]) (?=[\u3400-\u9fff])")
_NOTICES = """
    select notice.*, customer.name, customer.owner_key as customer_owner_key, customer.owner_name as customer_owner,
           there.name as event_name, there.code as event_code, here.name as other_name, here.code as other_code,
           here.role as other_role, employee.name as owner_name, employee.is_active as is_owner_active,
           coalesce({rule}, false) as is_mine
    from marts.mart_customer_notice as notice
    join core.dim_customer as customer on customer.customer_key = notice.customer_key
    left join core.dim_customer_record as there on there.source = notice.source and there.source_id = notice.source_id
    left join core.dim_customer_record as here
        on here.source = notice.other_source and here.source_id = notice.other_id
    left join core.dim_employee as employee on employee.employee_key = notice.owner_key
    where coalesce({rule}, false) or notice.owner_key = $me
    order by notice.happened_at desc, notice.notice_key
"""


def notices(
    viewer: Viewer,
    db: Served,
    *,
    state: str | None = "open",
    source: str | None = None,
    kind: str | None = None,
    customer_key: str | None = None,
    mine: bool = False,
) -> dict[str, Any]:
    """{total, by_state, by_kind, rows}: what other systems have to do, newest event first.

    Rows: notice_key, customer_key, name, owner (of the customer), kind (merged, deleted, deactivated, blocked), event
    {source, source_id, code, name, merged_into_id, happened_at, link}, record {source, source_id, code, name, link}:
    the record of the other system; action (repoint, merge_too, check, deactivate, block), what (a sentence), told {key,
    name, is_integration}: its owner, else the integration owner; state, state_basis (followed: the other system did it;
    undone: the event was taken back; said: a person said so; null), closed {by, at, note} or null. `state` None: all.
    `source`: of the other record. `mine`: only what this viewer is told. by_state and by_kind count before `state`.
    """
    if state is not None and state not in STATES:
        raise FatalError(f"no notice is {state!r}", valid=", ".join(STATES))
    said = _said(db)
    rows = [
        row for row in (_row(viewer, db, found, said) for found in _found(viewer, db))
        if source in (None, row["record"]["source"]) and kind in (None, row["kind"])
        and customer_key in (None, row["customer_key"]) and (not mine or _is_told(viewer, row))
    ]  # fmt: skip
    chosen = [row for row in rows if state in (None, row["state"])]
    counts = Counter(row["state"] for row in rows)
    return {
        "total": len(chosen),
        "by_state": {name: counts.get(name, 0) for name in STATES},
        "by_kind": dict(Counter(row["kind"] for row in chosen)),
        "rows": chosen,
    }


def close_notice(
    viewer: Viewer, db: Served, notice_key: str, state: str = "done", note: str | None = None
) -> dict[str, Any]:
    """Say that a notice is done, not needed, or open again; the notice as it stands then.

    Audited. FatalError for an unknown state or a viewer who is neither told nor looks after data or sources; NotFound
    for a notice the viewer may not see.
    """
    if state not in STATES:
        raise FatalError(f"a notice cannot become {state!r}", valid=", ".join(STATES))
    row = _of_key(viewer, db, notice_key)
    if not may_close(viewer, row):
        raise FatalError(f"the role {viewer.role} does not close notices of others", valid="those told to you")
    entry = {"notice_key": notice_key, "at": stamp(), "actor": viewer.user, "state": state, "note": note}
    details = json.dumps({"state": state, "note": note}, ensure_ascii=False)
    with db.instance.store.begin() as connection:
        connection.execute(notice_events.insert().values(**entry))
        connection.execute(
            audit.insert().values(
                at=entry["at"], actor=viewer.user, action="notice.close", subject=notice_key[:300], details=details
            )
        )
    return _of_key(viewer, db, notice_key)


def may_close(viewer: Viewer, row: Mapping[str, Any]) -> bool:
    """Whether this viewer may close a row of `notices`: told to them, their customer, or their job."""
    role = policy.roles()[viewer.role]
    return role.may_decide or role.may_sync or _is_told(viewer, row) or (role.may_work and bool(row["is_mine"]))


def _of_key(viewer: Viewer, db: Served, notice_key: str) -> dict[str, Any]:
    said = _said(db)
    for found in _found(viewer, db):
        if found["notice_key"] == notice_key:
            return _row(viewer, db, found, said)
    raise NotFound(f"no notice {notice_key!r}", remedy="take its key from `c360 notices`")


def _found(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    key = ("notices", viewer.cache_key, viewer.employee_key)
    if key not in db.cache:
        rule, named = viewer.named_rows()
        db.cache[key] = db.rows(_NOTICES.format(rule=rule), {"me": viewer.employee_key or "", **named})
    answer: list[dict[str, Any]] = db.cache[key]
    return answer


def _said(db: Served) -> dict[str, Any]:
    """Notice → what was last said about it."""
    with db.instance.store.read() as connection:
        rows = connection.execute(select(notice_events).order_by(notice_events.c.event_id)).all()
    return {row.notice_key: row for row in rows}


def _row(viewer: Viewer, db: Served, found: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    word = said.get(found["notice_key"])
    state, basis = "open", None
    if found["is_followed"]:
        state, basis = "done", "followed"
    elif found["ended_at"] is not None:
        state, basis = "not_needed", "undone"
    elif word is not None:
        state, basis = word.state, "said"
    event = {
        "source": found["source"], "source_id": found["source_id"], "code": found["event_code"],
        "name": found["event_name"], "merged_into_id": found["merged_into_id"], "happened_at": found["happened_at"],
    }  # fmt: skip
    record = {
        "source": found["other_source"], "source_id": found["other_id"], "code": found["other_code"],
        "name": found["other_name"],
    }  # fmt: skip
    told = {"key": None, "name": None, "is_integration": True}
    if found["owner_key"] is not None and found["is_owner_active"]:
        told = {"key": found["owner_key"], "name": found["owner_name"], "is_integration": False}
    return {
        "notice_key": found["notice_key"], "customer_key": found["customer_key"], "name": found["name"],
        "owner": found["customer_owner"], "kind": found["kind"],
        "event": {**event, "link": link(db, "customer", event)},
        "record": {**record, "link": link(db, "customer", record)},
        "action": found["action"], "what": _what(viewer, found), "told": told, "is_mine": found["is_mine"],
        "state": state, "state_basis": basis,
        "closed": {"by": word.actor, "at": unstamp(word.at), "note": word.note}
        if word is not None and basis == "said" and state != "open" else None,
    }  # fmt: skip


def _what(viewer: Viewer, found: Mapping[str, Any]) -> str:
    said = text(
        viewer.language, f"notice.what.{found['action']}", there=_system(viewer, found["source"]),
        here=_system(viewer, found["other_source"]), code=found["event_code"] or found["source_id"],
        record=found["other_code"] or found["other_id"], target=found["merged_into_id"] or "",
        kind=text(viewer.language, f"notice.kind.{found['kind']}"),
    )  # fmt: skip
    # The places stand apart for codes and Latin names; between two Chinese words there is no space.
    return _BETWEEN.sub("", said)


def _system(viewer: Viewer, source: str) -> str:
    """The word for a system, where it has one, else the name it is configured under."""
    msgid = f"enum.source.{source}"
    return text(viewer.language, msgid) if msgid in catalogue() else source


def _is_told(viewer: Viewer, row: Mapping[str, Any]) -> bool:
    if row["told"]["is_integration"]:
        return viewer.role in {"integration", "operator"}
    return viewer.employee_key is not None and row["told"]["key"] == viewer.employee_key
