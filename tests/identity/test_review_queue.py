"""The review queue over what the matcher left open: order, filters, the waterfall, and what decisions take off it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from model import policy, serve
from model.identity import match_train
from model.policy import HIDDEN, Viewer
from model.serve import NotFound
from ops.errors import FatalError
from ops.instance import Instance
from tests.identity.steward_books import STEWARD, served
from tests.warehouse import helpers

# CRM's name, the ERP's name under the same phone: the first two are nobody's to say but a person's
NAMES = [
    ("松岭纺织有限公司", "松岭服装有限公司"),
    ("青禾食品有限公司", "福满园食品有限公司"),
    ("北辰精密仪器有限公司", "上海北辰精密仪器股份有限公司"),
    ("远洲电子有限公司", "远洲电子"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("queue") / "i", mode="demo")
        with helpers.open_staging(made) as con:
            helpers.put(con, "employee", "crm", [
                {"id": f"u{n}", "name": f"员工{n}", "email": f"u{n}@example.com"} for n in range(4)])  # fmt: skip
            helpers.put(con, "customer", "crm", [
                {"id": f"a{n}", "code": f"KH-{n}", "name": one, "phone": f"0215555000{n}", "city": "上海",
                 "owner_id": "u0" if n == 1 else f"u{n}"} for n, (one, _) in enumerate(NAMES)])  # fmt: skip
            helpers.put(con, "customer", "erp", [
                {"id": f"b{n}", "code": f"C-{n}", "name": other, "phone": f"0215555000{n}", "city": "上海"}
                for n, (_, other) in enumerate(NAMES)])  # fmt: skip
            helpers.put(con, "invoice", "erp", [
                {"id": f"i{n}", "number": f"INV-{n}", "customer_id": f"b{n}", "currency": "CNY",
                 "invoice_on": "2026-09-01", "due_on": "2026-10-01", "gross_amount": 100 * (n + 1)}
                for n in range(len(NAMES))])  # fmt: skip
            # one tax number typed for everybody
            helpers.put(con, "customer", "service", [
                {"id": f"s{n}", "name": f"默认税号第{n}号客户", "tax_number": "310115132261800"} for n in range(25)
            ])  # fmt: skip
        match_train.train(made)
        helpers.make(made)
        yield made
        made.store.close()


def open_pairs(inst: Instance, **options: Any) -> list[tuple[str, str]]:
    rows = serve.review_queue(STEWARD, served(inst), limit=500, **options)["rows"]
    return [(row["left"]["record_key"], row["right"]["record_key"]) for row in rows if row["left"]["source"] == "crm"]


def test_what_only_a_person_can_decide_most_money_first(built: Instance) -> None:
    assert open_pairs(built) == [("crm:a1", "erp:b1"), ("crm:a0", "erp:b0")]
    assert open_pairs(built, order="probability") == [("crm:a0", "erp:b0"), ("crm:a1", "erp:b1")]
    assert open_pairs(built, filters={"text": "松岭"}) == [("crm:a0", "erp:b0")]
    assert open_pairs(built, filters={"source": "service"}) == []
    assert open_pairs(built, filters={"why": "refused"}) == []
    row = serve.review_queue(STEWARD, served(built), filters={"text": "青禾"})["rows"][0]
    assert (row["why"], row["left"]["customer_key"] != row["right"]["customer_key"]) == ("review", True)
    assert (str(row["right"]["open_amount"]), str(row["revenue"])) == ("200.00", "200.00")
    assert row["left"]["owner"] == "员工0"
    with pytest.raises(FatalError, match="priority, revenue"):
        serve.review_queue(STEWARD, served(built), order="size")
    with pytest.raises(FatalError, match="least_probability"):
        serve.review_queue(STEWARD, served(built), filters={"colour": "red"})


def test_side_by_side_with_the_waterfall_of_why(built: Instance) -> None:
    found = serve.pair(STEWARD, served(built), "erp:b1", "crm:a1")
    assert (found["left"]["record_key"], found["right"]["record_key"]) == ("crm:a1", "erp:b1")
    verdicts = {row["name"]: row["verdict"] for row in found["fields"]}
    assert (verdicts["name"], verdicts["phone"], verdicts["owner_id"]) == ("differ", "agree", "missing")
    fall = found["waterfall"]
    assert (fall["basis"], fall["band"]) == ("build", "review")
    assert fall["steps"][0]["comparison"] == "prior"
    assert sum(step["bits"] for step in fall["steps"]) == pytest.approx(fall["bits"], abs=0.05)
    masked = serve.pair(Viewer.operator(), served(built), "erp:b1", "crm:a1")
    assert {row["left"] for row in masked["fields"] if row["name"] == "phone"} == {HIDDEN}
    far = serve.pair(STEWARD, served(built), "crm:a0", "crm:a3")["waterfall"]
    assert far["basis"] in {"build", "shipped"}


def test_a_cluster_shows_its_records_its_links_and_what_lies_beside_it(built: Instance) -> None:
    found = serve.cluster(STEWARD, served(built), "crm:a2")
    assert {node["record_key"] for node in found["nodes"]} == {"crm:a2", "erp:b2"}
    (edge,) = found["edges"]
    assert (edge["kind"], edge["left"], edge["right"]) == ("match", "crm:a2", "erp:b2")
    assert edge["probability"] > 0.9
    beside = serve.cluster(STEWARD, served(built), "crm:a1")["outside"]
    assert [row["right"]["record_key"] for row in beside] == ["erp:b1"]


def test_a_value_on_too_many_customers_is_told_once(built: Instance) -> None:
    rows = [row for row in serve.conflicts(STEWARD, served(built)) if row["records"] == 25]
    assert rows
    assert rows[0]["customers"] == 25
    assert len(rows[0]["sample"]) == 5


def test_scoped_viewers_see_only_pairs_of_their_own(built: Instance) -> None:
    db = served(built)
    (row,) = db.rows("select employee_key from core.dim_employee where name = '员工0'")
    owner = policy.viewer("u0", "员工0", "account_manager", employee_key=row["employee_key"])
    assert serve.review_queue(owner, db)["rows"] == []
    with pytest.raises(NotFound):
        serve.pair(owner, db, "crm:a1", "erp:b1")
    assert serve.conflicts(owner, db) == []


def test_unsure_rests_until_a_record_changes_and_decided_pairs_leave(built: Instance) -> None:
    db = served(built)
    serve.decide(STEWARD, db, [("crm:a1", "erp:b1")], "unsure", "Rückfrage läuft")
    serve.decide(STEWARD, db, [("crm:a0", "erp:b0")], "different")
    assert open_pairs(built) == []
    assert serve.build_state(STEWARD, db)["pending"] == 2
    helpers.make(built)
    assert open_pairs(built) == []
    with helpers.open_staging(built) as con:
        row = {"id": "b1", "code": "C-1", "name": NAMES[1][1], "phone": "02155550001", "city": "上海", "tier": "A"}
        helpers.put(con, "customer", "erp", [row], at=helpers.T0 + timedelta(days=3))
    helpers.make(built)
    assert open_pairs(built) == [("crm:a1", "erp:b1")]
    queue = serve.review_queue(STEWARD, served(built), filters={"text": "青禾"})
    assert [row["why"] for row in queue["rows"]] == ["changed"]
    serve.decide(STEWARD, served(built), [("crm:a0", "erp:b0")], "unmerge")
    helpers.make(built)
    assert len(open_pairs(built)) == 2
    serve.decide(STEWARD, served(built), open_pairs(built), "same", "Alle eins")
    helpers.make(built)
    assert open_pairs(built) == []
    assert serve.resolve(STEWARD, served(built), "crm:a1") == serve.resolve(STEWARD, served(built), "erp:b1")


def test_two_customers_are_one_entry_with_all_their_open_pairs(built: Instance) -> None:
    with helpers.open_staging(built) as con:
        shared, later = {"phone": "02155550009", "city": "上海"}, helpers.T0 + timedelta(days=4)
        helpers.put(con, "customer", "crm", [{"id": "a9", "name": "明湖玻璃有限公司", **shared}], at=later)
        erp = {"id": "b9", "code": "C-9", "name": "明湖陶瓷有限公司", **shared}
        helpers.put(con, "customer", "erp", [erp], at=later)
        service = {"id": "s99", "name": "明湖陶瓷有限公司", "erp_code": "C-9", **shared}
        helpers.put(con, "customer", "service", [service], at=later)
    helpers.make(built)
    db = served(built)
    assert serve.resolve(STEWARD, db, "service:s99") == serve.resolve(STEWARD, db, "erp:b9")
    (row,) = serve.review_queue(STEWARD, db, filters={"text": "明湖"})["rows"]
    assert [(one["left"], one["right"]) for one in row["pairs"]] == [("crm:a9", "erp:b9"), ("crm:a9", "service:s99")]
    assert len(serve.review_queue(STEWARD, db, filters={"text": "明湖"}, grouped=False)["rows"]) == 2
    both = serve.open_pairs(STEWARD, db, "service:s99", "crm:a9")
    assert sorted(both) == [(("crm", "a9"), ("erp", "b9")), (("crm", "a9"), ("service", "s99"))]
    shown = serve.preview(STEWARD, db, "same", both)
    assert [len(shown["before"]), len(shown["after"])] == [2, 1]
    serve.decide(STEWARD, db, both[:1], "different", "Zwei Werke")
    assert serve.review_queue(STEWARD, db, filters={"text": "明湖"})["total"] == 0
