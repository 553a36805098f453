"""Letters to customers: reminder, 催款函, statement of account, confirmation request, as PDF or Excel in two languages.

Making one writes nothing. Recording one keeps the file in the instance folder, sets the collection stage of every item
in it (a demand restarts limitation) and adds to the history.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from model.policy import Viewer
from model.receivables import letterhead, paper, statement_sheet
from model.receivables import letters as texts
from model.serve import acting
from model.serve.anchors import anchor_of
from model.serve.connection import Served
from model.serve.find import resolve
from model.serve.statement import statement
from model.serve.work_items import work_items
from ops import clock
from ops.errors import FatalError
from ops.store import stamp

FORMATS = {"pdf": "application/pdf", "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
FOLDER = "documents"
NOT_CHASED = frozenset({"dispute", "paid_check"})
PAY_WITHIN = timedelta(days=10)


@dataclass(frozen=True)
class Document:
    """A made letter: `item_keys` are the open items it names, `facts` the figures it was made from."""

    name: str
    media_type: str
    content: bytes
    customer_key: str
    kind: str
    language: str
    item_keys: tuple[str, ...]
    facts: dict[str, Any]

    @property
    def sha256(self) -> str:
        """The content's hash."""
        return hashlib.sha256(self.content).hexdigest()


def letter(
    viewer: Viewer, db: Served, customer: str, kind: str, *, language: str | None = None,
    item_keys: list[str] | None = None, pay_by: date | None = None,
) -> Document:  # fmt: skip
    """A reminder or demand_letter over the customer's overdue items, per currency, as of today.

    Items in dispute and items that waiting money covers are left out unless `item_keys` names them. `pay_by`: default
    in ten days. FatalError when nothing is left to ask for, or for an unknown kind or item.
    """
    if kind not in texts.CHASING:
        raise FatalError(f"there is no letter {kind!r}", valid=", ".join(texts.CHASING))
    key, day = resolve(viewer, db, customer), db.today()
    found = work_items(viewer, db, customer_key=key)
    if item_keys is None:
        found = [item for item in found if item["status"] not in NOT_CHASED]
    else:
        strange = sorted(set(item_keys) - {item["record_key"] for item in found})
        if strange:
            raise FatalError(f"not overdue items of this customer: {', '.join(strange)}", valid="keys of overdue items")
        found = [item for item in found if item["record_key"] in item_keys]
    if not found:
        raise FatalError(
            "there is nothing to ask for: what is overdue is disputed, or money that waits to be allocated covers it",
            remedy="check the unallocated receipts, or name the items",
        )
    spoken = language or viewer.language
    number = _number(db, kind, key, day)
    header = db.rows("select customer_key, name, address from core.dim_customer where customer_key = ?", [key])[0]
    sheet = texts.chasing(kind, spoken, db.instance.config.company, header, found, day, pay_by or day + PAY_WITHIN,
                          number, letterhead.load(db.instance.config_dir))  # fmt: skip
    content = paper.pdf(sheet, clock.now(), db.instance.config_dir)
    totals: dict[str, str] = {}
    for item in found:
        totals[item["currency"]] = str(item["open_amount"] + type(item["open_amount"])(totals.get(item["currency"], 0)))
    return Document(f"{number}.pdf", FORMATS["pdf"], content, key, kind, spoken,
                    tuple(item["record_key"] for item in found), {"as_of": day, "totals": totals})  # fmt: skip


def statement_document(
    viewer: Viewer, db: Served, customer: str, start: date | None = None, end: date | None = None, *,
    kind: str = "statement", file: str = "pdf", currency: str | None = None, language: str | None = None,
    auditor: str = "", auditor_address: str = "",
) -> Document:  # fmt: skip
    """A statement of account (PDF or xlsx), or with kind "confirmation" an auditor's request (PDF; needs `auditor`)."""
    if file not in FORMATS or kind not in {"statement", "confirmation"} or (kind == "confirmation" and file != "pdf"):
        raise FatalError(f"there is no {kind} as {file}", valid="statement as pdf or xlsx, confirmation as pdf")
    if kind == "confirmation" and not auditor:
        raise FatalError("a confirmation request names the auditor it is answered to", valid="auditor, auditor_address")
    found = statement(viewer, db, customer, start, end, currency)
    spoken, day = language or viewer.language, db.today()
    number = _number(db, kind, found["customer_key"], found["to_on"])
    if file == "xlsx":
        content = statement_sheet.workbook(spoken, found, clock.now())
    else:
        made = (
            texts.statement(spoken, found, number, day, letterhead.load(db.instance.config_dir)) if kind == "statement"
            else texts.confirmation(spoken, found, number, day, auditor, auditor_address)
        )  # fmt: skip
        content = paper.pdf(made, clock.now(), db.instance.config_dir)
    keys = tuple(item["record_key"] for part in found["currencies"] for item in part["items"])
    return Document(f"{number}.{file}", FORMATS[file], content, found["customer_key"], kind, spoken, keys, found)


def record_letter(
    viewer: Viewer, db: Served, made: Document, *, on: date | None = None, note: str | None = None
) -> str:
    """Record that a reminder or demand_letter was sent on `on` (default today): the file is kept, every item's stage is
    set. Returns where the file is, inside the instance folder."""
    if made.kind not in texts.CHASING:
        raise FatalError(f"a {made.kind} is recorded as a statement", valid=", ".join(texts.CHASING))
    given: dict[str, Any] = {"stage": made.kind} | ({"on": on} if on else {}) | ({"note": note} if note else {})
    planned = acting.act_many(viewer, db, made.item_keys, "stage", preview=True, **given)
    if problems := planned["problems"]:
        raise FatalError(f"the letter cannot be recorded: {problems[0]['what']}", remedy="make it anew")
    if {row["customer_key"] for row in planned["rows"]} != {made.customer_key}:
        raise FatalError("the letter names items of another customer", remedy="make it anew")
    where = keep(db, made.name, made.content, "letters")
    acting.act_many(viewer, db, made.item_keys, "stage", **given)
    with db.instance.store.begin() as connection:
        acting.log(
            connection, viewer, stamp(), action="letter", anchor=anchor_of(db, made.customer_key),
            happened_on=str(on or db.today()), code=made.kind,
            body=json.dumps({"file": where, "sha256": made.sha256, "language": made.language,
                             "totals": made.facts["totals"], "note": note}, ensure_ascii=False),
        )  # fmt: skip
    return where


def keep(db: Served, name: str, content: bytes, folder: str) -> str:
    """Write a file into the instance's documents, never over another one; its path inside the instance folder."""
    target = db.instance.home / FOLDER / folder
    target.mkdir(parents=True, exist_ok=True)
    stem, suffix = Path(name).stem, Path(name).suffix
    for count in range(1, 10_000):
        path = target / (f"{stem}{suffix}" if count == 1 else f"{stem}-{count}{suffix}")
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            continue
        return str(path.relative_to(db.instance.home))
    raise FatalError(f"{target} holds too many files called {stem}")


def _number(db: Served, kind: str, customer_key: str, day: date) -> str:
    short = {"reminder": "R", "demand_letter": "D", "statement": "S", "confirmation": "A"}[kind]
    return f"{short}-{customer_key}-{day:%Y%m%d}"
