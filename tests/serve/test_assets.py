"""Devices and warranty through the template source: what each serial number is entitled to, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from model.serve import Served
from ops.errors import FatalError
from ops.instance import Instance
from tests.receivables import books

TODAY = date(2026, 11, 22)
AGENT = Viewer(user="agent", name="agent", role="service", masks=frozenset())
FILES = {
    "customer": "code,name,owner_id\nC1,示例仪器有限公司,E1\nC2,样本电子有限公司,E2\nC3,演示阀门有限公司,E2\n",
    "employee": "code,name,email\nE1,林北,e1@example.com\nE2,林南,e2@example.com\n",
    "product": "code,name,warranty_months\nP-18,三坐标测量机,18\nP-0,测针组件,\n",
    "shipment": "customer_id,number,shipped_on,is_return\nC1,CK-1,2025-06-01,false\nC1,CK-2,2026-01-31,false\n",
    "contract": "customer_id,number,kind,status,start_on,end_on,renewal_of_id,service_level\n"
    "C1,HT-1,service,expired,2024-07-01,2025-06-30,,5×8\n"
    "C1,HT-2,service,in_force,2025-07-01,2026-06-30,HT-1,5×8\n"
    "C1,HT-3,service,in_force,2026-07-01,2027-06-30,HT-2,7×24\n"
    "C1,HT-9,service,terminated,2025-01-01,2027-12-31,,\n"
    "C1,HT-8,service,draft,2026-01-01,2027-12-31,,\n",
    "asset": "customer_id,serial_number,product_code,status,status_on,shipped_on,installed_on,warranty_kind,"
    "warranty_start_on,warranty_end_on,warranty_months,contract_number,shipment_number,replaced_by_serial\n"
    "C1,cmm 001-a,P-18,,,,2026-01-10,,2026-01-10,2026-11-23,,,,\n"  # the source says; written as people type
    "C1,CMM002,P-18,,,,2025-05-23,,,,,,,\n"  # derived from the installation: ended yesterday
    "C1,CMM003,P-18,,,,,,,,,,CK-1,\n"  # derived from its shipment
    "C1,CMM004,P-0,,,2026-01-31,,,,,1,,,\n"  # months of its own; a month end
    "C1,CMM005,P-0,,,2024-07-01,,,,2025-12-31,,HT-1,,\n"  # warranty and contract overlap, the contract renewed twice
    "C1,CMM006,P-18,returned,2026-05-01,2026-01-01,,,,,,,,\n"
    "C1,CMM007,P-18,replaced,,2026-01-01,,,,,,,,CMM008\n"
    "C1,CMM009,P-0,,,2026-01-01,,,,,,,,\n"  # no months anywhere
    "C1,CMM010,P-18,,,2026-01-01,,none,,,,,,\n"
    "C1,CMM011,P-18,,,2026-01-01,,,2026-12-01,2027-11-30,,,,\n"  # begins later
    "C1,CMM012,P-0,,,2026-01-01,,,,,,HT-9,,\n"  # a terminated contract covers nothing
    "C1,CMM013,P-0,,,2026-01-01,,,,,,HT-77,,\n"  # a contract nobody knows
    "C1,CMM014,P-18,,,2025-02-01,,,,,,,,\n"  # sold on to C2 in June 2026
    "C2,CMM014,P-18,,,2026-06-01,,,,2026-12-31,,,,\n"
    "C2,CMM015,P-18,,,2026-06-01,,,,2026-12-31,,,,\n"
    "C1,CMM016,P-0,,,2025-01-01,,,,2025-12-31,,HT-8,,\n",  # out; a draft covers nothing
    "ticket": "customer_id,number,subject,serial_number,created_at\n"
    "C1,T-1,漂移,CMM 0 0 2,2026-11-20 09:00:00\n"
    "C1,T-2,漂移,ｃｍｍ００２,2026-11-21 23:30:00\n"
    "C1,T-3,漂移,CMM002,2026-11-22 00:30:00\n"
    "C1,T-4,漂移,CMM015,2026-11-20 09:00:00\n"
    "C1,T-5,漂移,,2026-11-20 09:00:00\n",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-22T02:00:00+00:00")
        yield


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    made = books.instance(tmp_path_factory.mktemp("assets"), FILES)
    yield made
    made.store.close()


@pytest.fixture(scope="module")
def db(instance: Instance) -> Served:
    return serve.open_published(instance)


@pytest.fixture(scope="module")
def keys(db: Served) -> dict[str, str]:
    rows = db.rows("select source_id, customer_key from core.dim_customer_record order by source_id")
    return {row["source_id"]: row["customer_key"] for row in rows}


def of(db: Served, serial: str, day: date = TODAY, customer: str | None = None) -> dict[str, Any]:
    return serve.entitlement(AGENT, db, serial, customer, day)


@pytest.mark.parametrize(
    ("serial", "verdict", "reason", "until_on", "days_left", "since_on", "next_on"),
    [
        ("CMM001A", "in_warranty", "warranty", date(2026, 11, 23), 1, None, None),
        ("CMM002", "out", "out", None, None, date(2026, 11, 23), None),
        ("CMM003", "in_warranty", "warranty", date(2026, 11, 30), 8, None, None),
        ("CMM004", "out", "out", None, None, date(2026, 2, 28), None),
        ("CMM005", "in_contract", "contract", date(2027, 6, 30), 220, None, None),
        ("CMM006", "returned", "returned", None, None, date(2026, 5, 1), None),
        ("CMM007", "replaced", "replaced", None, None, None, None),
        ("CMM009", "not_stated", "not_stated", None, None, None, None),
        ("CMM010", "out", "no_warranty", None, None, None, None),
        ("CMM011", "not_started", "not_started", None, None, None, date(2026, 12, 1)),
        ("CMM012", "not_stated", "not_stated", None, None, None, None),
        ("CMM013", "not_stated", "not_stated", None, None, None, None),
        ("CMM014", "in_warranty", "warranty", date(2026, 12, 31), 39, None, None),
        ("CMM016", "out", "out", None, None, date(2026, 1, 1), None),
        ("CMM999", "unknown", "unknown", None, None, None, None),
    ],
)  # fmt: skip
def test_the_verdict_on_a_serial_number(
    db: Served, serial: str, verdict: str, reason: str, until_on: date | None, days_left: int | None,
    since_on: date | None, next_on: date | None,
) -> None:  # fmt: skip
    # CMM002: 18 months from 2025-05-23 end on 2026-11-22, so the day after is the first without
    found = of(db, serial, date(2026, 11, 23) if serial == "CMM002" else TODAY)
    told = {name: found[name] for name in ("verdict", "reason", "until_on", "days_left", "since_on", "next_on")}
    assert told == {
        "verdict": verdict, "reason": reason, "until_on": until_on, "days_left": days_left, "since_on": since_on,
        "next_on": next_on,
    }  # fmt: skip
    assert found["is_covered"] is (verdict in {"in_warranty", "in_contract"})


@pytest.mark.parametrize(
    ("serial", "day", "verdict", "basis", "until_on"),
    [
        ("CMM001A", date(2026, 1, 9), "not_started", None, None),
        ("CMM001A", date(2026, 1, 10), "in_warranty", "source", date(2026, 11, 23)),
        ("CMM001A", date(2026, 11, 23), "in_warranty", "source", date(2026, 11, 23)),
        ("CMM001A", date(2026, 11, 24), "out", None, None),
        ("CMM002", date(2026, 11, 22), "in_warranty", "installed", date(2026, 11, 22)),
        ("CMM003", date(2025, 6, 1), "in_warranty", "shipped", date(2026, 11, 30)),
        ("CMM004", date(2026, 2, 27), "in_warranty", "shipped", date(2026, 2, 27)),
        ("CMM005", date(2025, 12, 31), "in_warranty", "source", date(2025, 12, 31)),
        ("CMM005", date(2026, 1, 1), "in_contract", "contract", date(2026, 6, 30)),
        ("CMM005", date(2026, 7, 1), "in_contract", "contract", date(2027, 6, 30)),
        ("CMM005", date(2027, 7, 1), "out", None, None),
        ("CMM006", date(2026, 4, 30), "in_warranty", "shipped", date(2027, 6, 30)),
    ],
)
def test_first_and_last_days_are_covered_and_the_day_says_which_cover(
    db: Served, serial: str, day: date, verdict: str, basis: str | None, until_on: date | None
) -> None:
    found = of(db, serial, day)
    assert (found["verdict"], found["basis"], found["until_on"]) == (verdict, basis, until_on)


def test_a_cover_ends_once_and_days_count_down(db: Served) -> None:
    """Walking the days, a device without gaps goes from not started to covered to out, and never back."""
    order = {"not_started": 0, "in_warranty": 1, "in_contract": 1, "out": 2}
    for serial in ("CMM001A", "CMM002", "CMM003", "CMM005"):
        last, left = 0, None
        for step in range(0, 1300, 1 if serial == "CMM001A" else 7):
            found = of(db, serial, date(2024, 6, 1) + timedelta(days=step))
            assert order[found["verdict"]] >= last, (serial, step)
            last = order[found["verdict"]]
            if found["is_covered"]:
                assert found["days_left"] == (found["until_on"] - found["as_of"]).days >= 0
                left = found["until_on"]
            elif last == 2:
                assert found["since_on"] == (left or found["since_on"]) + timedelta(days=1 if left else 0)
        assert last == 2


@pytest.mark.parametrize("typed", ["CMM001A", "cmm-001-a", "  CMM 001 A ", "ＣＭＭ００１Ａ", "CMM/001.A"])
def test_a_number_is_found_however_it_is_typed_and_kept_as_written(db: Served, typed: str) -> None:
    found = of(db, typed)
    assert (found["verdict"], found["device"]["serial_number"]) == ("in_warranty", "cmm 001-a")


def test_what_is_no_number_is_refused(db: Served) -> None:
    with pytest.raises(FatalError, match="letters or digits"):
        of(db, " -- ")


def test_a_contract_says_which_and_what_it_promises(db: Served) -> None:
    found = of(db, "CMM005")
    assert {name: found["contract"][name] for name in ("number", "level", "until_on")} == {
        "number": "HT-3", "level": "7×24", "until_on": date(2027, 6, 30),
    }  # fmt: skip
    assert found["warranty"]["until_on"] == date(2025, 12, 31)
    assert [row["entity"] for row in found["records"]] == ["asset", "contract"]


def test_a_verdict_names_the_rows_it_came_from(db: Served) -> None:
    assert [(row["entity"], row["number"]) for row in of(db, "CMM003")["records"]] == [
        ("asset", "CMM003"), ("shipment", "CK-1"),
    ]  # fmt: skip


def test_a_device_sold_on_is_whoever_held_it_that_day(db: Served, keys: dict[str, str]) -> None:
    then, now = date(2026, 5, 31), date(2026, 6, 1)
    assert of(db, "CMM014", then)["customer"]["customer_key"] == keys["C1"]
    assert of(db, "CMM014", now)["customer"]["customer_key"] == keys["C2"]
    assert of(db, "CMM014", then, keys["C1"])["verdict"] == "in_warranty"
    sold = of(db, "CMM014", now, keys["C1"])
    assert (sold["verdict"], sold["reason"], sold["customer"]["name"]) == (
        "other_customer", "sold_on", "样本电子有限公司",
    )  # fmt: skip


def test_another_customers_device(db: Served, keys: dict[str, str]) -> None:
    found = of(db, "CMM015", TODAY, keys["C1"])
    assert (found["verdict"], found["reason"], found["is_covered"]) == ("other_customer", "other_customer", False)
    assert found["customer"] == {"customer_key": keys["C2"], "name": "样本电子有限公司"}


def test_what_lies_outside_the_viewers_customers_is_not_named(db: Served, keys: dict[str, str]) -> None:
    owner = db.rows("select owner_key from core.dim_customer where customer_key = ?", [keys["C1"]])[0]["owner_key"]
    mine = Viewer(user="e1", name="e1", role="account_manager", employee_key=owner, scope="own")
    assert serve.entitlement(mine, db, "CMM005", as_of=TODAY)["verdict"] == "in_contract"
    other = serve.entitlement(mine, db, "CMM015", as_of=TODAY)
    assert (other["verdict"], other["customer"], other["device"], other["records"]) == ("not_yours", None, None, [])
    asked = serve.entitlement(mine, db, "CMM015", keys["C1"], TODAY)
    assert (asked["verdict"], asked["customer"], asked["device"]) == ("other_customer", None, None)
    assert "样本" not in repr((other, asked))
    for call in (serve.assets, lambda v, d, key: serve.entitlement(v, d, "CMM005", key)):
        with pytest.raises(serve.NotFound):
            call(mine, db, keys["C2"])


def test_devices_of_a_customer_with_what_ends_next_first(db: Served, keys: dict[str, str]) -> None:
    found = serve.assets(AGENT, db, keys["C1"], TODAY)
    listed = [(row["serial_number"], row["verdict"]) for row in found["devices"]]
    assert listed[:4] == [("CMM002", "in_warranty"), ("cmm 001-a", "in_warranty"), ("CMM003", "in_warranty"),
                          ("CMM005", "in_contract")]  # fmt: skip
    assert {verdict for _, verdict in listed[-2:]} == {"returned", "replaced"}
    assert found["count"] == len(listed) == 14
    assert [row["serial_number"] for row in serve.assets(AGENT, db, keys["C1"], TODAY, "001-A")["devices"]] == [
        "cmm 001-a"
    ]
    assert serve.assets(AGENT, db, keys["C1"], TODAY, "三坐标")["count"] == 8
    told = {row["serial_number"]: row["reason"] for row in found["devices"]}
    assert (told["CMM014"], told["CMM016"]) == ("sold_on", "out")
    then = serve.assets(AGENT, db, keys["C1"], date(2024, 12, 31))
    assert [row["serial_number"] for row in then["devices"]] == ["CMM005"], "what was delivered by then"


def test_the_card_holds_devices_and_each_tickets_verdict_on_its_own_day(db: Served) -> None:
    card = serve.customer(AGENT, db, "C1", as_of=TODAY)
    assert card["assets_count"] == len(card["assets"]) == 14
    told = {row["number"]: row["device"] and (row["device"]["verdict"], row["device"]["reason"])
            for row in card["tickets"]}  # fmt: skip
    assert told == {
        "T-1": ("in_warranty", "warranty"),
        "T-2": ("in_warranty", "warranty"),
        "T-3": ("in_warranty", "warranty"),
        "T-4": ("other_customer", "not_theirs"),
        "T-5": None,
    }
    day = {row["number"]: row["device"]["as_of"] for row in card["tickets"] if row["device"]}
    assert (day["T-2"], day["T-3"]) == (date(2026, 11, 21), date(2026, 11, 22)), "days of the company's zone"


def test_search_finds_a_device(db: Served, keys: dict[str, str]) -> None:
    for typed in ("CMM015", "ｃｍｍ-015", "cmm 015"):
        (hit,) = serve.search(AGENT, db, typed)
        assert (hit["customer_key"], hit["matched"]["kind"]) == (keys["C2"], "serial")
    assert {hit["customer_key"] for hit in serve.search(AGENT, db, "CMM014")} == {keys["C1"], keys["C2"]}
    assert serve.resolve(AGENT, db, "CMM005") == keys["C1"]


def test_the_record_of_a_device_opens(db: Served) -> None:
    row = of(db, "CMM015")["records"][0]
    found = serve.record(AGENT, db, row["source"], "asset", row["source_id"])
    assert {c["name"]: c["value"] for c in found["columns"]}["serial_key"] == "CMM015"
