"""The letters of collections and reconciliation: what they say, from figures of the ledger, in Chinese or English."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from model.receivables.letterhead import Letterhead
from model.receivables.paper import Letter, Table
from ops.texts import text

ZERO = Decimal(0)
CHASING = ("reminder", "demand_letter")
KINDS = (*CHASING, "statement", "confirmation")


def money(amount: Decimal | None) -> str:
    """Two decimals with thousands separators; nothing for none."""
    return "" if amount is None else f"{amount:,.2f}"


def day(value: date | None) -> str:
    """ISO date; nothing for none."""
    return "" if value is None else value.isoformat()


def chasing(
    kind: str, language: str, company: str, customer: Mapping[str, Any], items: Iterable[Mapping[str, Any]],
    as_of: date, pay_by: date, number: str, head: Letterhead,
) -> Letter:  # fmt: skip
    """A reminder or 催款函 over overdue `items` (invoice_number, invoice_on, due_on, days_past_due, currency, amount,
    open_amount): one table and total per currency; where to pay and whom to ask as `head` says."""

    def say(key: str, **values: Any) -> str:
        return text(language, f"letter.{key}", **values)

    groups: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        groups.setdefault(item["currency"], []).append(item)
    heads = [say(f"col.{name}") for name in ("invoice", "invoice_on", "due_on", "days", "amount", "open")]
    tables = []
    for currency in sorted(groups):
        rows = [
            [item["invoice_number"] or "", day(item["invoice_on"]), day(item["due_on"]), str(item["days_past_due"]),
             money(item["amount"]), money(item["open_amount"])]
            for item in sorted(groups[currency], key=lambda item: (item["due_on"] or date.max, item["record_key"]))
        ]  # fmt: skip
        total = sum((item["open_amount"] for item in groups[currency]), ZERO)
        rows.append([say("total", currency=currency), "", "", "", "", money(total)])
        caption = say("currency", currency=currency)
        tables.append(Table(heads, rows, (30, 22, 22, 16, 26, 26), frozenset({3, 4, 5}), 1, caption))
    return Letter(
        company=company, title=say(f"{kind}.title"), number=say("number", number=number), language=language,
        facts=_facts(say, customer, (say("as_of"), day(as_of))),
        opening=[say(f"{kind}.opening", as_of=day(as_of))], tables=tables,
        closing=[say(f"{kind}.closing", pay_by=day(pay_by)), *_pay_to(say, language, head, groups)],
        signature=[company, day(as_of)], page=say("page"),
    )  # fmt: skip


def statement(language: str, found: Mapping[str, Any], number: str, made_on: date, head: Letterhead) -> Letter:
    """A statement of account (对账单) of what model.serve.statement gives, with a reply to seal and send back."""

    def say(key: str, **values: Any) -> str:
        return text(language, f"letter.{key}", **values)

    tables: list[Table] = []
    notes: list[str] = []
    for part in found["currencies"]:
        tables.append(_movements(say, part))
        if part["items"]:
            tables.append(_open_items(say, part))
        if part["unallocated_amount"] or part["credits_amount"]:
            cash, credit = money(part["unallocated_amount"]), money(part["credits_amount"])
            notes.append(f"{part['currency']} · {say('not_allocated', unallocated=cash, credits=credit)}")
    period = say("period_days", start=day(found["from_on"]), end=day(found["to_on"]))
    return Letter(
        company=found["company"], title=say("statement.title"), number=say("number", number=number), language=language,
        facts=_facts(say, found, (say("period"), period)), opening=[say("statement.opening")], tables=tables,
        closing=[*notes, *_pay_to(say, language, head, [part["currency"] for part in found["currencies"]])],
        signature=[found["company"], day(made_on)],
        slips=[(say("statement.slip"), [say("statement.agree"), say("statement.differ"), say("statement.seal")])],
        page=say("page"),
    )  # fmt: skip


def confirmation(
    language: str, found: Mapping[str, Any], number: str, made_on: date, auditor: str, auditor_address: str
) -> Letter:
    """An auditor's confirmation request (询证函) of the balances of `found` on its last day."""

    def say(key: str, **values: Any) -> str:
        return text(language, f"letter.{key}", **values)

    heads = [say("as_of"), *(say(f"col.{name}") for name in ("currency", "owed_to_us", "owed_by_us", "remark"))]
    rows = []
    for part in found["currencies"]:
        balance = part["closing_amount"]
        rows.append([day(found["to_on"]), part["currency"], money(max(balance, ZERO)), money(max(-balance, ZERO)), ""])
    seal = say("statement.seal")
    return Letter(
        company=found["company"], title=say("confirmation.title"), number=say("number", number=number),
        language=language, facts=_facts(say, found),
        opening=[say("confirmation.opening", auditor=auditor, auditor_address=auditor_address)],
        tables=[Table(heads, rows, (24, 14, 30, 30, 30), frozenset({2, 3}))],
        closing=[say("confirmation.closing")], signature=[found["company"], day(made_on)],
        slips=[(say("confirmation.slip_agree"), [seal]),
               (say("confirmation.slip_differ"), [say("confirmation.lines")] * 3 + [seal])],
        page=say("page"),
    )  # fmt: skip


def _pay_to(say: Any, language: str, head: Letterhead, currencies: Iterable[str]) -> list[str]:
    found = [(name, lines) for name, lines in (("pay_to", head.pay_to(language, set(currencies))),
                                               ("ask", head.ask(language))) if lines]  # fmt: skip
    return [line for name, lines in found for line in (say(name), *lines)]


def _facts(say: Any, customer: Mapping[str, Any], *more: tuple[str, str]) -> list[tuple[str, str]]:
    facts = [(say("to"), str(customer["name"]))]
    if customer.get("address"):
        facts.append((say("address"), str(customer["address"])))
    return [*facts, *more]


def _movements(say: Any, part: Mapping[str, Any]) -> Table:
    heads = [say(f"col.{name}") for name in ("date", "what", "document", "charged", "credited", "balance")]
    rows = [["", say("opening_balance"), "", "", "", money(part["opening_amount"])]]
    for line in part["lines"]:
        up, down = max(line["amount"], ZERO), max(-line["amount"], ZERO)
        rows.append(
            [day(line["moved_on"]), say(f"kind.{line['kind']}"), line["number"] or "", money(up) if up else "",
             money(down) if down else "", money(line["balance_amount"])]
        )  # fmt: skip
    up = sum((line["amount"] for line in part["lines"] if line["amount"] > 0), ZERO)
    down = -sum((line["amount"] for line in part["lines"] if line["amount"] < 0), ZERO)
    rows.append(["", say("closing_balance"), "", money(up), money(down), money(part["closing_amount"])])
    caption = say("currency", currency=part["currency"])
    return Table(heads, rows, (22, 28, 32, 26, 26, 28), frozenset({3, 4, 5}), 1, caption)


def _open_items(say: Any, part: Mapping[str, Any]) -> Table:
    heads = [say(f"col.{name}") for name in ("invoice", "invoice_on", "due_on", "amount", "open")]
    rows = [
        [item["invoice_number"] or "", day(item["invoice_on"]), day(item["due_on"]), money(item["amount"]),
         money(item["open_amount"])]
        for item in part["items"]
    ]  # fmt: skip
    rows.append([say("total", currency=part["currency"]), "", "", "", money(part["open_amount"])])
    caption = say("open_items", currency=part["currency"])
    return Table(heads, rows, (34, 24, 24, 30, 30), frozenset({3, 4}), 1, caption)
