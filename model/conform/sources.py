"""Which mapping reads a source."""

from __future__ import annotations

from model.conform.spec import Mapping, load
from ops.instance import Instance, SourceConfig


def mapping_of(instance: Instance, source: SourceConfig) -> Mapping:
    """The mapping a source is read with: its connector's, or the one its `mapping` setting names."""
    if source.connector == "template":
        from model.templates import mapping as template_mapping

        return template_mapping()
    name = str(source.settings.get("mapping", source.connector))
    return load(name, source=source.name, config_dir=instance.config_dir)
