"""The demo's planted events and contradictions are found, and no record is asked about something it was not."""

from __future__ import annotations

from typing import Any

from model import serve
from model.policy import Viewer
from model.serve import Served

COMPANY = "demo"
ALL = Viewer.operator()
SOURCES = {"salesforce": "crm", "kingdee": "erp", "zendesk": "service"}


def test_every_planted_event_is_told_to_the_other_systems(db: Served, truth: dict[str, Any]) -> None:
    rows = serve.notices(ALL, db, state=None)["rows"]
    told = {(row["kind"], row["event"]["source"], row["event"]["source_id"], row["record"]["source"],
             row["record"]["source_id"]) for row in rows}  # fmt: skip
    assert len(truth["notices"]) >= 4
    for event in truth["notices"]:
        named = {(SOURCES[system], key) for system, key in event["others"]}
        found = {place[3:] for place in told if place[:3] == (event["kind"], SOURCES[event["system"]], event["id"])}
        assert found <= named
        if event["kind"] == "merged":
            # a record that names the survivor already has nothing to do; the helpdesk names the one that is gone
            assert "service" in {source for source, _ in found}
        else:
            assert found == named
    assert all(row["what"] and "{" not in row["what"] for row in rows)


def test_every_planted_contradiction_is_listed(db: Served, truth: dict[str, Any]) -> None:
    keys = {
        row["code"]: row["customer_key"] for row in db.rows("select code, customer_key from core.dim_customer_code")
    }
    by_truth = {
        one["truth_id"]: keys[one["records"]["kingdee"][0]] for one in truth["clusters"] if one["records"]["kingdee"]
    }
    found = {(row["customer_key"], row["field"]) for row in serve.field_conflicts(ALL, db, limit=5000)["rows"]}
    assert truth["conflicts"]
    assert {(by_truth[one["truth_id"]], one["field"]) for one in truth["conflicts"]} <= found


def test_leavers_customers_are_those_whose_manager_left(db: Served, truth: dict[str, Any]) -> None:
    rows = serve.leavers(ALL, db, why="left")["rows"]
    names = {one["truth_id"]: one["records"]["salesforce"] for one in truth["clusters"]}
    accounts = {row["source_id"]: row["customer_key"] for row in db.rows(
        "select source_id, customer_key from identity.customer_crosswalk where source = 'crm'")}  # fmt: skip
    wanted = {accounts[names[key][0]] for key in truth["leavers"] if names.get(key)}
    assert wanted <= {row["customer_key"] for row in rows}
    assert all(row["successor"] is not None for row in rows)
