"""Documentation is a contract: what exists is documented, and generated pages are up to date."""

from __future__ import annotations

import re
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
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
