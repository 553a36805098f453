"""A statement of account as an Excel workbook: one sheet of movements and one of open invoices per currency."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import xlsxwriter

from ops.texts import text


def workbook(language: str, found: Mapping[str, Any], made_at: datetime) -> bytes:
    """The statement that model.serve.statement gives. Text is never read as a formula; amounts are numbers."""

    def say(key: str) -> str:
        return text(language, f"letter.{key}")

    buffer = io.BytesIO()
    with xlsxwriter.Workbook(
        buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    ) as book:
        book.set_properties({"title": say("statement.title"), "company": found["company"],
                             "created": made_at.replace(tzinfo=None)})  # fmt: skip
        styles = {
            date: book.add_format({"num_format": "yyyy-mm-dd"}),
            Decimal: book.add_format({"num_format": "#,##0.00"}),
            str: book.add_format(),
            "head": book.add_format({"bold": True, "bottom": 1}),
            "sum": book.add_format({"bold": True, "top": 1, "num_format": "#,##0.00"}),
        }
        for part in found["currencies"]:
            head = [found["company"], found["name"], f"{found['from_on']} – {found['to_on']}", part["currency"]]
            _movements(book, say, styles, part, head)
            _items(book, say, styles, part, head)
    return buffer.getvalue()


def _movements(book: Any, say: Any, styles: dict[Any, Any], part: Mapping[str, Any], head: Sequence[str]) -> None:
    names = ("date", "what", "document", "charged", "credited", "balance")
    rows: list[list[Any]] = [[None, say("opening_balance"), None, None, None, part["opening_amount"]]]
    for line in part["lines"]:
        up = line["amount"] if line["amount"] > 0 else None
        down = -line["amount"] if line["amount"] < 0 else None
        rows.append([line["moved_on"], say(f"kind.{line['kind']}"), line["number"], up, down, line["balance_amount"]])
    last = [None, say("closing_balance"), None, None, None, part["closing_amount"]]
    title = f"{part['currency']} {say('sheet.lines')}"
    _sheet(book, title, head, [say(f"col.{name}") for name in names], rows, last, styles)


def _items(book: Any, say: Any, styles: dict[Any, Any], part: Mapping[str, Any], head: Sequence[str]) -> None:
    names = ("invoice", "invoice_on", "due_on", "amount", "open")
    fields = ("invoice_number", "invoice_on", "due_on", "amount", "open_amount")
    rows = [[item[field] for field in fields] for item in part["items"]]
    last = [say("closing_balance"), None, None, None, part["open_amount"]]
    title = f"{part['currency']} {say('sheet.items')}"
    _sheet(book, title, head, [say(f"col.{name}") for name in names], rows, last, styles)


def _sheet(
    book: Any, title: str, head: Sequence[str], columns: Sequence[str], rows: Sequence[Sequence[Any]],
    last: Sequence[Any], styles: dict[Any, Any],
) -> None:  # fmt: skip
    sheet = book.add_worksheet(title[:31])
    for place, words in enumerate(head):
        sheet.write_string(place, 0, words)
    top = len(head) + 1
    for place, words in enumerate(columns):
        sheet.write_string(top, place, words, styles["head"])
    for number, row in enumerate(rows, start=top + 1):
        for place, value in enumerate(row):
            _cell(sheet, number, place, value, styles)
    for place, value in enumerate(last):
        _cell(sheet, top + 1 + len(rows), place, value, {**dict.fromkeys((date, Decimal, str), styles["sum"])})
    sheet.set_column(0, 0, 14)
    sheet.set_column(1, len(columns), 18)
    sheet.freeze_panes(top + 1, 0)


def _cell(sheet: Any, row: int, column: int, value: Any, styles: Mapping[Any, Any]) -> None:
    if isinstance(value, Decimal):
        sheet.write_number(row, column, float(value), styles[Decimal])
    elif isinstance(value, date):
        sheet.write_datetime(row, column, datetime.combine(value, time(0)), styles[date])
    elif value is not None:
        sheet.write_string(row, column, str(value), styles[str])
