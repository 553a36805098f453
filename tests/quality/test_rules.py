"""Rules as data: a company's own ones, what is wrong with a broken one, and the marts made from the shipped ones."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from random import Random

import polars as pl
import pytest

from model import serve
from model.identity.identifiers import is_uscc
from model.quality import load
from model.quality.compile import marts
from model.quality.rule import is_stored
from ops.errors import FatalError
from tests.quality.conftest import FAULTY, FINANCE, Make, opened, overlay, rules
from tests.warehouse import helpers

OWN = """
[[rule]]
id = "customer_city"
dimension = "completeness"
entity = "customer"
fields = ["city", "region"]
weight = 5
label = { zh = "客户有城市", en = "Customer has a city" }
action = { zh = "补录城市", en = "Enter the city" }
"""


@pytest.mark.parametrize("path", marts(), ids=lambda path: path.stem)
def test_marts_follow_the_rules(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == marts()[path], "write it again: `c360 docs`"


def test_shipped_rules_say_something_in_both_languages() -> None:
    for rule in load():
        assert rule.label.zh != rule.label.en
        assert is_stored(rule) or rule.measure or rule.dimension == "freshness"


def test_a_company_adds_a_rule(make: Make) -> None:
    instance = make(FAULTY)
    overlay(instance, OWN)
    db = opened(instance)
    found = serve.quality(FINANCE, db)
    assert rules(found)["customer_city"] == (2, 2)
    rows = serve.quality_worklist(FINANCE, db, rule="customer_city")["rows"]
    assert [(row["record_key"], row["action"]) for row in rows] == [("books:C2", "补录城市"), ("books:C1", "补录城市")]


def test_a_company_changes_and_drops_shipped_rules(make: Make) -> None:
    instance = make(FAULTY)
    db = opened(instance)
    overlay(instance, '[[rule]]\nid = "customer_owner"\nenabled = false\n'
                      '[[rule]]\nid = "invoice_due"\nfails = "due_on is null or gross_amount > 50"\n'
                      '[[rule]]\nid = "customer_address"\nweight = 9\n[rule.label]\nzh = "有地址"\n')  # fmt: skip
    found = serve.quality(FINANCE, db)
    assert "customer_owner" not in rules(found)
    assert rules(found)["invoice_due"] == (2, 2), "another condition is counted anew, not read from the mart"
    address = next(row for row in found["rules"] if row["rule"] == "customer_address")
    assert (address["weight"], address["label"], address["failed"]) == (9, "有地址", 1)
    # 3·1 + 9·½ + 2·½ + 3·0 + 3·1 = 11.5 of 20
    assert found["dimensions"]["completeness"]["score"] == Decimal("57.5")


@pytest.mark.parametrize(("text", "said"), [
    ('[[rule]]\nid = "customer_owner"\nwieght = 2\n', "quality.toml: rule customer_owner: wieght"),
    ('[[rule]]\nid = "customer_owner"\nfields = ["boss"]\n', "customer has no field boss; valid: customer_key"),
    ('[[rule]]\nid = "customer_owner"\nentity = "client"\n', "there is no entity 'client'; valid: customer, contact"),
    ('[[rule]]\nid = "customer_owner"\ndimension = "beauty"\n', "'completeness', 'validity', 'duplicates'"),
    ('[[rule]]\nid = "customer_owner"\nweight = 0\n', "rule customer_owner: weight"),
    ('[[rule]]\nid = "customer_owner"\nfails = "boss is null"\n', "there is no column boss; valid:"),
    ('[[rule]]\nid = "customer_owner"\nfails = "name ="\n', "it is not SQL"),
    ('[[rule]]\nid = "customer_owner"\nfails = "name in (select name from core.dim_employee)"\n', "it holds"),
    ('[[rule]]\nid = "customer_owner"\nfails = "count(*) > 1"\n', "it holds"),
    ('[[rule]]\nid = "customer_owner"\nfails = "getenv(\'HOME\') = name"\n', "it holds GETENV"),
    ('[[rule]]\nid = "customer_owner"\nmax_age_days = 5\n', "max_age_days belongs to freshness"),
    ('[[rule]]\nid = "collected"\nfields = ["name"]\n', "a measure is about a source as a whole"),
    (('[[rule]]\nid = "mine"\ndimension = "validity"\nentity = "customer"\nfields = ["name"]\nweight = 1\n'
     'label = { zh = "甲", en = "a" }\naction = { zh = "甲", en = "a" }\n'), "validity needs fails"),
    ('[[rule]]\nweight = 2\n', "rule 1 has no id"),
    ('[rules]\n', "rules is no list of rules"),
    ('[[rule]]\nid = "a1"\n[[rule]]\nid = "a1"\n', "stands there twice"),
    ('id = ', "not valid TOML"),
])  # fmt: skip
def test_a_broken_rule_says_where_and_what_is_valid(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "quality.toml").write_text(text, encoding="utf-8")
    with pytest.raises(FatalError) as error:
        load(tmp_path)
    assert "quality.toml" in str(error.value)
    assert said in str(error.value)


def test_the_check_of_credit_codes_agrees_with_that_of_identity(tmp_path: Path) -> None:
    letters, random = "0123456789ABCDEFGHJKLMNPQRTUWXY", Random(7)
    codes = ["91310115MA1FYB3K0" + last for last in letters]
    codes += ["9131" + "".join(random.choice("0123456789") for _ in range(4)) + "".join(random.choices(letters, k=10))
              for _ in range(60)]  # fmt: skip
    codes += ["91310115MA1FYB3K0I", "91310115MA1FYB3K", "9131O115MA1FYB3K05"]
    inst = helpers.instance(tmp_path / "i")
    with helpers.open_staging(inst) as con:
        helpers.put(con, "customer", "erp", [
            {"id": f"C{n}", "code": f"C{n}", "name": f"第{n}号企业", "uscc": code} for n, code in enumerate(codes)
        ])  # fmt: skip
    helpers.make(inst)
    found = helpers.rows(inst, "select sum(customer_uscc_sound_checked), sum(customer_uscc_sound_failed) "
                               "from marts.mart_quality_customer")  # fmt: skip
    wrong = sum(not good for good in is_uscc(pl.Series(codes)).to_list())
    assert 0 < wrong < len(codes)
    assert found == [(len(codes), wrong)]
    inst.store.close()
