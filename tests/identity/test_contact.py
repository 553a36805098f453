"""Phones, domains, addresses and numbers as keys."""

from __future__ import annotations

import polars as pl
import pytest

from model.identity.matching import contact
from model.identity.matching.prepare import tax_keys


@pytest.mark.parametrize(
    ("text", "number", "extension"),
    [
        ("(0755)8888 1234 转 801", "75588881234", "801"),
        ("0512-67890123-8001", "51267890123", "8001"),
        ("0512－67890123", "51267890123", ""),
        ("+86 138 1234 5678", "13812345678", ""),
        ("8613812345678", "13812345678", ""),
        ("086-21-61234567", "2161234567", ""),
        ("021—61234567", "2161234567", ""),
        ("404/351 -9533", "4043519533", ""),
        ("404-351-9533 ext. 12", "4043519533", "12"),
        ("+1 404 351 9533", "4043519533", ""),
        ("021-61234567 / 021-61234568", "2161234567", ""),
        ("00000000", "", ""),
        ("12345", "", ""),
        ("", "", ""),
    ],
)
def test_phone(text: str, number: str, extension: str) -> None:
    assert contact.phone(text) == (number, extension)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://www.acme.example/path?x=1", "acme.example"),
        ("mail@shop.acme.co.uk", "acme.co.uk"),
        ("www.yunlan.com.cn", "yunlan.com.cn"),
        ("someone@qq.com", ""),
        ("gmail.com", ""),
        ("192.168.0.1", ""),
        ("n/a", ""),
    ],
)
def test_domain(text: str, expected: str) -> None:
    assert contact.domain(text) == expected


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("3172 Peachtree Rd. NE", "3172 peachtree road northeast"),
        ("12 Main Street, Suite 400", "12 Main St."),
        ("Hauptstraße 12", "Hauptstr. 12"),
        ("上海市长江路183号5楼502室", "上海市长江路183号"),
        ("上海市长江路１８３號", "上海市长江路183号"),
    ],
)
def test_equal_addresses(one: str, two: str) -> None:
    assert contact.address(one) == contact.address(two)


def test_house_number_is_not_the_floor_or_the_street() -> None:
    assert contact.address("3 E. 52nd St.")[0] == "3"
    assert contact.address("5th Avenue")[0] == ""
    assert contact.address("1688弄5号")[0] != contact.address("1688弄6号")[0]


@pytest.mark.parametrize(("one", "two"), [("苏州市", "苏州"), ("江苏省苏州市", "苏州"), ("New York City", "new york")])
def test_equal_cities(one: str, two: str) -> None:
    assert contact.city(one) == contact.city(two)


def test_tax_numbers_of_one_company_have_one_key() -> None:
    code = "91310115MA4JURQ203"
    keys = tax_keys(pl.Series([code, code.lower(), f"{code[:6]} {code[6:]}", code[2:17], "9131O115MA4JURQ2O3"]))
    assert keys["tax"].n_unique() == 1
    assert keys["uscc"].to_list() == [code, code, code, None, code]


@pytest.mark.parametrize("value", ["", "000000000000000", "0123456789", "无", "11010519491231002X", "111111"])
def test_fillers_and_persons_have_no_key(value: str) -> None:
    assert tax_keys(pl.Series([value]))["tax"].to_list() == [None]
