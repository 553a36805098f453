"""Generate the demo company: `generate()` runs the phases in order and hands back a `Company`."""

from __future__ import annotations

import gc
from datetime import date
from typing import Any

from data.demo import (
    accounts,
    anchor,
    chains,
    change,
    closing,
    collecting,
    contracts,
    contradictions,
    delivery,
    departures,
    devices,
    dirt,
    interactions,
    masters,
    people,
    sales,
    service,
    truth,
)
from data.demo import customers as customer_phase
from data.demo.world import Record, World


class Company:
    """One generated company: vendor tables to serve and the truth to judge by."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._truth: tuple[int, dict[str, Any]] | None = None

    @property
    def salesforce(self) -> dict[str, list[Record]]:
        """sObject -> rows in the vendor's field names."""
        return self.world.salesforce

    @property
    def kingdee(self) -> dict[str, list[Record]]:
        """FormId -> documents; entries are lists under the entry's name."""
        return self.world.kingdee

    @property
    def zendesk(self) -> dict[str, list[Record]]:
        """Object -> rows; `stamp` and `history` are the simulator's own."""
        return self.world.zendesk

    @property
    def jira(self) -> dict[str, list[Record]]:
        """Object -> rows; `stamp` and `history` are the simulator's own."""
        return self.world.jira

    @property
    def truth(self) -> dict[str, Any]:
        """Clusters and expected totals as of `today` (README, Truth); from the ledger, not from rows."""
        if self._truth is None or self._truth[0] != self.world.version:
            self._truth = (self.world.version, truth.compute(self.world))
        return self._truth[1]

    def advance(self, changes: int = 20, moment: int | None = None) -> dict[str, int]:
        """Change something in every system at `moment` (epoch seconds, default now); counts by kind."""
        return change.advance(self.world, changes, moment)


def generate(customers: int = 2000, seed: int = 20260101, months: int = 36, *, today: date) -> Company:
    """A company of `customers` legal entities (at least 10) whose history ends before `today`. Deterministic."""
    world = World(max(customers, 10), seed, months, today.toordinal())
    collecting_garbage = gc.isenabled()
    gc.disable()  # half a million live dicts and no cycles: collection would take longer than the work
    try:
        _build(world)
    finally:
        if collecting_garbage:
            gc.enable()
    return Company(world)


def _build(world: World) -> None:
    people.build(world)
    masters.build(world)
    customer_phase.build(world)
    accounts.build(world)
    terms = contracts.build(world)
    sales.build(world, terms)
    collecting.unidentified(world)
    service.build(world)
    interactions.build(world)
    delivery.build(world)
    anchor.build(world)
    dirt.build(world)
    contradictions.build(world)
    departures.build(world)
    chains.build(world)
    closing.build(world)
    devices.build(world)
