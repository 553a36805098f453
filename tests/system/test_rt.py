"""Request Tracker, for real: tickets as its own searches list them, merges, deletions and zones included."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.system

COMPANY = "Harbour Pumps"
CODES = {"C-701": "Citrine Labs"}
STATUS = {"new": "new", "open": "open", "stalled": "pending", "resolved": "solved", "rejected": "closed"}


@pytest.fixture(scope="session")
def tickets(rt) -> dict[str, Any]:
    """105 tickets of a person of one customer, and one that names the other by its code."""
    person = {"Name": "mei@harbour.example.com", "EmailAddress": "mei@harbour.example.com", "Organization": COMPANY}
    rt.create("user", **person, RealName="Mei Lin", Privileged=0, WorkPhone="+86 20 8123 5678")
    wanted = [
        {"Queue": "General", "Subject": f"Flow meter {number} drifts 漂移", "Requestor": person["Name"]}
        for number in range(105)
    ]
    made: list[str] = []
    for first in range(0, len(wanted), 35):
        answer = rt.http.post(f"{rt.url}/REST/2.0/tickets/bulk", json=wanted[first : first + 35])
        assert answer.is_success, answer.text[:500]
        made += [str(row["id"]) for row in answer.json()]
    coded = rt.create("ticket", Queue="General", Subject="Sensor", CustomFields={"Customer": "C-701"})
    return {"own": made, "coded": coded}


def listed(rt, query: str = "id > 0") -> dict[str, dict[str, Any]]:
    """All tickets that a search finds, by id, as Request Tracker tells them."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        after = max(map(int, found), default=0)
        page = rt.get(
            "tickets", query=f"({query}) AND id > {after}", orderby="id", fields="Subject,Status", per_page=100
        )
        if not page["items"]:
            return found
        found |= {str(row["id"]): row for row in page["items"]}


def collected_from(rt, instance_of, **more: Any):
    """An instance that collects tickets and people; the history, a call for every ticket, where a test asks for it."""
    settings = {**rt.settings, "customer_field": "Customer", "history": False, **more}
    return instance_of("rt", settings, rt.token, customers=CODES)


def test_lists_changes_merges_and_deletes_land(rt, tickets, instance_of) -> None:
    collected = collected_from(rt, instance_of)
    first = collected.sync()
    landed = collected.documents("tickets")
    shown = listed(rt)
    assert {key: (row["Subject"], row["Status"]) for key, row in landed.items()} == {
        key: (row["Subject"], row["Status"]) for key, row in shown.items()
    }
    assert len(landed) > 100
    assert first["tickets"].requests >= 2
    # per_page beyond a hundred is cut without a word, and the one page says so by its rows alone
    assert len(rt.get("tickets", query="id > 0", per_page=1000)["items"]) == 100

    changed, gone, loser, survivor = tickets["own"][:4]
    rt.change(f"ticket/{changed}", Status="resolved")
    rt.change(f"ticket/{gone}", Status="deleted")
    rt.change(f"ticket/{loser}", MergeInto=survivor)
    # a search hides both, and the merged one's address answers with the survivor
    assert not {gone, loser} & set(listed(rt))
    assert str(rt.get(f"ticket/{loser}")["id"]) == survivor
    collected.sync(full=True)
    collected.sync(full=True)  # a missing record is believed the second time
    assert set(collected.documents("tickets")) == set(listed(rt))
    assert collected.documents("tickets")[changed]["Status"] == "resolved"
    # unset dates are the epoch
    assert collected.documents("tickets")[survivor]["Resolved"] == "1970-01-01T00:00:00Z"


def test_a_short_change_window_brings_the_change_only(rt, tickets, instance_of) -> None:
    collected = collected_from(rt, instance_of, history=True)
    collected.sync()
    last = tickets["own"][-1]
    rt.reply(last, "We shall call you")
    again = collected.sync()
    assert again["tickets"].rows_landed == 1
    kinds = [row["Type"] for row in collected.documents("history").values()]
    assert "Correspond" in kinds


def test_the_customer_screen_says_what_request_tracker_says(rt, tickets, instance_of) -> None:
    collected = collected_from(rt, instance_of)
    collected.sync()
    collected.build()
    same_as_rt(rt, collected.customer(COMPANY))
    assert [row["number"] for row in collected.customer("C-701")["tickets"]] == [tickets["coded"]]
    contacts = collected.customer(COMPANY)["contacts"]
    assert [(row["name"], row["email"]) for row in contacts] == [("Mei Lin", "mei@harbour.example.com")]

    rt.change(f"ticket/{tickets['own'][10]}", Status="stalled", Subject="Flow meter 10, waiting for parts")
    rt.change(f"ticket/{tickets['own'][11]}", CustomFields={"Customer": "C-701"})
    collected.sync()
    collected.build()
    shown = collected.customer(COMPANY)
    same_as_rt(rt, shown)
    assert {row["number"] for row in collected.customer("C-701")["tickets"]} == {
        tickets["coded"], tickets["own"][11],
    }  # fmt: skip


def same_as_rt(rt, shown: dict[str, Any]) -> None:
    """Open tickets of the screen against Request Tracker's own search for this person's."""
    own = listed(rt, "Requestor.EmailAddress = 'mei@harbour.example.com' AND 'CF.{Customer}' IS NULL")
    open_ones = {key: row for key, row in own.items() if row["Status"] in {"new", "open", "stalled"}}
    assert open_ones
    assert shown["kpis"]["tickets"]["open"] == len(open_ones)
    assert {row["number"]: (row["subject"], row["status"]) for row in shown["tickets"]}.items() <= {
        key: (row["Subject"], STATUS[row["Status"]]) for key, row in own.items()
    }.items()


def test_a_zone_that_is_not_the_users_is_said(rt, tickets, instance_of) -> None:
    collected = collected_from(rt, instance_of, user_zone="Asia/Shanghai")
    said = collected.refused("tickets")
    assert "zone" in f"{said['tickets'].error} {said['tickets'].remedy}"


def test_missing_rights_are_said(rt, tickets, instance_of) -> None:
    collected = instance_of("rt", rt.settings, rt.outsider)
    said = collected.refused("users", "user", "tickets")
    assert "Privileged" in said["user"].error  # a user without AdminUsers sees little more than a name
    assert "may not see" in said["user"].remedy
    assert not collected.documents("tickets")


def test_a_wrong_token_is_said(rt, instance_of) -> None:
    said = instance_of("rt", rt.settings, "1-14-0123456789abcdef0123456789abcdef").refused()
    assert {result.state for result in said.values()} == {"failed"}
    assert {"401" in result.error for result in said.values()} == {True}, said
