"""Signatures of the robots against what others compute.

DingTalk and Feishu document how a robot signs as program text, without a worked value; WeCom's robots sign nothing (the
key stands in the address). The values below are what the command line of OpenSSL gives:

    printf '%s' MESSAGE | openssl dgst -sha256 -mac HMAC -macopt hexkey:KEY_IN_HEX -binary | base64

with the secret as key and "milliseconds, line feed, secret" as message for DingTalk, and with "seconds, line feed,
secret" as key and nothing as message for Feishu.
"""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given
from hypothesis import strategies as st

from model.delivery import robots

DINGTALK = [
    ("SECdemo", 1767225600000, "obv1jKXupdCsRrmQyT6z59MdIICFujSKQJly1hcEYiE="),
    ("SECdemo", 1546084445901, "nf6FFcEgLtHDlbyzy5YTKSu0V5v7icLD1obx5CSpvQQ="),
    ("SEC0123456789abcdef", 1767225600000, "B0RWzLp5DJ68eWPlqN2is7j/CJw7WP3nV1RkTFHU+F4="),
    ("SEC0123456789abcdef", 1546084445901, "3M9mw2YWIfE2kNGBb8/Vn8yaLcXvU6sHKSzMTFwamEo="),
    ("密钥 & + /=", 1767225600000, "xJgrZnKTkY1gqtt7VNN5BJuyGBJ1j83r3RjzKIomKKc="),
]
FEISHU = [
    ("demo", 1767225600, "OeJmDC3C7FsudJ7/9z2vZtAnXCvb3MhsqwPgUZXABqw="),
    # the time that Feishu's guide uses in its example
    ("demo", 1599360473, "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
    ("test-secret", 1767225600, "Cbj4hosCTm12J/BNQ3BrTUysp1sng24yRG2he5zDQWI="),
    ("test-secret", 1599360473, "wSds2BzzFIIGf/WrhUO+NI1q/9j+FRJd3JNHKAq0NZY="),
    ("密钥 & + /=", 1599360473, "mzpB3XGscSYdmRd1659XKQ+V4FUdx3ZIRLZtehKhq3c="),
]


@pytest.mark.parametrize(("secret", "milliseconds", "sign"), DINGTALK)
def test_dingtalk_signs_as_openssl_does(secret: str, milliseconds: int, sign: str) -> None:
    assert robots.dingtalk_sign(secret, milliseconds) == sign


@pytest.mark.parametrize(("secret", "seconds", "sign"), FEISHU)
def test_feishu_signs_as_openssl_does(secret: str, seconds: int, sign: str) -> None:
    assert robots.feishu_sign(secret, seconds) == sign


def test_the_one_value_that_dingtalk_publishes() -> None:
    """The example of its signatures for signing in: the same code and encoding over the time alone."""
    sign = quote(robots.mac(b"testappSecret", b"1546084445901"), safe="")
    assert sign == "HCbG3xNE3vzhO%2Bu7qCUL1jS5hsu2n5r2cFhnTrtyDAE%3D"


@given(st.text(min_size=1, max_size=200), st.integers(0, 2**42))
def test_any_secret_signs_as_another_library_does(secret: str, instant: int) -> None:
    def other(key: str, message: str) -> str:
        made = HMAC(key.encode(), hashes.SHA256())
        made.update(message.encode())
        return base64.b64encode(made.finalize()).decode()

    assert robots.dingtalk_sign(secret, instant) == other(secret, f"{instant}\n{secret}")
    assert robots.feishu_sign(secret, instant) == other(f"{instant}\n{secret}", "")
