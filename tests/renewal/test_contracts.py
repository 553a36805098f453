"""The model over contract snapshots: judged without looking ahead, explained, and modest when data is thin."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from model.renewal.model import LogisticModel, SegmentModel, calibrated, fit_logistic, fit_segments
from model.renewal.service import _fit, _origins, judge
from model.renewal.snapshots import FEATURES, Snapshots
from ops.texts import catalogue


def _cases(contracts: int, *, signal: float = 1.6) -> Snapshots:
    rng = np.random.default_rng(4)
    late = rng.normal(10, 6, contracts)
    odds = 1.5 - signal * (late - 10) / 6
    renewed = (rng.random(contracts) < 1 / (1 + np.exp(-odds))).astype(int)
    ends = np.sort(rng.integers(19000, 20300, contracts))
    rows = np.full((contracts * 3, len(FEATURES)), np.nan)
    rows[:, FEATURES.index("days_left")] = np.tile([180, 90, 30], contracts)
    rows[:, FEATURES.index("days_late")] = np.repeat(late, 3)
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
    origins = list(_origins(cases))
    assert origins
    for known, test in origins:
        assert cases.decided[known].max() < cases.days[test].min()


def test_a_real_driver_is_found_and_graded() -> None:
    cases = _cases(900)
    found, forecast = judge(cases)
    assert found["grade"] in {"usable", "strong"}
    assert found["auc"] > 0.75
    assert found["brier"] < found["baseline"]["brier"]
    assert isinstance(_fit(cases, found["grade"], forecast), LogisticModel)


def test_noise_is_refused_and_the_base_rate_takes_its_place() -> None:
    cases = _cases(900, signal=0.0)
    found, forecast = judge(cases)
    assert found["grade"] == "no usable signal"
    assert isinstance(_fit(cases, found["grade"], forecast), SegmentModel)


@pytest.mark.parametrize("contracts", [0, 1, 60])
def test_too_little_data_says_so(contracts: int) -> None:
    found, forecast = judge(_cases(contracts))
    assert found["grade"] == "too little data"
    assert forecast is None


def test_segment_rates_are_shrunk_towards_the_base() -> None:
    fitted = fit_segments(["A"] * 4 + ["B"] * 96, np.array([0] * 4 + [1] * 90 + [0] * 6))
    assert 0.5 < fitted.rate("A") < fitted.base_rate < fitted.rate("B")
    assert fitted.rate("never seen") == fitted.base_rate


def test_drivers_explain_in_texts_that_exist_and_the_interval_holds_the_score() -> None:
    cases = _cases(600)
    fitted = fit_logistic(cases.features, cases.renewed)
    row = cases.features[np.argmax(cases.features[:, FEATURES.index("days_late")])]
    up, down = fitted.drivers(row)
    assert up == []
    assert down[0]["msgid"] == "renewal.driver.days_late"
    low, high = fitted.interval(row[None, :])
    assert low[0] < fitted.probability(row[None, :])[0] < high[0]
    texts = catalogue()
    for name in FEATURES:
        assert name == "days_left" or f"renewal.driver.{name}" in texts


def test_a_stored_model_scores_as_the_trained_one_did() -> None:
    cases = _cases(400)
    fitted = fit_logistic(cases.features, cases.renewed)
    again = LogisticModel.model_validate_json(fitted.model_dump_json())
    assert np.allclose(again.probability(cases.features), fitted.probability(cases.features))
    shifted = calibrated(fitted, np.clip(fitted.probability(cases.features) * 0.8, 0.01, 0.99), cases.renewed)
    assert shifted.shift > 0
