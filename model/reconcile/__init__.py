"""Reconciliation between systems: rules as data, and the differences they find on the published build."""

from model.reconcile.differences import CLASSES, differences_sql
from model.reconcile.rule import Rule, find, load

__all__ = ["CLASSES", "Rule", "differences_sql", "find", "load"]
