"""Stewards' decisions through real builds: what they do, that nothing is lost, and that they can be taken back."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from model import build, policy, publish, serve
from model.identity import decisions
from model.policy import HIDDEN, Viewer
from model.serve import NotFound
from ops.errors import FatalError
from ops.instance import Instance
from ops.tables import audit, match_decisions, sync_requests
from run.scheduler import Daemon
from tests.identity.conftest import NOW
from tests.identity.steward_books import CUSTOMERS, RECORDS, STEWARD, crosswalk, decide, facts, served
from tests.run import books
from tests.warehouse import helpers

EXAMPLES = max(2, helpers.EXAMPLES // 3)
C0, C1, C2 = ("crm", "c0"), ("crm", "c1"), ("crm", "c2")
E0, E1, S0 = ("erp", "e0"), ("erp", "e1"), ("service", "s0")
PAIR = st.sampled_from([(a, b) for a in RECORDS for b in RECORDS if a < b])


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", NOW)


def key_of(inst: Instance, record: tuple[str, str]) -> str:
    return crosswalk(inst)[record]


def test_same_beats_credit_codes_and_takes_everything_along(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        later = helpers.T0 + timedelta(days=1)
        for n, code in ((0, "91350211M000100Y43"), (1, "91320594MA1P9QGE2Q")):
            helpers.put(con, "customer", "crm", [{"id": f"c{n}", "name": f"甲{n}", "uscc": code}], at=later)
            row = {"id": f"e{n}", "code": f"C-{n}", "name": f"乙{n}", "crm_code": f"c{n}", "uscc": code}
            helpers.put(con, "customer", "erp", [row], at=later)
    helpers.make(inst)
    assert key_of(inst, C0) != key_of(inst, C1)
    decide(inst, C0, E1, "same")
    helpers.make(inst)
    keys = crosswalk(inst)
    assert len({keys[source, f"{source[0]}{n}"] for source in ("crm", "erp", "service") for n in (0, 1)}) == 1
    decide(inst, C0, E1, "different")
    helpers.make(inst)
    assert len({key_of(inst, C0), key_of(inst, C1)}) == 2


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(pairs=st.lists(PAIR, min_size=1, max_size=4, unique=True), is_full=st.booleans())
def test_merge_then_unmerge_restores_every_field_amount_and_id(template: Path, pairs: list[Any], is_full: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.copied(template, Path(folder) / "i")
        before = helpers.everything(inst)
        for left, right in pairs:
            decide(inst, left, right, "same")
        helpers.make(inst, full=is_full)
        apart = [(left, right) for left, right in pairs if left[1][1] != right[1][1]]
        assert (helpers.table(inst, "identity.customer_crosswalk") != before["identity.customer_crosswalk"]) == bool(
            pairs
        )
        assert len(set(crosswalk(inst).values())) < len(CUSTOMERS) or not apart
        for left, right in reversed(pairs):
            decide(inst, left, right, "unmerge")
        helpers.make(inst, full=is_full)
        after = helpers.everything(inst)
        for name, rows in before.items():
            assert after[name] == rows, name
        inst.store.close()


@settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.explicit, Phase.generate],
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    steps=st.lists(
        st.lists(st.tuples(PAIR, st.sampled_from(decisions.KINDS)), min_size=1, max_size=3), min_size=1, max_size=4
    )
)
def test_any_sequence_of_merges_and_splits_keeps_facts_and_every_id(template: Path, steps: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inst = helpers.copied(template, Path(folder) / "i")
        start, ever = facts(inst), set(crosswalk(inst).values())
        for step in steps:
            for (left, right), kind in step:
                try:
                    decide(inst, left, right, kind)
                except FatalError:  # contradicts a standing decision, or there is none to take back
                    continue
            helpers.make(inst)
            keys = crosswalk(inst)
            ever |= set(keys.values())
            for name, rows in facts(inst).items():
                assert rows == start[name], f"{name}: rows were lost or doubled"
            check_resolves(inst, keys, ever)
        incremental = helpers.everything(inst)
        helpers.make(inst, full=True)
        full = helpers.everything(inst)
        assert {name: full[name] for name in full} == incremental
        inst.store.close()


def check_resolves(inst: Instance, keys: dict[tuple[str, str], str], ever: set[str]) -> None:
    """Every id of old and every code of a source leads to a customer; a record's own code to its own."""
    db = served(inst)
    for key in ever:
        assert serve.resolution(STEWARD, db, key)["customer_key"] in set(keys.values())
    for (source, record), key in keys.items():
        assert serve.resolve(STEWARD, db, f"{source}:{record}") == key
        assert serve.resolve(STEWARD, db, record) == key
    for n in CUSTOMERS:
        assert serve.resolve(STEWARD, db, f"C-{n}") == keys["erp", f"e{n}"]
        assert serve.resolve(STEWARD, db, f"crm:KH-{n}") == keys["crm", f"c{n}"]


