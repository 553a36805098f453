"""What an action on an open item means: its arguments checked first, then what is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import Connection, select, update

from model.receivables import codes
from model.receivables.codes import Codes
from model.serve.connection import Served
from ops.errors import FatalError
from ops.tables import disputes, notes, promises

LAST = date(2099, 12, 31)
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """One action on one item, checked: what will be written. `row_id`: the promise or dispute it is about; `most`: what
    all disputes of the item may come to."""

    action: str
    item_key: str
    currency: str
    happened_on: date
    until_on: date | None = None
    amount: Decimal | None = None
    person: str | None = None
    code: str | None = None
    body: str | None = None
    row_id: int | None = None
    most: Decimal | None = None


@dataclass(frozen=True)
class Ground:
    """What a check may look at: the build, today, the words people choose from."""

    db: Served
    today: date
    codes: Codes


Item = dict[str, Any]
Check = Callable[[Ground, Item, Arguments], dict[str, Any]]


def _promise(ground: Ground, item: Item, given: Arguments) -> dict[str, Any]:
    on = day_of(given, "on")
    if on < ground.today:
        raise FatalError(f"a promise for {on} is in the past", valid=f"from {ground.today} on")
    return {"until_on": on, "amount": amount_of(given.get("amount", item["open_amount"]), item)}


def _dispute(ground: Ground, item: Item, given: Arguments) -> dict[str, Any]:
    amount = amount_of(given.get("amount", item["open_amount"]), item)
    with ground.db.instance.store.read() as connection:
        left = item["open_amount"] - _disputed(connection, item["record_key"])
    if "amount" not in given and 0 < left < amount:
        amount = left
    _assert_left(amount, left)
    return {
        "amount": amount,
        "most": item["open_amount"],
        "code": codes.choose(ground.codes, "dispute_reason", given.get("reason") or "other"),
        "person": employee_of(ground.db, given.get("owner")),
    }


def _disputed(connection: Connection, item_key: str) -> Decimal:
    """What of the item is in dispute."""
    standing = select(disputes.c.amount).where(disputes.c.item_key == item_key, disputes.c.closed_at.is_(None))
    return sum((Decimal(row.amount) for row in connection.execute(standing)), Decimal(0))


def _assert_left(amount: Decimal, left: Decimal) -> None:
    if amount > left:
        raise FatalError(f"{amount} is more than is not disputed yet", valid=f"up to {max(left, Decimal(0))}")


def _withdraw_promise(ground: Ground, item: Item, given: Arguments) -> dict[str, Any]:
    return {"row_id": _standing(ground, item, given, "promise_id")}


def _close_dispute(ground: Ground, item: Item, given: Arguments) -> dict[str, Any]:
    outcome = given.get("outcome")
    return {
        "row_id": _standing(ground, item, given, "dispute_id"),
        "code": None if outcome is None else codes.choose(ground.codes, "dispute_outcome", outcome),
    }


def _standing(ground: Ground, item: Item, given: Arguments, name: str) -> int | None:
    """The id given, which must stand on the item; None means all that stand, of which there must be one."""
    table, ended = (promises, promises.c.withdrawn_at) if name == "promise_id" else (disputes, disputes.c.closed_at)
    with ground.db.instance.store.read() as connection:
        found = {
            row[0]
            for row in connection.execute(
                select(table.c[name]).where(table.c.item_key == item["record_key"], ended.is_(None))
            )
        }
    wanted = given.get(name)
    if not found or (wanted is not None and int(wanted) not in found):
        valid = ", ".join(str(one) for one in sorted(found)) or f"nothing: no {name.removesuffix('_id')} stands"
        raise FatalError(f"there is no {name.removesuffix('_id')} {wanted or ''} to end on this item", valid=valid)
    return None if wanted is None else int(wanted)


def _snooze(ground: Ground, _item: Item, given: Arguments) -> dict[str, Any]:
    until = day_of(given, "until")
    if until <= ground.today:
        raise FatalError(f"a snooze until {until} is over already", valid=f"after {ground.today}")
    return {"until_on": until}


def _note(_ground: Ground, _item: Item, given: Arguments) -> dict[str, Any]:
    if not given.get("note"):
        raise FatalError("a note without text", remedy="write what was said")
    return {}


def _plain(_ground: Ground, _item: Item, _given: Arguments) -> dict[str, Any]:
    return {}


def _assign(ground: Ground, _item: Item, given: Arguments) -> dict[str, Any]:
    what = given.get("as") or "owner"
    if what not in {"owner", "deputy"}:
        raise FatalError(f"an item is not assigned as {what!r}", valid="owner, deputy")
    until = day_of(given, "until") if given.get("until") else None
    return {"person": employee_of(ground.db, given.get("to")), "code": what, "until_on": until}


def _call(ground: Ground, _item: Item, given: Arguments) -> dict[str, Any]:
    return {
        "person": given.get("contact") or None,
        "code": codes.choose(ground.codes, "call_result", given.get("result")),
        "until_on": day_of(given, "next_on") if given.get("next_on") else None,
        "happened_on": _past_day(ground, given),
    }


def _stage(ground: Ground, _item: Item, given: Arguments) -> dict[str, Any]:
    return {"code": codes.choose(ground.codes, "stage", given.get("stage")), "happened_on": _past_day(ground, given)}


def _past_day(ground: Ground, given: Arguments) -> date:
    on = day_of(given, "on") if given.get("on") else ground.today
    if on > ground.today:
        raise FatalError(f"{on} has not come yet", valid=f"up to {ground.today}")
    return on


# action → (check, arguments it takes)
CHECKS: dict[str, tuple[Check, frozenset[str]]] = {
    "acknowledge": (_plain, frozenset()),
    "promise": (_promise, frozenset({"on", "amount"})),
    "dispute": (_dispute, frozenset({"amount", "reason", "owner"})),
    "escalate": (_plain, frozenset()),
    "snooze": (_snooze, frozenset({"until"})),
    "note": (_note, frozenset()),
    "withdraw_promise": (_withdraw_promise, frozenset({"promise_id"})),
    "close_dispute": (_close_dispute, frozenset({"dispute_id", "outcome"})),
    "assign": (_assign, frozenset({"to", "as", "until"})),
    "call": (_call, frozenset({"contact", "result", "next_on", "on"})),
    "stage": (_stage, frozenset({"stage", "on"})),
}
ACTIONS = tuple(CHECKS)


def ground(db: Served) -> Ground:
    """What checks look at."""
    return Ground(db, db.today(), codes.load(db.instance.config_dir))


def plan(on: Ground, item: Item, action: str, given: Arguments) -> Planned:
    """`action` with the arguments `given` on `item` (record_key, currency, open_amount); FatalError says what is wrong
    with them. Every action takes a note."""
    check, takes = CHECKS[action]
    strange = sorted(set(given) - takes - {"note"})
    if strange:
        raise FatalError(f"{action} takes no {', '.join(strange)}", valid=", ".join(sorted(takes | {"note"})))
    fields: dict[str, Any] = {"happened_on": on.today, "body": given.get("note") or None} | check(on, item, given)
    return Planned(action=action, item_key=item["record_key"], currency=item["currency"], **fields)


def write(connection: Connection, who: str, at: str, planned: Planned) -> None:
    """Write the work state of a planned action, all but its history."""
    key, body = planned.item_key, planned.body
    if planned.action == "promise":
        connection.execute(
            promises.insert().values(
                item_key=key, amount=str(planned.amount), currency=planned.currency,
                promised_on=str(planned.until_on), made_by=who, made_at=at, note=body,
            )
        )  # fmt: skip
    elif planned.action == "dispute":
        if planned.amount is not None and planned.most is not None:
            # again inside the transaction: somebody else may have disputed the item since it was checked
            _assert_left(planned.amount, planned.most - _disputed(connection, key))
        connection.execute(
            disputes.insert().values(
                item_key=key, amount=str(planned.amount), currency=planned.currency, reason=planned.code,
                owner_key=planned.person, opened_by=who, opened_at=at, note=body,
            )
        )  # fmt: skip
    elif planned.action == "withdraw_promise":
        ended = update(promises).where(promises.c.item_key == key, promises.c.withdrawn_at.is_(None))
        ended = ended if planned.row_id is None else ended.where(promises.c.promise_id == planned.row_id)
        connection.execute(ended.values(withdrawn_at=at, withdrawn_by=who))
    elif planned.action == "close_dispute":
        ended = update(disputes).where(disputes.c.item_key == key, disputes.c.closed_at.is_(None))
        ended = ended if planned.row_id is None else ended.where(disputes.c.dispute_id == planned.row_id)
        connection.execute(ended.values(closed_at=at, closed_by=who, outcome=planned.code))
    elif planned.action in {"acknowledge", "escalate", "snooze", "note"}:
        until = None if planned.until_on is None else planned.until_on.isoformat()
        connection.execute(
            notes.insert().values(anchor=key, kind=planned.action, body=body, until=until, made_by=who, made_at=at)
        )


def day_of(given: Arguments, name: str) -> date:
    """The date argument `name`, up to the year 2099; FatalError otherwise."""
    value = given.get(name)
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, date) or value > LAST:
        raise FatalError(f"{name!r} must be a date", valid="YYYY-MM-DD")
    return value


def amount_of(value: Any, item: Item) -> Decimal:
    """An amount of at most what `item` owes; FatalError otherwise."""
    try:
        amount = Decimal(str(value)).quantize(Decimal("0.01"))
    except InvalidOperation as error:
        raise FatalError(f"{value!r} is not an amount", valid="a number such as 1200.50") from error
    if not 0 < amount <= item["open_amount"]:
        raise FatalError(f"the amount {amount} is not possible", valid=f"0.01 to the open {item['open_amount']}")
    return amount


def employee_of(db: Served, who: Any) -> str | None:
    """The key of the employee with this key, mail, staff number or (if only one has it) name; None for none.

    FatalError when nobody, or more than one, answers to it.
    """
    if not who:
        return None
    rows = db.rows(
        """select employee_key from core.dim_employee where coalesce(is_active, true)
           and (employee_key = $who or lower(email) = lower($who) or code = $who or name = $who)""",
        {"who": str(who)},
    )
    if len(rows) != 1:
        raise FatalError(
            f"{'nobody' if not rows else 'more than one person'} answers to {who!r}", valid="an employee's mail"
        )
    key: str = rows[0]["employee_key"]
    return key
