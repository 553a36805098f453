"""The stewards' commands from outside: what they print, what they write, and their exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ops.errors import C360Error
from ops.instance import Instance
from run.cli import app
from tests.identity.steward_books import crosswalk, stage
from tests.warehouse import helpers


@pytest.fixture(scope="module")
def inst(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    made = helpers.instance(tmp_path_factory.mktemp("identity") / "i")
    stage(made)
    helpers.make(made)
    return made


def c360(inst: Instance, *arguments: str) -> str:
    """What the command prints; the error it raises is raised here."""
    done = CliRunner().invoke(app, ["--home", str(inst.home), "identity", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def answer(inst: Instance, *arguments: str) -> Any:
    return json.loads(c360(inst, *arguments, "--json"))


def test_decide_build_history_unmerge(inst: Instance) -> None:
    keys = crosswalk(inst)
    kept, lost = keys["crm", "c0"], keys["crm", "c1"]
    shown = c360(inst, "decide", "crm:c0", "crm:c1", "same", "--preview")
    assert shown.count(kept) == 2
    assert answer(inst, "decisions")["total"] == 0, "a preview writes nothing"
    done = c360(inst, "decide", "crm:c1", "crm:c0", "same", "--reason", "Umfirmiert")
    assert "1 pairs decided" in done
    assert "1 decisions wait for the next build: run `c360 build`" in done
    helpers.make(inst)
    life = answer(inst, "history", lost)
    assert (life["state"], life["customer_key"], life["anchor"]) == ("former", kept, "crm:c1")
    assert answer(inst, "history")[0]["event"] == "merge"
    (row,) = answer(inst, "decisions", "--standing", "--record", "crm:c1")["rows"]
    assert (row["decision"], row["by"], row["reason"], row["is_built"]) == ("same", "operator", "Umfirmiert", True)
    assert answer(inst, "unmerge", "crm:c0", "crm:c1")["decided"] == [{"left": "crm:c0", "right": "crm:c1"}]
    helpers.make(inst)
    assert crosswalk(inst) == keys
    assert f"{lost}  living" in c360(inst, "history", lost)


def test_take_apart_and_lists(inst: Instance, tmp_path: Path) -> None:
    keys = crosswalk(inst)
    shown = answer(inst, "take-apart", "service:s2", "--preview")
    assert shown["different"]
    assert len(shown["after"]) == 2
    file = tmp_path / "never.csv"
    file.write_text("left_source,left_id,right_source,right_id\nerp,e2,service,s2\n", encoding="utf-8")
    assert answer(inst, "import-list", str(file), "never")["added"] == 1
    helpers.make(inst)
    assert crosswalk(inst)["service", "s2"] != keys["service", "s2"]
    assert "0 pairs added, 1 known before" in c360(inst, "import-list", str(file), "never")


def test_what_is_wrong_is_told(inst: Instance, tmp_path: Path) -> None:
    for arguments, says in (
        (("decide", "crm:c0", "crm:c1", "perhaps"), "same, different, unsure, unmerge"),
        (("decide", "crm:c0", "nowhere", "same"), "names no record"),
        (("decide", "crm:c0", "crm:none", "same"), "no record crm:none"),
        (("unmerge", "crm:c0", "erp:e3"), "nobody decided"),
        (("import-list", str(tmp_path / "none.csv"), "always"), "cannot be read"),
        (("review", "--order", "size"), "priority, revenue"),
    ):
        with pytest.raises(C360Error) as error:
            c360(inst, *arguments)
        assert says in str(error.value)
    assert "pairs" in c360(inst, "review")
