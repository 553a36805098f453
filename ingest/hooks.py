"""The Python seam of a connector: functions in its hooks.py, and what they are given."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ingest.errors import SpecError
from ingest.spec import SourceSpec, StreamSpec

if TYPE_CHECKING:
    import httpx

    from ingest.cursor import Window
    from ingest.http import SourceClient
    from ingest.spec_totals import TotalSpec
    from ingest.writing import Batch

Record = dict[str, Any]
Page: TypeAlias = "list[Record] | tuple[list[Record], Any] | Batch"


@dataclass
class Call:
    """What a hook may use. `stream` and `window` are None while logging in; `step` is the pass that is read now.

    `token` is what a page of the last committed run gave as its token; `warnings` are told with the run.
    """

    source: str
    settings: dict[str, Any]
    spec: SourceSpec
    client: SourceClient
    home: Path
    stream: StreamSpec | None = None
    window: Window | None = None
    prepared: dict[str, Any] = field(default_factory=dict)
    full: bool = False
    step: str = "window"
    token: str | None = None
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Hooks:
    """The functions a connector defines; None where it does not."""

    login: Callable[[Call], dict[str, str]] | None = None
    sign: Callable[[Call, httpx.Request], dict[str, str]] | None = None
    prepare: Callable[[Call], dict[str, Any]] | None = None
    pages: Callable[[Call, Any], Iterator[Page]] | None = None
    records: Callable[[Call, Any], list[Record]] | None = None
    record: Callable[[Call, Record], Record | None] | None = None
    total: Callable[[Call, TotalSpec], list[Record] | None] | None = None
    """The rows of a total that is asked for in a way of its own; None for one that its description asks for."""


def load_hooks(folder: Path) -> Hooks:
    """The hooks of the connector in `folder`; none when it has no hooks.py."""
    path = folder / "hooks.py"
    if not path.is_file():
        return Hooks()
    name = f"c360_connector_{folder.name}_{abs(hash(str(folder)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return Hooks(**{key: getattr(module, key, None) for key in Hooks.__dataclass_fields__})
