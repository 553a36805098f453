"""kill -9 in mid-stream, many times, at random moments: nothing is lost, nothing lands twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fake import Seen, documents, make_instance, serving
from sqlalchemy import select

from ingest import landing
from ingest.collect import sync

STREAM = """
[[stream]]
name = "things"
path = "things"
params = { after = "{page.after}", since = "{window.start}", until = "{window.end}" }
records = "items"
id = "id"
page = { type = "keyset", key = "id", limit = 20 }
incremental = { type = "window", overlap_s = 60 }
deletes = { type = "sweep", every_h = 0, params = { after = "{page.after}", ids = 1 } }

[[stream]]
name = "lines"
path = "lines/{parent_id}"
records = "items"
id = "id"
parent = { stream = "things" }
"""
CHILD = """
import sys
from pathlib import Path
import ingest.stream_run
from ingest.collect import sync
from ops.instance import Instance
ingest.stream_run.FLUSH_EVERY_S = 0.0
print("up", flush=True)
for result in sync(Instance.load(Path(sys.argv[1])), "src"):
    assert result.error is None, result
"""


class Shop:
    """300 rows, two lines each; every tenth answer edits a row and adds one."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.is_quiet = False
        self.rows = {n: self.row(n, 0) for n in range(1, 301)}

    def row(self, number: int, version: int) -> dict[str, Any]:
        return {"id": number, "v": version, "at": time.time()}

    def __call__(self, seen: Seen) -> Any:
        if seen.path.startswith("/lines/"):
            parent = int(seen.path.rpartition("/")[2])
            version = self.rows[parent]["v"]
            return {"items": [{"id": f"{parent}-{n}", "v": version} for n in (1, 2)]}
        if seen.number % 10 == 0 and not self.is_quiet:
            number = self.dice.choice(list(self.rows))
            self.rows[number] = self.row(number, self.rows[number]["v"] + 1)
            self.rows[len(self.rows) + 1] = self.row(len(self.rows) + 1, 0)
        time.sleep(0.002)  # an answer takes its time, so that kills fall between pages too
        after = int(seen.query.get("after", 0))
        since = _epoch(seen.query.get("since"))
        wanted = [row for key, row in sorted(self.rows.items()) if key > after and row["at"] >= since][:20]
        return {"items": [{"id": row["id"]} for row in wanted] if "ids" in seen.query else wanted}


def _epoch(text: str | None) -> float:
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp() if text else 0.0


@pytest.mark.parametrize("kills", [15])
def test_killed_at_random_moments(tmp_path: Path, kills: int) -> None:
    seed = int(os.environ.get("C360_KILL_SEED", random.SystemRandom().randrange(10**6)))
    sys.stderr.write(f"\nC360_KILL_SEED={seed}\n")
    dice = random.Random(seed)
    shop = Shop(dice)
    survived = 0
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        command = [sys.executable, "-c", CHILD, str(tmp_path)]
        for _ in range(kills):
            with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as child:
                assert child.stdout is not None
                child.stdout.readline()
                # the moment of the kill is what is random
                time.sleep(dice.uniform(0.0, 0.6))
                child.send_signal(signal.SIGKILL)
                survived += child.wait() == 0
        shop.is_quiet = True
        final = sync(instance, "src")
        last = sync(instance, "src")
    assert all(result.error is None for result in final + last), f"seed {seed}: {final}"
    assert survived < kills, "every collection ended before it could be killed"
    found = documents(instance, "things")
    assert {int(key): row["v"] for key, row in found.items()} == {key: row["v"] for key, row in shop.rows.items()}, (
        f"seed {seed}"
    )
    lines = documents(instance, "lines")
    expected = {f"{key}-{n}": row["v"] for key, row in shop.rows.items() for n in (1, 2)}
    assert {key: row["v"] for key, row in lines.items()} == expected, f"seed {seed}"
    assert not list(instance.landing.glob("*/*/*/progress.json"))


def test_a_kill_between_manifest_and_cursor_takes_the_position_from_the_manifest(tmp_path: Path) -> None:
    shop = Shop(random.Random(1))
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        sync(instance, "src")
        from ops.tables import cursors

        with instance.store.begin() as connection:
            before = {row.stream: row.run_id for row in connection.execute(select(cursors))}
            connection.execute(cursors.delete())
        asked = len(fake.seen)
        (result, _) = sync(instance, "src")
        assert fake.seen[asked].query["since"] > "2026"
    assert result.error is None
    assert before["things"] <= landing.runs(instance.landing, "src", "things")[-1]


def test_a_broken_index_is_built_again(tmp_path: Path) -> None:
    shop = Shop(random.Random(2))
    with serving(shop) as fake:
        instance = make_instance(tmp_path, fake.url, STREAM)
        sync(instance, "src")
        for path in instance.landing.glob("src/*/index.sqlite*"):
            path.write_bytes(b"broken")
        results = sync(instance, "src", full=True)
    assert [result.error for result in results] == [None, None]
    assert results[0].rows_received >= 300
    assert results[0].rows_landed < 60
    documents(instance, "things")
