"""The four simulators over real HTTP: the vendors' shapes, page limits, rate limits and error bodies."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from data.demo.simulators import NAMES, Simulators
from tests.demo.conftest import basic, kingdee, kingdee_all, salesforce_headers

SF = "/services/data/v61.0"


def soql(demo: Simulators, http: httpx.Client, text: str, verb: str = "queryAll") -> httpx.Response:
    headers = salesforce_headers(demo, http)
    return http.get(f"{demo.urls['salesforce']}{SF}/{verb}", params={"q": text}, headers=headers)


def test_salesforce_pages_until_done(demo: Simulators, http: httpx.Client) -> None:
    headers = {**salesforce_headers(demo, http), "Sforce-Query-Options": "batchSize=200"}
    url = demo.urls["salesforce"] + SF + "/queryAll"
    text = "SELECT Id, SystemModstamp FROM Task WHERE SystemModstamp >= 2000-01-01T00:00:00Z "
    text += "ORDER BY SystemModstamp ASC, Id ASC"
    page = http.get(url, params={"q": text}, headers=headers)
    assert page.headers["Sforce-Limit-Info"].startswith("api-usage=")
    body, seen = page.json(), []
    while True:
        seen += body["records"]
        if body["done"]:
            break
        assert body["nextRecordsUrl"].startswith(SF + "/query/")
        body = http.get(demo.urls["salesforce"] + body["nextRecordsUrl"], headers=headers).json()
    assert len(seen) == body["totalSize"] == len(demo.company.salesforce["Task"])
    marks = [row["SystemModstamp"] for row in seen]
    assert marks == sorted(marks)
    assert seen[0]["attributes"]["type"] == "Task"


def test_salesforce_hides_deleted_rows_unless_asked(demo: Simulators, http: httpx.Client) -> None:
    text = "SELECT Id, IsDeleted, MasterRecordId FROM Account"
    shown, every = soql(demo, http, text, "query").json(), soql(demo, http, text).json()
    gone = [row for row in every["records"] if row["IsDeleted"]]
    assert gone
    assert all(row["MasterRecordId"] for row in gone)
    assert shown["totalSize"] == every["totalSize"] - len(gone)


def test_salesforce_half_open_windows_cut_nothing(demo: Simulators, http: httpx.Client) -> None:
    every = soql(demo, http, "SELECT Id FROM Contact").json()["totalSize"]
    cut = "2026-01-01T00:00:00.000Z"
    before = soql(demo, http, f"SELECT Id FROM Contact WHERE SystemModstamp < {cut}").json()["totalSize"]
    after = soql(demo, http, f"SELECT Id FROM Contact WHERE SystemModstamp >= {cut}").json()["totalSize"]
    assert before + after == every
    assert 0 < before < every


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id, Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELEC Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account LIMIT 5 OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_salesforce_refuses_in_an_array(demo: Simulators, http: httpx.Client, text: str, code: str) -> None:
    answer = soql(demo, http, text)
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code


def test_salesforce_sessions(demo: Simulators, http: httpx.Client) -> None:
    root = demo.urls["salesforce"]
    answer = http.get(f"{root}{SF}/query", params={"q": "SELECT Id FROM User"}, headers={"Authorization": "Bearer no"})
    assert answer.status_code == 401
    assert answer.json()[0]["errorCode"] == "INVALID_SESSION_ID"
    bad = http.post(root + "/services/oauth2/token", data={"grant_type": "client_credentials", "client_id": "x"})
    assert bad.status_code == 400
    assert bad.json()["error"] == "invalid_client"


def test_kingdee_header_repeats_per_plan_row(demo: Simulators, http: httpx.Client) -> None:
    rows = kingdee_all(demo, http, "AR_receivable", "FID,FALLAMOUNTFOR,FEntityPlan_FSeq,FPAYAMOUNTFOR")
    heads = {row["FID"] for row in rows}
    assert len(heads) == len(demo.company.kingdee["AR_receivable"]) < len(rows)


def test_kingdee_lists_of_lists_and_base_data(demo: Simulators, http: httpx.Client) -> None:
    keys = "FCUSTID,FNumber,FUseOrgId.FNumber,FSELLER.FName,FRECCONDITIONID.FName,FTRADINGCURRID.FNumber"
    rows = kingdee(
        demo,
        http,
        "ExecuteBillQuery",
        FormId="bd_customer",
        FieldKeys=keys,
        FilterString="FNumber in ('C-01187','C-02214')",
    )
    assert [row[1:] for row in rows] == [
        ["C-01187", "102", "林晓岚", "月结30天", "PRE001"],
        ["C-02214", "101", "林晓岚", "月结30天", "PRE001"],
    ]


def test_kingdee_top_row_count_is_an_absolute_last_row(demo: Simulators, http: httpx.Client) -> None:
    query = {"FormId": "AR_Match", "FieldKeys": "FID", "OrderString": "FID ASC", "Limit": 100}
    assert len(kingdee(demo, http, "ExecuteBillQuery", **query, StartRow=50, TopRowCount=80)) == 30
    assert kingdee(demo, http, "ExecuteBillQuery", **query, StartRow=100, TopRowCount=100) == []


def reason(answer: Any) -> str:
    message: str = answer[0][0]["Result"]["ResponseStatus"]["Errors"][0]["Message"]
    return message


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("FModifyDate >= '2026-01-01 00:00:00' and FModifyDate < '2026-11-01'", True),
        ("FID > 100010 and FWRITTENOFFSTATUS<>'C'", True),
        ("(FDocumentStatus = 'D' or FCancelStatus = 'B') and not_there = 1", None),
        ("FENDDATE_H is null", True),
        ("F_PAEZ_Dispute like '%争议%'", True),
    ],
)
def test_kingdee_filters(demo: Simulators, http: httpx.Client, text: str, share: bool | None) -> None:
    answer = kingdee(demo, http, "ExecuteBillQuery", FormId="AR_receivable", FieldKeys="FID", FilterString=text)
    if share is None:
        assert "字段不存在" in reason(answer)
    else:
        assert 0 < len(answer) < len(demo.company.kingdee["AR_receivable"])


def test_kingdee_refuses_with_status_200(demo: Simulators, http: httpx.Client) -> None:
    base = demo.urls["kingdee"] + "Kingdee.BOS.WebApi.ServicesStub."
    query = {"data": {"FormId": "BD_Customer", "FieldKeys": "FName"}}
    login = {"acctID": "x", "username": "api", "password": "no", "lcid": 2052}
    with httpx.Client(trust_env=False) as stranger:
        lost = stranger.post(base + "DynamicFormService.ExecuteBillQuery.common.kdsvc", json=query)
        wrong = stranger.post(base + "AuthService.ValidateUser.common.kdsvc", json=login)
    assert lost.status_code == wrong.status_code == 200
    assert reason(lost.json()).startswith("会话信息已丢失")
    assert wrong.json()["LoginResultType"] == 0
    assert reason(kingdee(demo, http, "ExecuteBillQuery", FormId="NO_Form", FieldKeys="FID")).startswith(
        "业务对象不存在"
    )


def test_kingdee_metadata(demo: Simulators, http: httpx.Client) -> None:
    content = kingdee(demo, http, "QueryBusinessInfo", FormId="AR_receivable")["Result"]["NeedReturnData"]
    groups = {entry["Key"]: {field["Key"] for field in entry["Fields"]} for entry in content["Entrys"]}
    assert "FENDDATE" in groups["FEntityPlan"]
    assert "FALLAMOUNTFOR_D" in groups["FEntityDetail"]


def test_zendesk_cursor_runs_to_the_end_and_rests_there(demo: Simulators, http: httpx.Client) -> None:
    auth, url, seen = (
        basic(demo, "zendesk"),
        demo.urls["zendesk"] + "/api/v2/incremental/tickets/cursor.json?start_time=0&per_page=100",
        [],
    )
    while True:
        page = http.get(url, auth=auth).json()
        seen += page["tickets"]
        url = page["after_url"]
        if page["end_of_stream"]:
            break
    assert len({t["id"] for t in seen}) == len(seen) == len(demo.company.zendesk["tickets"])
    again = http.get(url, auth=auth).json()
    assert again["tickets"] == []
    assert again["end_of_stream"]
    gone = next(t for t in seen if t["status"] == "deleted")
    assert gone["subject"] == "SCRUBBED"
    answer = http.get(f"{demo.urls['zendesk']}/api/v2/tickets/{gone['id']}/audits.json", auth=auth)
    assert (answer.status_code, answer.json()["error"]) == (404, "RecordNotFound")


def test_zendesk_time_based_feeds(demo: Simulators, http: httpx.Client) -> None:
    auth = basic(demo, "zendesk")
    for name in ("organizations", "ticket_events"):
        url, ids = f"{demo.urls['zendesk']}/api/v2/incremental/{name}.json?start_time=0", set()
        while True:
            page = http.get(url, auth=auth).json()
            assert page["count"] == len(page[name])
            ids |= {row["id"] for row in page[name]}
            url = page["next_page"]
            if page["end_of_stream"]:
                break
        assert len(ids) >= len(demo.company.zendesk["organizations"])


def test_zendesk_export_budget(changing: Simulators, http: httpx.Client) -> None:
    auth, url = (
        basic(changing, "zendesk"),
        changing.urls["zendesk"] + "/api/v2/incremental/organizations.json?start_time=0",
    )
    answers = [http.get(url, auth=auth) for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 61


def test_jira_search_has_no_total_and_reads_minutes_in_the_users_zone(demo: Simulators, http: httpx.Client) -> None:
    auth, root = basic(demo, "jira"), demo.urls["jira"] + "/rest/api/3"
    assert http.get(root + "/myself", auth=auth).json()["timeZone"] == "Asia/Shanghai"
    body = {
        "jql": 'updated >= "2000-01-01 00:00" ORDER BY updated ASC',
        "fields": ["updated", "project"],
        "maxResults": 100,
    }
    seen: list[dict[str, dict[str, str]]] = []
    while True:
        page = http.post(root + "/search/jql", json=body, auth=auth).json()
        assert "total" not in page
        seen += page["issues"]
        if page["isLast"]:
            break
        body["nextPageToken"] = page["nextPageToken"]
    assert len(seen) == len(demo.company.jira["issues"])
    minute = seen[len(seen) // 2]["fields"]["updated"][:16].replace("T", " ")
    page = http.get(
        root + "/search/jql",
        params={"jql": f'updated >= "{minute}"', "fields": "updated", "maxResults": 1},
        auth=auth,
    ).json()
    assert page["issues"][0]["fields"]["updated"][:16].replace("T", " ") >= minute


@pytest.mark.parametrize("jql", ["ORDER BY updated ASC", "", 'nope = "x"', 'updated >= "yesterday"'])
def test_jira_refuses(demo: Simulators, http: httpx.Client, jql: str) -> None:
    answer = http.get(demo.urls["jira"] + "/rest/api/3/search/jql", params={"jql": jql}, auth=basic(demo, "jira"))
    assert answer.status_code == 400
    assert answer.json()["errorMessages"]


def test_jira_projects_carry_their_customer(demo: Simulators, http: httpx.Client) -> None:
    params = {"expand": "description,lead", "properties": "delivery", "startAt": 0, "maxResults": 500}
    page = http.get(demo.urls["jira"] + "/rest/api/3/project/search", params=params, auth=basic(demo, "jira")).json()
    assert page["maxResults"] == 50
    home = next(p for p in demo.company.jira["projects"] if p["key"] == "BCSZ")
    assert "客户编码: C-01187" in home["description"]
    versions = http.get(demo.urls["jira"] + "/rest/api/3/project/BCSZ/versions", auth=basic(demo, "jira")).json()
    assert [v["name"] for v in versions] == ["启动会", "设备到货", "安装调试", "验收", "终验"]


def test_faults_are_injected_and_counted(changing: Simulators, http: httpx.Client) -> None:
    auth, url = basic(changing, "jira"), changing.urls["jira"] + "/rest/api/3/myself"
    changing.fault("jira", "status", status=429, retry_after=2, times=2)
    first = http.get(url, auth=auth)
    assert (first.status_code, first.headers["Retry-After"]) == (429, "2")
    assert http.get(url, auth=auth).status_code == 429
    assert http.get(url, auth=auth).status_code == 200
    changing.fault("jira", "html_login")
    assert http.get(url, auth=auth).headers["content-type"].startswith("text/html")
    changing.fault("jira", "garbage", path="/project")
    assert http.get(url, auth=auth).status_code == 200
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        http.get(changing.urls["jira"] + "/rest/api/3/project/search", auth=auth).json()
    assert changing.stats("jira") | {"paths": {}} == {"name": "jira", "requests": 6, "faults": 4, "paths": {}}
    assert {changing.stats(name)["name"] for name in NAMES} == set(NAMES)


def test_a_session_can_end_in_the_middle(changing: Simulators, http: httpx.Client) -> None:
    headers, url = salesforce_headers(changing, http), changing.urls["salesforce"] + SF + "/limits"
    assert http.get(url, headers=headers).status_code == 200
    changing.fault("salesforce", "expire_session")
    assert http.get(url, headers=headers).json()[0]["errorCode"] == "INVALID_SESSION_ID"
    assert http.get(url, headers=salesforce_headers(changing, http)).status_code == 200


def test_a_running_demo_keeps_changing(changing: Simulators, http: httpx.Client) -> None:
    before = changing.company.truth
    kinds = changing.advance(120)
    assert sum(kinds.values()) == 120
    assert {"receipt", "bill", "ticket update", "new ticket", "call", "deleted ticket"} <= set(kinds)
    after = changing.company.truth
    assert after["open_ar"] != before["open_ar"]
    assert after["records"]["zendesk"]["tickets"] > before["records"]["zendesk"]["tickets"]
    recent = f"FModifyDate >= '{before['as_of']} 00:00:00'"
    assert kingdee(
        changing,
        http,
        "ExecuteBillQuery",
        FormId="AR_receivable",
        FieldKeys="FID,FBillNo",
        FilterString=recent,
    )
