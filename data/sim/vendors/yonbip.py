"""用友 YonBIP: addresses to ask for, a signed token in the query, lists that repeat the header on every line."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta
from typing import Any

from data.sim import dataset, paging
from data.sim.access import Auth, Call, Reply
from data.sim.engine import Simulator, route
from data.sim.table import START, Record, Table

TENANT, KEY, SECRET = "demo-tenant", "41832a3d2df94989b500da6a22268747", "demo-yonbip-secret"
CHINA = timedelta(hours=8)
BASE = 1_633_116_225_909_817_000
CURRENCY = {"EUR": "欧元", "CNY": "人民币", "USD": "美元"}
PATHS = {
    "digitalModel/staff/list": "staff", "digitalModel/merchant/newlist": "merchant",
    "sd/voucherorder/list": "voucherorder", "scm/salesout/list": "salesout",
    "sd/vouchersalereturn/list": "vouchersalereturn", "EFI/receivable/list": "EFI_receivable",
    "EFI/fiear_receivable_init/list": "EFI_receivable_init", "EFI/collection/list": "EFI_collection",
    "EFI/arRefund/list": "EFI_arRefund", "EFI/arverifyevent/list": "EFI_arverifyevent",
    "fi/oar/list": "fi_oar", "fi/receivebill/list/v2": "fi_receivebill", "fi/arverify/list": "fi_arverify",
    "crm/oppt/bill/list": "oppt",
}  # fmt: skip
LINE_KEY = {"voucherorder": "orderDetailId", "salesout": "details_id", "vouchersalereturn": "saleReturnDetailId"}
STATES = ["DELIVERGOODS", "CONFIRMORDER", "ENDORDER", "OPPOSE"]


def wall(moment: datetime) -> str:
    """The wall clock of China."""
    return (moment + CHINA).strftime("%Y-%m-%d %H:%M:%S")


def key(kind: int, number: int) -> str:
    """An id of nineteen digits."""
    return str(BASE + kind * 1_000_000 + number)


def merchant(number: int) -> str:
    """The id of a customer."""
    return key(1, number)


class Signed(Auth):
    """A token in the query, given for a signature over key and time."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.issued = 0

    def knows(self, call: Call) -> bool:
        """Whether the token lives; where the data centre is may be asked by anybody."""
        return call.path.endswith("/getGatewayAddress") or call.query.get("access_token") in self.tokens

    def sign_in(self, call: Call, vendor: Simulator) -> Reply | None:
        """A token for the right signature, which must not be encoded twice."""
        if not call.path.endswith(("/selfAppAuth/getAccessToken", "/base/v1/getAccessToken")):
            return None
        text = f"appKey{call.query.get('appKey')}timestamp{call.query.get('timestamp')}"
        right = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()
        if call.query.get("appKey") != KEY or call.query.get("signature") != right:
            return Reply(200, {"code": "50000", "message": "签名验证失败"})
        self.issued += 1
        self.tokens.add(token := f"demo-yon-{self.issued:04}")
        return Reply(200, {"code": "00000", "message": "成功！", "data": {"access_token": token, "expire": 7200}})

    def expire(self) -> None:
        """Two hours are over."""
        self.tokens.clear()


