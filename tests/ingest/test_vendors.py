"""The four vendors' connectors against the demo company's simulators, which share no code with them."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake import documents

from data.demo.company import generate
from data.demo.simulators import Simulators, serve
from ingest import landing
from ingest.collect import sync, sync_all
from ingest.hooks import load_hooks
from ingest.spec import SourceSpec, discover
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig

SOURCES = {"crm": "salesforce", "erp": "kingdee", "service": "zendesk", "projects": "jira"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Simulators]:
    company = generate(customers=150, seed=20260101, months=24, today=date(2026, 1, 15))
    with serve(company) as simulators:
        yield simulators


def connect(home: Path, simulators: Simulators) -> Instance:
    """A demo instance with the four sources."""
    instance = Instance.create(home, InstanceConfig(mode="demo"))
    for name, connector in SOURCES.items():
        spec = SourceSpec.load(connector)
        settings: dict[str, Any] = dict(simulators.credentials[connector])
        for key in [key for key in settings if spec.settings[key].secret]:
            secrets.write(f"{name}-{key}", settings[key], instance.secrets)
            settings[key] = f"file:{name}-{key}"
        settings |= {"zendesk": {"exports_per_minute": 600}, "jira": {"versions": True}}.get(connector, {})
        instance.config.sources.append(
            SourceConfig(name=name, connector=connector, role=spec.connector.role, settings=settings)
        )
    return instance


@pytest.mark.usefixtures("waits")
def test_everything_is_collected_and_a_second_run_lands_nothing(tmp_path: Path, demo: Simulators) -> None:
    instance = connect(tmp_path, demo)
    first = sync_all(instance)
    assert [result.error for result in first if result.error] == []
    expected = demo.company.truth["records"]
    for name, connector in SOURCES.items():
        for record, count in expected[connector].items():
            if record not in landing.streams(instance.landing, name):
                continue
            landed = {row_id for frame in landing.read(instance.landing, name, record) for row_id in frame["id"]}
            assert len(landed) >= count, f"{name}/{record}"
    assert {"Account", "Contract", "Opportunity"} <= set(landing.streams(instance.landing, "crm"))
    assert {"AR_receivable", "AR_receivable.FEntityPlan", "AR_Match"} <= set(landing.streams(instance.landing, "erp"))
    second = sync_all(instance)
    assert [(result.stream, result.error) for result in second if result.error] == []
    assert [(result.source, result.stream) for result in second if result.rows_landed] == []


def _await_next_second() -> None:
    """A window ends before the current second: a change of this very second would be the next run's."""
    second = int(time.time())
    while int(time.time()) == second:
        time.sleep(0.01)


@pytest.mark.usefixtures("waits")
def test_changes_and_deletes_are_found(tmp_path: Path, demo: Simulators) -> None:
    instance = connect(tmp_path, demo)
    sync_all(instance)
    demo.advance(40)
    _await_next_second()
    again = sync_all(instance)
    assert [result.error for result in again if result.error] == []
    changed = {result.stream for result in again if result.rows_landed}
    assert {"Account", "AR_receivable"} & changed
    full = sync(instance, "erp", full=True)
    quiet = [(result.stream, result.rows_landed) for result in full if result.rows_landed]
    assert quiet == [], "an incremental run missed what a full one finds"


@pytest.mark.usefixtures("waits")
def test_sessions_that_end_in_mid_run(tmp_path: Path, demo: Simulators) -> None:
    instance = connect(tmp_path, demo)
    demo.kingdee.expire_after = 7
    demo.salesforce.expire_after = 5
    results = sync(instance, "erp") + sync(instance, "crm")
    assert [result.error for result in results if result.error] == []


@pytest.mark.parametrize("source", ["crm", "erp", "service", "projects"])
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500, "times": 2},
        {"kind": "status", "status": 429, "retry_after": 0, "times": 2},
        {"kind": "garbage", "times": 1},
    ],
    ids=["500", "429", "garbage"],
)
def test_faults_pass(
    tmp_path: Path, demo: Simulators, source: str, fault: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.clock.sleep", lambda _: None)
    instance = connect(tmp_path, demo)
    stream = {"crm": "User", "erp": "BD_Empinfo", "service": "organizations", "projects": "users"}[source]
    path = {"crm": "quer", "erp": "ExecuteBillQuery", "service": "organizations", "projects": "users"}[source]
    demo.fault(SOURCES[source], path=path, **fault)
    try:
        (result,) = sync(instance, source, stream)
    finally:
        demo.fault(SOURCES[source], "none")
    assert result.error is None
    assert documents(instance, stream, source)


@pytest.mark.parametrize("source", ["crm", "erp", "service", "projects"])
def test_wrong_credentials_are_named(tmp_path: Path, demo: Simulators, source: str) -> None:
    instance = connect(tmp_path, demo)
    key = {"crm": "client_secret", "erp": "app_secret", "service": "api_token", "projects": "api_token"}[source]
    secrets.write(f"{source}-{key}", "wrong-secret", instance.secrets)
    results = sync(instance, source)
    assert {result.state for result in results} == {"failed"}
    assert all("credentials" in (result.remedy or "") for result in results), results[0]
    assert all("wrong-secret" not in (result.error or "") for result in results)


def test_kingdee_signature_equals_the_vendor_vector() -> None:
    hooks = load_hooks(discover()["kingdee"])
    module = sys.modules[hooks.sign.__module__]  # type: ignore[union-attr]
    headers = module.signature(
        "300001_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "0123456789abcdef0123456789abcdef",
        "/k3cloud/Kingdee.BOS.WebApi.ServicesStub.DynamicFormService.ExecuteBillQuery.common.kdsvc",
        "1767225600",
        "65f0c0ffee0001,demo,2052,0",
    )
    assert headers["X-Api-Signature"] == (
        "MTRiYTVmZDQ4OGQ0MjZiNTQ5MjlhZTU0YTg5MzNkMmYzMDI1MmJlMmQ2MzhlYzE2Nzc5OGM0MDQyYzZlMWY0MA=="
    )
    assert headers["X-Kd-Signature"] == (
        "MDliNjE5MmFkM2NiZDAxMTE1ZmRmZWJiYWJiNWI4M2Q0YTBkNDU1ZGY3NWQ0YmY5OWU3YjQ1N2JmMjVjOTA2Yg=="
    )
    assert headers["X-Kd-Appdata"] == "NjVmMGMwZmZlZTAwMDEsZGVtbywyMDUyLDA="
