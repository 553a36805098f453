"""Matching records of organisations: prepare, find candidates, weigh, link within guards."""

from model.identity.matching.run import Matching, match

__all__ = ["Matching", "match"]
