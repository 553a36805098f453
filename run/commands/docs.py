"""`c360 docs`: write the generated documentation pages."""

from __future__ import annotations

from run import docs


def command() -> None:
    """Regenerate the command, data dictionary, connector and alert pages of docs/ from the code."""
    docs.echo_written(docs.write())
