"""Rows lead to their source record: by link where the system has pages, and as the staged record in every case."""

from __future__ import annotations

from typing import Any

import pytest

from ingest import links
from ingest.errors import SpecError
from ingest.spec import SourceSpec, discover
from model import serve
from model.policy import HIDDEN, Viewer
from model.serve import Ambiguous, NotFound, Served
from ops.errors import FatalError
from ops.instance import SourceConfig
from tests.serve.conftest import BANK, LIMIT, PHONE, viewer

PANELS = ("tickets", "projects", "opportunities", "contracts", "orders", "contacts", "timeline")


@pytest.mark.parametrize("connector", sorted(discover()))
def test_shipped_links_lead_to_a_page(connector: str) -> None:
    spec = SourceSpec.load(connector)
    given = {name: setting.default or "acme" for name, setting in spec.settings.items()}
    given |= {name: "https://acme.example.com/" for name in given if name.endswith("_url") and "{" not in given[name]}
    settings = links.settings_of(spec.settings, given)
    for entity, template in spec.links.items():
        address = links.render(template, settings, {"id": "a/1", "number": "N 1", "code": "K&1"})
        assert address is not None, entity
        assert address.startswith("https://")
        assert "//" not in address.removeprefix("https://")
        assert "{" not in address


def test_the_link_of_a_ticket_and_of_a_project() -> None:
    zendesk, jira = SourceSpec.load("zendesk"), SourceSpec.load("jira")
    settings = links.settings_of(zendesk.settings, {"subdomain": "acme", "api_token": "env:SECRET"})
    assert "api_token" not in settings
    assert links.render(zendesk.links["ticket"], settings, {"id": "42"}) == "https://acme.zendesk.com/agent/tickets/42"
    settings = links.settings_of(jira.settings, {"site": "acme"})
    assert links.render(jira.links["project"], settings, {"code": "XM1"}) == "https://acme.atlassian.net/browse/XM1"
    assert links.render(jira.links["project"], {}, {"code": "XM1"}) is None
    assert links.render("{settings.base_url}/{id}", {"base_url": "javascript:alert(1)//"}, {"id": "1"}) is None


@pytest.mark.parametrize(
    ("template", "says"),
    [("{settings.api_token}/{id}", "unknown"), ("{settings.nowhere}/{id}", "unknown"), ("{row}", "unknown"),
     ("javascript:alert({id})", "begins with")],
)  # fmt: skip
def test_a_wrong_template_is_refused(template: str, says: str) -> None:
    spec = SourceSpec.load("zendesk")
    raw = spec.model_dump(by_alias=True, exclude_defaults=True)
    with pytest.raises(SpecError, match=says):
        SourceSpec.parse({**raw, "links": {"ticket": template}}, "zendesk/source.toml", spec.folder)
    with pytest.raises(SpecError, match="no stream feeds"):
        SourceSpec.parse({**raw, "links": {"invoice": "https://a/{id}"}}, "zendesk/source.toml", spec.folder)


def test_every_row_says_where_it_comes_from(db: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = next(source for source in db.instance.config.sources if source.name == "erp")
    monkeypatch.setattr(
        erp, "links", {"invoice": "https://erp.example.com/{number}?id={id}", "customer": "https://k/{id}"}
    )
    card = serve.customer(Viewer.operator(), db, "K-north")
    for name in PANELS:
        for row in card[name]:
            assert {"source", "source_id", "link"} <= set(row), name
    invoice = next(row for row in card["receivables"]["items"] if row["invoice_number"] == "INV-north")
    assert invoice["link"] == "https://erp.example.com/INV-north?id=I-north"
    assert card["provenance"]["records"][0]["link"] == "https://k/C-north"
    for rows in (serve.worklist(Viewer.operator(), db), serve.aging(Viewer.operator(), db)["rows"]):
        assert {row["link"] for row in rows} == {"https://k/C-north", "https://k/C-south"}


def test_a_demo_s_simulators_have_no_pages(db: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    erp = next(source for source in db.instance.config.sources if source.name == "erp")
    monkeypatch.setattr(erp, "links", {"customer": "http://127.0.0.1:9000/{id}"})
    assert serve.customer(Viewer.operator(), db, "K-north")["provenance"]["records"][0]["link"] is None
    monkeypatch.setattr(db.instance.config, "mode", "live")
    db.cache.clear()
    assert serve.customer(Viewer.operator(), db, "K-north")["provenance"]["records"][0]["link"] is not None


def values(found: dict[str, Any]) -> dict[str, Any]:
    return {column["name"]: column["value"] for column in found["columns"]}


def test_a_record_is_shown_with_labels_and_masks(db: Served) -> None:
    service = viewer(db, "service")
    found = serve.record(service, db, "erp", "customer", "C-north")
    assert found["versions"] == 1
    assert found["run_id"]
    assert {column["name"]: column["label"] for column in found["columns"]}["phone"] == "电话"
    said = values(found)
    assert said["phone"] == PHONE
    assert said["bank_account"] == said["credit_limit_amount"] == HIDDEN
    hidden = values(serve.record(Viewer.operator(), db, "erp", "contact", "P-north"))
    assert hidden["mobile"] == hidden["wechat"] == HIDDEN
    assert not {BANK, LIMIT} & {str(value) for value in said.values()}


@pytest.mark.parametrize(
    ("entity", "source_id"), [("customer", "C-south"), ("contact", "P-south"), ("invoice", "I-south"), ("ticket", "T1")]
)
def test_another_s_record_is_not_found(db: Served, entity: str, source_id: str) -> None:
    source = "service" if entity == "ticket" else "erp"
    assert serve.record(Viewer.operator(), db, source, entity, source_id)["source_id"] == source_id
    with pytest.raises(NotFound):
        serve.record(viewer(db, "account_manager"), db, source, entity, source_id)
    with pytest.raises(NotFound):
        serve.record(Viewer.operator(), db, source, entity, "nowhere")


def test_a_record_of_everybody_and_an_unknown_entity(db: Served) -> None:
    assert serve.record(viewer(db, "account_manager"), db, "erp", "employee", "E-south")["customer_key"] is None
    with pytest.raises(FatalError, match="sales_order"):
        serve.record(Viewer.operator(), db, "erp", "invoices; drop table x", "1")


def test_links_of_a_source_are_part_of_its_configuration() -> None:
    source = SourceConfig(
        name="erp", connector="kingdee", role="erp", links={"invoice": "https://erp.example.com/{id}"}
    )
    assert SourceConfig.model_validate(source.model_dump()).links == source.links


def test_one_code_of_two_customers_is_told(db: Served) -> None:
    rows = db.rows("select customer_key from core.dim_customer_code where code in ('K-north', 'K-south')")
    assert len(rows) == 2
    error = Ambiguous("K-1", [
        {"customer_key": "C1", "name": "甲", "source": "crm", "kind": "code", "code": "K-1"},
        {"customer_key": "C2", "name": "乙", "source": "erp", "kind": "code", "code": "K-1"},
        {"customer_key": "C3", "name": "丙", "source": "erp", "kind": "code", "code": "K-1"}])  # fmt: skip
    assert [item["query"] for item in error.candidates] == ["crm:K-1", "C2", "C3"]
    assert "crm:K-1 (甲)" in str(error)
