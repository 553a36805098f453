"""The sign-in seam: what a cookie vouches for and where signing in may lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.instance import Instance, InstanceConfig
from views import session


@pytest.mark.parametrize(
    ("page", "query", "target"),
    [
        ("customer", "customer=C000001&lang=en", "/customer?customer=C000001&lang=en"),
        ("/evil.example", "", "/"),
        ("https://evil.example", "q=1", "/?q=1"),
        ("receivables", "user=operator&lang=zh", "/receivables?lang=zh"),
        ("customer", "q=%0d%0aSet-Cookie:x", "/customer?q=%0D%0ASet-Cookie%3Ax"),
    ],
)
def test_signing_in_leads_to_own_pages_only(page: str, query: str, target: str) -> None:
    assert session.destination(page, query) == target


def test_only_its_own_signature_counts(tmp_path: Path) -> None:
    one = Instance.create(tmp_path / "one", InstanceConfig(mode="demo"))
    other = Instance.create(tmp_path / "other", InstanceConfig(mode="demo"))
    cookie = str(session.signer(one).dumps("chen.li"))
    assert session.user_of(one, cookie) == "chen.li"
    assert session.user_of(other, cookie) is None
    assert session.user_of(one, cookie[:-2]) is None
    assert session.user_of(one, None) is None
    assert (one.secrets / "web-session").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("mode", "host", "extra", "refused"),
    [
        ("demo", "127.0.0.1:8501", {}, False),
        ("demo", "[::1]:8501", {}, False),
        ("demo", "evil.example", {}, True),
        ("demo", "127.0.0.1.evil.example:80", {}, True),
        ("demo", "localhost", {"x-forwarded-for": "10.0.0.1"}, True),
        ("demo", "localhost", {"forwarded": "for=10.0.0.1"}, True),
        ("live", "crm.example", {"x-forwarded-for": "10.0.0.1"}, False),
    ],
)
def test_a_demo_answers_on_loopback_only(
    mode: str, host: str, extra: dict[str, str], refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Instance.create(tmp_path, InstanceConfig(mode="demo" if mode == "demo" else "live"))
    monkeypatch.setenv("C360_HOME", str(tmp_path))
    headers = [(key.encode(), value.encode()) for key, value in {"host": host, **extra}.items()]
    assert session.refused({"headers": headers}) is refused
