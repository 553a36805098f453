"""Alerts: rules as data, evaluated once per published version and business day, delivered as digests.

rules/*.toml   what is an alert: condition, severity, steps, cadence, escalation
rule.py        the rule's form and the guard over its condition
work.sql       the tables a condition may read besides marts and core
engine.py      evaluate: fires, steps, holds, escalates and cures
listing.py     reading and acting on alerts
calendar.py    business days, holidays and make-up days, quiet hours
"""

from model.alerts.engine import Evaluated, evaluate
from model.alerts.listing import act, listing

__all__ = ["Evaluated", "act", "evaluate", "listing"]
