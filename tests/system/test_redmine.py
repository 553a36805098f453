"""Redmine, for real: projects, versions and issues as its own interface lists them, history included."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.system

COMPANY = "Harbour Pumps"
CODES = {"C-700": COMPANY, "C-701": "Citrine Labs"}


@pytest.fixture(scope="session")
def projects(redmine) -> dict[str, Any]:
    """Two projects with a version each; 104 issues, one of them closed."""
    field = next(row["id"] for row in redmine.get("custom_fields")["custom_fields"] if row["name"] == "Customer")
    made: dict[str, Any] = {"field": field, "issues": []}
    for name in ("retrofit", "spares"):
        values = {"identifier": name, "custom_fields": [{"id": field, "value": COMPANY}]}
        trackers = [row["id"] for row in redmine.get("trackers")["trackers"]]
        made[name] = redmine.create("projects", "project", name=f"Project {name}", tracker_ids=trackers, **values)
        made[f"{name}_version"] = redmine.create(
            f"projects/{made[name]}/versions", "version", name="Acceptance", due_date="2026-12-18", status="open"
        )
    for number in range(104):
        values = {"project_id": made["retrofit"], "subject": f"Step {number} 步骤", "due_date": "2026-12-01"}
        version = {"fixed_version_id": made["retrofit_version"]} if number < 2 else {}
        made["issues"].append(redmine.create("issues", "issue", start_date="2026-11-01", **values, **version))
    redmine.change(f"issues/{made['issues'][0]}", "issue", status_id=5, notes="done")
    made["closed"] = redmine.create("projects", "project", name="Old project", identifier="old")
    assert redmine.http.put(f"{redmine.url}/projects/{made['closed']}/close.json").is_success
    return made


def every(redmine, path: str, **params: Any) -> dict[str, dict[str, Any]]:
    """All rows of a list, by id, as Redmine tells them."""
    found: dict[str, dict[str, Any]] = {}
    kind = path.rsplit("/", maxsplit=1)[-1]
    while True:
        page = redmine.get(path, offset=len(found), limit=100, **params)
        found |= {str(row["id"]): row for row in page[kind]}
        if len(found) >= page["total_count"]:
            return found


def test_lists_changes_and_deletes_land(redmine, projects, instance_of) -> None:
    collected = instance_of("redmine", redmine.settings, redmine.key)
    first = collected.sync()
    issues = collected.documents("issues")
    assert issues == every(redmine, "issues", status_id="*", sort="id")
    assert len(issues) > 100
    # a limit above 100 is cut without a word, so more than one page was needed
    assert len(redmine.get("issues", limit=1000, status_id="*")["issues"]) == 100
    assert first["issues"].requests >= 2
    closed, moved, gone = (str(projects["issues"][place]) for place in (0, 1, 2))
    # without status_id=* the closed one would be missing
    assert closed not in every(redmine, "issues")
    assert issues[closed]["status"]["name"] == "Closed"
    # status=* empties the list of projects, and without it closed ones are missing
    assert every(redmine, "projects", status="*") == {}
    assert set(collected.documents("projects")) == set(every(redmine, "projects", status="1|5"))
    assert str(projects["closed"]) not in every(redmine, "projects")
    assert str(projects["closed"]) in collected.documents("projects")
    journal = next(iter(collected.documents("issue_journals").values()))
    assert journal["details"][0]["name"] == "status_id"
    assert journal["details"][0]["new_value"] == "5"

    redmine.change(f"issues/{moved}", "issue", due_date="2026-12-24", done_ratio=40)
    redmine.delete(f"issues/{gone}")
    version = projects["retrofit_version"]
    redmine.change(f"versions/{version}", "version", due_date="2027-01-15")
    redmine.delete(f"versions/{projects['spares_version']}")
    collected.sync(full=True)
    collected.sync(full=True)  # a missing record is believed the second time
    assert collected.documents("issues") == every(redmine, "issues", status_id="*", sort="id")
    # a changed version does not touch its project
    versions = collected.documents("versions")
    assert set(versions) == {str(version)}
    assert versions[str(version)]["due_date"] == "2027-01-15"
    assert versions[str(version)] == redmine.get(f"projects/{projects['retrofit']}/versions")["versions"][0]


def test_a_short_change_window_brings_the_change_only(redmine, projects, instance_of) -> None:
    collected = instance_of("redmine", redmine.settings, redmine.key)
    collected.sync()
    last = projects["issues"][-1]
    redmine.change(f"issues/{last}", "issue", notes="called the customer")
    again = collected.sync()
    assert again["issues"].rows_landed == 1
    assert again["projects"].rows_landed == 0
    notes = [row["notes"] for row in collected.documents("issue_journals").values()]
    assert "called the customer" in notes


def test_the_customer_screen_says_what_redmine_says(redmine, projects, instance_of) -> None:
    settings = {**redmine.settings, "customer_field": "Customer"}
    collected = instance_of("redmine", settings, redmine.key, customers=CODES)
    collected.sync()
    collected.build()
    same_as_redmine(redmine, collected.customer("C-700"))

    redmine.change(f"projects/{projects['spares']}", "project", name="Spare parts 2027")
    version = f"versions/{projects['retrofit_version']}"
    redmine.change(version, "version", name="Site acceptance", due_date="2026-12-05")
    collected.sync()
    collected.build()
    shown = collected.customer("C-700")
    same_as_redmine(redmine, shown)
    retrofit = next(row for row in shown["projects"] if row["code"] == "retrofit")
    assert retrofit["next_milestone"]["name"] == "Site acceptance"


def same_as_redmine(redmine, shown: dict[str, Any]) -> None:
    """The projects of the screen against Redmine's own list, its next milestone against its open versions."""
    own = [row for row in every(redmine, "projects", status="1|5").values() if value_of(row, "Customer") == COMPANY]
    assert own
    assert {(row["code"], row["name"], row["status"]) for row in shown["projects"]} == {
        (row["identifier"], row["name"], {1: "active", 5: "done"}[row["status"]]) for row in own
    }
    retrofit = next(row for row in shown["projects"] if row["code"] == "retrofit")
    project = next(row["id"] for row in own if row["identifier"] == "retrofit")
    versions = redmine.get(f"projects/{project}/versions")["versions"]
    first = min((row["due_date"], row["name"]) for row in versions if row["status"] != "closed")
    assert (str(retrofit["next_milestone"]["planned_on"]), retrofit["next_milestone"]["name"]) == first