def test_a_former_code_and_a_former_key_lead_on(inst: Instance) -> None:
    old = key_of(inst, C1)
    with helpers.open_staging(inst) as con:
        row = {"id": "c1", "code": "KH-NEW1", "name": "远洲电子有限公司"}
        helpers.put(con, "customer", "crm", [row], at=helpers.T0 + timedelta(days=1))
    decide(inst, C0, C1, "same")
    helpers.make(inst)
    db, now = served(inst), key_of(inst, C1)
    assert now != old
    assert serve.resolve(STEWARD, db, "KH-1") == now
    assert serve.resolve(STEWARD, db, "KH-NEW1") == now
    assert serve.resolution(STEWARD, db, old) | {"name": None} == {
        "asked": old, "customer_key": now, "name": None, "via": "former_key", "others": [],
    }  # fmt: skip
    decide(inst, C0, C1, "unmerge")
    helpers.make(inst)
    db = served(inst)
    found = serve.resolution(STEWARD, db, now)
    assert (found["customer_key"], found["via"]) == (now, "key")
    assert [row["customer_key"] for row in found["others"]] == [old]
    life = serve.key_history(STEWARD, db, old)
    assert [event["event"] for event in life["events"]] == ["split", "merge", "create"]
    assert {one["record_key"] for one in life["events"][0]["records"]} == {"crm:c1", "erp:e1", "service:s1"}
    assert [one["decision"] for one in life["decisions"]] == ["unmerge", "same"]
    assert (life["state"], life["anchor"]) == ("living", "crm:c1")


def test_an_older_build_is_asked_about_its_own_keys(inst: Instance) -> None:
    old_version, old = publish.current(inst).version, key_of(inst, C1)
    decide(inst, C0, C1, "same")
    helpers.make(inst)
    merged = key_of(inst, C1)
    assert serve.resolve(STEWARD, served(inst), old) == merged
    publish.rollback(inst, old_version)
    assert serve.resolve(STEWARD, served(inst), old) == old


def test_decisions_survive_and_the_latest_holds(inst: Instance) -> None:
    for kind in ("same", "different", "same", "unsure"):
        decide(inst, C0, C1, kind)
    frame = decisions.read(inst.store)
    assert frame.rows() == [(4, "crm", "c0", "crm", "c1", "unsure")]
    helpers.make(inst)
    assert key_of(inst, C0) != key_of(inst, C1)
    answer = serve.decide(STEWARD, served(inst), [("crm:c1", "crm:c0")], "same")
    assert serve.decide(STEWARD, served(inst), [("crm:c1", "crm:c0")], "same")["unchanged"] == 1
    assert answer["build"]["pending"] == 1
    before = crosswalk(inst)
    helpers.make(inst, full=True)
    merged = crosswalk(inst)
    assert merged[C0] == merged[C1] == before[C0]
    inst.config.sources[2].status = "shadow"
    helpers.make(inst)
    again = crosswalk(inst)
    assert again[C0] == again[C1] == before[C0]
    with inst.store.read() as connection:
        assert len(connection.execute(select(match_decisions)).fetchall()) == 5
        mine = select(audit.c.action, audit.c.actor).where(audit.c.action.like("identity.%"))
        said = connection.execute(mine.order_by(audit.c.audit_id)).all()
    assert [tuple(row) for row in said] == [
        (f"identity.{kind}", "he.jing") for kind in ("same", "different", "same", "unsure", "same")
    ]  # fmt: skip


def test_only_who_may_decides_and_only_on_what_they_see(inst: Instance) -> None:
    db = served(inst)
    finance = Viewer(user="chen.li", name="陈立", role="finance")
    with pytest.raises(FatalError, match="does not decide"):
        serve.decide(finance, db, [(C0, C1)], "same")
    with pytest.raises(FatalError, match="does not decide"):
        serve.take_apart(finance, db, [C0])
    with pytest.raises(NotFound, match="crm:nowhere"):
        serve.decide(STEWARD, db, [(C0, ("crm", "nowhere"))], "same")
    with pytest.raises(FatalError, match="same, different, unsure, unmerge"):
        serve.decide(STEWARD, db, [(C0, C1)], "perhaps")
    with pytest.raises(FatalError, match="itself"):
        serve.decide(STEWARD, db, [(C0, C0)], "same")
    owner = policy.viewer("u0", "员工0", "account_manager", employee_key=employee(db, "员工0"))
    assert serve.preview(owner, db, "different", [(C0, E0)])["moves"]
    with pytest.raises(NotFound):
        serve.preview(owner, db, "same", [(C0, C1)])
    with inst.store.read() as connection:
        assert connection.execute(select(match_decisions)).fetchall() == []