class Vendor(Simulator):
    """`unauthorised` are lists that the application may not call, `bare` lists without a table around them; `spelling`
    is how the numbers of pages are told, `most` the rows of a page whatever is asked for."""

    connector = "yonbip"

    def setup(self) -> None:
        """One table for each list; a document holds its lines, a list spreads them."""
        self.auth = Signed()
        self.unauthorised: set[str] = set()
        self.bare: set[str] = set()
        self.spelling: type = int
        self.most = 500
        for name, rows in {**_masters(), **_sales(), **_money()}.items():
            fixed = {"createTime": wall(START), "pubts": ""}
            made = [{**row, **fixed} for row in rows]
            self.tables[name] = Table(self.clock, made, stamps=("pubts",), label="code", write=wall)

    def settings(self) -> dict[str, Any]:
        """Small pages, no waiting; one family."""
        budget = {"page_size": 10, "calls_per_minute": 1_000_000}
        return {"discovery_url": self.url, "tenant_id": TENANT, "app_key": KEY, "app_secret": SECRET, **budget}

    def expected(self, stream: str) -> dict[str, Record]:
        """Documents as they are."""
        return self.tables[stream].rows

    def error(self, status: int, reason: str) -> Any:
        """A code in the body."""
        return {"code": "310036" if status == 401 else "999", "message": reason}

    def refuse(self, status: int, reason: str, **headers: str) -> Reply:
        """An ended token is HTTP 200."""
        reply = super().refuse(status, reason, **headers)
        reply.status = 200 if status == 401 else status
        return reply

    def new_id(self, stream: str) -> str:
        """A later id."""
        return key(90, self.tables[stream].made)

    @route("GET", "/open-auth/dataCenter/getGatewayAddress")
    def addresses(self, call: Call) -> Any:
        """Where the data centre of a tenant is."""
        if call.query.get("yhtTenantId") != TENANT:
            return {"code": "404", "message": "租户不存在"}
        urls = {"gatewayUrl": f"{self.url}/iuap-api-gateway", "tokenUrl": f"{self.url}/iuap-api-auth"}
        return {"code": "00000", "message": "成功！", "data": urls}

    @route("GET", "/iuap-api-gateway/yonbip/EFI/receivable/detail")
    def detail(self, call: Call) -> Any:
        """One receivable, and its instalments."""
        row = self.tables["EFI_receivable"].rows[call.query["id"]]
        half = [{"id": f"{row['id']}-{n}", "lineno": n, "dueDate": f"2026-0{6 + n}-30 00:00:00"} for n in (1, 2)]
        return {
            "code": "200",
            "message": "操作成功",
            "data": {**row, "planItem": [{**one, "oriSum": 50.5} for one in half]},
        }

    def handle(self, call: Call) -> Reply:
        """Lists live at many addresses."""
        path = call.path.partition("/yonbip/")[2]
        if path in PATHS:
            call.path = f"/list/{PATHS[path]}"
        return super().handle(call)

    @route("POST", "/list/{name}")
    def listed(self, call: Call) -> Any:
        """Rows of a list, one for each line unless only headers are asked for."""
        name, body = call.at["name"], call.body
        if name in self.unauthorised:
            return {"code": "310037", "message": "应用未授权该接口"}
        rows = [*self.tables[name].rows.values()]
        for one in body.get("simpleVOs") or []:
            if one["op"] != "between":
                return {"code": "999", "message": f"不支持的操作符 {one['op']}"}
            rows = [row for row in rows if one["value1"] <= str(row[one["field"]]) <= one["value2"]]
        for order in reversed(body.get("queryOrders") or []):
            rows.sort(key=lambda row: str(row[order["field"]]), reverse=order["order"] == "desc")
        flat = [line for row in rows for line in ([row] if body["isSum"] else spread(name, row))]
        size, number = min(int(body["pageSize"]), self.most), int(body["pageIndex"])
        part, _more = paging.numbered(flat, number, size)
        if name in self.bare:
            return {"code": "", "message": "操作成功", "data": part}
        told = {"pageIndex": number, "recordCount": len(flat), "pageCount": -(-len(flat) // size)}
        page = {**{word: self.spelling(value) for word, value in told.items()}, "pageSize": size}
        return {"code": "200", "message": "操作成功", "data": {**page, "sumRecordList": [], "recordList": part}}


def spread(name: str, row: Record) -> list[Record]:
    """A document as the list shows it: the header on every line."""
    header = {word: value for word, value in row.items() if word != "lines"}
    return [{**header, **line} for line in row["lines"]] if "lines" in row else [header]


def _masters() -> dict[str, list[Record]]:
    people = [
        {"id": key(2, n), "code": row["code"], "name": {"simplifiedName": row["name"]}, "mobile": f"1380000{n:04}"}
        | {"email": row["email"], "enable": 1 if row["active"] else 2}
        for n, row in enumerate(dataset.people())
    ]
    companies = [
        {"id": merchant(n), "code": row["code"], "stopStatus": n == 4, "retailInvestors": n == 5}
        | {"name": {"simplifiedName": row["name"], "englishName": f"Example {n}"} if n % 2 else row["name"]}
        | {"shortname": {"simplifiedName": row["name"][:2]}, "parentCustomerId": merchant(0) if n == 1 else None}
        | {"creditCode": "91310115MA4JURQ203" if n == 1 else None, "belongOrgId": key(9, 1)}
        for n, row in enumerate(dataset.customers())
    ]
    deals = [
        {"id": key(8, n), "code": f"OPP{n:04}", "name": row["name"], "customer": merchant(row["customer"])}
        | {
            "opptState": 0 if row["stage"] == "open" else 3,
            "opptStage_name": "方案",
            "expectSignMoney": float(row["amount"]),
        }
        | {"winLoseOrderState": {"open": 2, "won": 0, "lost": 1}[row["stage"]], "ower": key(2, row["owner"])}
        | {"expectSignDate": f"{row['close']} 00:00:00", "currency_name": CURRENCY[row["currency"]]}
        for n, row in enumerate(dataset.deals())
    ]
    return {"staff": people, "merchant": companies, "oppt": deals}


def _sales() -> dict[str, list[Record]]:
    orders = [
        {"id": key(3, n), "code": row["number"], "vouchdate": f"{row['date']} 00:00:00", "nextStatus": STATES[n % 4]}
        | {"agentId": int(merchant(row["customer"])), "agentId_name": "客户", "corpContact": key(2, row["owner"])}
        | {"orderPrices!currency_name": CURRENCY[row["currency"]], "orderPrices!exchRate": 1, "iDeleted": n == 9}
        | {"salesOrgId": key(9, 1), "lines": [_line("orderDetailId", n, m, one) for m, one in enumerate(row["lines"])]}
        for n, row in enumerate(dataset.orders(24))
    ]
    out = [
        {"id": key(4, n), "code": f"OUT{n:04}", "vouchdate": f"{row['date']} 00:00:00", "srcBillNO": row["number"]}
        | {"cust": merchant(row["customer"]), "natCurrency_name": CURRENCY[row["currency"]], "verifystate": 2}
        | {"lines": [{"details_id": key(40, n), "details_oriSum": float(row["gross"])}]}
        for n, row in enumerate(dataset.orders(4))
    ]
    back = [
        {"id": key(5, n), "code": f"TH{n:04}", "vouchdate": "2026-05-20 00:00:00", "agentId": merchant(2 + n)}
        | {"saleReturnStatus": ["ENDSALERETURN", "OPPOSESALERETURN"][n], "orderPrices!currency_name": "欧元"}
        | {"lines": [{"saleReturnDetailId": key(50, n), "lineno": 1, "oriSum": 113.0}]}
        for n in range(2)
    ]
    return {"voucherorder": orders, "salesout": out, "vouchersalereturn": back}


def _line(name: str, order: int, place: int, row: Record) -> Record:
    net = float(row["net"])
    more = {
        "qty": row["quantity"],
        "oriTaxUnitPrice": float(row["price"]),
        "oriMoney": net,
        "oriSum": net,
        "taxRate": 13,
    }
    return {name: key(30, 10 * order + place), "lineno": (place + 1) * 10, "skuCode": f"P-{row['product']:03}", **more}


def _owed(kind: int, number: int, row: Record, sign: int = 1) -> Record:
    gross = float(row["gross"])
    halves = [round(gross / 2, 2), round(gross - round(gross / 2, 2), 2)]
    lines = [
        {"bodyItemId": key(kind * 10, 10 * number + m), "bodyItemCustomer": merchant(row["customer"])}
        | {"bodyItemOriTaxIncludedAmount": half, "bodyItemOriTaxExcludedAmount": round(half / 1.13, 2)}
        | {"bodyItemOriCurrencyName": CURRENCY[row["currency"]], "bodyItemPubts": "2026-05-04 16:00:00"}
        for m, half in enumerate(halves)
    ]
    head = {"id": key(kind, number), "code": f"OAR{kind}{number:05}", "billDate": f"{row['date']} 00:00:00"}
    return {**head, "verifyState": 2, "direction": str(sign), "financeOrg": key(9, 1), "lines": lines}


def _money() -> dict[str, list[Record]]:
    invoices, receipts = dataset.invoices(), dataset.receipts()
    owed = [_owed(6, n, row, -1 if n == 18 else 1) for n, row in enumerate(invoices)]
    paid = [
        {"id": key(7, n), "code": row["number"], "billDate": f"{row['date']} 00:00:00", "verifyState": 2}
        | {"customer": merchant(row["customer"]), "quickType_name": "预收款" if n == 1 else "应收款", "exchRate": 1}
        | {"oriSum": float(row["amount"]), "currency_name": CURRENCY[row["currency"]]}
        for n, row in enumerate(receipts)
    ]
    settled = [
        {"id": key(11, n), "code": f"HX{n}", "de_billid": key(6, row["invoice"]), "cr_billid": key(7, n)}
        | {"de_basebilltype": "receivable", "cr_basebilltype": "collection", "billamount": float(row["amount"])}
        | {"vouchdate": f"{row['date']} 00:00:00", "customer": merchant(row["customer"])}
        for n, row in enumerate(receipts)
    ]
    old = [
        {
            "id": key(12, n),
            "code": f"YS{n:04}",
            "vouchdate": f"{row['date']} 00:00:00",
            "customer": merchant(row["customer"]),
        }
        | {"oriSum": float(row["gross"]), "balance": float(row["gross"]), "auditstatus": 2, "dueDate": row["due"]}
        | {"currency_name": CURRENCY[row["currency"]]}
        for n, row in enumerate(invoices[:5])
    ]
    return {
        "EFI_receivable": owed,
        "EFI_receivable_init": [_owed(13, n, row) for n, row in enumerate(invoices[3:5])],
        "EFI_collection": paid,
        "EFI_arRefund": [{**paid[n], "id": key(14, n), "code": f"TK-{n}", "oriSum": 50.0} for n in range(2)],
        "EFI_arverifyevent": settled,
        "fi_oar": old,
        "fi_receivebill": [{**paid[0], "id": key(15, 0), "vouchdate": "2026-05-20 00:00:00", "auditstatus": 2}],
        "fi_arverify": [{**settled[0], "id": key(16, 0)}],
    }
