"""悟空CRM 11.0: lists of a search index in the columns a user shows, a cap at page 100, ownerless customers apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

USER, PASSWORD = "13800000009", "demo-wukong-password"
CHINA = timedelta(hours=8)
POOLS = [{"poolId": 1, "poolName": "系统默认公海"}, {"poolId": 7, "poolName": "华东公海"}]
METHODS = ["电汇", "现金", "支付宝"]
STAMPS = ("updateTime", "createTime")


def wall(moment: datetime) -> str:
    """The wall clock of China, which the server does not name."""
    return (moment + CHINA).strftime("%Y-%m-%d %H:%M:%S")


def customer(row: Record) -> Record:
    """What a row shows of its customer."""
    return {"customerId": 900 + row["customer"], "customerName": dataset.customers()[row["customer"]]["name"]}


def owned(row: Record) -> Record:
    """What a row shows of its owner."""
    return {"ownerUserId": 14773 + row["owner"], "ownerUserName": dataset.people()[row["owner"]]["name"]}


def _customers() -> list[Record]:
    fixed = {"level": "A（重点客户）", "industry": "IT", "status": 1}
    return [
        {"customerId": 900 + n, "customerName": row["name"], "telephone": f"021-5000{n:04}", "website": row["domain"]}
        | {**fixed, "dealStatus": n % 2, "detailAddress": row["city"], "poolDay": n}
        | ({"poolId": POOLS[n % 2]["poolId"]} if n >= 20 else owned(row))
        for n, row in enumerate(dataset.customers())
    ]


def _contacts() -> list[Record]:
    return [
        {"contactsId": 300 + n, "name": row["first"] + row["last"], "email": row["email"], "post": row["title"]}
        | {"mobile": f"1390000{n:04}", "policymakers": "是" if n == 0 else "否", **customer(row), "ownerUserId": 14773}
        for n, row in enumerate(dataset.contacts())
    ]


def _products() -> list[Record]:
    return [
        {"productId": 70 + n, "name": row["name"], "num": row["code"], "unit": row["unit"], "status": int(n != 3)}
        | {"price": float(row["price"]), "categoryName": "热泵", "ownerUserId": 14773}
        for n, row in enumerate(dataset.products())
    ]


def _deals() -> list[Record]:
    return [
        {"businessId": 500 + n, "businessName": row["name"], "money": float(row["amount"]), "dealDate": row["close"]}
        | {"isEnd": {"open": 0, "won": 1, "lost": 2}[row["stage"]], "statusName": "验证客户", "typeName": "默认"}
        | {**customer(row), **owned(row)}
        for n, row in enumerate(dataset.deals())
    ]


def _contract(number: int, row: Record) -> Record:
    money = {"money": float(row["gross"]), "receivedMoney": 0.0, "unreceivedMoney": float(row["gross"])}
    days = {"orderDate": row["date"], "startTime": "2026-01-01", "endTime": "2026-12-31"}
    names = {"contractId": 311 + number, "num": row["number"], "name": f"框架 {number}", "businessId": 500 + number}
    return {**names, **money, **days, "receivedProgress": 0, "checkStatus": 1, **customer(row), **owned(row)}


def _plan(number: int, row: Record) -> Record:
    names = {"planId": 40 + number, "num": "1", "contractId": 311 + number, "contractNum": row["number"]}
    owed = {"money": float(row["gross"]), "returnDate": row["date"], "receivedStatus": 0}
    return {**names, **owed, "ownerUserId": 14773, **customer(row)}


def _receipt(number: int, row: Record, contract: int) -> Record:
    names = {"receivablesId": 60 + number, "number": row["number"], "contractId": 311 + contract}
    paid = {"money": float(row["amount"]), "returnTime": row["date"], "returnType": METHODS[number % 3]}
    more = {"checkStatus": 1, "ownerUserId": 14773, "planNum": "1" if number == 0 else ""}
    return {**names, **paid, **more, **customer(row)}


def _visits() -> list[Record]:
    return [
        {"return_visitId": 20 + n, "visitNumber": f"HF-{n}", "visitTime": "2026-05-20 09:30:00", **customer(row)}
        | {"contactsId": 300 + row["contact"], "ownerUserId": 14773, "remark": row["text"]}
        for n, row in enumerate(dataset.tickets(4))
    ]


class Session(Auth):
    """A token in the header Admin-Token; a second login of a user ends the first."""

    def __init__(self) -> None:
        self.token, self.issued = "", 0

    def knows(self, call: Call) -> bool:
        """Whether the token lives."""
        return bool(self.token) and call.headers.get("admin-token") == self.token

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token for the user; a wrong password is HTTP 200."""
        if call.path != "/login":
            return None
        if call.body != {"username": USER, "password": PASSWORD}:
            return Reply(200, {"code": 1003, "msg": "用户名或密码错误"})
        self.issued += 1
        self.token = f"demo-wukong-{self.issued:04}"
        return Reply(200, {"code": 0, "msg": "success", "data": {"adminToken": self.token}})

    def expire(self) -> None:
        """The token has been idle too long."""
        self.token = ""


