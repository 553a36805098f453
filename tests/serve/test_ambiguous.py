"""A code that two systems gave to two companies is asked back, never guessed; the source before it settles it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from model import serve
from model.policy import Viewer
from model.serve import Ambiguous, NotFound, Served
from ops.instance import Instance
from run.cli import app
from tests.serve import conftest
from tests.warehouse import helpers


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", "2026-11-21T02:00:00+00:00")
        made = helpers.instance(tmp_path_factory.mktemp("ambiguous") / "i", mode="demo")
        conftest.stage(made)
        with helpers.open_staging(made) as con:
            helpers.put(con, "customer", "crm", [
                {"id": "A1", "code": "K-north", "name": "东岭食品有限公司", "owner_id": None},
                {"id": "K-south", "code": "A2", "name": "西岭化工有限公司", "owner_id": None}])  # fmt: skip
        helpers.make(made)
        yield made
        made.store.close()


def test_candidates_are_listed_and_a_source_settles_it(db: Served) -> None:
    with pytest.raises(Ambiguous, match="2 customers answer to 'K-north'") as error:
        serve.customer(Viewer.operator(), db, "K-north")
    assert {item["query"]: item["name"][:2] for item in error.value.candidates} == {
        "crm:K-north": "东岭", "erp:K-north": "北岭",
    }  # fmt: skip
    for item in error.value.candidates:
        assert serve.customer(Viewer.operator(), db, item["query"])["customer_key"] == item["customer_key"]
    with pytest.raises(Ambiguous):
        serve.customer(Viewer.operator(), db, "K-south")
    assert serve.customer(Viewer.operator(), db, "crm:K-south")["name"].startswith("西岭")


def test_a_scoped_viewer_is_asked_only_about_what_is_visible(db: Served) -> None:
    manager = conftest.viewer(db, "account_manager")
    assert serve.customer(manager, db, "K-north")["name"].startswith("北岭")
    with pytest.raises(NotFound):
        serve.customer(manager, db, "crm:K-north")


def test_the_command_line_prints_the_candidates(db: Served) -> None:
    result = CliRunner().invoke(app, ["--home", str(db.instance.home), "customer", "K-north"])
    assert result.exit_code != 0
    assert isinstance(result.exception, Ambiguous)
    assert "erp:K-north (北岭精密仪器有限公司)" in str(result.exception)
    result = CliRunner().invoke(app, ["--home", str(db.instance.home), "customer", "erp:K-north"])
    assert result.exit_code == 0, result.output