def value_of(project: dict[str, Any], name: str) -> Any:
    """The value of a project's custom field."""
    return next(field["value"] for field in project["custom_fields"] if field["name"] == name)


def test_the_customer_field_links_by_code_and_follows_the_setting(redmine, projects, instance_of) -> None:
    fields = {row["name"]: row["id"] for row in redmine.get("custom_fields")["custom_fields"]}
    values = [{"id": fields["ERP number"], "value": "C-701"}, {"id": fields["Customer"], "value": "C-700"}]
    made = redmine.create("projects", "project", name="Coded", identifier="coded", custom_fields=values)
    collected = instance_of("redmine", redmine.settings, redmine.key, customers=CODES)

    def linked(customer_field: str) -> set[str]:
        config = collected.instance.config
        settings = {**redmine.settings, **({"customer_field": customer_field} if customer_field else {})}
        changed = [
            source.model_copy(update={"settings": settings}) if source.name == "redmine" else source
            for source in config.sources
        ]
        collected.instance.config = config.model_copy(update={"sources": changed})
        collected.sync()
        collected.build()
        return {code for code in CODES if "coded" in {row["code"] for row in collected.customer(code)["projects"]}}

    assert linked("") == set()  # Redmine itself knows no customers
    assert linked("Customer") == {"C-700"}
    assert linked("ERP number") == {"C-701"}
    redmine.delete(f"projects/{made}")


def test_a_custom_field_that_nobody_shows_is_said(redmine, projects, instance_of) -> None:
    settings = {**redmine.settings, "customer_field": "Kunde", "contract_field": "ERP number"}
    collected = instance_of("redmine", settings, redmine.key)
    said = collected.refused("projects", "users")
    assert [name for name, result in said.items() if result.error] == ["projects"]
    assert "'Kunde' (setting customer_field)" in said["projects"].error
    assert "Customer, ERP number" in said["projects"].error
    assert "visible to the roles" in said["projects"].remedy


def test_missing_rights_are_said(redmine, projects, instance_of) -> None:
    login = {"login": "outsider", "firstname": "Out", "lastname": "Sider", "password": "outsider-12345"}
    redmine.create("users", "user", mail="outsider@x.example", **login)
    own = httpx.get(f"{redmine.url}/my/account.json", auth=("outsider", "outsider-12345")).json()["user"]
    collected = instance_of("redmine", redmine.settings, own["api_key"])
    said = collected.refused("users", "projects")
    assert "403" in said["users"].warnings[0]  # administrators only; owners of tasks stay numbers
    assert not [name for name, result in said.items() if result.error]
    seen = set(collected.documents("projects"))

    redmine.http.put(f"{redmine.url}/projects/{projects['closed']}/reopen.json")
    public = [number for number, row in every(redmine, "projects", status="1|5").items() if row["is_public"]]
    for number in public:
        redmine.change(f"projects/{number}", "project", is_public=False)
    try:
        said = collected.refused("projects")
        assert "nothing was marked deleted" in said["projects"].warnings[0]
        assert set(collected.documents("projects")) == seen
        said = instance_of("redmine", redmine.settings, own["api_key"]).refused("projects")
        assert "0 rows" in said["projects"].error
        assert "rights" in said["projects"].remedy
    finally:
        for number in public:
            redmine.change(f"projects/{number}", "project", is_public=True)
        redmine.http.put(f"{redmine.url}/projects/{projects['closed']}/close.json")


def test_a_wrong_key_is_said(redmine, instance_of) -> None:
    from ingest.collect import sync

    collected = instance_of("redmine", redmine.settings, "0" * 40)
    result = sync(collected.instance, "redmine")[0]
    assert result.state == "failed"
    assert "key" in (result.remedy or "")
