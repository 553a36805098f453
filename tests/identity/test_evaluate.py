"""`c360 identity evaluate` and `compare`: shapes, guessed columns, errors, and figures on real and invented data."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from model.identity import evaluate as labelled
from ops.errors import FatalError
from run.cli import app
from tests.identity.demo_truth import records as demo_records

SHARED = Path(os.environ.get("C360_SHARED", Path(__file__).parents[3] / "shared")) / "data"
# these data sets may not be passed on with the project; every other test of this file runs without them
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data sets are absent (set C360_SHARED to the folder that holds data/)"
)


def test_json_has_the_contract_shape(tmp_path: Path) -> None:
    file = tmp_path / "demo.csv"
    demo_records(60).write_csv(file)
    answer = _json("evaluate", str(file), "--id", "id", "--truth", "truth", "--source", "source", "--json")
    assert {"records", "entities", "pair", "cluster", "b_cubed", "bands", "auto_precision", "seconds"} <= set(answer)
    assert set(answer["pair"]) == set(answer["b_cubed"]) == {"precision", "recall", "f1"}
    assert "f1" in answer["cluster"]
    assert set(answer["bands"]) == {"auto", "review", "reject"}
    parquet = tmp_path / "demo.parquet"
    demo_records(60).write_parquet(parquet)
    same = _json("evaluate", str(parquet), "--id", "id", "--truth", "truth", "--source", "source", "--json")
    assert {k: v for k, v in same.items() if k != "seconds"} == {k: v for k, v in answer.items() if k != "seconds"}


def test_labels_are_not_read_by_the_matcher() -> None:
    frame = demo_records(60)
    blind = labelled.evaluate(frame.with_columns(truth=pl.lit("1")), "id", "truth", "source")
    seen = labelled.evaluate(frame, "id", "truth", "source")
    assert blind["bands"] == seen["bands"]


def test_demo_truth() -> None:
    found = labelled.evaluate(demo_records(400), "id", "truth", "source")
    assert found["auto_precision"] >= 0.99
    assert found["b_cubed"]["f1"] >= 0.98
    assert found["pair"]["f1"] >= 0.97


@needs_shared
@pytest.mark.shared
def test_restaurants() -> None:
    pairs, frame = _restaurants()
    for source in ("source", None):
        found = labelled.evaluate(frame, "id", "truth", source)
        assert found["cluster"]["f1"] >= 0.97
        assert found["b_cubed"]["f1"] >= 0.98
        assert found["auto_precision"] >= 0.99
    assert labelled.compare(pairs, "left", "right", "label")["auc"] >= 0.90


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (["No", "Company Name", "Tel", "ZIP"], {"name": "Company Name", "phone": "Tel", "postcode": "ZIP"}),
        (
            ["客户名称", "统一社会信用代码", "联系电话", "地址"],
            {"name": "客户名称", "tax_id": "统一社会信用代码", "phone": "联系电话", "address": "地址"},
        ),
        (
            ["name", "addr", "city", "website", "kind"],
            {"name": "name", "address": "addr", "city": "city", "domain": "website"},
        ),
    ],
)
def test_columns_are_guessed(header: list[str], expected: dict[str, str]) -> None:
    frame = pl.DataFrame({name: ["x"] for name in header})
    assert labelled.columns(frame, {}) == expected


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--id", "nope", "--truth", "truth"], "--id 'nope'"),
        (["--id", "id", "--truth", "nope"], "--truth 'nope'"),
        (["--id", "id", "--truth", "truth", "--source", "nope"], "--source 'nope'"),
        (["--id", "id", "--truth", "truth", "--map", "name=nope"], "name='nope'"),
        (["--id", "id", "--truth", "truth", "--map", "nom=name"], "unknown field 'nom'"),
        (["--id", "id", "--truth", "truth", "--map", "city=name"], "no column for name"),
        (["--id", "id", "--truth", "truth", "--map", "name"], "'name' is no pair"),
        (["--id", "name", "--truth", "truth"], "stand twice"),
    ],
)
def test_errors_say_what_is_valid(tmp_path: Path, options: list[str], said: str) -> None:
    file = tmp_path / "two.csv"
    file.write_text("id,name,truth\n1,Acme,1\n2,Acme,1\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["identity", "evaluate", str(file), *options])
    assert isinstance(result.exception, FatalError)
    assert said in str(result.exception)
    assert re.search(r"(Valid|To do): ", str(result.exception))


def test_unreadable_files(tmp_path: Path) -> None:
    for name, content in (("a.xlsx", b"x"), ("a.parquet", b"x")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FatalError):
            labelled.read(tmp_path / name)
    with pytest.raises(FatalError, match="no such file"):
        labelled.read(tmp_path / "absent.csv")


def test_gb18030_file(tmp_path: Path) -> None:
    file = tmp_path / "gb.csv"
    file.write_bytes("编号,名称\n1,上海云岚科技有限公司\n".encode("gb18030"))
    assert labelled.read(file)["名称"].to_list() == ["上海云岚科技有限公司"]


def test_compare(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    lines = [
        "a,b,same",
        "Acme Trading Ltd,ACME TRADING LIMITED,1",
        "云岚科技有限公司,云嵐科技有限责任公司,true",
        "Acme,Nordwind,0",
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    answer = _json("compare", str(file), "--left", "a", "--right", "b", "--truth", "same", "--json")
    assert (answer["pairs"], answer["matches"], answer["auc"], answer["best_f1"]) == (3, 2, 1.0, 1.0)
    file.write_text("a,b,same\nx,y,maybe\n", encoding="utf-8")
    result = CliRunner().invoke(
        app, ["identity", "compare", str(file), "--left", "a", "--right", "b", "--truth", "same"]
    )
    assert "neither yes nor no" in str(result.exception)


def _json(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["identity", *arguments])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.output)
    return answer


def _restaurants() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Name pairs with label, and the distinct records with the organisation each belongs to."""
    rows: dict[tuple[str, ...], int] = {}
    labels: list[int] = []
    pairs = []
    for line in (SHARED / "restaurants_pairs.txt").read_text(encoding="utf-8").splitlines():
        one, two, label = line.split("\t")
        left, right = ((kind, *_fields(text)) for kind, text in (("f", one), ("z", two)))
        for record in (left, right):
            if record not in rows:
                rows[record] = len(rows)
                labels.append(rows[record])
        pairs.append({"left": left[1], "right": right[1], "label": label.strip()})
        if label.strip() == "1":
            old, new = labels[rows[right]], labels[rows[left]]
            labels = [new if value == old else value for value in labels]
    names = ("source", "name", "addr", "city", "phone")
    frame = pl.DataFrame([dict(zip(names, record, strict=True)) for record in rows])
    return pl.DataFrame(pairs), frame.with_columns(
        id=pl.int_range(len(rows)).cast(pl.String), truth=pl.Series(labels).cast(pl.String)
    )


def _fields(text: str) -> list[str]:
    parts = re.split(r"COL (\w+) VAL ", text)[1:]
    found = dict(zip(parts[::2], (value.strip() for value in parts[1::2]), strict=True))
    return [found[name] for name in ("name", "addr", "city", "phone")]
