"""The description language: unknown keys, all problems at once, placeholders, paths, settings."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import dumps, find, identify, loads
from ingest.errors import SpecError
from ingest.settings import resolve
from ingest.spec import SourceSpec
from ingest.spec_parts import parse_rate
from ingest.template import render
from ops.errors import C360Error
from ops.instance import SourceConfig
from ops.secrets import Redactor


def parse(**changes: Any) -> SourceSpec:
    raw: dict[str, Any] = {
        "connector": {"name": "acme", "label": "Acme", "role": "erp"},
        "settings": {
            "url": {"help": "address", "required": True},
            "key": {"help": "secret key", "secret": True},
            "size": {"help": "rows", "type": "integer", "default": 5},
            "mode": {"help": "mode", "choices": ["a", "b"], "default": "a"},
        },
        "stream": [{"name": "a", "id": "id"}],
    }
    return SourceSpec.parse({**raw, **changes}, "acme/source.toml", Path("acme"))


def test_every_problem_at_once_with_the_valid_keys() -> None:
    with pytest.raises(SpecError) as caught:
        parse(
            stream=[{"name": "a", "id": "id", "paeg": {}, "page": {"type": "keyset", "limitt": 2}, "rate": "fast"}],
            htpp={},
        )
    text = str(caught.value)
    assert "did you mean 'page'" in text
    assert "did you mean 'limit'" in text
    assert "did you mean 'http'" in text
    assert "10/min" in text
    assert "valid: assertions, body" in text


@pytest.mark.parametrize(
    ("stream", "problem"),
    [
        ({"page": {"type": "cursor"}}, "needs path"),
        ({"page": {"type": "keyset"}}, "needs key"),
        ({"page": {"type": "keyset", "key": "t", "unique": False}}, "equal keys would be lost"),
        ({"incremental": {"type": "token"}}, "needs path"),
        ({"deletes": {"type": "flag"}}, "needs path"),
        ({"parent": {"stream": "later"}}, "must be described before"),
    ],
)
def test_a_strategy_names_what_it_needs(stream: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        parse(stream=[{"name": "a", "id": "id", **stream}])


def test_unknown_connector_lists_the_known() -> None:
    with pytest.raises(SpecError, match=r"Valid: .*kingdee"):
        SourceSpec.load("sapp")


def test_settings_every_problem_at_once(tmp_path: Path) -> None:
    source = SourceConfig(name="s", connector="acme", role="erp", settings={"ulr": "x", "size": "5", "mode": "c"})
    with pytest.raises(SpecError) as caught:
        resolve(parse(), source, tmp_path, Redactor())
    text = str(caught.value)
    for part in ("did you mean 'url'", "'url' is required", "'size' must be of type integer", "valid: a, b"):
        assert part in text


def test_a_secret_by_value_is_refused_without_showing_it(tmp_path: Path) -> None:
    source = SourceConfig(name="s", connector="acme", role="erp", settings={"url": "u", "key": "hunter22"})
    with pytest.raises(C360Error) as caught:
        resolve(parse(), source, tmp_path, Redactor())
    assert "hunter22" not in str(caught.value)
    assert "file:NAME" in str(caught.value)


def test_placeholders_keep_types_and_drop_what_is_empty() -> None:
    context = {
        "settings": {"n": 5, "l": ["a", "b"]},
        "page": {"after": 7},
        "cursor": None,
        "filter": "x > {page.after}",
    }
    asked = {
        "a": "{settings.n}",
        "b": "n={settings.n}",
        "c": "{cursor}",
        "d": "{filter}",
        "e": "({filter})",
        "f": "",
    }
    assert render(asked, context) == {"a": 5, "b": "n=5", "d": "x > 7", "e": "(x > 7)", "f": ""}
    assert render("{{literal}} {settings.l}", context) == "{literal} a,b"
    with pytest.raises(SpecError, match="names no setting"):
        render("{settings.nope}", context)
    with pytest.raises(SpecError, match="is unknown"):
        render("{wnidow.start}", context)


def test_paths() -> None:
    document = {"a": {"b": [{"c": 1}]}, "F.FNumber": "x", "party.": {"name": "n"}, "n": None}
    assert find(document, "a.b.0.c") == 1
    assert find(document, "F.FNumber") == "x"
    assert find(document, "party.name") == "n"
    assert find(document, "a.z.0") is None
    assert identify({"x": 1, "y": {"z": 2}}, ["x", "y.z"]) == "1:2"
    assert identify({"y": 2}, ["x", "y"]) is None


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**80), 2**80)
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False, places=10),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_documents_survive_with_every_digit(value: Any) -> None:
    text = dumps(_decimals(value))
    assert dumps(loads(text)) == text
    assert loads(text) == value


def _decimals(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str | Decimal):
        return value
    if isinstance(value, int):
        return Decimal(value) if abs(value) >= 10**18 else value
    if isinstance(value, list):
        return [_decimals(item) for item in value]
    return {key: _decimals(item) for key, item in value.items()}


@pytest.mark.parametrize(("text", "expected"), [("10/s", (10, 1)), ("10/min", (10, 60)), ("1000/h", (1000, 3600))])
def test_rates(text: str, expected: tuple[float, float]) -> None:
    assert parse_rate(text) == expected
