"""Kingdee 云星空 WebAPI: sign-in, bill queries with header/line flattening, metadata, errors inside HTTP 200."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, product
from operator import itemgetter
from typing import Any, NamedTuple

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from data.demo import masters
from data.demo.company import Company
from data.demo.simulators import billforms
from data.demo.simulators.base import answer
from data.demo.simulators.billquery import FilterError, Parser
from data.demo.world import Record

LIMIT = 2000
CREDENTIALS = {
    "acct_id": "65f0c0ffee0001",
    "username": "api",
    "password": "demo-kingdee-password",
    "app_id": "300001_demo",
    "app_secret": "demo-app-secret",
    "lcid": "2052",
}
KEYS = {
    "ORG_Organizations": "FOrgID",
    "BD_Currency": "FCURRENCYID",
    "BD_Rate": "FRATEID",
    "BD_Customer": "FCUSTID",
    "BD_MATERIAL": "FMATERIALID",
}
_BASE = {
    "customer": "FCustId FCustomerID FRetcustId FCONTACTUNIT FPAYUNIT",
    "employee": "FSELLER FSalerId FSalesManID FSALEERID",
    "organisation": "FCreateOrgId FUseOrgId FSaleOrgId FSETTLEORGID",
    "currency": "FTRADINGCURRID F_PAEZ_CreditCurr FSettleCurrId FLocalCurrId FCURRENCYID FMAINBOOKSTDCURRID "
    "FSETTLECUR FCYFORID FCYTOID",
    "terms": "FRECCONDITIONID FPayConditon",
    "department": "FPostDept FSaleDeptId",
    "industry": "FGroup",
    "material_group": "FMaterialGroup",
    "material": "FMaterialId",
    "unit": "FUnitID FBaseUnitId",
    "carrier": "FCarrierID",
    "settle_type": "FSETTLETYPEID",
    "purpose": "FPURPOSEID",
    "bill_type": "FBillTypeID",
    "source_form": "FSRCBILLTYPEID",
    "rate_type": "FRATETYPEID",
}
BASE_OF = {name.lower(): kind for kind, names in _BASE.items() for name in names.split()}
Row = tuple[Record, ...]


class Cell(NamedTuple):
    """One requested value: place of its dict in the row, field, and id -> text for a dotted key."""

    place: int
    field: str
    table: dict[Any, str] | None = None


def failure(message: str, code: int = 500, msg_code: int = 9) -> Record:
    """The vendor's refusal; it travels with HTTP 200."""
    errors = [{"FieldName": None, "Message": message, "DIndex": 0}]
    status = {
        "ErrorCode": code,
        "IsSuccess": False,
        "Errors": errors,
        "SuccessEntitys": [],
        "SuccessMessages": [],
        "MsgCode": msg_code,
    }
    return {"Result": {"ResponseStatus": status}}


def joined(terms: list[Record]) -> str:
    """The list form of a filter as text; `Logic` 1 is or."""
    words = []
    for term in terms:
        words.append(
            f"{term.get('Left', '')}{term['FieldName']} {term['Compare']} '{term['Value']}'{term.get('Right', '')}"
        )
        words.append("or" if str(term.get("Logic")) == "1" else "and")
    return " ".join(words[:-1])


def project(rows: Sequence[Row], cells: Sequence[Cell]) -> list[list[Any]]:
    """The requested cells of every row, in order. One C-level getter per part of the row: this is the hot path."""
    columns: list[list[Any]] = [[]] * len(cells)
    for place in {cell.place for cell in cells}:
        wanted = [k for k, cell in enumerate(cells) if cell.place == place]
        get = itemgetter(*(cells[k].field for k in wanted))
        found = [get(row[place]) for row in rows]
        for k, column in zip(wanted, zip(*found, strict=True) if len(wanted) > 1 else [found], strict=False):
            columns[k] = list(column)
    for k, cell in enumerate(cells):
        if cell.table is not None:
            columns[k] = list(map(cell.table.get, columns[k]))
    return [list(row) for row in zip(*columns, strict=True)]


