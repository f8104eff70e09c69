"""Metrics of regression tasks against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import by_day, close, examples, regression_outcome, regression_rows
from sklearn import metrics as sk

from watchkeeper import Schema, profile
from watchkeeper.demo import flights
from watchkeeper.metrics import regression as ours
from watchkeeper.profiles.outcome import RegressionOutcome

Numbers = np.ndarray
NAMES = ("mae", "mse", "rmse", "mape", "smape", "mean_error", "r2")


def oracle(target: Numbers, prediction: Numbers) -> dict[str, float]:
    size = np.abs(target) + np.abs(prediction)
    return {
        "mae": sk.mean_absolute_error(target, prediction),
        "mse": sk.mean_squared_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "mape": sk.mean_absolute_percentage_error(target, prediction),
        "smape": float(
            np.mean([0 if s == 0 else 2 * abs(t - p) / s for t, p, s in zip(target, prediction, size, strict=True)])
        ),
        "mean_error": math.fsum(target - prediction) / len(target),
        "r2": sk.r2_score(target, prediction) if len(target) > 1 and np.ptp(target) > 0 else math.nan,
    }


def wrong(
    outcome: RegressionOutcome, target: Numbers, prediction: Numbers, tolerance: float = 1e-12
) -> dict[str, tuple[float, float]]:
    known = np.isfinite(target) & np.isfinite(prediction)
    expected = oracle(target[known], prediction[known]) if known.any() else dict.fromkeys(NAMES, math.nan)
    found = {name: getattr(ours, name)(outcome) for name in NAMES}
    return {n: (found[n].value, value) for n, value in expected.items() if not close(found[n], value, tolerance)}


@pytest.fixture(scope="module")
def delays() -> tuple[Numbers, Numbers]:
    """Return the delay on arrival of July's flights, NaN for those that never arrived, and a plain guess at it."""
    table = flights.months(flights.load(), [7])
    late = table["arr_delay"].cast("float64").to_numpy()
    left = np.nan_to_num(table["dep_delay"].cast("float64").to_numpy())
    return late, 0.8 * left - 3.5


def test_delays_of_flights(delays: tuple[Numbers, Numbers]) -> None:
    target, prediction = delays
    assert np.isnan(target).any()
    outcome = regression_outcome(target, prediction)
    assert wrong(outcome, target, prediction) == {}
    assert outcome.unlabelled == np.isnan(target).sum()


def test_delays_through_the_public_way(delays: tuple[Numbers, Numbers]) -> None:
    target, prediction = delays
    roles = Schema(target="delay", prediction="guess", task="regression")
    assert wrong(profile({"delay": target, "guess": prediction}, roles).outcome, target, prediction) == {}


NUMBERS = st.one_of(
    st.integers(-1000, 1000).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 0.1, 1e-9]),
)


def steady(target: Numbers) -> bool:
    """Whether the spread of the target is not so small beside its size that sums of squares cancel."""
    known = target[np.isfinite(target)]
    return len(known) < 2 or np.ptp(known) == 0 or known.std() > 1e-3 * np.abs(known).max()


@examples
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=60))
def test_any_rows(rows: list[tuple[float, float]]) -> None:
    target, prediction = (np.array(column) for column in zip(*rows, strict=True))
    found = wrong(regression_outcome(target, prediction), target, prediction, tolerance=1e-9)
    known = np.isfinite(target) & np.isfinite(prediction)
    if not steady(target[known]):
        found.pop("r2", None)
    assert found == {}


@examples
@given(st.integers(0, 2**32 - 1), st.sampled_from([-60, -20, -6, 6, 20, 60]))
def test_tiny_and_huge_numbers(seed: int, power: int) -> None:
    rng = np.random.default_rng(seed)
    target = rng.normal(size=200) * 10.0**power
    prediction = target + rng.normal(size=200) * 10.0**power
    outcome = regression_outcome(target, prediction)
    expected = oracle(target, prediction)
    for name in ("mae", "mse", "rmse", "smape", "mean_error", "r2"):
        assert getattr(ours, name)(outcome).value == pytest.approx(expected[name], rel=1e-9, abs=0), name
    assert outcome.extreme == 0


def test_numbers_whose_powers_overflow_are_left_out_and_counted() -> None:
    target, prediction = np.array([1.0, 2.0, 1e80, 3.0]), np.array([1.5, 1.0, 1.0, -1e80])
    outcome = regression_outcome(target, prediction)
    assert outcome.extreme == 2
    assert wrong(outcome, target[:2], prediction[:2]) == {}


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.25, 1e6, 123_456.789])
@pytest.mark.parametrize("n", [1, 2, 7, 1000])
def test_a_constant_target_has_no_share_explained(constant: float, n: int, rng: np.random.Generator) -> None:
    target, prediction = np.full(n, constant), constant + rng.normal(size=n)
    outcome = regression_outcome(target, prediction)
    assert math.isnan(ours.r2(outcome).value)
    assert wrong(outcome, target, prediction, 1e-9) == {}


def test_a_narrow_target_far_from_zero_needs_an_origin(rng: np.random.Generator) -> None:
    target = 1e9 + rng.normal(size=2000)
    prediction = target + rng.normal(size=2000) / 2
    assert ours.r2(regression_outcome(target, prediction, origin=1e9)).value == pytest.approx(
        sk.r2_score(target, prediction), abs=1e-9
    )
    through = profile({"y": target, "p": prediction}, Schema(target="y", prediction="p", task="regression")).outcome
    assert ours.r2(through).value == pytest.approx(sk.r2_score(target, prediction), abs=1e-9)
    assert not ours.r2(regression_outcome(target, prediction)).known  # rather no number than a wrong one


def test_nothing_known() -> None:
    outcome = regression_outcome([math.nan] * 4, np.arange(4.0))
    assert wrong(outcome, np.full(4, math.nan), np.arange(4.0)) == {}
    assert outcome.unlabelled == 4


def test_perfect_predictions(rng: np.random.Generator) -> None:
    target = rng.normal(size=50)
    outcome = regression_outcome(target, target)
    assert [getattr(ours, name)(outcome).value for name in NAMES] == [0, 0, 0, 0, 0, 0, 1]


def test_the_root_says_the_design_effect_of_the_square(rng: np.random.Generator) -> None:
    """Segments are widened by it."""
    days = np.repeat(np.arange(30), 40)
    error = rng.normal(size=1200) * np.exp(rng.normal(0, 0.5, 30))[days]
    rows = regression_rows(error, np.zeros(1200))
    outcome = RegressionOutcome()
    outcome.update(rows)
    parts = by_day(RegressionOutcome, rows, days)
    assert ours.mse(outcome, parts).design_effect > 2
    assert ours.rmse(outcome, parts).design_effect == ours.mse(outcome, parts).design_effect