def employee(db: Any, name: str) -> str:
    (row,) = db.rows("select employee_key from core.dim_employee where name = ?", [name])
    return str(row["employee_key"])


def test_a_decision_that_would_not_hold_is_refused_and_nothing_is_written(inst: Instance) -> None:
    decide(inst, E0, E1, "different")
    db = served(inst)
    with pytest.raises(FatalError, match="nothing was written") as error:
        serve.decide(STEWARD, db, [(C2, ("erp", "e3")), (C0, C1)], "same")
    assert "erp:e0 and erp:e1 were decided different by he.jing" in str(error.value)
    assert serve.preview(STEWARD, db, "same", [(C0, C1)])["problems"]
    with pytest.raises(FatalError, match="nobody decided"):
        serve.decide(STEWARD, db, [(C0, C1)], "unmerge")
    assert len(decisions.history(inst.store)) == 1


def sums(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Decimal]:
    total: dict[tuple[str, str], Decimal] = {}
    for row in rows:
        for line in row["by_currency"]:
            for name in ("open", "overdue", "unallocated", "credits", "provisional", "ordered", "contract"):
                total[line["currency"], name] = total.get((line["currency"], name), Decimal(0)) + line[name]
    return {key: amount for key, amount in total.items() if amount}


def test_the_preview_of_money_is_what_the_build_makes_of_it(inst: Instance) -> None:
    db = served(inst)
    shown = serve.preview(STEWARD, db, "same", [(C0, C1)])
    assert [len(shown[name]) for name in ("before", "after")] == [2, 1]
    assert sums(shown["before"]) == sums(shown["after"])
    assert sums(shown["after"]) == {
        ("EUR", "open"): Decimal("100.00"), ("EUR", "overdue"): Decimal("100.00"), ("CNY", "open"): Decimal("180.00"),
        ("CNY", "overdue"): Decimal("180.00"), ("CNY", "unallocated"): Decimal("41.00"),
        ("CNY", "ordered"): Decimal("601.00"), ("CNY", "contract"): Decimal("1401.00"),
    }  # fmt: skip
    assert shown["after"][0]["owners"] == ["员工0", "员工1"]
    assert {row["amount"] for row in shown["after"][0]["limits"]} == {HIDDEN}
    operator = Viewer(user="x", name="x", role="operator", masks=frozenset())
    limits = serve.preview(operator, db, "same", [(C0, C1)])["after"][0]["limits"]
    assert [row["amount"] for row in limits] == [Decimal("1000.00"), Decimal("2000.00")]
    assert serve.preview(STEWARD, db, "unsure", [(C0, C1)])["moves"] is False
    decide(inst, C0, C1, "same")
    helpers.make(inst)
    db = served(inst)
    real = serve.aging(STEWARD, db, customer_key=key_of(inst, C0))
    assert {row["currency"]: row["open"] for row in real["totals"]} == {
        line["currency"]: line["open"] for line in shown["after"][0]["by_currency"]
    }
    card = serve.customer(STEWARD, db, key_of(inst, C0))
    assert card["owner"] == shown["after"][0]["owner"]
    undo = serve.preview(STEWARD, db, "unmerge", [(C0, C1)])
    assert {row["customer_key"] for row in undo["before"]} == {key_of(inst, C0)}
    assert sorted(len(row["records"]) for row in undo["after"]) == [3, 3]
    assert sums(undo["before"]) == sums(undo["after"])


