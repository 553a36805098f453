"""Which mapping reads a source."""

from __future__ import annotations

from typing import Any

from ingest.errors import SpecError
from ingest.spec import SourceSpec
from model.conform.spec import FOLDER, Mapping, load
from ops.instance import Instance, SourceConfig


def mapping_of(instance: Instance, source: SourceConfig, over: dict[str, Any] | None = None) -> Mapping:
    """The mapping a source is read with: the one its `mapping` setting names, else its connector's.

    `over`: a further overlay that is not written yet.
    """
    if source.connector == "template":
        from model.templates import mapping as template_mapping

        return template_mapping()
    return load(_name(instance, source), source=source.name, config_dir=instance.config_dir, over=over)


def _name(instance: Instance, source: SourceConfig) -> str:
    given = str(source.settings.get("mapping") or "")
    places = (FOLDER, instance.config_dir / "conform")
    if given or any((place / f"{source.connector}.toml").is_file() for place in places):
        return given or source.connector
    try:
        setting = SourceSpec.load(source.connector, instance.config_dir).settings.get("mapping")
    except SpecError:
        return source.connector
    return str(setting.default or source.connector) if setting else source.connector
