"""Versions: kept, listed, rolled back, and published again only when something changed."""

from __future__ import annotations

import duckdb
import pytest

from model import publish
from ops.errors import FatalError
from ops.instance import Instance
from tests.warehouse import helpers, kill_worker


def test_nothing_published_says_what_to_do(inst: Instance) -> None:
    with pytest.raises(FatalError, match="c360 build"):
        publish.current(inst)


def test_keeps_n_versions_and_rolls_back(inst: Instance) -> None:
    inst.config.keep_builds = 2
    versions = []
    for _ in range(3):
        kill_worker.step(inst)
        versions.append(helpers.make(inst).version)
    listed = publish.builds(inst)
    assert [row["version"] for row in listed] == [versions[2], versions[1]]
    assert [row["current"] for row in listed] == [True, False]
    publish.rollback(inst, str(versions[1]))
    assert publish.current(inst).version == versions[1]
    assert helpers.rows(inst, "select count(*) from core.fct_invoice") == [(2,)]


def test_a_rollback_holds_until_something_changes(inst: Instance) -> None:
    kill_worker.step(inst)
    first = helpers.make(inst).version
    kill_worker.step(inst)
    helpers.make(inst)
    publish.rollback(inst, str(first))
    assert helpers.make(inst).mode == "none"
    assert publish.current(inst).version == first
    kill_worker.step(inst)
    third = helpers.make(inst)
    assert publish.current(inst).version == third.version
    assert helpers.rows(inst, "select count(*) from core.fct_invoice") == [(3,)]


def test_rollback_to_an_unknown_version_lists_the_kept_ones(inst: Instance) -> None:
    kill_worker.step(inst)
    version = helpers.make(inst).version
    with pytest.raises(FatalError, match=str(version)):
        publish.rollback(inst, "nonsense")


def test_a_reader_keeps_its_version_while_another_is_published(inst: Instance) -> None:
    kill_worker.step(inst)
    helpers.make(inst)
    con = duckdb.connect(str(publish.current(inst).path), read_only=True)
    kill_worker.step(inst)
    helpers.make(inst)
    assert con.execute("select count(*) from core.fct_invoice").fetchall() == [(1,)]
    con.close()
