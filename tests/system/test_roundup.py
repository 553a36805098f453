"""Roundup, for real: what its REST interface lists is what lands."""

from __future__ import annotations

import httpx
import pytest
from realsystems.roundup import PASSWORD

pytestmark = pytest.mark.system

COMPANY = "Northwind Instruments"


@pytest.fixture(scope="session")
def tickets(roundup):
    """Three issues opened by a user of a customer, one by the administrator, a message."""
    customer = {"username": "mei", "password": "mei-password", "roles": "User", "organisation": COMPANY}
    roundup.create("user", **customer, realname="Mei Lin", address="mei@northwind.example", phone="+86 20 1234 5678")
    as_customer = httpx.Client(timeout=60, auth=("mei", "mei-password"), headers=roundup.http.headers)
    made = []
    for number in range(3):
        values = {"title": f"Flow meter {number} drifts 漂移", "priority": "urgent", "status": "unread"}
        answer = as_customer.post(f"{roundup.url}/rest/data/issue", json=values)
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["data"]["id"])
    as_customer.close()
    own = roundup.create("issue", title="Our own", priority="wish", status="unread", assignedto="admin")
    return {"customer": made, "own": own}


def listed(roundup, kind: str) -> set[str]:
    return {row["id"] for row in roundup.get(kind)["collection"]}


def test_lists_changes_and_deletes_land(roundup, tickets, instance_of) -> None:
    collected = instance_of("roundup", roundup.settings, PASSWORD)
    collected.sync()
    issues = collected.documents("issue")
    assert set(issues) == listed(roundup, "issue")
    assert set(collected.documents("user")) == listed(roundup, "user")
    first, second, third = tickets["customer"]
    assert issues[first]["creator.organisation"] == COMPANY
    assert issues[first]["title"] == roundup.get(f"issue/{first}")["attributes"]["title"]
    # dates such as 2026-11-21.20:48:18
    assert issues[first]["activity"][10] == "."

    roundup.change("issue", first, status="resolved")
    message = roundup.create("msg", content="Sent a new sensor", author="admin", date="2026-11-21.20:48:18")
    roundup.change("issue", second, messages=[message])
    roundup.delete("issue", third)
    again = collected.sync(full=True)
    assert again["issue"].rows_landed >= 2
    collected.sync(full=True)  # a missing record is believed the second time
    issues = collected.documents("issue")
    assert set(issues) == listed(roundup, "issue")
    assert third not in issues
    # a retired issue still answers at its own address; only the list tells that it is gone
    assert roundup.get(f"issue/{third}")["id"] == third
    assert issues[first]["status"]["name"] == "resolved"
    assert [item["id"] for item in issues[second]["messages"]] == [message]
    assert set(collected.documents("msg")) == listed(roundup, "msg")


def test_pages_shorter_than_the_list_lose_nothing(roundup, tickets, instance_of, monkeypatch) -> None:
    from ingest.spec import SourceSpec

    spec = SourceSpec.load("roundup")
    streams = [
        stream.model_copy(update={"page": stream.page.model_copy(update={"limit": 2})}) for stream in spec.streams
    ]
    small = spec.model_copy(update={"streams": streams})
    monkeypatch.setattr(SourceSpec, "load", classmethod(lambda cls, name, config_dir=None: small))
    collected = instance_of("roundup", roundup.settings, PASSWORD)
    assert collected.sync()["issue"].requests > 1
    assert set(collected.documents("issue")) == listed(roundup, "issue")


def test_nothing_new_lands_nothing(roundup, tickets, instance_of) -> None:
    collected = instance_of("roundup", roundup.settings, PASSWORD)
    collected.sync()
    assert {name: result.rows_landed for name, result in collected.sync().items()} == {
        "user": 0,
        "issue": 0,
        "msg": 0,
    }


def test_a_wrong_password_is_said(roundup, instance_of) -> None:
    from ingest.collect import sync

    collected = instance_of("roundup", roundup.settings, "wrong")
    result = sync(collected.instance, "roundup")[0]
    assert result.state == "failed"
    assert "Invalid Login" in (result.error or "")
    assert "password" in (result.remedy or "")


STATUS = {"unread": "new", "chatting": "open", "resolved": "closed"}


def test_the_customer_screen_says_what_roundup_says(roundup, tickets, instance_of) -> None:
    collected = instance_of("roundup", roundup.settings, PASSWORD)
    collected.sync()
    collected.build()
    shown = collected.customer(COMPANY)
    same_as_roundup(roundup, shown)
    assert [(row["name"], row["email"]) for row in shown["contacts"]] == [("Mei Lin", "mei@northwind.example")]
    first = tickets["customer"][0]
    roundup.change("issue", first, status="resolved", title="Flow meter 0 repaired")
    collected.sync()
    collected.build()
    shown = collected.customer(COMPANY)
    same_as_roundup(roundup, shown)
    assert "Flow meter 0 repaired" in {row["subject"] for row in shown["tickets"]}


def same_as_roundup(roundup, shown) -> None:
    """The tickets of the screen against the tracker's own list of what this customer's user opened."""
    fields = {"@fields": "title,status", "@verbose": "2", "creator": "mei"}
    issues = roundup.get("issue", **fields)["collection"]
    assert issues
    assert {(row["number"], row["subject"], row["status"]) for row in shown["tickets"]} == {
        (row["id"], row["title"], STATUS[row["status"]["name"]]) for row in issues
    }
    assert shown["kpis"]["tickets"]["open"] == sum(row["status"]["name"] != "resolved" for row in issues)


def test_missing_rights_are_said(roundup, tickets, instance_of) -> None:
    settings = {**roundup.settings, "user": "mei"}
    said = instance_of("roundup", settings, "mei-password").refused()
    assert "user.activity" in said["user"].error  # others' properties are closed to an ordinary user
    assert "right to read" in said["user"].remedy


def test_more_records_than_a_page_land_once(roundup, tickets, instance_of) -> None:
    before = listed(roundup, "issue")
    roundup.many([f'create issue title="Paged {number}" status=unread priority=wish' for number in range(101)])
    made = sorted(listed(roundup, "issue") - before, key=int)
    assert len(made) == 101
    collected = instance_of("roundup", roundup.settings, PASSWORD)
    first = collected.sync("issue")["issue"]
    assert first.rows_landed == len(listed(roundup, "issue")) > 100
    assert set(collected.documents("issue")) == listed(roundup, "issue")
    roundup.change("issue", made[70], title="Paged and changed")
    again = collected.sync("issue")["issue"]
    assert again.rows_landed == 1
    assert collected.documents("issue")[made[70]]["title"] == "Paged and changed"
    roundup.many([f"retire issue{number}" for number in made])
