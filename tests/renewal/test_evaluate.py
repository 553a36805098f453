"""Any table of features through the pipeline: honest figures, honest refusals."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

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


def test_figures_have_exactly_the_agreed_keys_and_are_repeatable() -> None:
    first = evaluate_table(_frame(), "renewed", "contract_id")
    assert set(first) == KEYS
    assert first == evaluate_table(_frame(), "renewed", "contract_id")
    assert first["grade"] in {"usable", "strong"}
    assert first["auc"] > 0.75
    assert first["n"] == 900
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
    frame = _frame(1200)
    days = [date(2024, 1, 1) + timedelta(days=30 * (n % 12)) for n in range(1200)]
    dated = frame.with_columns(pl.Series("as_of", days))
    found = evaluate(prepare(dated, "renewed", "contract_id", "as_of"))
    assert found.figures["n"] < 1200
    assert found.figures["auc"] > 0.75
    assert found.forecast.fold.max() >= 2


def test_a_column_that_turns_to_noise_over_time_is_seen_by_the_time_split() -> None:
    rng = np.random.default_rng(3)
    n = 2000
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


@pytest.mark.shared
@pytest.mark.skipif(not TELCO.is_file(), reason="the Telco churn table is not part of the project")
def test_subscription_churn_reaches_its_targets() -> None:
    found = evaluate_file(TELCO, label="Churn", id_column="customerID")
    assert found["auc"] >= 0.848
    assert found["ece"] <= 0.01
    assert found["brier"] <= 0.1345
    assert found["grade"] == "strong"
