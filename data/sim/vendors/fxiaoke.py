"""纷享销客 OpenAPI v2: HTTP 200 always, a token in the body, every list cut to one employee, a limit on offsets."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

APP, SECRET, CODE = "FSAID_demo", "demo-fxiaoke-secret", "demo-fxiaoke-permanent"
COMPANY, ENTERPRISE, ADMIN, ADMIN_MOBILE = "FSCID_demo", "demo-ea", "FSUID_ADMIN", "13800000001"
KINDS = {
    "AccountObj": "a1", "ContactObj": "a2", "ProductObj": "a3", "NewOpportunityObj": "a4", "SalesOrderObj": "b1",
    "SalesOrderProductObj": "b2", "PaymentObj": "b3", "OrderPaymentObj": "b4", "RefundObj": "b5",
    "ReturnedGoodsInvoiceObj": "b6", "CasesObj": "c1", "ActiveRecordObj": "c2", "ContractObj": "c3",
}  # fmt: skip
COMPARE = {"EQ": "=", "N": "!=", "GT": ">", "GTE": ">=", "LT": "<", "LTE": "<="}
OPTIONS: dict[str, dict[str, str]] = {
    "sales_stage": {"s1": "验证客户", "s2": "赢单", "s3": "输单"},
    "account_level": {"1": "重要客户", "2": "普通客户"},
    "case_status": {"c1": "处理中", "c2": "已完成", "c3": "已关闭", "c4": "未处理"},
    "priority": {"p0": "低", "p1": "中", "p2": "高", "p3": "紧急"},
}
LABELS = {"UDSText7__c": "统一社会信用代码", "erp_code__c": "ERP 编码"}


def epoch_ms(moment: datetime) -> int:
    """Thirteen digits."""
    return int(moment.timestamp() * 1000)


def day(text: str) -> int:
    """The midnight of a day in China."""
    return epoch_ms(datetime.fromisoformat(f"{text}T00:00:00+08:00"))


def key(kind: str, number: int) -> str:
    """An id of an object: 24 hexadecimal digits."""
    return f"68{KINDS[kind]}{number:020x}"


def staff(number: int) -> str:
    """The openUserId of an employee."""
    return f"FSUID_{number:04}"


def of(kind: str, column: str) -> Any:
    """A column that holds the id of another object."""
    return lambda _n, row: key(kind, row[column])


CUSTOMER = {"account_id": of("AccountObj", "customer")}
COLUMNS: dict[str, dict[str, Any]] = {
    "AccountObj": {
        "name": "name", "account_no": "code", "tel": lambda n, _row: f"021-5000{n:04}", "url": "domain", "city": "city",
        "account_level": lambda n, _row: str(1 + n % 2), "deal_status": lambda n, _row: str(1 + n % 3),
        "UDSText7__c": lambda n, _row: "91310115MA4JURQ203" if n == 1 else None, "erp_code__c": "code",
        "remaining_time": lambda n, _row: n,
    },
    "ContactObj": {
        "name": lambda _n, row: row["first"] + row["last"], "job_title": "title", "email": "email", **CUSTOMER,
        "mobile1": lambda n, _row: f"1390000{n:04}",
    },
    "ProductObj": {"name": "name", "product_code": "code", "price": "price", "unit": "unit",
                   "product_status": lambda n, _row: "2" if n == 3 else "1"},
    "NewOpportunityObj": {
        "name": "name", **CUSTOMER, "amount": "amount", "close_date": lambda _n, row: day(row["close"]),
        "sales_stage": ("stage", {"open": "s1", "won": "s2", "lost": "s3"}), "mc_currency": "currency",
        "sales_status": ("stage", {"open": "1", "won": "2", "lost": "3"}), "probability": lambda *_: "30",
    },
    "SalesOrderObj": {"name": "number", **CUSTOMER, "order_time": lambda _n, row: day(row["date"]),
                      "order_amount": "gross", "mc_currency": "currency"},
    "PaymentObj": {"name": "number", **CUSTOMER, "payment_time": lambda _n, row: day(row["date"]),
                   "payment_amount": "amount", "mc_currency": "currency"},
    "CasesObj": {
        "name": lambda n, _row: f"GD-{n:05}", "title": "subject", "description": "text", **CUSTOMER,
        "contact_id": of("ContactObj", "contact"), "priority": lambda _n, row: f"p{row['priority']}",
        "case_status": ("status", {"open": "c1", "pending": "c4", "solved": "c2", "closed": "c3"}),
    },
    "ActiveRecordObj": {
        "name": lambda n, _row: f"跟进 {n}", "active_record_content": "text",
        "related_object_data": lambda _n, row: [
            {"describe_api_name": "AccountObj", "id": key("AccountObj", row["customer"])}
        ],
    },
}  # fmt: skip


class Session(Auth):
    """A corpAccessToken in each body, or a bearer token with the company and the employee in headers."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.issued = 0

    def knows(self, call: Call) -> bool:
        """Whether the token lives and somebody is named to read as."""
        body, headers = call.body or {}, call.headers
        if headers.get("authorization", "")[7:] in self.tokens:
            return headers.get("x-fs-ea") == ENTERPRISE and bool(headers.get("x-fs-userid"))
        named = call.path.endswith("/getByMobile") or bool(body.get("currentOpenUserId"))
        return body.get("corpAccessToken") in self.tokens and body.get("corpId") == COMPANY and named

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token by either address; wrong keys are a missing parameter."""
        if call.path not in {"/cgi/corpAccessToken/get/V2", "/oauth2.0/token"}:
            return None
        body, newer = call.body or {}, call.path == "/oauth2.0/token"
        if [body.get(name) for name in ("appId", "appSecret", "permanentCode")] != [APP, SECRET, CODE]:
            return no(10006, "the parameter appSecret is missing or illegal")
        if newer and body.get("grantType") != "app_secret":
            return no(10006, "the parameter grantType is missing or illegal")
        self.issued += 1
        self.tokens.add(token := f"demo-fx-token-{self.issued:04}")
        found = {"accessToken": token, "ea": ENTERPRISE} if newer else {"corpAccessToken": token, "corpId": COMPANY}
        return yes({**found, "expiresIn": 7200})

    def expire(self) -> None:
        """Two hours are over."""
        self.tokens.clear()


def yes(more: Record) -> Reply:
    """A good answer."""
    return Reply(
        200, {"traceId": "E-O.demo.1", "errorCode": 0, "errorMessage": "OK", "errorDescription": "成功", **more}
    )


def no(code: int, reason: str) -> Reply:
    """A bad one, which is HTTP 200 as well."""
    return Reply(200, {"traceId": "E-O.demo.1", "errorCode": code, "errorMessage": reason})


class Vendor(Simulator):
    """`cap` is where offsets end, `hidden` what the employee may not see, `closed` objects that he may not list,
    `lacking` fields that the company does not have."""

    connector = "fxiaoke"
    cap = 10_000

    def setup(self) -> None:
        """People, and one table for each object."""
        self.auth = Session()
        self.hidden: set[str] = set()
        self.closed: set[str] = set()
        self.lacking: set[str] = set()
        people = [
            {"openUserId": staff(n), "account": f"staff{n}", "name": row["name"], "isStop": not row["active"]}
            | {"email": row["email"], "mobile": f"1380000{n:04}", "employeeNumber": row["code"]}
            for n, row in enumerate(dataset.people())
        ]
        self.tables["users"] = Table(self.clock, people, key="openUserId")
        fixed = {"create_time": epoch_ms(START), "last_modified_time": 0, "life_status": "normal", "lock_status": "0"}
        for kind, rows in self._objects().items():
            made = [
                {"_id": key(kind, n), "object_describe_api_name": kind, "owner": [staff(n % 5)], "version": "3"}
                | {name: value for name, value in row.items() if value is not None}
                | {**fixed, "is_deleted": False}
                for n, row in enumerate(rows)
            ]
            self.tables[kind] = Table(self.clock, made, key="_id", stamps=("last_modified_time",), write=epoch_ms)

    @staticmethod
    def _objects() -> dict[str, list[Record]]:
        orders, receipts, invoices = dataset.orders(), dataset.receipts(), dataset.invoices()
        neutral = {
            "AccountObj": dataset.customers(), "ContactObj": dataset.contacts(), "ProductObj": dataset.products(),
            "NewOpportunityObj": dataset.deals(), "SalesOrderObj": orders, "PaymentObj": receipts,
            "CasesObj": dataset.tickets(), "ActiveRecordObj": dataset.tickets(9),
        }  # fmt: skip
        found = {kind: dataset.shaped(rows, COLUMNS[kind]) for kind, rows in neutral.items()}
        found["SalesOrderProductObj"] = [
            {"name": f"{order['number']}-{place + 1}", "order_id": key("SalesOrderObj", n), "subtotal": line["net"]}
            | {"product_id": key("ProductObj", line["product"]), "product_id__r": f"Wärmepumpe 热泵 {line['product']}"}
            | {"quantity": str(line["quantity"]), "sales_price": line["price"]}
            for n, order in enumerate(orders)
            for place, line in enumerate(order["lines"])
        ]
        found["OrderPaymentObj"] = [
            {"name": f"{row['number']}-1", "payment_id": key("PaymentObj", n), "payment_amount": row["amount"]}
            | {"order_id": key("SalesOrderObj", invoices[row["invoice"]]["order"]), "payment_time": day(row["date"])}
            for n, row in enumerate(receipts)
        ]
        back = {"account_id": key("AccountObj", 2), "order_id": key("SalesOrderObj", 2), "mc_currency": "EUR"}
        when = day(str(date(2026, 5, 20)))
        found["RefundObj"] = [{"name": "TK-1", **back, "refunded_time": when, "refunded_amount": "50.00"}]
        returned = {"returned_goods_time": when, "returned_goods_inv_amount": "113.00"}
        found["ReturnedGoodsInvoiceObj"] = [{"name": "TH-1", **back, **returned, "returned_goods_reason": "质量"}]
        terms = {"start_date": day("2026-01-01"), "end_date": day("2026-12-31"), "sign_date": day("2025-12-20")}
        found["ContractObj"] = [
            {"name": "年度框架", "contract_no": "HT-1", "contract_amount": "120000.00", **terms}
            | {"account_id": key("AccountObj", 1)}
        ]
        return found

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; what is rarely used is read in one test."""
        signing = {"app_id": APP, "app_secret": SECRET, "permanent_code": CODE, "mobile": ADMIN_MOBILE}
        budget = {"page_size": 10, "calls_per_second": 100_000, "activities": False}
        return {"base_url": self.url, **signing, **budget}

    def error(self, status: int, reason: str) -> Any:
        """The code of an ended token, or of a busy server."""
        return {"errorCode": 20016 if status == 401 else 50009, "errorMessage": reason, "traceId": "E-O.demo.2"}

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """An ended token is HTTP 200; a broken gateway is what it is."""
        reply = super().refuse(status, reason, **headers)
        reply.status = 200 if status == 401 else status
        return reply

    def new_id(self, stream: str) -> str:
        """An id after all others."""
        return "FSUID_9999" if stream == "users" else key(stream, 0xFFFF00 + self.tables[stream].made)

    def void(self, stream: str, row_id: str) -> None:
        """作废: the record stays and says so; recoverable. What `remove` does is the second step, 删除."""
        self.tables[stream].edit(row_id, life_status="invalid")

    @route("POST", "/cgi/user/getByMobile")
    def by_mobile(self, call: Call) -> Reply:
        """The employee with a mobile number."""
        people = [{"openUserId": ADMIN, "name": "Admin", "status": "NORMAL"}]
        return yes({"empList": people if call.body.get("mobile") == ADMIN_MOBILE else []})

    @route("POST", "/cgi/user/list")
    def users(self, call: Call) -> Reply:
        """Everybody of a department; the parameters stand at the top of the body."""
        if not isinstance(call.body.get("departmentId"), int):
            return no(11009, "the parameter departmentId is missing or illegal")
        return yes({"userList": self.tables["users"].ordered()})

    def _fields(self, kind: str) -> dict[str, Record]:
        names = {name for row in self.tables[kind].rows.values() for name in row if "__r" not in name} - {"_id"}
        found = {name: {"api_name": name, "label": LABELS.get(name, name), "is_active": True} for name in sorted(names)}
        for name, words in OPTIONS.items():
            if name in found:
                found[name]["options"] = [{"label": word, "value": value} for value, word in words.items()]
        return {name: field for name, field in found.items() if name not in self.lacking}

    @route("POST", "/cgi/crm/v2/object/describe")
    def describe(self, call: Call) -> Reply:
        """The fields of an object, by their names; the id is not among them."""
        kind = call.body["data"]["apiName"]
        if kind not in KINDS:
            return no(-1, f"对象 {kind} 不存在")
        return yes({"data": {"describe": {"api_name": kind, "fields": self._fields(kind)}}})

    @route("POST", "/cgi/crm/v2/data/query")
    def query(self, call: Call) -> Reply:
        """Records by filters that all must hold; nulls are left out, and so is what is not projected."""
        data: Record = call.body["data"]
        info, kind = data["search_query_info"], data["dataObjectApiName"]
        if kind not in KINDS:
            return no(-1, f"对象 {kind} 不存在")
        if kind in self.closed:
            return no(32000, f"没有{kind}查看列表权限")
        size, start, names = info["limit"], info["offset"], info.get("fieldProjection")
        if (
            size > 100
            or start % size
            or {name.removesuffix("__r") for name in names or []} - self._fields(kind).keys() - {"_id"}
        ):
            return no(32000, "参数错误")
        if start > self.cap:
            return no(10013, f"offset out of range {self.cap}")
        rows = [row for row_id, row in self.tables[kind].rows.items() if row_id not in self.hidden]
        for one in info["filters"]:
            if one["operator"] not in COMPARE or not isinstance(one["field_values"], list):
                return no(32000, "参数错误")
            test, bound = paging.COMPARE[COMPARE[one["operator"]]], one["field_values"][0]
            if not isinstance(bound, str):
                return no(32000, "field_values 必须为字符串列表")
            name = one["field_name"]
            rows = [
                row
                for row in rows
                if test(*(map(str, (row[name], bound)) if name == "_id" else (row[name], int(bound))))
            ]
        for one in reversed(info["orders"]):
            rows.sort(key=lambda row: row[one["fieldName"]], reverse=not one["isAsc"])
        part, _more = paging.offset(rows, start, size)
        shown = [{name: row[name] for name in row if not names or name in names} for row in part]
        total = len(rows) if data.get("find_explicit_total_num", True) else 0
        return yes({"data": {"dataList": shown, "offset": start, "limit": size, "total": total}})