class Vendor(Simulator):
    """`hidden` are columns that the user has switched off; `lag` is how long the index does not know a change; `redis`
    is whether it remembers the pages past `last_page`."""

    connector = "wukong"
    last_page, lag, redis = 100, timedelta(0), True

    def setup(self) -> None:
        """People and the objects; three customers lie in the pools."""
        self.auth = Session()
        self.hidden: set[str] = set()
        people = [
            {"userId": 14773 + n, "username": f"1380000{n:04}", "realname": row["name"], "email": row["email"]}
            | {
                "mobile": f"1380000{n:04}",
                "num": row["code"],
                "status": 1 if row["active"] else 0,
                "deptName": "销售部",
            }
            | {"parentId": 0, "img": f"https://img.example.com/{n}.png", "lastLoginTime": wall(START)}
            for n, row in enumerate(dataset.people())
        ]
        self.tables["adminUser"] = Table(self.clock, people, key="userId", label="realname")
        for name, (key, label, rows) in self._objects().items():
            fixed = {"createTime": "", "updateTime": "", "lastTime": None}
            made = [{**row, **fixed, "createTime": wall(START + timedelta(minutes=n))} for n, row in enumerate(rows)]
            self.tables[name] = Table(self.clock, made, key=key, stamps=("updateTime",), label=label, write=wall)

    @staticmethod
    def _objects() -> dict[str, tuple[str, str, list[Record]]]:
        orders, invoices, receipts = dataset.orders(), dataset.invoices(), dataset.receipts()
        return {
            "crmCustomer": ("customerId", "customerName", _customers()),
            "crmContacts": ("contactsId", "name", _contacts()),
            "crmProduct": ("productId", "name", _products()),
            "crmBusiness": ("businessId", "businessName", _deals()),
            "crmContract": ("contractId", "name", [_contract(n, row) for n, row in enumerate(orders)]),
            "crmReceivablesPlan": ("planId", "returnDate", [_plan(n, row) for n, row in enumerate(orders[:5])]),
            "crmReceivables": (
                "receivablesId",
                "number",
                [_receipt(n, row, invoices[row["invoice"]]["order"]) for n, row in enumerate(receipts)],
            ),
            "crmReturnVisit": ("return_visitId", "visitNumber", _visits()),
        }

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting, no money."""
        budget = {"page_size": 10, "calls_per_second": 100_000, "visits": False}
        return {"base_url": self.url, "username": USER, "password": PASSWORD, **budget}

    def error(self, status: int, reason: str) -> Any:
        """The code stands in the body."""
        return {"code": 302 if status == 401 else 403 if status == 429 else 500, "msg": reason}

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """Not signed in is HTTP 200."""
        reply = super().refuse(status, reason, **headers)
        reply.status = 200 if status == 401 else status
        return reply

    def new_id(self, stream: str) -> int:
        """An id beyond all others."""
        return int(super().new_id(stream))

    def add(self, stream: str) -> str:
        """A record made now."""
        row_id = super().add(stream)
        if stream != "adminUser":
            self.tables[stream].quietly(row_id, createTime=wall(self.clock.now))
        return row_id

    @route("POST", "/adminUser/queryUserList")
    def users(self, call: Call) -> Any:
        """People, page by page."""
        return self._paged(call.body, self.tables["adminUser"].ordered(), int(call.body["page"]))

    @route("POST", "/crmCustomerPool/queryPoolNameListByAuth")
    def pools(self, _call: Call) -> Any:
        """The pools that the user may see."""
        return {"code": 0, "msg": "success", "data": POOLS}

    @route("POST", "/{object}/queryPageList")
    def listed(self, call: Call) -> Any:
        """Rows with an owner, or of one pool, in the columns shown; by one of them, else the latest change first."""
        body, name = call.body, call.at["object"]
        is_pool = name == "crmCustomerPool"
        table = self.tables["crmCustomer" if is_pool else name]
        known = [row for key, row in table.rows.items() if table.changed[key] <= self.clock.now - self.lag]
        rows = [row for row in known if (row.get("poolId") == body["poolId"] if is_pool else row.get("ownerUserId"))]
        for one in body["searchList"]:
            if one["formType"] != "datetime" or one["type"] != 8:
                return {"code": 1001, "msg": "服务调用异常"}
            rows = [row for row in rows if str(row[one["name"]]) >= one["values"][0]]
        field, ascending = body.get("sortField"), body.get("order") == 2
        if field not in STAMPS or field in self.hidden - {"createTime"}:
            field, ascending = "updateTime", False
        rows.sort(key=lambda row: -int(row[table.key]))
        rows.sort(key=lambda row: str(row[field]), reverse=not ascending)
        number = int(body["page"])
        if number > self.last_page and not self.redis:
            number = 1
        shown = [{key: value for key, value in row.items() if key not in self.hidden} for row in rows]
        if is_pool:
            shown = [{**row, "customer_poolId": row["customerId"]} for row in shown]
            for row in shown:
                del row["customerId"]
        return self._paged(body, shown, number)

    @staticmethod
    def _paged(body: Record, rows: list[Record], number: int) -> Any:
        size = min(100, int(body.get("limit") or 15))
        part, _more = paging.numbered(rows, number, size)
        count = -(-len(rows) // size)
        page = {"totalRow": len(rows), "totalPage": count, "pageSize": size, "pageNumber": number, "list": part}
        return {"code": 0, "msg": "success", "data": {**page, "firstPage": number == 1, "lastPage": number == count}}
