"""Vendors' systems in small: one engine, one file per vendor in `vendors/`, found by being there.

Nothing here imports ingest or model: a mistake there cannot hide behind the same mistake here.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from data.sim.engine import Simulator

VENDORS = Path(__file__).parent / "vendors"


def discover() -> list[str]:
    """Names of the connectors that have a simulator."""
    return sorted(path.stem for path in VENDORS.glob("*.py") if not path.stem.startswith("_"))


def load(connector: str) -> type[Simulator]:
    """The simulator of `connector`: the class called Vendor of its file."""
    vendor: type[Simulator] = importlib.import_module(f"data.sim.vendors.{connector}").Vendor
    return vendor
