"""A small fictional company in neutral words, for simulators to put into their vendor's shape.

Numbers are indexes into the other lists. Amounts are text. Everything follows from the index: no chance is involved.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
_PLACES = ["北辰", "云岚", "Nordlicht", "海棠", "Rosenau", "松原", "Talwind", "青禾"]
_TRADES = ["精工", "Handel", "物流", "Technik", "食品", "Bau"]
_GIVEN = ["Mara", "Jonas", "晓岚", "Lea", "子涵", "Emil", "Nora", "博文"]
_FAMILY = ["Muster", "Beispiel", "示", "Probe", "例"]
_DAY = date(2026, 1, 5)


def _name(number: int) -> str:
    return f"{_GIVEN[number % len(_GIVEN)]} {_FAMILY[number % len(_FAMILY)]}{number}"


def _day(number: int, step: int = 3) -> str:
    return (_DAY + timedelta(days=number * step)).isoformat()


def people(count: int = 6) -> list[Row]:
    """Employees: name, email, code, active."""
    return [
        {"name": _name(n), "email": f"staff{n}@example.com", "code": f"E{n:03}", "active": n != count - 1}
        for n in range(count)
    ]


def customers(count: int = 23) -> list[Row]:
    """Companies: name, code, phone, domain, city, owner (index of a person)."""
    return [
        {
            "name": f"{_PLACES[n % len(_PLACES)]}{_TRADES[n % len(_TRADES)]} Example {n}",
            "code": f"C-{1000 + n}",
            "phone": f"+49 30 555 {n:04}",
            "domain": f"kunde{n}.example.com",
            "city": ["Berlin", "上海", "Wien"][n % 3],
            "country": ["DE", "CN", "AT"][n % 3],
            "owner": n % 5,
        }
        for n in range(count)
    ]


def contacts(count: int = 31, companies: int = 23) -> list[Row]:
    """People at customers: first, last, email, phone, title, customer."""
    return [
        {
            "first": _GIVEN[n % len(_GIVEN)],
            "last": f"{_FAMILY[n % len(_FAMILY)]}{n}",
            "email": f"person{n}@kunde{n % companies}.example.com",
            "phone": f"+49 30 556 {n:04}",
            "title": ["Einkauf", "财务", "Leitung"][n % 3],
            "customer": n % companies,
        }
        for n in range(count)
    ]


def products(count: int = 9) -> list[Row]:
    """Articles: code, name, price, unit."""
    return [
        {"code": f"P-{n:03}", "name": f"Wärmepumpe 热泵 {n}", "price": f"{100 + 37 * n}.50", "unit": "pcs"}
        for n in range(count)
    ]


def deals(count: int = 27, companies: int = 23) -> list[Row]:
    """Opportunities: name, amount, currency, stage (open | won | lost), close (date), customer, owner."""
    return [
        {
            "name": f"Projekt {n} 改造",
            "amount": f"{1000 + 731 * n}.{n % 100:02}",
            "currency": ["EUR", "CNY", "USD"][n % 3],
            "stage": ["open", "open", "won", "lost"][n % 4],
            "close": _day(n, 7),
            "customer": n % companies,
            "owner": n % 5,
        }
        for n in range(count)
    ]


def orders(count: int = 19, companies: int = 23) -> list[Row]:
    """Sales orders: number, date, currency, net, tax, gross, customer, owner, lines (product, quantity, price, net)."""
    found = []
    for n in range(count):
        lines = [_line(n, place) for place in range(1 + n % 3)]
        net = sum(int(line["net"].replace(".", "")) for line in lines)
        tax = net * 19 // 100
        found.append(
            {
                "number": f"SO-{2026000 + n}",
                "date": _day(n),
                "currency": ["EUR", "CNY"][n % 2],
                "net": _cents(net),
                "tax": _cents(tax),
                "gross": _cents(net + tax),
                "customer": n % companies,
                "owner": n % 5,
                "lines": lines,
            }
        )
    return found


def _line(order: int, place: int) -> Row:
    product = (order + place) % 9
    price, quantity = 10050 + 3700 * product, 1 + (order + place) % 4
    return {"product": product, "quantity": quantity, "price": _cents(price), "net": _cents(price * quantity)}


def _cents(number: int) -> str:
    return f"{number // 100}.{number % 100:02}"


def invoices(count: int = 19, companies: int = 23) -> list[Row]:
    """Invoices of the orders: number, date, due, currency, net, tax, gross, customer, owner, order, paid (text amount).

    Every third is paid in full, every fifth in half.
    """
    found = []
    for n, order in enumerate(orders(count, companies)):
        gross = int(order["gross"].replace(".", ""))
        paid = gross if n % 3 == 0 else gross // 2 if n % 5 == 0 else 0
        day = _DAY + timedelta(days=3 * n + 5)
        found.append(
            {
                **{key: order[key] for key in ("currency", "net", "tax", "gross", "customer", "owner", "lines")},
                "number": f"INV-{2026000 + n}",
                "date": day.isoformat(),
                "due": (day + timedelta(days=30)).isoformat(),
                "order": n,
                "paid": _cents(paid),
            }
        )
    return found


def receipts() -> list[Row]:
    """Money received: number, date, amount, currency, customer, invoice (index)."""
    paid = [(n, row) for n, row in enumerate(invoices()) if row["paid"] != "0.00"]
    return [
        {
            "number": f"R-{n:04}",
            "date": row["due"],
            "amount": row["paid"],
            "currency": row["currency"],
            "customer": row["customer"],
            "invoice": n,
        }
        for n, row in paid
    ]


def tickets(count: int = 29, companies: int = 23) -> list[Row]:
    """Tickets: subject, text, status (open | pending | solved | closed), priority 0-3, customer, contact, owner."""
    return [
        {
            "subject": f"Anzeige ohne Wert 压力表 {n}",
            "text": f"Nach dem Einschalten {n}",
            "status": ["open", "pending", "solved", "closed"][n % 4],
            "priority": n % 4,
            "customer": n % companies,
            "contact": n % companies,
            "owner": n % 5,
        }
        for n in range(count)
    ]


def projects(count: int = 7) -> list[Row]:
    """Projects: code, name, start, end, customer, owner, active."""
    return [
        {
            "code": f"PRJ{n}",
            "name": f"Einführung 上线 {n}",
            "start": _day(n),
            "end": _day(n + 30),
            "customer": n,
            "owner": n % 5,
            "active": n != 6,
        }
        for n in range(count)
    ]


def tasks(count: int = 29, plans: int = 7) -> list[Row]:
    """Tasks and milestones: name, due, done, project, owner, milestone (bool)."""
    return [
        {
            "name": f"Schritt 步骤 {n}",
            "due": _day(n, 2),
            "done": n % 3 == 0,
            "project": n % plans,
            "owner": n % 5,
            "milestone": n % 4 == 0,
        }
        for n in range(count)
    ]


def shaped(rows: list[Row], columns: dict[str, Any]) -> list[Row]:
    """`rows` in a vendor's words: vendor's name → neutral name, (neutral name, number to add), (neutral name, {value:
    vendor's value}), or a function of (place, row)."""
    return [{name: _cell(place, row, column) for name, column in columns.items()} for place, row in enumerate(rows)]


def _cell(place: int, row: Row, column: Any) -> Any:
    if isinstance(column, str):
        return row[column]
    if isinstance(column, tuple):
        name, change = column
        return change[row[name]] if isinstance(change, dict) else row[name] + change
    return column(place, row)
