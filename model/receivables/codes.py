"""The words people choose from when they work open items, as data: reasons, outcomes, stages, results of calls."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ops.errors import FatalError

SHIPPED = Path(__file__).with_name("codes.toml")
OWN = "receivables.toml"
GROUPS = (
    "dispute_reason", "dispute_outcome", "stage", "call_result", "difference_reason", "difference_outcome",
    "reconcile_reason",
)  # fmt: skip


class Code(BaseModel):
    """One word of a group. is_demand (stages): a demand for payment, after which limitation runs anew."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str
    en: str
    is_demand: bool = False

    def label(self, language: str) -> str:
        """Its form in `language`."""
        return self.zh if language == "zh" else self.en


Codes = dict[str, dict[str, Code]]


def load(config_dir: Path | None = None) -> Codes:
    """Group → id → code, in order: the shipped ones, then those of config/receivables.toml; FatalError if invalid."""
    codes: Codes = {group: dict(found) for group, found in _read(SHIPPED).items()}
    own = config_dir / OWN if config_dir is not None else None
    if own is not None and own.is_file():
        for group, found in _read(own).items():
            codes[group] |= found
    return codes


def choose(codes: Codes, group: str, value: object) -> str:
    """`value` when it is a code of `group`; FatalError lists the valid ones."""
    if not isinstance(value, str) or value not in codes[group]:
        name = group.replace("_", " ")
        raise FatalError(f"{value!r} is not a {name}", valid=", ".join(codes[group]))
    return value


def demands(codes: Codes) -> frozenset[str]:
    """Stages that demand payment."""
    return frozenset(name for name, code in codes["stage"].items() if code.is_demand)


def _read(path: Path) -> Codes:
    return _parsed(path, path.stat().st_mtime_ns)


@cache
def _parsed(path: Path, _changed: int) -> Codes:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(raw) - set(GROUPS))
    if unknown:
        raise FatalError(f"{path} names unknown groups: {', '.join(unknown)}", valid=", ".join(GROUPS))
    try:
        return {group: {name: Code.model_validate(entry) for name, entry in raw[group].items()} for group in raw}
    except ValidationError as error:
        raise FatalError(f"{path} is not valid: {error}", valid="zh, en, is_demand") from error
