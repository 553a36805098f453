"""What every discovered connector must be; a new folder below ingest/sources is tested by being there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ingest.hooks import load_hooks
from ingest.spec import SourceSpec, StreamSpec, discover
from ingest.template import ROOTS, placeholders
from ops.instance import SourceConfig

SPECS = {name: SourceSpec.load(name) for name in discover()}
STREAMS = [
    pytest.param(spec, stream, id=f"{name}/{stream.name}") for name, spec in SPECS.items() for stream in spec.streams
]


def test_the_shipped_connectors_are_there() -> None:
    assert {"salesforce", "kingdee", "zendesk", "jira"} <= set(SPECS)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_connector_is_described(spec: SourceSpec) -> None:
    assert spec.connector.label
    assert spec.connector.docs or spec.connector.kind == "files"
    for name, setting in spec.settings.items():
        assert len(setting.help) >= 5, f"setting {name} needs help"
        assert not (setting.secret and setting.default), f"secret {name} has a default"
        assert not (setting.required and setting.default not in (None, "")), f"{name}: required and a default"
        assert not setting.choices or setting.default in [None, *setting.choices]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_settings_of_the_connector_are_ones_c360_toml_can_hold(spec: SourceSpec) -> None:
    SourceConfig(name="x", connector=spec.connector.name, role=spec.connector.role)
    for name in (
        "password",
        "token",
        "secret",
        "api_token",
        "app_secret",
        "client_secret",
        "refresh_token",
        "api_key",
    ):
        assert name not in spec.settings or spec.settings[name].secret, f"{name} must be secret = true"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_every_placeholder_means_something(spec: SourceSpec) -> None:
    # links and webhooks have placeholders of their own, checked when the spec is read
    for root, path in placeholders(spec.model_dump(mode="json", exclude={"links", "webhook"})):
        assert root in ROOTS, f"{{{root}.{path}}}"
        assert root != "settings" or path in spec.settings, f"{{settings.{path}}} is not a setting"


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_stream_says_how_it_is_identified_and_paged(spec: SourceSpec, stream: StreamSpec) -> None:
    assert all(stream.id_paths)
    assert len(set(stream.id_paths)) == len(stream.id_paths)
    by_hook = spec.connector.kind in {"files", "sql"} or bool(stream.hook.get("pages"))
    from_parent = stream.parent is not None and stream.parent.records is not None
    if by_hook or from_parent:
        return
    assert stream.path, "a stream without a path asks nothing"
    assert "page" in stream.model_fields_set or stream.parent, "say how it is paged, even when it is single"


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_stream_asserts_something(spec: SourceSpec, stream: StreamSpec) -> None:
    asserted = stream.assertions.min_rows or stream.assertions.required
    if spec.connector.name in {"salesforce", "kingdee", "zendesk", "jira"}:
        assert asserted
    for path in stream.assertions.required:
        assert path not in stream.drop


@pytest.mark.parametrize(("spec", "stream"), STREAMS)
def test_stream_that_pages_over_a_window_can_see_its_parts(spec: SourceSpec, stream: StreamSpec) -> None:
    asked: Any = [stream.path, stream.params, stream.body, stream.page.tie, stream.incremental.filter]
    used = {f"{root}.{path}" for root, path in placeholders(asked)} | {root for root, _ in placeholders(asked)}
    by_hook = spec.connector.kind in {"files", "sql"} or bool(stream.hook.get("pages"))
    if by_hook:
        return
    kind = stream.page.type
    needs = {
        "offset": "page.offset",
        "number": "page.number",
        "keyset": "page.after",
        "cursor": "page.cursor",
    }
    assert kind not in needs or needs[kind] in used, f"paging by {kind} sends no {{{needs[kind]}}}"
    if stream.incremental.type == "window":
        assert used & {"window.start", "prepared"} or "filter" in used, "the window is never sent"
    if stream.incremental.type == "token":
        assert "cursor" in used, "the server's cursor is never sent"


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_hooks_can_be_loaded_and_exist_where_the_description_needs_them(spec: SourceSpec) -> None:
    hooks = load_hooks(spec.folder)
    ways = [spec.auth, *spec.auth.options.values()]
    if any(way.type == "hook" for way in ways):
        assert hooks.login or hooks.sign
    if spec.connector.kind == "files" or any(stream.hook.get("pages") for stream in spec.streams):
        assert hooks.pages


def test_an_own_connector_hides_the_shipped_one(tmp_path: Path) -> None:
    folder = tmp_path / "sources" / "jira"
    folder.mkdir(parents=True)
    (folder / "source.toml").write_text(
        '[connector]\nname = "jira"\nlabel = "Our own"\nrole = "projects"\n[[stream]]\nname = "a"\nid = "id"\n'
    )
    assert SourceSpec.load("jira", tmp_path).connector.label == "Our own"
    assert SourceSpec.load("jira").connector.label == "Jira Cloud"
