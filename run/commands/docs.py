"""`c360 docs`: write the generated documentation pages."""

from __future__ import annotations

from run import docs


def command() -> None:
    """Regenerate docs/commands.md, docs/data-dictionary.md and docs/sources.md from the code."""
    docs.echo_written(docs.write())
