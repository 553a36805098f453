"""Books that disagree on purpose, as folders of templates; the clock stands on TODAY."""

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
FINANCE = Viewer(user="finance", name="finance", role="finance")
Files = dict[str, str]
Make = Callable[..., Instance]

CONTRACT = "customer_id,number,kind,amount,currency,signed_on,start_on,end_on\n"
ORDER = "customer_id,number,contract_number,order_on,delivery_on,currency,gross_amount\n"
SHIPMENT = "customer_id,number,order_number,shipped_on,currency,gross_amount,is_return\n"
INVOICE = "customer_id,number,kind,order_number,contract_number,invoice_on,due_on,currency,gross_amount\n"
CREDIT = "customer_id,number,kind,credit_on,currency,gross_amount\n"


@pytest.fixture(scope="module", autouse=True)
def _clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-22T02:00:00+00:00")
        yield


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Instance] = []

    def _make(files: Files, **config: Any) -> Instance:
        instance = books.instance(tmp_path, files, **config)
        made.append(instance)
        return instance

    yield _make
    for instance in made:
        instance.store.close()


def found(instance: Instance, rule: str, day: date = TODAY, viewer: Viewer = FINANCE, **asked: Any) -> list[Any]:
    """The items of a rule."""
    db: Served = serve.open_published(instance)
    db.cache.clear()
    items: list[Any] = serve.reconciliation(viewer, db, rule=rule, as_of=day, **asked)["items"]
    return items


def told(instance: Instance, rule: str, day: date = TODAY) -> list[tuple[Any, ...]]:
    """(number, class, left, right, difference) of the items of a rule, by number."""
    return sorted(
        (item["number"], item["class"], item["left_amount"], item["right_amount"], item["difference"])
        for item in found(instance, rule, day)
    )
