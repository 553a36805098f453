"""Any table of features through the pipeline: honest figures, honest refusals."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from model.renewal import evaluate as pipeline
from model.renewal import evaluate_file, evaluate_table
from model.renewal.evaluate import evaluate
from model.renewal.figures import Forecast, calibration_error, grade, skill_lower_bound
from model.renewal.splits import rolling_origins, stratified
from model.renewal.table import prepare, read
from ops.errors import FatalError

KEYS = {
    "model_version",
    "n",
    "base_rate",
    "auc",
    "pr_auc",
    "brier",
    "brier_skill",
    "ece",
    "grade",
    "baseline",
}
TELCO = Path(__file__).parents[3] / "shared" / "data" / "telco_churn.csv"


def _frame(rows: int = 900, *, signal: float = 1.5, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    late, tier = rng.normal(10, 5, rows), rng.choice(["A", "B", "C"], rows)
    odds = 1.0 - signal * (late - 10) / 5 + signal * (tier == "A")
    renewed = rng.random(rows) < 1 / (1 + np.exp(-odds))
    return pl.DataFrame(
        {
            "contract_id": [f"HT-{n:05d}" for n in range(rows)],
            "days_late": [f" {value:,.2f}" if n % 17 else " " for n, value in enumerate(late)],
            "tier": tier,
            "country": ["CN"] * rows,
            "renewed": ["Yes" if value else "No" for value in renewed],
        }
    )


@pytest.fixture(scope="module")
def plain() -> dict[str, Any]:
    return evaluate_table(_frame(600), "renewed", "contract_id")


def test_figures_have_exactly_the_agreed_keys_and_are_repeatable(plain: dict[str, Any]) -> None:
    first = plain
    assert set(first) == KEYS
    assert first == evaluate_table(_frame(600), "renewed", "contract_id")
    assert first["grade"] in {"usable", "strong"}
    assert first["auc"] > 0.75
    assert first["n"] == 600
    assert first["baseline"]["brier"] > first["brier"]


def test_shuffled_labels_have_no_usable_signal() -> None:
    frame = _frame()
    rng = np.random.default_rng(5)
    shuffled = frame.with_columns(pl.Series("renewed", rng.permutation(frame.get_column("renewed").to_list())))
    found = evaluate_table(shuffled, "renewed", "contract_id")
    assert found["grade"] == "no usable signal"
    assert found["brier_skill"] < 0.02


@pytest.mark.parametrize("seed", [0, 1])
def test_a_small_noise_table_is_not_taken_for_signal(seed: int) -> None:
    assert evaluate_table(_frame(300, signal=0.0, seed=seed), "renewed")["grade"] == "no usable signal"


def test_few_rows_fall_back_to_the_base_rate_and_say_so() -> None:
    found = evaluate_table(_frame(60), "renewed", "contract_id")
    assert found["grade"] == "too little data"
    assert found["auc"] == 0.5
    assert found["brier_skill"] == 0.0
    assert set(found) == KEYS


def test_a_dated_table_is_judged_on_later_rows_only() -> None:
    frame = _frame(800)
    days = [date(2024, 1, 1) + timedelta(days=30 * (n % 12)) for n in range(800)]
    dated = frame.with_columns(pl.Series("as_of", days))
    found = evaluate(prepare(dated, "renewed", "contract_id", "as_of"))
    assert found.figures["n"] < 800
    assert found.figures["auc"] > 0.75
    assert found.forecast.fold.max() >= 2


def test_a_column_that_turns_to_noise_over_time_is_seen_by_the_time_split() -> None:
    rng = np.random.default_rng(3)
    n = 1000
    label = rng.random(n) < 0.5
    early = np.arange(n) < n // 2
    spoiled = np.where(early, label + rng.normal(0, 0.4, n), rng.normal(0.5, 0.6, n))
    frame = pl.DataFrame({"x": spoiled, "y": label.astype(int), "d": pl.Series(range(n)).cast(pl.Date)})
    by_time = evaluate_table(frame, "y", None, "d")
    by_row = evaluate_table(frame, "y")
    assert by_row["auc"] - by_time["auc"] > 0.1


def test_messy_columns_are_typed_and_useless_ones_are_dropped_with_a_note() -> None:
    frame = _frame(300).with_columns(
        pl.Series("row_number", range(1, 301)),
        pl.col("renewed").replace({"Yes": "kept", "No": "gone"}).alias("outcome_text"),
        pl.Series("comment", [f"free text {n}" for n in range(300)]),
    )
    table = prepare(frame, "renewed", "contract_id", None)
    assert table.number_names == ("days_late",)
    assert table.category_names == ("tier",)
    assert np.isnan(table.numbers[:, 0]).sum() == 18
    said = "\n".join(table.notes)
    for name in ("row_number", "outcome_text", "comment", "country"):
        assert name in said


@pytest.mark.parametrize(
    ("label", "message"), [("nothing", "no column 'nothing'"), ("days_late", "values"), ("country", "values")]
)
def test_an_unusable_label_is_explained(label: str, message: str) -> None:
    with pytest.raises(FatalError, match=message):
        evaluate_table(_frame(), label)


def test_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="there is no file"):
        evaluate_file(tmp_path / "none.csv", label="y")


def test_files_in_other_encodings_and_separators_are_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes("客户;续约\n甲;是\n乙;否\n".encode("gb18030"))
    assert read(path).to_dicts() == [{"客户": "甲", "续约": "是"}, {"客户": "乙", "续约": "否"}]


def test_rows_of_one_customer_are_never_on_both_sides() -> None:
    groups = np.repeat(np.arange(50), 6)
    label = np.random.default_rng(0).integers(0, 2, 300)
    for train, test in stratified(label, groups, 5, 1):
        assert not set(groups[train]) & set(groups[test])


def test_rolling_origins_never_divide_a_day_nor_look_ahead() -> None:
    days = np.random.default_rng(0).integers(0, 9, 500)
    splits = rolling_origins(days, 4)
    assert splits
    for train, test in splits:
        assert days[train].max() < days[test].min()
    tested = np.concatenate([test for _, test in splits])
    assert len(tested) == len(set(tested.tolist()))


def test_calibration_error_of_a_perfect_and_of_a_shifted_forecast() -> None:
    outcome = np.array([0, 0, 1, 1])
    assert calibration_error(outcome, np.array([0.0, 0.0, 1.0, 1.0])) == 0
    assert calibration_error(outcome, np.full(4, 0.75)) == pytest.approx(0.25)


def test_one_lucky_quarter_is_no_signal() -> None:
    rng = np.random.default_rng(0)
    n = 1200
    fold = np.repeat([0, 1, 2], n // 3)
    outcome = rng.integers(0, 2, n)
    flat = np.full(n, 0.5)
    probability = np.where(fold == 0, np.where(outcome == 1, 0.9, 0.1), 0.5 + 0.15 * rng.normal(size=n))
    forecast = Forecast(outcome, probability, flat, fold, np.arange(n))
    assert skill_lower_bound(forecast) > 0
    assert grade(forecast) == "no usable signal"


@pytest.mark.parametrize(
    ("negative", "positive"),
    [("No", "Yes"), (False, True), (0, 1), (0.0, 1.0), ("流失否", "是"), ("stayed", "went"), ("FALSE ", " TRUE")],
)
def test_labels_of_many_kinds_are_read(negative: Any, positive: Any) -> None:
    frame = pl.DataFrame({"x": list(range(40)), "y": [negative, positive] * 20})
    assert prepare(frame, "y", None, None).label.tolist() == [0, 1] * 20


@pytest.mark.parametrize(
    "texts",
    [
        ["2026-03-05", "2026/4/6", "20260507"],
        ["05/03/2026", "06/04/2026", "31/05/2026"],
        ["03/05/2026", "04/06/2026", "05/31/2026"],
        ["05.03.2026", "06.04.2026", "07.05.2026"],
        ["5 Mar 2026", "6 Apr 2026", "7 May 2026"],
        ["2026年3月5日", "2026年4月6日", "2026年5月7日"],
        ["2026-03", "2026-04", "202605"],
        ["2026-03-05T08:00:00Z", "2026-04-06 09:30", "2026-05-07T10:00:00+08:00"],
    ],
)
def test_dates_of_many_kinds_are_read(texts: list[str]) -> None:
    frame = pl.DataFrame({"x": list(range(60)), "d": texts * 20, "y": [0, 1] * 30})
    days = prepare(frame, "y", None, "d").days
    assert days is not None
    months = [(date(1970, 1, 1) + timedelta(days=int(day))).strftime("%Y-%m") for day in days[:3]]
    assert months == ["2026-03", "2026-04", "2026-05"]


def test_a_column_without_dates_is_refused_with_the_formats_that_work() -> None:
    frame = pl.DataFrame({"x": [1, 2], "d": ["soon", "later"], "y": [0, 1]})
    with pytest.raises(FatalError, match=r"'soon'.*2026-11-22.*22 Nov 2026"):
        prepare(frame, "y", None, "d")


def test_a_wrong_column_is_answered_with_the_valid_ones_and_the_nearest() -> None:
    with pytest.raises(FatalError, match=r"contract_id, days_late, tier, country, renewed.*did you mean 'renewed'"):
        evaluate_table(_frame(50), "Renewed")
    with pytest.raises(FatalError, match="named twice"):
        evaluate_table(_frame(50), "renewed", "renewed")


@pytest.mark.parametrize(("content", "message"), [("", "is empty"), ("a,b,y\n", "no rows"), ("y\n1\n0\n", "")])
def test_an_empty_file_is_explained(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    if message:
        with pytest.raises(FatalError, match=message):
            evaluate_file(path, label="y")
    else:
        assert evaluate_file(path, label="y")["grade"] == "too little data"


def test_a_leak_is_dropped_and_a_suspect_is_named() -> None:
    frame, rng = _frame(400), np.random.default_rng(2)
    lost = (frame.get_column("renewed") == "No").to_numpy().astype(float)
    spoiled = frame.with_columns(
        pl.Series("cancelled_on_file", np.where(lost == 1, "y", "n")),
        pl.Series("refund", lost * 100 + rng.normal(0, 1, 400)),
        pl.Series("almost", lost + rng.normal(0, 0.35, 400)),
    )
    notes: list[str] = []
    found = evaluate_table(spoiled, "renewed", "contract_id", notes=notes)
    said = "\n".join(found["warnings"])
    assert "cancelled_on_file: looks like a leak (it gives the label away), dropped" in said
    assert "refund: looks like a leak (it gives the label away), dropped" in said
    assert "almost: looks like a leak (AUC" in said
    assert set(found["warnings"]) < set(notes)


def test_ids_that_repeat_with_one_outcome_are_never_on_both_sides_of_the_time_split() -> None:
    rng = np.random.default_rng(7)
    cases, times = 400, 4
    outcome, mark = rng.integers(0, 2, cases), rng.normal(size=cases)
    day = np.concatenate([rng.integers(0, 800, cases) + 90 * n for n in range(times)])
    frame = pl.DataFrame(
        {
            "id": [f"c{n}" for n in range(cases)] * times,
            "mark": np.tile(mark, times),
            "d": pl.Series(day.astype(np.int32)).cast(pl.Date),
            "y": np.tile(outcome, times),
        }
    )
    table = prepare(frame, "y", "id", "d")
    assert table.is_one_outcome
    found = evaluate(table)
    assert found.figures["grade"] == "no usable signal"
    assert found.figures["auc"] < 0.6


def test_rare_outcomes_keep_honest_probabilities() -> None:
    rng = np.random.default_rng(11)
    n = 3000
    x = rng.normal(size=n)
    y = rng.random(n) < 1 / (1 + np.exp(4.4 - 1.2 * x))
    found = evaluate_table(pl.DataFrame({"x": x, "y": y}), "y")
    assert found["base_rate"] < 0.04
    assert found["ece"] < 0.01
    assert found["auc"] > 0.7


def test_many_levels_blanks_and_constants_do_no_harm() -> None:
    rng = np.random.default_rng(12)
    n = 700
    x = rng.normal(size=n)
    frame = pl.DataFrame(
        {
            "x": [None if k % 5 == 0 else f"{value:.3f}" for k, value in enumerate(x)],
            "city": [f"city {k}" for k in rng.integers(0, 120, n)],
            "empty": pl.Series([None] * n, dtype=pl.String),
            "same": ["CN"] * n,
            "y": rng.random(n) < 1 / (1 + np.exp(-1.5 * x)),
        }
    )
    found = evaluate_table(frame, "y")
    assert found["grade"] in {"usable", "strong", "weak"}
    assert found["auc"] > 0.65


def test_large_tables_are_fitted_on_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def learn(matrix: Any, label: Any, _numbers: int) -> Any:
        seen.append(len(matrix))
        rate = float(label.mean())
        return lambda rows: np.clip(rate + 0.1 * np.tanh(rows[:, 0]), 0.01, 0.99)

    monkeypatch.setattr(pipeline, "LEARNERS", {"logistic": learn, "boosting": learn})
    for name, rows in (("CHOICE_ROWS", 1200), ("FIT_ROWS", 4000), ("MANY_ROWS", 5000)):
        monkeypatch.setattr(pipeline, name, rows)
    rng = np.random.default_rng(1)
    n = 12_000
    x = rng.normal(size=n)
    frame = pl.DataFrame({"x": x, "y": rng.random(n) < 1 / (1 + np.exp(-x))})
    found = evaluate_table(frame, "y")
    assert found["n"] == n
    assert max(seen) == 4000
    assert min(seen) == 800


@pytest.mark.shared
@pytest.mark.skipif(not TELCO.is_file(), reason="the Telco churn table is not part of the project")
def test_subscription_churn_reaches_its_targets() -> None:
    found = evaluate_file(TELCO, label="Churn", id_column="customerID")
    assert found["auc"] >= 0.848
    assert found["ece"] <= 0.01
    assert found["brier"] <= 0.1345
    assert found["grade"] == "strong"
