"""Commands that are imported when they are called: `c360 --help` and light commands start without the warehouse."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from run import commands

FOLDER = Path(commands.__file__).parent
Command = TyperCommand | TyperGroup


@cache
def files() -> dict[str, Path]:
    """Name of every command → the file that holds it, sorted by name."""
    paths = sorted(path for path in FOLDER.glob("*.py") if path.stem != "__init__")
    return {path.stem.rstrip("_").replace("_", "-"): path for path in paths}


@cache
def load(name: str) -> Command:
    """The command `name`, imported; KeyError when there is none."""
    module = importlib.import_module(f"{commands.__name__}.{files()[name].stem}")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    # beside a second command the first stays a command of its own instead of becoming the whole program
    app.command(name="-", hidden=True)(_nothing)
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name)
    else:
        app.command(name=name)(module.command)
    group = get_command(app)
    found: Command = group.commands[name]  # type: ignore[attr-defined]
    return found


def _nothing() -> None:
    """Never called."""


@cache
def help_of(name: str) -> str:
    """What the command `name` says it does, read from its file without importing it."""
    tree = ast.parse(files()[name].read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "command":
            return ast.get_docstring(node) or ""
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _names(node, "app"):
            for keyword in node.value.keywords:
                if keyword.arg == "help":
                    return str(ast.literal_eval(keyword.value))
    return ""


def _names(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


class Lazily(MutableMapping[str, Any]):
    """Name → command, imported when it is asked for."""

    def __init__(self, more: Mapping[str, Any]) -> None:
        self._more = dict(more)

    def __getitem__(self, name: str) -> Any:
        return load(name) if name in files() else self._more[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._more[name] = command

    def __delitem__(self, name: str) -> None:
        del self._more[name]

    def __iter__(self) -> Iterator[str]:
        yield from (*files(), *self._more)

    def __contains__(self, name: object) -> bool:
        return name in files() or name in self._more

    def __len__(self) -> int:
        return len(files()) + len(self._more)


class LazyGroup(TyperGroup):
    """The group of all commands; its help is made from summaries."""

    def __init__(self, **attrs: Any) -> None:
        super().__init__(**attrs)
        self.commands = Lazily(self.commands)
        self._only_summaries = False

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command's name."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, or while help is printed no more than its summary; None when there is none."""
        if self._only_summaries and cmd_name in files():
            return TyperCommand(name=cmd_name, help=help_of(cmd_name), callback=None)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help without importing a command."""
        self._only_summaries = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._only_summaries = False
