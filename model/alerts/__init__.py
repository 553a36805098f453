"""Alerts: rules as data, evaluated once per published version and business day, delivered as digests.

rules/*.toml   what is an alert: condition, severity, steps, cadence, escalation
rule.py        the rule's form and the guard over its condition
work.sql       the tables a condition may read besides marts and core; work.py fills what comes from the store
findings.py    what the conditions find on a build, as of a day
machine.py     the state machine of one alert, without storage
stored.py      episodes read and written as sets
engine.py      evaluate: fires, steps, holds, escalates and cures
trial.py       a rule against history, before it is switched on
listing.py     reading and acting on alerts
calendar.py    business days, holidays and make-up days, quiet hours
"""

from model.alerts.engine import Evaluated, evaluate
from model.alerts.listing import act, listing
from model.alerts.trial import Trial, try_rule

__all__ = ["Evaluated", "Trial", "act", "evaluate", "listing", "try_rule"]
