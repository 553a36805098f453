"""`c360 source test` asks without landing; `add` and `promote` keep what people wrote into c360.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from data.demo import simulators
from data.demo.company import generate
from ingest.probe import probe
from model import build
from ops import clock, secrets
from ops.errors import FatalError
from ops.instance import Instance
from run import demo
from run.cli import app
from tests.run import books
from tests.warehouse import helpers

NOW = "2026-11-21T02:00:00+00:00"


def c360(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """An instance on the four vendors' simulators; nothing is collected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("C360_NOW", NOW)
        with simulators.serve(generate(60, seed=3, today=clock.today("Asia/Shanghai"))) as running:
            made = demo.create_instance(tmp_path_factory.mktemp("vendors") / "i", running)  # type: ignore[arg-type]
            yield made


@pytest.mark.parametrize("source", ["crm", "erp", "service", "projects"])
def test_every_vendor_answers_with_a_first_page_and_nothing_is_kept(vendors: Instance, source: str) -> None:
    found = probe(vendors, source)
    assert {one.state for one in found} <= {"ok", "off"}, [vars(one) for one in found]
    assert sum(one.rows for one in found) > 0
    assert not list(vendors.landing.rglob("*")), "landing was written"
    asked = c360(vendors.home, "source", "test", source, "--json")
    assert asked.exit_code == 0
    assert {row["stream"]: row["rows"] for row in json.loads(asked.stdout)} == {one.stream: one.rows for one in found}


def test_a_substream_is_asked_for_one_parent(vendors: Instance) -> None:
    children = [one.stream for one in probe(vendors, "service") if one.rows and "ticket" in one.stream]
    assert children
    (_, *_) = probe(vendors, "service", children[-1])


def test_a_wrong_password_is_said_once_without_showing_it(vendors: Instance) -> None:
    kept = secrets.resolve("file:kingdee_app_secret", vendors.secrets)
    secrets.write("kingdee_app_secret", "wrong-word-4711", vendors.secrets)
    try:
        done = c360(vendors.home, "source", "test", "erp")
    finally:
        secrets.write("kingdee_app_secret", kept, vendors.secrets)
    assert done.exit_code == 1
    assert done.output.count("sign-in: ") == 1
    assert "wrong-word-4711" not in done.output
    assert "To do:" in done.output


def test_an_unreachable_server_and_a_wrong_name_are_said(tmp_path: Path) -> None:
    inst = books.instance(tmp_path / "i", tmp_path / "absent")
    (found, *_) = probe(inst, "books")
    assert found.state == "failed"
    assert "absent" in str(found.message)
    with pytest.raises(FatalError, match="books"):
        probe(inst, "nope")
    with pytest.raises(FatalError, match="no stream"):
        probe(inst, "books", "nope")


COMMENTED = """# who we are
company = "示例仪器"   # the whole group

[[source]]   # the books
name = "books"
connector = "template"
role = "files"
status = "shadow"  # until finance agrees
settings = { folder = "FOLDER" }
"""


def commented(tmp_path: Path) -> Path:
    books.write(tmp_path / "files")
    home = tmp_path / "i"
    books.instance(home, tmp_path / "files")
    text = COMMENTED.replace("FOLDER", str(tmp_path / "files"))
    (home / "c360.toml").write_text(text, encoding="utf-8")
    return home


def test_promote_changes_one_word_and_the_next_build_shows_the_source(tmp_path: Path) -> None:
    home = commented(tmp_path)
    before = (home / "c360.toml").read_text(encoding="utf-8")
    inst = Instance.load(home)
    books.sync(inst)
    build.build(inst)
    names = "select name from core.dim_customer where name like '%岭%' order by name"
    assert helpers.rows(inst, names) == []
    assert c360(home, "source", "promote", "books").exit_code == 0
    assert (home / "c360.toml").read_text(encoding="utf-8") == before.replace('"shadow"', '"active"')
    promoted = Instance.load(home)
    build.build(promoted)
    assert helpers.rows(promoted, names) == [("北岭仪器有限公司",), ("南岭仪器有限公司",)]
    assert "active already" in c360(home, "source", "promote", "books").output
    wrong = c360(home, "source", "promote", "nope").exception
    assert isinstance(wrong, FatalError)
    assert "books" in str(wrong)


