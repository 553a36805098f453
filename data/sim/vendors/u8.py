"""用友 U8 OpenAPI: a relay before the company's own server, an error for nothing found, no filter by change but one."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import Record, Table

FROM, TO, KEY, SECRET = "demo-caller", "demo-company", "demo-u8-key", "demo-u8-secret"
CHINA = timedelta(hours=8)
CURRENCY = {"EUR": "欧元", "CNY": "人民币", "USD": "美元"}
FIRST = date(2026, 4, 20)
WORDS = {"saleorderlist": "销售订单", "customer": "客户档案", "acceptlist": "收款单"}


def day(moment: datetime) -> str:
    """The day in China, all that ModifyDate tells."""
    return (moment + CHINA).strftime("%Y-%m-%d")


def on(number: int) -> str:
    """A business date: one document a day."""
    return (FIRST + timedelta(days=number)).isoformat()


def key(code: str) -> str:
    """The id under which a document should land."""
    return f"{TO}-1-{code}"


class Token(Auth):
    """A token in the query, asked for with key and secret."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.issued = 0

    def knows(self, call: Call) -> bool:
        """Whether the token lives and the call says whose data it wants."""
        named = call.query.get("from_account") == FROM and call.query.get("to_account") == TO
        return named and call.query.get("app_key") == KEY and call.query.get("token") in self.tokens

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token; wrong keys are HTTP 200."""
        if call.path != "/system/token":
            return None
        given = [call.query.get(name) for name in ("from_account", "app_key", "app_secret")]
        if call.method != "GET" or given != [FROM, KEY, SECRET]:
            return Reply(200, {"errcode": "10002", "errmsg": "app_key 或 app_secret 错误"})
        self.issued += 1
        self.tokens.add(token := f"demo-u8-{self.issued:04}")
        return Reply(200, {"errcode": "0", "errmsg": "", "token": {"id": token, "expiresIn": "7200"}})

    def expire(self) -> None:
        """The token has ended."""
        self.tokens.clear()


class Vendor(Simulator):
    """`is_off`: the company has switched its server off, and the relay waits in vain. Rows hold their `key`, which no
    answer shows."""

    connector = "u8"
    is_off = False

    def setup(self) -> None:
        """Masters by code, documents by account set, year and code."""
        self.auth = Token()
        for name, rows in _masters().items():
            stamps = ("ModifyDate",) if name in {"customer", "inventory"} else ()
            place = "id" if name == "customercontacts" else "code"
            self.tables[name] = Table(self.clock, rows, key=place, stamps=stamps, write=day)
        for name, rows in _documents().items():
            made = [{"key": key(row.get("code") or row["vouchcode"]), **row} for row in rows]
            self.tables[name] = Table(self.clock, made, key="key", label="maker")
        self.children["saleorder"] = lambda: self._details("saleorderlist")
        self.children["saleinvoice"] = lambda: self._details("saleinvoicelist")

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; details of orders in one test."""
        signing = {"from_account": FROM, "to_account": TO, "app_key": KEY, "app_secret": SECRET}
        return {"base_url": self.url, **signing, "page_size": 10, "calls_per_second": 100_000, "order_lines": False}

    def error(self, status: int, reason: str) -> Any:
        """A code, as text, in the body."""
        told = ("10003", "token 无效或已过期") if status == 401 else ("-1", reason)
        return {"errcode": told[0], "errmsg": told[1]}

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """An ended token is HTTP 200."""
        reply = super().refuse(status, reason, **headers)
        reply.status = 200 if status == 401 else status
        return reply

    def new_id(self, stream: str) -> str:
        """A code beyond all others."""
        code = f"ZZ{self.tables[stream].made:04}"
        return key(code) if self.tables[stream].key == "key" else code

    def add(self, stream: str) -> str:
        """A document of today."""
        row_id = super().add(stream)
        if self.tables[stream].key == "key":
            name, stamp = ("vouchcode", "vouchdate") if stream == "acceptlist" else ("code", "date")
            code = row_id.rpartition("-")[2]
            self.tables[stream].quietly(row_id, **{name: code, stamp: day(self.clock.now)})
        return row_id

    def handle(self, call: Call) -> Reply:
        """The relay answers for a server that is off."""
        if self.is_off:
            self.calls.append(call)
            return Reply(504, {"errcode": "-1", "errmsg": "EAI 服务器无响应"})
        return super().handle(call)

    @route("GET", "/api/{name}/batch_get")
    def listed(self, call: Call) -> Any:
        """Rows by code; filters that are not known are ignored; an empty list is an error."""
        name = call.at["name"]
        if call.query.get("ds_sequence", "1") != "1":
            return self._nothing(name)
        rows = [{word: value for word, value in row.items() if word != "entry"} for row in self.tables[name].ordered()]
        since = call.query.get("ModifyDate_begin", "")
        if name == "customer" and since:
            rows = [row for row in rows if row["ModifyDate"] >= since]
        if since := call.query.get("date_begin", ""):
            rows = [row for row in rows if (row.get("date") or row["vouchdate"]) >= since]
        size, number = call.number("rows_per_page", 20), call.number("page_index", 1)
        part, _more = paging.numbered(rows, number, size)
        if not part:
            return self._nothing(name)
        count = {"page_index": str(number), "rows_per_page": str(size), "row_count": str(len(rows))}
        pages = {"page_count": str(-(-len(rows) // size))}
        shown = [{word: value for word, value in row.items() if word != "key"} for row in part]
        return {"errcode": "0", "errmsg": "", **count, **pages, name: shown}

    @staticmethod
    def _nothing(name: str) -> Any:
        return {"errcode": "20002", "errmsg": f"未检索到匹配的[{WORDS.get(name, name)}]。"}

    @route("GET", "/api/{name}/get")
    def one(self, call: Call) -> Any:
        """One document with its lines."""
        name = call.at["name"]
        row = self.tables[f"{name}list"].rows.get(key(call.query.get("id", "")))
        if row is None:
            return self._nothing(name)
        return {"errcode": "0", "errmsg": "", name: {word: value for word, value in row.items() if word != "key"}}

    def _details(self, name: str) -> dict[str, Record]:
        return dict(self.tables[name].rows)


def _masters() -> dict[str, list[Record]]:
    people = [
        {"code": row["code"], "name": row["name"], "email": row["email"], "cdept_name": "销售部"}
        | {"mobilephone": f"1380000{n:04}", "dleavedate": "" if row["active"] else "2026-03-31"}
        for n, row in enumerate(dataset.people())
    ]
    companies = [
        {"code": f"{n:04}", "name": row["name"], "abbrname": row["name"][:2], "phone": f"021-5000{n:04}"}
        | {"tax_reg_code": "91310115MA4JURQ203" if n == 1 else "", "end_date": "2026-01-31" if n == 4 else ""}
        | {"address": row["city"], "spec_operator": f"E{row['owner']:03}", "ModifyDate": ""}
        for n, row in enumerate(dataset.customers())
    ]
    contacts = [
        {"id": f"CT{n:04}", "custcode": f"{row['customer']:04}", "name": row["first"] + row["last"], "bdefault": n == 0}
        | {"mobilephone": f"1390000{n:04}", "email": row["email"], "position": row["title"]}
        for n, row in enumerate(dataset.contacts())
    ]
    goods = [
        {"code": row["code"], "name": row["name"], "specs": f"WP {n}", "main_measure": "台", "ModifyDate": ""}
        | {"end_date": "2026-01-31" if n == 3 else ""}
        for n, row in enumerate(dataset.products())
    ]
    return {"person": people, "customer": companies, "customercontacts": contacts, "inventory": goods}


def _entries(row: Record) -> list[Record]:
    tax = [round(float(line["net"]) * 0.13, 2) for line in row["lines"]]
    return [
        {"rowno": n + 1, "inventorycode": f"P-{line['product']:03}", "quantity": line["quantity"], "taxrate": 13}
        | {"money": float(line["net"]), "tax": tax[n], "sum": round(float(line["net"]) + tax[n], 2)}
        | {"taxunitprice": float(line["price"]), "unitname": "台"}
        for n, line in enumerate(row["lines"])
    ]


def _head(code: str, number: int, row: Record) -> Record:
    lines = _entries(row)
    sums = {name: round(sum(line[name] for line in lines), 2) for name in ("money", "sum")}
    names = {"code": code, "date": on(number), "custcode": f"{row['customer']:04}", "personcode": f"E{row['owner']:03}"}
    state = {"maker": "demo", "verifier": "" if number % 7 == 6 else "周宁", "closer": "周宁" if number == 2 else ""}
    return {**names, **sums, **state, "foreigncurrency": CURRENCY[row["currency"]], "currencyrate": 1, "entry": lines}


def _documents() -> dict[str, list[Record]]:
    rows = dataset.orders(24)
    invoices = [
        {**_head(f"XS{n:04}", n, row), "isnegative": n == 5, "isfirst": n == 1, "bcredit": n != 3}
        | {"dcreditstart": on(n), "icreditdays": 30, "dgatheringdate": on(n + 30), "cgatheringplan": "月结30天"}
        for n, row in enumerate(rows)
    ]
    paid = [
        {
            "vouchcode": f"SK{n:04}",
            "vouchdate": on(n),
            "vouchtype": "49" if n == 1 else "48",
            "amount": float(row["amount"]),
        }
        | {"customercode": f"{row['customer']:04}", "verifier": "周宁", "maker": "demo"}
        | {"foreigncurrency": CURRENCY[row["currency"]], "currencyrate": 1}
        for n, row in enumerate(dataset.receipts())
    ]
    return {
        "saleorderlist": [_head(f"SO{n:04}", n, row) for n, row in enumerate(rows)],
        "consignmentlist": [{**_head(f"FH{n:04}", n, row), "socode": f"SO{n:04}"} for n, row in enumerate(rows[:4])],
        "returnorderlist": [{**_head(f"TH{n:04}", n, row), "socode": f"SO{n:04}"} for n, row in enumerate(rows[:2])],
        "saleinvoicelist": invoices,
        "acceptlist": paid,
    }
