"""The ledger against the independent oracle: thousands of random books, both axes, to the cent."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from model import serve
from model.policy import Viewer
from model.receivables import BUCKETS
from ops.instance import Instance
from tests.receivables import oracle
from tests.warehouse import helpers

START = date(2025, 9, 1)
TODAY = date(2026, 11, 21)
CUSTOMERS = 250
ASKED = [(TODAY, None), (date(2026, 6, 30), None), (date(2026, 6, 30), date(2026, 6, 30)),
         (date(2026, 3, 31), date(2026, 8, 1)), (date(2027, 2, 1), None)]  # fmt: skip


def day(luck: random.Random, first: date = START, last: date = TODAY) -> date:
    return first + timedelta(days=luck.randrange(max(1, (last - first).days)))


def cents(luck: random.Random, limit: int = 500_000) -> Decimal:
    return Decimal(luck.randint(1, limit)) / 100


def books(luck: random.Random, name: str) -> dict[str, list[dict[str, Any]]]:
    """One customer's random books, with everything that real ones have."""
    found: dict[str, list[dict[str, Any]]] = {"invoice": [], "receipt": [], "credit_note": [], "allocation": []}
    for number in range(luck.randint(1, 6)):
        posted = day(luck)
        kind = luck.choices(["invoice", "opening", "provisional"], [7, 1, 2])[0]
        found["invoice"].append(_invoice(luck, f"{name}I{number}", kind, posted))
    for number in range(luck.randint(0, 2)):
        blue = luck.choice([i for i in found["invoice"] if i["gross"] > 0])
        amount = -min(cents(luck), blue["gross"]) if luck.random() < 0.7 else -cents(luck)
        red = _invoice(luck, f"{name}R{number}", "red", day(luck, blue["posted"]), amount)
        red |= {"original": blue["id"] if luck.random() < 0.7 else None, "currency": blue["currency"],
                "order": blue["order"]}  # fmt: skip
        found["invoice"].append(red)
    _take_back(luck, name, found["invoice"])
    for number in range(luck.randint(0, 5)):
        posted = day(luck)
        bounced = day(luck, posted + timedelta(days=1), date(2027, 3, 1)) if luck.random() < 0.1 else None
        found["receipt"].append(
            {"id": f"{name}P{number}", "posted": posted, "gross": cents(luck) * (-1 if luck.random() < 0.05 else 1),
             "currency": "EUR" if luck.random() < 0.1 else "CNY", "status": _status(luck), "bounced": bounced,
             "entered": posted + timedelta(days=luck.choice([0, 0, 0, 3, 90]))}
        )  # fmt: skip
    for number in range(luck.randint(0, 2)):
        posted = day(luck)
        blue = luck.choice(found["invoice"])
        kind = luck.choice(["credit", "red_letter", "return"])
        found["credit_note"].append(
            {"id": f"{name}N{number}", "posted": posted, "gross": cents(luck), "kind": kind, "status": _status(luck),
             "currency": "CNY", "original": blue["id"] if luck.random() < 0.5 else None,
             "entered": posted + timedelta(days=luck.choice([0, 5]))}
        )  # fmt: skip
    _allocate(luck, name, found)
    return found


def _status(luck: random.Random) -> str:
    return luck.choices(["approved", "draft"], [19, 1])[0]


def _invoice(luck: random.Random, name: str, kind: str, posted: date, gross: Decimal | None = None) -> dict[str, Any]:
    gross = gross or cents(luck)
    rows = 1 if gross < 0 or kind == "provisional" else luck.choice([1, 1, 2, 3])
    plan = []
    left = gross
    for number in range(1, rows + 1):
        amount = left if number == rows else (left / 2).quantize(Decimal("0.01"))
        left -= amount
        retention = rows > 1 and number == rows and luck.random() < 0.3
        plan.append(
            {"number": number, "amount": amount, "due": day(luck, posted, date(2027, 3, 1)) if luck.random() < 0.9
             else None, "retention": retention, "condition": "验收" if retention and luck.random() < 0.5 else None,
             "release": day(luck, posted, date(2027, 3, 1)) if retention and luck.random() < 0.5 else None}
        )  # fmt: skip
    return {
        "id": name, "kind": kind, "posted": posted, "gross": gross, "rows": plan, "status": _status(luck),
        "currency": "EUR" if luck.random() < 0.1 else "CNY", "original": None,
        "order": luck.choice(["S1", "S2", None, None]),
        "entered": posted + timedelta(days=luck.choice([0, 0, 0, 2, 60])),
    }  # fmt: skip