def test_add_keeps_comments_and_stores_secrets_apart(tmp_path: Path) -> None:
    home = commented(tmp_path)
    done = c360(
        home, "source", "add", "desk", "zendesk", "--set", "subdomain=demo", "--set", "email=a@demo.example",
        "--set", "api_token=very-secret-4711",
    )  # fmt: skip
    assert done.exit_code == 0, done.output + str(done.exception)
    text = (home / "c360.toml").read_text(encoding="utf-8")
    for comment in ("# who we are", "# the whole group", "# the books", "# until finance agrees"):
        assert comment in text
    assert "very-secret-4711" not in text
    loaded = Instance.load(home)
    assert [source.name for source in loaded.config.sources] == ["books", "desk"]
    assert secrets.resolve(loaded.config.source("desk").settings["api_token"], loaded.secrets) == "very-secret-4711"


def test_add_to_an_instance_without_sources(tmp_path: Path) -> None:
    assert c360(tmp_path / "i", "init", "--company", "x").exit_code == 0
    done = c360(tmp_path / "i", "source", "add", "books", "template", "--set", f"folder={tmp_path}")
    assert done.exit_code == 0, done.exception
    assert Instance.load(tmp_path / "i").config.source("books").settings == {"folder": str(tmp_path)}


def test_a_connector_of_the_company_s_own_is_made_listed_and_added(tmp_path: Path) -> None:
    home = tmp_path / "i"
    assert c360(home, "init", "--company", "x").exit_code == 0
    assert c360(home, "source", "new", "oldcrm", "--kind", "sql", "--role", "crm").exit_code == 0
    assert (home / "config" / "sources" / "oldcrm" / "source.toml").is_file()
    assert "oldcrm" in c360(home, "source", "list").stdout
    given = [f"{name}=x" for name in ("host", "database", "user", "password")]
    settings = [part for item in given for part in ("--set", item)]
    done = c360(home, "source", "add", "crm", "oldcrm", *settings)
    assert done.exit_code == 0, done.output
    assert secrets.resolve(Instance.load(home).config.source("crm").settings["password"], home / "secrets") == "x"


def test_check_tries_a_source_on_request(tmp_path: Path) -> None:
    books.write(tmp_path / "files")
    home = books.instance(tmp_path / "i", tmp_path / "files").home
    done = c360(home, "check", "books")
    assert done.exit_code == 0, done.output
    assert "customer " in done.stdout
    (tmp_path / "files" / "customer.csv").write_text("code,nam\n1,x\n", encoding="utf-8")
    assert c360(home, "check").exit_code == 0, "without a source only the configuration is looked at"
    done = c360(home, "check", "books")
    assert done.exit_code == 1
    assert "problem: books/customer: customer.csv: unknown column 'nam'" in done.stdout


def test_check_reads_the_files_of_an_instance(tmp_path: Path) -> None:
    books.write(tmp_path / "files")
    home = books.instance(tmp_path / "i", tmp_path / "files").home
    config = home / "config"
    config.mkdir(exist_ok=True)
    (config / "survivorship.toml").write_text("[nme]\nx = 1\n", encoding="utf-8")
    (config / "products.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (config / "alerts.toml").write_text("", encoding="utf-8")
    done = c360(home, "check")
    assert done.exit_code == 1
    assert "survivorship.toml: unknown key 'nme'" in done.stdout
    assert "products.csv: the columns are a, b" in done.stdout
    assert "config/alerts.toml: nothing reads it. Valid: calendar" in done.stdout
    for name in ("survivorship.toml", "products.csv", "alerts.toml"):
        (config / name).unlink()
    assert c360(home, "check").exit_code == 0
