"""The customer screen: everything about one customer in at most six queries of the build."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from model.policy import Viewer
from model.serve import card, card_past, card_rows, entitled, past_fields, work
from model.serve.assets import shown, with_devices
from model.serve.connection import Served
from model.serve.exposure import of_card
from model.serve.find import resolve
from model.serve.freshness import freshness
from model.serve.links import linked, linked_events
from model.serve.receivable import receivables
from model.serve.timeline import PAGE, end_of, events
from ops import clock

# what health judges → the role of the source that brings it
FED_BY = {"money": "erp", "tickets": "tickets", "projects": "projects"}


def customer(
    viewer: Viewer,
    db: Served,
    query: str,
    as_of: date | None = None,
    known_at: date | datetime | None = None,
) -> dict[str, Any]:
    """The whole card of the customer that `query` names (customer key, any code, or a search with one answer).

    Raises NotFound with suggestions, Ambiguous with candidates. Rows carry source, source_id and link. as_of_basis:
    panel → "as_of", or "current" where a day gone by shows today's state of something that has no history. What the
    build says is cached per version, scope, masks and dates; work state (promises, disputes) and freshness are read
    fresh and joined afterwards.
    """
    day = as_of or db.today()
    key = resolve(viewer, db, query)
    cached = ("customer", viewer.cache_key, viewer.language, key, day, known_at)
    if cached not in db.cache:
        db.cache[cached] = _read(viewer, db, key, day, known_at)
    return _assemble(viewer, db, db.cache[cached], day)


def _read(viewer: Viewer, db: Served, key: str, day: date, known_at: date | datetime | None) -> dict[str, Any]:
    is_past, end = day < db.today(), end_of(db, day)
    lists, header = card_rows.documents(db, key, day, is_past=is_past), card_rows.header(viewer, db, key)
    basis = card_past.present()
    if is_past:
        lists, basis = card_past.past(lists, day, end)
        then, is_known = past_fields.identity_at(db, key, end)
        header |= then
        basis["identity"] = card_past.AS_OF if is_known else card_past.CURRENT
    return {
        "header": header,
        "lists": lists,
        "basis": basis,
        "receivables": receivables(viewer, db, key, day, known_at),
        "timeline": linked_events(db, events(viewer, db, key, end, limit=PAGE)),
    }


def _assemble(viewer: Viewer, db: Served, read: dict[str, Any], day: date) -> dict[str, Any]:
    header, lists = read["header"], read["lists"]
    at = min(clock.now(), end_of(db, day))
    owed = work.with_state(db, read["receivables"], day)
    tickets = card.tickets(lists["tickets"], at)
    devices = entitled.devices(header["assets"], day)
    projects = card.projects(lists["projects"], lists["milestones"], day)
    contracts = card.contracts(db, lists["contracts"], day, at)
    renewal = card.renewal(db, contracts, day)
    header = {**header, "exposure": of_card(db, owed, header, day)}
    fresh = freshness(db)
    is_fed = {part: role in fresh or "files" in fresh for part, role in FED_BY.items()}
    has_rows = any((read["timeline"], owed["items"], tickets, projects, contracts, lists["orders"]))
    kpis = card.kpis(
        viewer, db, header, owed, tickets, projects, contracts, renewal, lists["sales"], day,
        is_fed=is_fed, has_rows=has_rows,
    )  # fmt: skip
    return {
        **card.identity(viewer, header),
        "as_of": day,
        "as_of_basis": read["basis"],
        "build": db.version,
        "kpis": kpis,
        "next_action": card.next_action(owed, tickets, contracts, kpis),
        "receivables": {**owed, "items": linked(db, "invoice", owed["items"])},
        "tickets": linked(db, "ticket", with_devices(db, tickets, header["assets"])),
        "assets": shown(db, devices),
        "assets_count": len(devices),
        "projects": linked(db, "project", projects),
        "opportunities": linked(db, "opportunity", lists["opportunities"]),
        "contracts": linked(db, "contract", contracts),
        "orders": linked(db, "sales_order", lists["orders"][: card.ORDERS]),
        "contacts": linked(db, "contact", card.contacts(viewer, header["contacts"])),
        "renewal": renewal,
        "timeline": read["timeline"],
        "freshness": fresh,
        "provenance": {
            "records": linked(db, "customer", header["records"]),
            "owner_source": header["owner_source"],
        },
    }
