"""One small demo company, generated once and served once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from data.demo.company import Company, generate
from data.demo.simulators import Simulators, serve

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="session")
def company() -> Company:
    """Never changed by a test: totals are compared against it."""
    return generate(260, seed=7, today=TODAY)


@pytest.fixture(scope="session")
def demo(company: Company) -> Iterator[Simulators]:
    with serve(company) as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=60) as client:
        yield client


@pytest.fixture
def changing() -> Iterator[Simulators]:
    """A company of its own for tests that change or break something."""
    with serve(generate(60, seed=3, today=TODAY), zendesk_exports=10) as running:
        yield running


def salesforce_headers(demo: Simulators, http: httpx.Client) -> dict[str, str]:
    known = demo.credentials["salesforce"]
    form = {
        "grant_type": "client_credentials",
        "client_id": known["client_id"],
        "client_secret": known["client_secret"],
    }
    token = http.post(demo.urls["salesforce"] + "/services/oauth2/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def kingdee_login(demo: Simulators, http: httpx.Client) -> dict[str, str]:
    known = demo.credentials["kingdee"]
    body = {
        "acctID": known["acct_id"],
        "username": known["username"],
        "password": known["password"],
        "lcid": 2052,
    }
    url = demo.urls["kingdee"] + "Kingdee.BOS.WebApi.ServicesStub.AuthService.ValidateUser.common.kdsvc"
    return {"kdservice-sessionid": http.post(url, json=body).json()["KDSVCSessionId"]}


def kingdee(demo: Simulators, http: httpx.Client, operation: str, **data: Any) -> Any:
    url = f"{demo.urls['kingdee']}Kingdee.BOS.WebApi.ServicesStub.DynamicFormService.{operation}.common.kdsvc"
    return http.post(url, json={"data": data}, headers=kingdee_login(demo, http)).json()


def kingdee_all(demo: Simulators, http: httpx.Client, form: str, keys: str, text: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while True:
        page = kingdee(
            demo,
            http,
            "BillQuery",
            FormId=form,
            FieldKeys=keys,
            FilterString=text,
            OrderString="FID ASC",
            StartRow=len(rows),
            Limit=2000,
        )
        if not page:
            return rows
        rows += page


def basic(demo: Simulators, system: str) -> tuple[str, str]:
    known = demo.credentials[system]
    return (known["email"] + ("/token" if system == "zendesk" else ""), known["api_token"])