def test_take_apart_unmerges_what_was_decided_and_forbids_what_was_found(inst: Instance) -> None:
    decide(inst, C0, C1, "same")
    helpers.make(inst)
    db = served(inst)
    shown = serve.take_apart(STEWARD, db, [("crm", "c1"), ("erp", "e1"), ("service", "s1")], preview=True)
    assert (shown["unmerge"], shown["different"]) == ([["crm:c0", "crm:c1"]], [])
    serve.take_apart(STEWARD, db, ["crm:c1", "erp:e1", "service:s1"], "Zwei Firmen")
    helpers.make(inst)
    assert key_of(inst, C0) != key_of(inst, C1)
    assert key_of(inst, C1) == key_of(inst, E1)
    db = served(inst)
    shown = serve.take_apart(STEWARD, db, [S0], preview=True)
    assert shown["unmerge"] == []
    assert ["erp:e0", "service:s0"] in shown["different"]
    serve.take_apart(STEWARD, db, [S0])
    helpers.make(inst)
    assert key_of(inst, S0) != key_of(inst, E0)
    assert key_of(inst, C0) == key_of(inst, E0)
    with pytest.raises(FatalError, match="some, but not all"):
        serve.take_apart(STEWARD, served(inst), [C0, E0])


def test_a_merge_in_the_source_is_undone_there(inst: Instance) -> None:
    with helpers.open_staging(inst) as con:
        row = {"id": "c1", "name": "远洲电子有限公司", "merged_into_id": "c0"}
        helpers.put(con, "customer", "crm", [row], at=helpers.T0 + timedelta(days=1))
    helpers.make(inst)
    db = served(inst)
    assert key_of(inst, C0) == key_of(inst, C1)
    assert "merged in their source" in serve.preview(STEWARD, db, "different", [(C0, C1)])["problems"][0]["what"]
    with pytest.raises(FatalError, match="undo the merge there"):
        serve.take_apart(STEWARD, db, [C1])


def test_lists_are_imported_once_and_never_overrule_a_later_decision(inst: Instance, tmp_path: Path) -> None:
    file = tmp_path / "always.csv"
    file.write_text(
        "left_source,left_id,right_source,right_id,reason\ncrm,c0,crm,c1,Umfirmiert\nerp,e9,crm,c2,\n", "utf-8"
    )
    first = serve.import_list(STEWARD, served(inst), file, "always")
    assert (first["added"], first["known"], first["unknown"]) == (2, 0, ["erp:e9"])
    helpers.make(inst)
    assert key_of(inst, C0) == key_of(inst, C1)
    decide(inst, C0, C1, "different")
    second = serve.import_list(STEWARD, served(inst), file, "always")
    assert (second["added"], second["known"]) == (0, 2)
    assert second["overruled"] == [["crm:c0", "crm:c1"]]
    helpers.make(inst)
    assert key_of(inst, C0) != key_of(inst, C1)
    rows = serve.decisions(STEWARD, served(inst), standing=True)["rows"]
    assert [(row["decision"], row["origin"], row["reason"]) for row in rows] == [
        ("different", "steward", "Test"), ("same", "always", "always list always.csv"),
    ]  # fmt: skip
    file.write_text("left_source,left_id,right_source,right_id\nsap,1,crm,c1\n", "utf-8")
    with pytest.raises(FatalError, match="line 2: no source sap"):
        serve.import_list(STEWARD, served(inst), file, "never")


def test_a_decision_asks_for_a_build_and_the_scheduler_makes_it(inst: Instance) -> None:
    for source in inst.config.sources:
        source.schedule = None
    answer = decide(inst, C0, C1, "same")
    assert (answer["build"]["state"], answer["build"]["pending"]) == ("waiting", 1)
    assert decide(inst, C0, C2, "same")["request_id"] == answer["request_id"]
    assert Daemon(inst).tick() == [], "nothing is collected"
    with inst.store.read() as connection:
        assert connection.execute(select(sync_requests.c.state)).scalars().all() == ["done"]
    db = served(inst)
    assert serve.build_state(STEWARD, db)["pending"] == 0
    assert serve.resolve(STEWARD, db, "crm:c1") == serve.resolve(STEWARD, db, "crm:c2")


def test_ids_and_decisions_survive_the_loss_of_the_warehouse(tmp_path: Path) -> None:
    inst = books.built(tmp_path)
    before = crosswalk(inst)
    assert len(set(before.values())) == 2
    serve.decide(STEWARD, served(inst), [("books:K1", "books:K2")], "same")
    build.build(inst)
    merged = crosswalk(inst)
    shutil.rmtree(inst.warehouse)
    inst.warehouse.mkdir()
    build.build(inst)
    assert crosswalk(inst) == merged
    assert len(set(merged.values())) == 1
    serve.decide(STEWARD, served(inst), [("books:K1", "books:K2")], "unmerge")
    shutil.rmtree(inst.warehouse)
    inst.warehouse.mkdir()
    build.build(inst)
    assert crosswalk(inst) == before
    inst.store.close()
