"""Conform: landed documents become typed canonical rows in staging, by mappings that are data (README.md)."""

from model.conform import kept_values as kept_values
from model.conform.early import Early
from model.conform.sources import mapping_of
from model.conform.spec import Mapping, load
from model.conform.stage import StageResult, replay, stage
from model.conform.stream import Counts

__all__ = ["Counts", "Early", "Mapping", "StageResult", "load", "mapping_of", "replay", "stage"]
