"""A build that another version of the program made: what it lacks is said, and the next build brings it."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from model import build_run, serve
from model.policy import Viewer
from ops.errors import FatalError
from tests.serve.conftest import empty_company
from tests.warehouse import helpers


@pytest.fixture
def lacking(tmp_path: Path) -> serve.Served:
    """A published build without the table of devices."""
    made = empty_company(tmp_path / "i")
    with helpers.open_staging(made) as con:
        helpers.put(con, "customer", "erp", [{"id": "C-1", "code": "K-1", "name": "空湖仪器有限公司"}])
    helpers.make(made)
    path = serve.open_published(made).published.path
    serve.open_published(made).close()
    with duckdb.connect(str(path)) as con:
        con.execute("drop table marts.mart_asset_entitlement")
    return serve.open_published(made)


def test_what_an_older_build_lacks_is_said_with_what_to_do(
    lacking: serve.Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build_run, "fingerprint", lambda: "of another version")
    with pytest.raises(FatalError, match=r"another version of this program.*mart_asset_entitlement.*c360 build"):
        serve.customer(Viewer.operator(), lacking, "K-1")
    with pytest.raises(FatalError, match="another version"):
        lacking.frame("select no_such_column from core.dim_customer")


def test_a_wrong_question_to_a_build_of_these_models_stays_a_fault(lacking: serve.Served) -> None:
    with pytest.raises(duckdb.CatalogException, match="mart_asset_entitlement"):
        serve.customer(Viewer.operator(), lacking, "K-1")


def test_the_next_build_brings_what_was_lacking(lacking: serve.Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_run, "fingerprint", lambda: "of another version")
    helpers.make(lacking.instance)
    assert serve.customer(Viewer.operator(), serve.open_published(lacking.instance), "K-1")["name"]
