"""Documentation is a contract: what exists is documented, and generated pages are up to date."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from run import docs

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", sorted(docs.PAGES))
def test_generated_page_is_up_to_date(name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == docs.PAGES[name](), f"docs/{name} is out of date: run `.venv/bin/c360 docs`"


def test_every_command_has_help() -> None:
    page = docs.commands()
    for section in re.split(r"^#{2,3} ", page, flags=re.MULTILINE)[1:]:
        assert len(section.splitlines()[2]) > 10, section.splitlines()[0]


def test_every_link_in_the_docs_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


def _packages(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=]", one)[0] for one in requirements}


def test_every_dependency_has_its_reason_and_no_reason_is_left_over() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    part = (ROOT / "DECISIONS.md").read_text(encoding="utf-8").partition("## Dependencies")[2].partition("\n## ")[0]
    table, _, rest = part.partition("Development only:")
    named = {name for row in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:] for name in row.split(", ")}
    assert {name.split()[0] for name in named} == _packages(project["dependencies"])
    developing = re.sub(r"\([^)]*\)", "", rest.partition("`requirements.txt`")[0]).strip(" .\n")
    assert set(re.split(r"\s*,\s+", developing)) == _packages(project["optional-dependencies"]["dev"])
