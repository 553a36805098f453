"""A builder or publisher killed at any moment: the last build stays served, nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from model import publish
from ops.instance import Instance
from tests.warehouse import helpers, kill_worker

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("C360_KILLS", "6"))


def served_step(inst: Instance) -> int:
    """The step the published build shows, after checking that all its tables are of one step."""
    ((name, count, total, items, events),) = helpers.rows(
        inst,
        """
        select
            (select max(name) from core.dim_customer), (select count(*) from core.fct_invoice),
            (select sum(gross_amount) from core.fct_invoice), (select sum(open_amount) from marts.mart_open_item),
            (select count(*) from marts.mart_timeline)
        """,
    )
    assert int(name) == count == events
    assert total == items == Decimal(100 * count)
    return int(count)


def test_killed_builders_lose_and_double_nothing(inst: Instance, capsys: pytest.CaptureFixture[str]) -> None:
    seed = random.SystemRandom().randrange(10**6)
    with capsys.disabled():
        sys.stdout.write(f"[kill seed {seed}] ")
    chance = random.Random(seed)
    kill_worker.step(inst)
    helpers.make(inst)
    last = served_step(inst)
    for _ in range(KILLS):
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.warehouse.kill_worker", str(inst.home)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            # the moment of the kill is what is random
            time.sleep(chance.uniform(1.5, 7))
            assert worker.poll() is None, worker.communicate()[1].decode()
        finally:
            worker.kill()
            worker.communicate()
        now = served_step(inst)
        assert now >= last
        last = now
    final = kill_worker.step(inst)
    helpers.make(inst)
    assert served_step(inst) == final
    before = helpers.everything(inst)
    helpers.make(inst, full=True)
    assert helpers.everything(inst) == before


def test_a_killed_copy_leaves_no_debris(inst: Instance) -> None:
    kill_worker.step(inst)
    first = helpers.make(inst)
    (inst.published / ".wh-x.duckdb.part").write_bytes(b"half")
    (inst.published / "wh-99999999.duckdb").write_bytes(b"complete but never announced")
    assert publish.current(inst).version == first.version
    kill_worker.step(inst)
    second = helpers.make(inst)
    names = {path.name for path in inst.published.iterdir()}
    assert not any("part" in name or "99999999" in name for name in names)
    assert publish.current(inst).version == second.version
