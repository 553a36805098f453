"""Books with known faults, as folders of templates; the clock stands on TODAY."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from model import serve
from model.policy import Viewer
from model.serve import Served
from ops.instance import Instance
from tests.receivables import books

TODAY = date(2026, 11, 22)
NOW = "2026-11-22T02:00:00+00:00"
FINANCE = Viewer(user="finance", name="finance", role="finance", masks=frozenset({"phone"}))
Files = dict[str, str]
Make = Callable[..., Instance]
GOOD, BAD = "91310115MA1FYB3K05", "91310115MA1FYB3K06"
FAULTY: Files = {
    "customer": "code,name,uscc,phone,address,payment_terms\n"
                f"C1,北岭仪器有限公司,{GOOD},021-50001234,浦东新区示例路1号,月结30天\n"
                f"C2,南岭阀门有限公司,{BAD},12,,\n",
    "invoice": "customer_id,number,invoice_on,due_on,currency,gross_amount\n"
               "C1,A1,2026-10-10,2026-10-01,CNY,100\n"
               "C2,A2,2026-10-10,,CNY,5000\n",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C360_NOW", NOW)


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the FAULTY books, built once; tests copy it and never change it."""
    folder = tmp_path_factory.mktemp("faulty")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        books.instance(folder, FAULTY).store.close()
    return folder


@pytest.fixture
def make(tmp_path: Path, faulty: Path) -> Iterator[Make]:
    made: list[Instance] = []

    def _make(files: Files, **config: Any) -> Instance:
        is_known = files is FAULTY and not config
        instance = books.copied(faulty, tmp_path) if is_known else books.instance(tmp_path, files, **config)
        made.append(instance)
        return instance

    yield _make
    for instance in made:
        instance.store.close()


def overlay(instance: Instance, text: str) -> None:
    """The instance's own rules."""
    instance.config_dir.mkdir(parents=True, exist_ok=True)
    (instance.config_dir / "quality.toml").write_text(text, encoding="utf-8")


def opened(instance: Instance) -> Served:
    return serve.open_published(instance)


def rules(found: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Rule → (checked, failed), of rules that apply."""
    return {row["rule"]: (row["checked"], row["failed"]) for row in found["rules"] if row["checked"]}
