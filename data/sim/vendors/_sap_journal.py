"""The customer lines of a journal: invoices, payments in full and in part, and the odd postings that a ledger holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from data.sim import dataset
from data.sim.table import Record

BOOKED = date(2026, 5, 4)
EMPTY = {
    "AccountingDocumentCategory": "", "SpecialGLCode": "", "BillingDocument": "", "SalesDocument": "",
    "InvoiceReference": "", "InvoiceReferenceFiscalYear": "0000", "InvoiceItemReference": "000", "IsReversal": False,
    "IsReversed": False, "IsCleared": False, "ClearingDate": None, "ClearingCreationDate": None,
    "ClearingAccountingDocument": "", "ClearingDocFiscalYear": "0000", "DocumentItemText": "", "PaymentTerms": "0001",
    "DocumentReferenceID": "", "LastChangeDate": None, "CompanyCodeCurrency": "EUR", "FinancialAccountType": "D",
}  # fmt: skip


def day(moment: date | str | None) -> str | None:
    """A calendar day as OData 2 writes it: midnight UTC, and no zone said."""
    if moment is None:
        return None
    there = date.fromisoformat(moment) if isinstance(moment, str) else moment
    return f"/Date({int(datetime(there.year, there.month, there.day, tzinfo=UTC).timestamp()) * 1000})/"


def key(row: Record) -> str:
    """The parts of a line's key in one text."""
    return "-".join(row[name] for name in ("CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem"))


class Journal:
    """Lines of company code 1000 in 2026; `line` adds one and gives its key."""

    def __init__(self) -> None:
        self.lines: dict[str, Record] = {}

    def line(self, document: int, customer: int, amount: str, kind: str, currency: str = "EUR", **more: Any) -> str:
        """One line: a debit when `amount` is positive."""
        posted = more.pop("on", "2026-02-02")
        row = {
            **EMPTY, "CompanyCode": "1000", "FiscalYear": "2026", "AccountingDocument": f"{document:010}",
            "AccountingDocumentItem": "001", "AccountingDocumentType": kind, "Customer": f"00100{1000 + customer:05}",
            "AmountInTransactionCurrency": amount, "AmountInCompanyCodeCurrency": amount,
            "TransactionCurrency": currency, "DebitCreditCode": "H" if amount.startswith("-") else "S",
            "PostingDate": day(posted), "DocumentDate": day(posted), "NetDueDate": day(posted),
            "AccountingDocumentCreationDate": day(BOOKED), **more,
        }  # fmt: skip
        row["_key"] = key(row)
        self.lines[row["_key"]] = row
        return str(row["_key"])

    def clear(self, document: int, *keys: str) -> None:
        """One clearing of all these lines."""
        for one in keys:
            facts = {"ClearingAccountingDocument": f"{document:010}", "ClearingDocFiscalYear": "2026"}
            days = {"ClearingDate": day("2026-03-31"), "ClearingCreationDate": day(BOOKED)}
            self.lines[one] |= {**facts, **days, "IsCleared": True}


def minus(amount: str) -> str:
    """The amount on the credit side."""
    return f"-{amount}"


def booked() -> dict[str, Record]:
    """The lines of the neutral company's invoices and receipts, and one of each odd posting."""
    book, bills = Journal(), dataset.invoices()
    keys = []
    for n, one in enumerate(bills):
        facts = {"BillingDocument": f"00900{n:05}", "NetDueDate": day(one["due"]), "on": one["date"]}
        keys.append(book.line(9400000000 + n, one["customer"], one["gross"], "RV", one["currency"], **facts))
    for n, paid in enumerate(dataset.receipts()):
        bill, number = paid["invoice"], 1400000000 + n
        refers = {"InvoiceReference": f"{9400000000 + bill:010}", "InvoiceReferenceFiscalYear": "2026"}
        in_part = {} if paid["amount"] == bills[bill]["gross"] else {**refers, "InvoiceItemReference": "001"}
        facts = {**in_part, "on": paid["date"]}
        made = book.line(number, paid["customer"], minus(paid["amount"]), "DZ", paid["currency"], **facts)
        if not in_part:
            book.clear(number, keys[bill], made)
    _odd(book, keys, bills)
    return book.lines


def _odd(book: Journal, keys: list[str], bills: list[Record]) -> None:
    def of(place: int) -> tuple[int, str, str]:
        return bills[place]["customer"], bills[place]["gross"], bills[place]["currency"]

    who, gross, money = of(4)  # a cancelled invoice
    book.clear(100000000, keys[4], book.line(9400000900, who, minus(gross), "RV", money, BillingDocument="0090000900"))
    who, gross, money = of(8)  # a credit memo and a payment together
    credit = book.line(9400000910, who, "-60.00", "RV", money, BillingDocument="0090000910")
    rest = book.line(1400000902, who, minus(str(Decimal(gross) - 60)), "DZ", money)
    book.clear(100000001, keys[8], credit, rest)
    who, gross, money = of(13)  # written off
    book.clear(100000002, keys[13], book.line(100000002, who, minus(gross), "SA", money))
    who, gross, money = of(14)  # paid short, the rest as an item of its own
    paid = book.line(1400000901, who, minus(gross), "DZ", money)
    refers = {"InvoiceReference": "9400000014", "InvoiceReferenceFiscalYear": "2026", "InvoiceItemReference": "001"}
    book.line(1400000901, who, "30.00", "DZ", money, AccountingDocumentItem="002", **refers)
    book.clear(1400000901, keys[14], paid)
    book.clear(100000003, keys[16])  # against what the customer supplies
    who, gross, money = of(17)  # paid in another currency
    book.clear(1400000903, keys[17], book.line(1400000903, who, "-77.00", "DZ", "EUR"))
    mixed = [book.line(1800000010 + n, 9, amount, "DR", money) for n, amount in enumerate(("80.00", "40.00"))]
    for one, worth in zip(mixed, ("10.00", "5.00"), strict=True):
        book.lines[one]["AmountInCompanyCodeCurrency"] = worth
    book.clear(
        100000005, *mixed, *(book.line(1400000905 + n, 9, paid, "DZ") for n, paid in enumerate(("-6.00", "-9.00")))
    )
    book.line(1800000001, 3, "250.00", "DR", NetDueDate=day("2026-03-15"))
    book.line(1600000001, 3, "-20.00", "DG", DocumentItemText="Kulanz")
    book.line(1400000900, 5, "-500.00", "DZ", SpecialGLCode="A")
    book.line(1700000001, 5, "800.00", "DZ", SpecialGLCode="F", AccountingDocumentCategory="S")
    book.line(1400000904, 6, "15.00", "DZ")
    book.line(1800000002, 6, "99.00", "DR", IsReversed=True)
    book.line(5100000001, 6, "-1.00", "KR", FinancialAccountType="K")
