"""Data quality: rules as data, compiled to marts; scores from 0 to 100 by customer, source and dimension."""

from model.quality.rule import DIMENSIONS, Rule, find, load

__all__ = ["DIMENSIONS", "Rule", "find", "load"]
