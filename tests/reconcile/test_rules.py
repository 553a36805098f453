"""Rules as data: what ships, what an instance lays over it, and what is refused."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from model import reconcile, warehouse
from model.reconcile.rule import ENTRY, is_shipped
from ops.errors import FatalError
from tests.reconcile.conftest import CONTRACT, ORDER, Make, told

MARTS = warehouse.ROOM / "marts"
PAIR = re.compile(r"\('([a-z_]+)', '(left|right)', '([a-z_]+)'\)")
BOOKS = {
    "contract": CONTRACT + "C1,HT-1,sales,1000,CNY,2026-04-01,2026-04-01,2026-06-30\n",
    "sales_order": ORDER + "C1,SO-1,HT-1,2026-04-02,,CNY,970\n",
}


def test_the_result_marts_hold_the_sides_of_the_shipped_rules() -> None:
    written = [pair for name in ("mart_reconciliation", "mart_reconciliation_cash")
               for pair in PAIR.findall((MARTS / f"{name}.sql").read_text(encoding="utf-8"))]  # fmt: skip
    wanted = [(rule.id, side, name) for rule in reconcile.load() for side in ("left", "right")
              for name in getattr(rule, side)]  # fmt: skip
    assert sorted(written) == sorted(wanted)


def test_both_result_marts_judge_by_the_same_words() -> None:
    sales, cash = ((MARTS / f"{name}.sql").read_text(encoding="utf-8").partition("\ndaily as (")[2]
                   for name in ("mart_reconciliation", "mart_reconciliation_cash"))  # fmt: skip
    assert sales
    assert sales == cash


def test_every_measure_of_a_shipped_rule_is_made_by_an_entry_mart() -> None:
    text = "".join((MARTS / f"mart_{name}_entry.sql").read_text(encoding="utf-8") for name in
                   ("chain", "cash", "collision", "claim"))  # fmt: skip
    made = set(re.findall(r"'([a-z_]+)'", text)) | {f"contract_{kind}" for kind in (
        "sales", "service", "subscription", "frame")}  # fmt: skip
    assert {name for rule in reconcile.load() for name in rule.names()} <= made


def test_an_overlay_replaces_the_keys_it_names(make: Make) -> None:
    instance = make(BOOKS)
    assert [row[1] for row in told(instance, "contract_order")] == ["amount"]
    own = instance.config_dir / "reconcile"
    own.mkdir(parents=True)
    (own / "mine.toml").write_text('[rule]\nid = "contract_order"\ntolerance_percent = 3\n', encoding="utf-8")
    assert told(instance, "contract_order") == []
    rule = reconcile.find("contract_order", instance.config_dir)
    assert (rule.tolerance_percent, rule.tolerance_amount, rule.label.en) == (Decimal(3), 1, "Contract and order")
    assert is_shipped(rule)
    (own / "mine.toml").write_text('[rule]\nid = "contract_order"\nenabled = false\n', encoding="utf-8")
    assert "contract_order" not in {rule.id for rule in reconcile.load(instance.config_dir)}


OWN = """
[rule]
id = "big_orders"
left = ["contract_sales"]
right = ["big_ordered"]
tolerance_amount = 5
settles_in_days = 10

[rule.label]
zh = "大订单"
en = "Big orders"

[rule.sides]
left = { zh = "合同", en = "contract" }
right = { zh = "大订单", en = "big orders" }

[rule.measures]
big_ordered = '''
select customer_key, 'contract:' || contract_number as anchor, record_key as entry_key, record_key,
    'sales_order' as entity, source, number, order_on as dated_on, cast(null as date) as expected_on,
    cast(null as date) as completes_on, currency, gross_amount as amount, owner_key
from core.fct_order
where excluded_reason is null and gross_amount >= 100 and contract_number is not null
'''
"""


def test_an_instance_adds_a_rule_with_a_measure_of_its_own(make: Make) -> None:
    instance = make(BOOKS)
    own = instance.config_dir / "reconcile"
    own.mkdir(parents=True)
    (own / "big_orders.toml").write_text(OWN, encoding="utf-8")
    assert told(instance, "big_orders") == [("HT-1", "amount", Decimal(1000), Decimal(970), Decimal(30))]
    assert not is_shipped(reconcile.find("big_orders", instance.config_dir))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("tolerance_amount = 5", "tolerance = 5"), "tolerance"),
        (("settles_in_days = 10", "settles_in_days = -1"), "settles_in_days"),
        (("core.fct_order", "staging.sales_order"), "staging.sales_order"),
        (("gross_amount as amount, ", ""), "amount"),
        (("select customer_key", "delete from core.fct_order; select customer_key"), "one SELECT"),
        (('right = ["big_ordered"]', 'right = ["ordered"]'), "no side uses"),
        (('right = ["big_ordered"]', 'right = ["contract_sales"]'), "both sides"),
        (("from core.fct_order", "from read_csv('x')"), "read"),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    own = tmp_path / "reconcile"
    own.mkdir()
    (own / "big_orders.toml").write_text(OWN.replace(*change), encoding="utf-8")
    with pytest.raises(FatalError) as refused:
        reconcile.load(tmp_path)
    assert "big_orders.toml" in str(refused.value)
    assert said in str(refused.value)


def test_an_unknown_rule_names_those_there_are() -> None:
    with pytest.raises(FatalError, match="contract_order"):
        reconcile.find("nonsense")
    assert len(ENTRY) == len(set(ENTRY))