def _take_back(luck: random.Random, name: str, invoices: list[dict[str, Any]]) -> None:
    """Provisional receivables taken back: by name, or by order, amount and month; some twice over, some by halves."""
    for number, blue in enumerate([i for i in invoices if i["kind"] == "provisional"]):
        if luck.random() < 0.4:
            twin = _invoice(luck, f"{name}T{number}", "provisional", day(luck, blue["posted"]), blue["gross"])
            invoices.append(twin | {"order": blue["order"], "currency": blue["currency"]})
        for again in range(luck.choice([0, 1, 1, 2])):
            back = luck.choice([blue["gross"]] * 4 + [(blue["gross"] / 2).quantize(Decimal("0.01"))])
            on = blue["posted"] + timedelta(days=luck.choice([0, 3, 20, 40, 70]))
            red = _invoice(luck, f"{name}V{number}{again}", "provisional", on, -max(back, Decimal("0.01")))
            invoices.append(red | {"original": blue["id"] if again == 0 and luck.random() < 0.3 else None,
                                   "order": luck.choice([blue["order"], blue["order"], None]),
                                   "currency": blue["currency"]})  # fmt: skip


def _allocate(luck: random.Random, name: str, found: dict[str, list[dict[str, Any]]]) -> None:
    payers: list[tuple[str, str]] = [("receipt", r["id"]) for r in found["receipt"] if r["gross"] > 0]
    payers += [("credit", r["id"]) for r in found["credit_note"]]
    payers += [("credit", r["id"]) for r in found["invoice"] if r["gross"] < 0 and r["kind"] != "provisional"]
    blues = [i for i in found["invoice"] if i["gross"] > 0 and i["kind"] != "provisional"]
    for number in range(luck.randint(0, 7)):
        if not blues:
            return
        blue, on = luck.choice(blues), day(luck)
        entry: dict[str, Any] = {
            "id": f"{name}A{number}", "invoice": blue["id"], "amount": cents(luck, 200_000), "on": on,
            "kind": "write_off", "row": luck.choice([None, None, 1, 2]),
            "currency": blue["currency"] if luck.random() < 0.97 else "USD",
            "reversed": day(luck, on, date(2027, 3, 1)) if luck.random() < 0.15 else None,
            "entered": on + timedelta(days=luck.choice([0, 0, 1, 45])),
        }  # fmt: skip
        if payers and luck.random() < 0.85:
            what, document = luck.choice(payers)
            entry |= {what: document, "kind": {"receipt": "receipt", "credit": "credit_note"}[what]}
        found["allocation"].append(entry)


