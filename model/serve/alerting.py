"""Alerts of the customers a viewer may see, the rules there are, and what a rule would have done in the past."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from model import alerts as engine
from model.alerts import rule as rules_of
from model.policy import HIDDEN, Viewer
from model.serve.connection import Served
from ops.errors import FatalError


def alerts(viewer: Viewer, db: Served, state: str | None = None) -> list[dict[str, Any]]:
    """Open alerts (or those in `state`), most severe first, with customer and owner names.

    An alert that exists because of a masked value is not shown: it would tell the value's size. Alerts about no
    customer (sources) are shown to those who look after all of them.
    """
    rows = engine.listing(db.instance.store, states={state} if state else None, today=db.today())
    hidden = {rule.id for rule in _known(db) if rule.tells in viewer.masks}
    visible = _visible(viewer, db)
    found = []
    for row in rows:
        seen = visible.get(row.get("customer_key"))
        if seen is None or row["rule"] in hidden:
            continue
        found.append({**row, "customer": seen["name"] or row["document"], "owner": seen["owner_name"]})
    return found


def alert_rules(viewer: Viewer, db: Served) -> list[dict[str, Any]]:
    """Every rule, switched on or not: id, kind, subject, severity, steps, cadence, escalation, label, and how many
    alerts of it the viewer has open; HIDDEN for a rule that speaks of a value hidden from the viewer."""
    counts: dict[str, int] = {}
    for row in alerts(viewer, db):
        counts[row["rule"]] = counts.get(row["rule"], 0) + 1
    return [
        {
            "rule": rule.id, "label": getattr(rule.label, viewer.language), "kind": rule.kind, "subject": rule.subject,
            "enabled": rule.enabled, "severity": list(rule.severity), "steps": rule.steps,
            "cadence_days": rule.cadence_days, "quiet_hours": rule.quiet_hours,
            "escalate_after_days": rule.escalate_after_days, "cured_when": rule.cured_when,
            "open": HIDDEN if rule.tells in viewer.masks else counts.get(rule.id, 0),
        }
        for rule in _known(db)
    ]  # fmt: skip


def try_alert(
    viewer: Viewer, db: Served, rule: str | rules_of.Rule, start: date | None = None, end: date | None = None
) -> dict[str, Any]:
    """What `rule` (the id of one, switched on or not) would have done from `start` to `end` (default: last quarter).

    Only customers the viewer may see count. The fields of model.alerts.Trial, with names in `owners` and `examples`.
    FatalError when the rule speaks of a value that is masked for the viewer, and for a rule of one's own (a condition
    may put anything into its rows) unless the viewer sees all customers.
    """
    chosen = rules_of.find(rule, db.instance.config_dir) if isinstance(rule, str) else rule
    if not isinstance(rule, str) and viewer.scope != "all":
        raise FatalError(
            f"the role {viewer.role} does not try rule files", valid="the id of a rule, see `c360 alerts rules`"
        )
    if chosen.tells in viewer.masks:
        raise FatalError(
            f"the rule {chosen.id} speaks of a value that is hidden from the role {viewer.role}",
            remedy="ask somebody whose role shows it",
        )
    visible = _visible(viewer, db)
    trial = engine.try_rule(
        db.instance, chosen, start, end, published=db.published,
        sees=lambda finding: finding.details["customer_key"] in visible,
    )  # fmt: skip
    names = dict(db.cursor().execute("select employee_key, name from core.dim_employee").fetchall())
    owners = {names.get(key, key): count for key, count in trial.owners.items()}
    examples = [{**row, "owner": names.get(row["owner_key"])} for row in trial.examples]
    return asdict(trial) | {"owners": owners, "examples": examples}


def _known(db: Served) -> list[rules_of.Rule]:
    return rules_of.load(db.instance.config_dir, everything=True)


def _visible(viewer: Viewer, db: Served) -> dict[str | None, dict[str, Any]]:
    rule, values = viewer.rows("customer")
    rows = db.rows(f"select customer_key, name, owner_name from core.dim_customer as customer where {rule}", values)
    found: dict[str | None, dict[str, Any]] = {row["customer_key"]: row for row in rows}
    if viewer.scope == "all":
        found[None] = {"name": None, "owner_name": None}
    return found
