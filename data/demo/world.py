"""What the generator builds while it runs: people, legal entities, vendor tables and the ledger behind the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from data.demo import codes, timing
from data.demo.words import City

Record = dict[str, Any]
T = TypeVar("T")


def pick(rng: Random, items: Sequence[T]) -> T:
    """One item, uniformly; three times faster than `Random.choice`."""
    return items[int(rng.random() * len(items))]


@dataclass(slots=True)
class Employee:
    """One person with their id in each of the four systems."""

    number: str
    name: str
    email: str
    phone: str
    title: str
    department: str
    region: str
    active: bool
    user_id: str
    erp_id: int
    agent_id: int
    account_id: str
    manager: str = ""


@dataclass(slots=True)
class ErpAccount:
    """One Kingdee customer row: a code in one using organisation."""

    id: int
    code: str
    organisation: int
    master: int


@dataclass(slots=True)
class Entity:
    """One legal entity (or branch, or bucket): what the product should recognise as one customer."""

    index: int
    truth_id: str
    kind: str
    name: str
    short: str
    english: str
    former: str
    uscc: str
    city: City
    country: str
    industry: str
    tier: str
    owner: Employee
    phone: str
    address: str
    domain: str
    since: int
    currency: str
    terms: int
    parent: Entity | None = None
    group: str = ""
    is_lead: bool = False
    crm_ids: list[str] = field(default_factory=list)
    merged_ids: list[str] = field(default_factory=list)
    erp: list[ErpAccount] = field(default_factory=list)
    org_id: int = 0
    projects: list[str] = field(default_factory=list)
    contacts: list[Record] = field(default_factory=list)
    requesters: list[int] = field(default_factory=list)
    size: float = 1.0
    late: tuple[float, ...] = ()
    misses: tuple[float, ...] = ()
    usage: tuple[float, ...] = ()
    mood: tuple[float, ...] = ()
    churned_on: int = 0


@dataclass(slots=True)
class PlanRow:
    """One payment-plan row in fen; `due` is an ordinal day or 0 for none."""

    number: int
    due: int
    amount: int
    retention: bool = False
    settled: int = 0


@dataclass(slots=True)
class Bill:
    """One AR bill in the ledger. `sign` is -1 for red and credit bills, whose rows stay positive here."""

    id: int
    number: str
    entity: Entity
    currency: str
    day: int
    kind: str
    sign: int
    rows: list[PlanRow]
    live: bool = True
    row: Record = field(default_factory=dict)


@dataclass(slots=True)
class Receipt:
    """One receipt in the ledger, fen."""

    id: int
    entity: Entity | None
    currency: str
    day: int
    amount: int
    live: bool = True
    row: Record = field(default_factory=dict)


@dataclass(slots=True)
class Match:
    """One write-off record, fen; `origin` is the FID of the receipt or negative bill, 0 for write-offs."""

    kind: str
    bill: int
    plan_row: int
    origin: int
    amount: int
    day: int
    reversed_on: int = 0


@dataclass(slots=True)
class Ledger:
    """Everything the expected totals are computed from, kept apart from the vendor rows."""

    bills: dict[int, Bill] = field(default_factory=dict)
    receipts: dict[int, Receipt] = field(default_factory=dict)
    refunds: dict[int, Receipt] = field(default_factory=dict)
    matches: list[Match] = field(default_factory=list)


class World:
    """State of one generation run. Days are ordinals, instants epoch seconds, money fen."""

    def __init__(self, customers: int, seed: int, months: int, today: int) -> None:
        self.customers, self.seed, self.months, self.today = customers, seed, months, today
        self.start = timing.add_months(today, -months)
        self.as_of = timing.at(today, 0)
        self.staff: list[Employee] = []
        self.managers: list[Employee] = []
        self.agents: list[Employee] = []
        self.engineers: list[Employee] = []
        self.entities: list[Entity] = []
        self.salesforce: dict[str, list[Record]] = {}
        self.kingdee: dict[str, list[Record]] = {}
        self.zendesk: dict[str, list[Record]] = {}
        self.jira: dict[str, list[Record]] = {}
        self.ledger = Ledger()
        self.unparsable: list[Record] = []
        self.contradictions: list[Record] = []
        self.notices: list[Record] = []
        self.conflicts: list[Record] = []
        self.renewals = {"decided": 0, "renewed": 0}
        self.version = 0
        self._counters: dict[str, int] = {}

    def rng(self, phase: str) -> Random:
        """An own random stream per phase, so that a change in one leaves the others as they were."""
        return Random(f"{self.seed}:{self.customers}:{phase}")

    def next(self, name: str, first: int = 1) -> int:
        """The next number of a counter that begins at `first`."""
        value = self._counters.get(name, first - 1) + 1
        self._counters[name] = value
        return value

    def clip(self, moment: int) -> int:
        """An instant no later than the snapshot."""
        return moment if moment < self.as_of else self.as_of - 1 - moment % 3600

    def add(self, system: str, table: str, row: Record) -> Record:
        """Append a vendor row and hand it back."""
        tables: dict[str, list[Record]] = getattr(self, system)
        tables.setdefault(table, []).append(row)
        return row

    def sf_id(self, prefix: str, counter: str) -> str:
        """The next 18-character Salesforce id of a kind of record."""
        return codes.salesforce_id(prefix, self.next("sf " + counter, 4_000_001))

    def sf(self, table: str, key: str, created: int, modified: int, fields: Record) -> Record:
        """Append a Salesforce row with its system fields."""
        stamp = timing.salesforce(self.clip(max(created, modified)))
        row = {
            "Id": key,
            "IsDeleted": False,
            **fields,
            "CreatedDate": timing.salesforce(self.clip(created)),
            "LastModifiedDate": stamp,
            "SystemModstamp": stamp,
        }
        return self.add("salesforce", table, row)
