"""A vendor that answers as one test needs it, and an instance that collects from it with the shipped connector."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.spec import SourceSpec
from ops import secrets
from ops.instance import Instance, InstanceConfig, SourceConfig
from tests.ingest.fake import FakeSource, Handler, serving


@contextmanager
def answering(home: Path, connector: str, handle: Handler, **settings: Any) -> Iterator[tuple[Instance, FakeSource]]:
    """An instance whose source `src` is `connector`; `{url}` in a setting is the vendor's address."""
    spec = SourceSpec.load(connector)
    with serving(handle) as vendor:
        instance = Instance.create(home, InstanceConfig())
        given = {
            name: value.format(url=vendor.url) if isinstance(value, str) else value for name, value in settings.items()
        }
        for name in [name for name in given if spec.settings[name].secret]:
            secrets.write(name, given[name], instance.secrets)
            given[name] = f"file:{name}"
        source = SourceConfig(name="src", connector=connector, role=spec.connector.role, settings=given)
        instance.config.sources.append(source)
        yield instance, vendor
        instance.store.close()