class Kingdee:
    """Sessions, field catalogue and a small cache of running queries."""

    def __init__(self, company: Company) -> None:
        self.company = company
        self.sessions: set[str] = set()
        self.logins = 0
        self.base: dict[str, dict[Any, tuple[str, str]]] = {**masters.auxiliary(), "source_form": masters.SOURCE_FORMS}
        self.forms: dict[str, str] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.entries: dict[str, dict[str, tuple[str, str]]] = {}
        self.cache: dict[tuple[Any, ...], list[Row]] = {}
        self._catalogue()
        self._base_data()

    def _catalogue(self) -> None:
        headers, entries = billforms.catalogue(self.company.kingdee)
        for form, fields in headers.items():
            self.forms[form.lower()] = form
            self.headers[form] = {name.lower(): name for name in fields}
            self.entries[form] = {}
            for entry, names in entries[form].items():
                for name in names:
                    self.entries[form].setdefault(name.lower(), (entry, name))

    def _base_data(self) -> None:
        tables = self.company.kingdee
        for kind, form, key in (
            ("customer", "BD_Customer", "FCUSTID"),
            ("employee", "BD_Empinfo", "FID"),
            ("organisation", "ORG_Organizations", "FOrgID"),
            ("currency", "BD_Currency", "FCURRENCYID"),
            ("material", "BD_MATERIAL", "FMATERIALID"),
        ):
            self.base[kind] = {row[key]: (row["FNumber"], row["FName"]) for row in tables[form]}

    def app(self) -> Starlette:
        """One route: the service name is in the path."""
        return Starlette(routes=[Route("/k3cloud/{service}", self.call, methods=["POST"])])

    async def call(self, request: Request) -> Response:
        """Dispatch on the last words of the service name."""
        name = request.path_params["service"].removesuffix(".common.kdsvc")
        operation = name.rpartition(".")[2]
        raw = await request.body()
        try:
            body = orjson.loads(raw or b"{}")
        except orjson.JSONDecodeError:
            return Response("response_error:请求数据格式错误", media_type="text/plain")
        if operation in {"ValidateUser", "LoginByAppSecret"}:
            return self._login(operation, body)
        if not self._known(request):
            return answer(
                [
                    [
                        {
                            "Result": {
                                "ResponseStatus": failure("会话信息已丢失，请重新登录", msg_code=1)["Result"][
                                    "ResponseStatus"
                                ]
                            }
                        }
                    ]
                ]
            )
        data = self._data(body)
        if operation in {"ExecuteBillQuery", "BillQuery"}:
            return self._query(data, as_objects=operation == "BillQuery")
        if operation == "QueryBusinessInfo":
            return self._info(data)
        return answer(failure(f"找不到服务 {operation}"))

    def _login(self, operation: str, body: Record) -> Response:
        values = body.get("parameters")
        if isinstance(values, list):
            names = (
                ("acctid", "username", "password", "lcid")
                if operation == "ValidateUser"
                else ("acctid", "username", "appid", "appsecret", "lcid")
            )
            body = dict(zip(names, values, strict=False))
        given = {key.lower(): value for key, value in body.items()}
        wanted = {"acctid": "acct_id", "username": "username"}
        wanted |= (
            {"password": "password"} if operation == "ValidateUser" else {"appid": "app_id", "appsecret": "app_secret"}
        )
        if any(given.get(key) != CREDENTIALS[name] for key, name in wanted.items()):
            return answer(
                {
                    "Message": "用户名或密码错误",
                    "MessageCode": "CheckPasswordPolicy",
                    "LoginResultType": 0,
                    "KDSVCSessionId": "",
                    "IsSuccessByAPI": False,
                }
            )
        self.logins += 1
        session = f"demo-{self.logins:06d}-9c1e"
        self.sessions.add(session)
        context = {"SessionId": session, "UserId": 100023, "UserName": "api", "DBid": CREDENTIALS["acct_id"]}
        content = {
            "Message": None,
            "MessageCode": "CheckPasswordPolicy",
            "LoginResultType": 1,
            "Context": context,
        }
        response = answer(
            {
                **content,
                "KDSVCSessionId": session,
                "FormId": None,
                "Lcid": 0,
                "AccessToken": None,
                "IsSuccessByAPI": True,
            }
        )
        response.set_cookie("kdservice-sessionid", session, path="/")
        response.set_cookie("ASP.NET_SessionId", session[::-1], path="/")
        return response

    def _known(self, request: Request) -> bool:
        session = (
            request.cookies.get("kdservice-sessionid")
            or request.headers.get("kdservice-sessionid")
            or request.headers.get("sid")
        )
        return session in self.sessions

    @staticmethod
    def _data(body: Record) -> Record:
        data: Any = body.get("data", body.get("Data"))
        if data is None:
            data = body.get("parameters", body)
        while isinstance(data, str):
            data = orjson.loads(data)
        if isinstance(data, list):
            data = data[0] if data else {}
        if isinstance(data, str):
            data = orjson.loads(data)
        return data if isinstance(data, dict) else {}

    def resolve(self, form: str, name: str, parts: list[str]) -> Cell:
        """Where a requested key lives: place in the flattened row, field, and the lookup of a dotted key.

        Adds the entry to `parts` when the key lives in one; raises FilterError for an unknown key.
        """
        head, _, attribute = name.strip().partition(".")
        if head.lower() in {"subheadentity", *(p.lower() for p in self._entry_names(form))} and attribute:
            head, _, attribute = attribute.partition(".")
        key = head.lower()
        if key in self.headers[form]:
            place, field = 0, self.headers[form][key]
        elif key in self.entries[form]:
            entry, field = self.entries[form][key]
            if entry not in parts:
                parts.append(entry)
            place = parts.index(entry) + 1
        else:
            raise FilterError(f"元数据中标识为{head}的字段不存在")
        if not attribute:
            return Cell(place, field)
        kind, suffix = BASE_OF.get(key), attribute.lower()
        if kind is None or suffix not in {"fnumber", "fname"}:
            raise FilterError(f"元数据中标识为{name}的字段不存在")
        return Cell(place, field, {k: v[suffix == "fname"] for k, v in self.base[kind].items()})

    def getter(self, form: str, name: str, parts: list[str]) -> Callable[[Row], Any]:
        """How to read one key from a flattened row."""
        place, field, table = self.resolve(form, name, parts)
        if table is None:
            return lambda row: row[place][field]
        return lambda row: table.get(row[place][field])

    def _entry_names(self, form: str) -> set[str]:
        return {entry for entry, _ in self.entries[form].values()}

    def _query(self, data: Record, as_objects: bool) -> Response:
        form = self.forms.get(str(data.get("FormId", "")).lower())
        if form is None:
            return answer([[failure(f"业务对象不存在: {data.get('FormId')}")]])
        names = [name.strip() for name in str(data.get("FieldKeys", "")).split(",") if name.strip()]
        if not names:
            return answer([[failure("FieldKeys 不能为空")]])
        parts: list[str] = []
        try:
            cells = [self.resolve(form, name, parts) for name in names]
            rows = self._rows(form, data, parts)
        except FilterError as error:
            return answer([[failure(str(error))]])
        table = project(self._window(rows, data), cells)
        return answer([dict(zip(names, row, strict=True)) for row in table] if as_objects else table)

    @staticmethod
    def _window(rows: Iterable[Row], data: Record) -> list[Row]:
        """StartRow and Limit; TopRowCount is an absolute last row."""
        limit = int(data.get("Limit") or 0) or LIMIT
        start, top = int(data.get("StartRow") or 0), int(data.get("TopRowCount") or 0)
        stop = start + min(limit, LIMIT)
        return list(islice(rows, start, max(start, min(stop, top)) if top else stop))

    def _rows(self, form: str, data: Record, parts: list[str]) -> Iterable[Row]:
        """Flattened rows, ordered once and kept while nobody changes the company; filtered only as far as read."""
        text, order = data.get("FilterString") or "", str(data.get("OrderString") or "")
        if isinstance(text, list):
            text = joined(text)
        test = Parser(text, lambda name: self.getter(form, name, parts)).parse() if text.strip() else None
        words = [word.strip() for word in order.split(",") if word.strip()]
        keys = [(self.getter(form, word.split()[0], parts), word.lower().endswith(" desc")) for word in words]
        mark = (form, order, tuple(parts), self.company.world.version)
        if mark not in self.cache:
            self._base_data()
            rows = self._flatten(form, parts)
            for get, descending in reversed(keys):
                rows.sort(key=lambda row, g=get: (g(row) is not None, g(row)), reverse=descending)  # type: ignore[misc]
            while len(self.cache) > 24:
                self.cache.pop(next(iter(self.cache)))
            self.cache[mark] = rows
        return filter(test, self.cache[mark]) if test else self.cache[mark]

    def _flatten(self, form: str, parts: list[str]) -> list[Row]:
        """One row per line of the entry; a document without lines keeps one row whose line is empty."""
        documents = self.company.kingdee.get(form, [])
        if not parts:
            return [(row,) for row in documents]
        empty = [self._empty_line(form, entry) for entry in parts]
        if len(parts) == 1:
            entry = parts[0]
            return [(row, line) for row in documents for line in row[entry] or empty]
        return [
            (row, *lines)
            for row in documents
            for lines in product(*(row[entry] or [blank] for entry, blank in zip(parts, empty, strict=True)))
        ]

    def _empty_line(self, form: str, wanted: str) -> Record:
        return {name: None for entry, name in self.entries[form].values() if entry == wanted}

    def _info(self, data: Record) -> Response:
        form = self.forms.get(str(data.get("FormId", "")).lower())
        if form is None:
            return answer(failure(f"业务对象不存在: {data.get('FormId')}"))
        groups: dict[str, list[str]] = {"FBillHead": list(self.headers[form].values())}
        for entry, name in self.entries[form].values():
            groups.setdefault(entry, []).append(name)
        entrys = [
            {
                "Key": entry,
                "Fields": [
                    {"Key": key, "FieldName": key.upper(), "Name": [{"Key": 2052, "Value": key}]} for key in keys
                ],
            }
            for entry, keys in groups.items()
        ]
        status = {"IsSuccess": True, "Errors": [], "SuccessEntitys": [], "SuccessMessages": [], "MsgCode": 0}
        content = {
            "Id": form,
            "Name": [{"Key": 2052, "Value": form}],
            "PkFieldName": KEYS.get(form, "FID"),
            "Entrys": entrys,
        }
        return answer({"Result": {"ResponseStatus": status, "NeedReturnData": content}})
