"""The model over contract snapshots: judged without looking ahead, explained, and modest when data is thin."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from model.renewal.features import ALL, COLUMNS, FEATURES
from model.renewal.model import LogisticModel, SegmentModel, correction, fit_logistic, fit_segments
from model.renewal.rolling import judge, origins
from model.renewal.service import _fit
from model.renewal.snapshots import Snapshots
from model.renewal.watch import compare, stability_index
from ops.texts import catalogue


def _cases(contracts: int, *, signal: float = 1.6, seed: int = 4, fall: float = 0.0) -> Snapshots:
    """Contracts with three snapshots each; late payment drives them, and the log odds fall by `fall` over time."""
    rng = np.random.default_rng(seed)
    late, ends = rng.normal(10, 6, contracts), np.sort(rng.integers(19000, 20300, contracts))
    odds = 1.5 - signal * (late - 10) / 6 - fall * (ends - 19000) / 1300
    renewed = (rng.random(contracts) < 1 / (1 + np.exp(-odds))).astype(int)
    rows = np.full((contracts * 3, len(COLUMNS)), np.nan)
    rows[:, COLUMNS.index("days_left")] = np.tile([180, 90, 30], contracts)
    rows[:, COLUMNS.index("days_late")] = np.repeat(late, 3)
    rows[:, COLUMNS.index("days_late_rows")] = 8
    rows[:, COLUMNS.index("year_orders")] = np.repeat(rng.poisson(3, contracts), 3)
    days = np.repeat(ends, 3) - np.tile([180, 90, 30], contracts)
    return Snapshots(
        record_keys=[f"crm:{n}" for n in range(contracts) for _ in range(3)],
        customer_keys=[f"C{n:06d}" for n in range(contracts) for _ in range(3)],
        segments=["A" if n % 2 else "B" for n in range(contracts) for _ in range(3)],
        days=days,
        decided=np.repeat(ends, 3) + 60,
        features=rows,
        renewed=np.repeat(renewed, 3),
        as_of=[date(1970, 1, 1) + timedelta(days=int(day)) for day in days],
    )


def test_no_origin_trains_on_an_outcome_that_was_not_known_then() -> None:
    cases = _cases(900)
    found = list(origins(cases))
    assert found
    for known, test in found:
        assert cases.decided[known].max() < cases.days[test].min()


def test_a_real_driver_is_found_and_graded() -> None:
    cases = _cases(900)
    found = judge(cases)
    assert found.document["grade"] in {"usable", "strong"}
    assert found.document["auc"] > 0.75
    assert found.document["brier"] < found.document["baseline"]["brier"]
    assert [one["days_left"] for one in found.document["horizons"]] == [180, 90, 30]
    assert isinstance(_fit(cases, found), LogisticModel)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_shuffled_outcomes_are_refused_and_the_base_rate_takes_their_place(seed: int) -> None:
    cases = _cases(900, fall=1.5)
    single = cases.renewed[::3]
    shuffled = replace(cases, renewed=np.repeat(np.random.default_rng(seed).permutation(single), 3))
    found = judge(shuffled)
    assert found.document["grade"] == "no usable signal"
    assert isinstance(_fit(shuffled, found), SegmentModel)


def test_a_falling_base_rate_alone_is_no_signal() -> None:
    assert judge(_cases(900, signal=0.0, fall=2.0)).document["grade"] == "no usable signal"


def test_forecasts_follow_a_falling_base_rate() -> None:
    found = judge(_cases(1500, fall=2.0))
    assert found.forecast is not None
    last = found.forecast.fold == found.forecast.fold.max()
    assert found.shift < -0.1
    assert abs(found.forecast.probability[last].mean() - found.forecast.outcome[last].mean()) < 0.08


def test_the_correction_is_held_back_where_little_is_known() -> None:
    odds, renewed = np.zeros(2000), np.tile([1, 1, 1, 0], 500)
    assert correction(odds, renewed, np.ones(2000))[1] == pytest.approx(np.log(3), abs=0.02)
    slope, shift = correction(odds[:4], renewed[:4], np.ones(4))
    assert slope == pytest.approx(1)
    assert 0 < shift < 0.3


@pytest.mark.parametrize("contracts", [0, 1, 60])
def test_too_little_data_says_so(contracts: int) -> None:
    found = judge(_cases(contracts))
    assert found.document["grade"] == "too little data"
    assert found.forecast is None


def test_segment_rates_are_shrunk_towards_the_base() -> None:
    fitted = fit_segments(["A"] * 4 + ["B"] * 96, np.array([0] * 4 + [1] * 90 + [0] * 6))
    assert 0.5 < fitted.rate("A") < fitted.base_rate < fitted.rate("B")
    assert fitted.rate("never seen") == fitted.base_rate


def test_drivers_explain_and_the_interval_holds_the_score() -> None:
    cases = _cases(600)
    fitted = fit_logistic(cases.features, cases.renewed)
    row = cases.features[np.argmax(cases.features[:, COLUMNS.index("days_late")])]
    up, down = fitted.drivers(row)
    assert up == []
    assert down[0]["msgid"] == "renewal.driver.days_late"
    low, high = fitted.interval(row[None, :])
    assert low[0] < fitted.probability(row[None, :])[0] < high[0]


def test_measures_of_one_thing_are_one_driver() -> None:
    cases = _cases(600)
    rows = cases.features.copy()
    rows[:, COLUMNS.index("recent_days_late")] = rows[:, COLUMNS.index("days_late")] + np.tile([0, 4, -4], 600)
    rows[:, COLUMNS.index("recent_days_late_rows")] = 8
    fitted = fit_logistic(rows, cases.renewed)
    _, down = fitted.drivers(rows[np.argmax(rows[:, COLUMNS.index("days_late")])])
    assert len([one for one in down if "late" in one["feature"]]) == 1


def test_every_feature_has_its_words_in_both_languages() -> None:
    texts = catalogue()
    for feature in ALL:
        if feature.name != "days_left":
            entry = texts[f"renewal.driver.{feature.name}"]
            assert "{value}" in entry["zh"] or feature.name == "auto_renew"
            assert entry["en"]
    assert "renewal.driver.no_auto_renew" in texts


def test_a_value_that_rests_on_little_moves_the_forecast_less() -> None:
    cases = _cases(600)
    fitted = fit_logistic(cases.features, cases.renewed)
    sure, unsure, unknown = (cases.features[:1].copy() for _ in range(3))
    for row, rows in ((sure, 20), (unsure, 0.2), (unknown, np.nan)):
        row[0, COLUMNS.index("days_late")], row[0, COLUMNS.index("days_late_rows")] = 30, rows
    chances = [float(fitted.probability(row)[0]) for row in (sure, unsure, unknown)]
    assert chances[0] < chances[1] < chances[2]


def test_a_stored_model_scores_as_the_trained_one_did() -> None:
    cases = _cases(400)
    fitted = fit_logistic(cases.features, cases.renewed).model_copy(update={"slope": 0.9, "shift": -0.2})
    again = LogisticModel.model_validate_json(fitted.model_dump_json())
    assert np.allclose(again.probability(cases.features), fitted.probability(cases.features))
    assert again.columns == list(COLUMNS)
    assert len(again.coefficients) == len(FEATURES)


def test_drift_is_seen_in_features_and_in_the_base_rate() -> None:
    cases = _cases(900)
    same = compare(cases, _cases(200, seed=9))
    assert same["verdict"] == "stable"
    later = _cases(200, seed=9)
    later.features[:, COLUMNS.index("days_late")] += 12
    moved = compare(cases, later)
    assert moved["verdict"] == "shifted"
    assert moved["features"][0]["feature"] == "days_late"
    falling = compare(_cases(900, fall=3.0), _cases(200, seed=9))
    assert falling["base_rate"]["is_significant"]
    assert falling["base_rate"]["change"] < 0


def test_a_source_that_breaks_is_drift_and_longer_records_are_not() -> None:
    rng = np.random.default_rng(0)
    whole = rng.normal(size=400)
    half = np.where(rng.random(400) < 0.5, np.nan, whole)
    assert stability_index(whole, half) > 0.25
    assert stability_index(half, whole) < 0.1


def test_drift_needs_contracts_due() -> None:
    assert compare(_cases(900), _cases(10, seed=9))["verdict"] == "too little data"