def stage(inst: Instance, ledgers: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    """The books through the real staging."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in (
        "customer", "invoice", "invoice_plan", "receipt", "credit_note", "allocation")}  # fmt: skip
    for name, ledger in ledgers.items():
        rows["customer"].append({"id": name, "code": name, "name": f"示例{name}有限公司"})
        for i in ledger["invoice"]:
            common = {"customer_id": name, "number": i["id"], "currency": i["currency"], "invoice_on": i["posted"],
                      "document_status": i["status"], "entered_at": at(i["entered"])}  # fmt: skip
            rows["invoice"].append({"id": i["id"], "kind": i["kind"], "gross_amount": i["gross"],
                                    "original_invoice_id": i["original"], "order_number": i["order"],
                                    "due_on": None if len(i["rows"]) > 1 else i["rows"][0]["due"], **common}
                                   )  # fmt: skip
            rows["invoice_plan"] += [
                {"id": f"{i['id']}-{p['number']}", "invoice_id": i["id"], "row_number": p["number"],
                 "due_on": p["due"], "amount": p["amount"], "is_retention": p["retention"],
                 "condition": p["condition"], "release_on": p["release"]}
                for p in i["rows"] if len(i["rows"]) > 1]  # fmt: skip
        for r in ledger["receipt"]:
            rows["receipt"].append({"id": r["id"], "number": r["id"], "customer_id": name, "currency": r["currency"],
                                    "received_on": r["posted"], "amount": r["gross"], "document_status": r["status"],
                                    "bill_state": "dishonoured" if r["bounced"] else None,
                                    "bill_state_on": r["bounced"], "entered_at": at(r["entered"])})  # fmt: skip
        for n in ledger["credit_note"]:
            rows["credit_note"].append({"id": n["id"], "number": n["id"], "customer_id": name, "kind": n["kind"],
                                        "currency": n["currency"], "credit_on": n["posted"], "gross_amount": n["gross"],
                                        "original_invoice_id": n["original"], "document_status": n["status"],
                                        "entered_at": at(n["entered"])})  # fmt: skip
        for a in ledger["allocation"]:
            rows["allocation"].append({"id": a["id"], "kind": a["kind"], "receipt_id": a.get("receipt"),
                                       "credit_note_id": a.get("credit"), "invoice_id": a["invoice"],
                                       "plan_row_number": a["row"], "amount": a["amount"], "currency": a["currency"],
                                       "allocated_on": a["on"], "reversed_on": a["reversed"],
                                       "entered_at": at(a["entered"])})  # fmt: skip
    with helpers.open_staging(inst) as con:
        for entity, records in rows.items():
            helpers.put(con, entity, "erp", records, at=datetime(2027, 6, 1, tzinfo=UTC))


def at(on: date) -> datetime:
    return datetime(on.year, on.month, on.day, 1, tzinfo=UTC)


def answered(inst: Instance, as_of: date, known_at: date | None) -> dict[str, dict[str, dict[str, Decimal]]]:
    answer = serve.aging(Viewer.operator(), serve.open_published(inst), as_of=as_of, known_at=known_at)
    found: dict[str, dict[str, dict[str, Decimal]]] = {}
    for row in answer["rows"]:
        assert sum(row["buckets"].values()) == row["open"]
        figures = {**{name: row["buckets"][name] for name in BUCKETS},
                   **{name: row[name] for name in ("credits", "unallocated", "provisional")}}  # fmt: skip
        kept = {name: amount for name, amount in figures.items() if amount}
        if kept:
            found.setdefault(row["name"], {})[row["currency"]] = kept
    return found


@pytest.mark.parametrize("rounds", [4])
def test_the_ledger_agrees_with_the_oracle(tmp_path: Path, rounds: int) -> None:
    @settings(max_examples=rounds, deadline=None, database=None, phases=[Phase.explicit, Phase.generate],
              suppress_health_check=[HealthCheck.too_slow])  # fmt: skip
    @given(st.integers(0, 2**32))
    def agree(seed: int) -> None:
        luck = random.Random(seed)
        ledgers = {f"K{n:04d}": books(luck, f"K{n:04d}") for n in range(CUSTOMERS)}
        inst = helpers.instance(tmp_path / str(seed))
        stage(inst, ledgers)
        helpers.make(inst)
        for as_of, known_at in ASKED:
            found = answered(inst, as_of, known_at)
            for name, ledger in ledgers.items():
                wanted = {c: f for c, f in oracle.positions(ledger, as_of, known_at).items() if f}
                assert found.get(f"示例{name}有限公司", {}) == wanted, (seed, as_of, known_at, ledger)
        serve.open_published(inst).close()
        inst.store.close()

    agree()
