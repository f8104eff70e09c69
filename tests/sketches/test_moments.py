"""Moments and products against math.fsum and numpy."""

from __future__ import annotations

import math
from fractions import Fraction

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from watchkeeper.sketches.moments import Moments
from watchkeeper.sketches.products import Products

SETTINGS = hypothesis.settings(deadline=None, derandomize=True, database=None, max_examples=200)
finite = st.floats(allow_nan=False, allow_infinity=False)


def of(values: np.ndarray, origin: float = 0.0) -> Moments:
    moments = Moments(origin)
    moments.update(np.asarray(values, dtype=np.float64))
    return moments


def exactly(values: np.ndarray) -> tuple[float, float]:
    """Return mean and standard deviation by rational arithmetic."""
    parts = [Fraction(v) for v in values.tolist()]
    mean = sum(parts, Fraction(0)) / len(parts)
    variance = sum(((p - mean) ** 2 for p in parts), Fraction(0)) / (len(parts) - 1)
    bits = (variance.numerator.bit_length() - variance.denominator.bit_length()) // 2
    return float(mean), math.sqrt(variance / Fraction(4) ** bits) * 2.0**bits


@pytest.mark.parametrize("n", [2, 10, 5000])
@pytest.mark.parametrize("centre", [0.0, 1.0, -1e6])
@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e100])
def test_mean_and_sd(n: int, centre: float, spread: float) -> None:
    values = centre + spread * np.random.default_rng(n).normal(0, 1, n)
    moments = of(values, centre)
    mean, sd = exactly(values)
    assert moments.mean == pytest.approx(mean, rel=1e-13, abs=1e-14 * float(np.abs(values).max()))
    assert moments.mean == pytest.approx(
        math.fsum(values.tolist()) / n, rel=1e-13, abs=1e-13 * float(np.abs(values).max())
    )
    assert moments.sd == pytest.approx(sd, rel=1e-12)
    assert moments.sd == pytest.approx(float(np.std(values, ddof=1)), rel=1e-9)
    assert (moments.minimum, moments.maximum, moments.count) == (values.min(), values.max(), n)


def test_an_origin_keeps_the_digits_of_a_small_spread() -> None:
    values = 1.7e9 + np.random.default_rng(1).normal(0, 0.01, 10_000)  # seconds since 1970
    _, sd = exactly(values[:2000])
    assert of(values[:2000], 1.7e9).sd == pytest.approx(sd, rel=1e-12)
    assert abs(of(values[:2000]).sd / sd - 1) > 0.1  # what the origin is for


@pytest.mark.parametrize("values", [[1e308, 1.5e308, -1e308], [1.7e308] * 3 + [1.0], [2.0**480, -(2.0**479), 3.0]])
def test_huge_numbers_do_not_overflow(values: list[float]) -> None:
    moments = of(np.array(values))
    mean, sd = exactly(np.array(values))
    assert moments.mean == pytest.approx(mean, rel=1e-13)
    assert moments.sd == pytest.approx(sd, rel=1e-12)


@pytest.mark.parametrize(
    ("origin", "values"), [(1e308, [-1e308]), (-1.7e308, [1.7e308, 0.0]), (2.0**479.5, [-(2.0**479.5)])]
)
def test_an_origin_far_from_the_numbers(origin: float, values: list[float]) -> None:
    moments = of(np.array(values), origin)
    assert moments.mean == pytest.approx(
        float(np.mean(values)), abs=1e295 if origin > 1e300 or origin < -1e300 else 1e130
    )
    assert math.isfinite(moments.huge_squares)


@SETTINGS
@hypothesis.given(finite, st.integers(2, 100))
def test_a_constant_has_no_spread(value: float, n: int) -> None:
    moments = of(np.full(n, value))
    assert moments.sd == 0.0
    assert moments.mean == pytest.approx(value, rel=1e-14, abs=5e-324)


def test_zero_has_no_sign() -> None:
    for zeros in ([0.0, -0.0], [-0.0, 0.0], [-0.0]):
        state = of(np.array(zeros)).state()
        assert not np.signbit([state["minimum"], state["maximum"]]).any()


def test_empty_and_single() -> None:
    assert math.isnan(Moments().mean)
    assert math.isnan(Moments().sd)
    assert math.isnan(of(np.array([3.0])).sd)
    assert of(np.array([3.0])).mean == 3.0


def test_moments_about_different_origins_do_not_add() -> None:
    with pytest.raises(ValueError, match=r"1\.0 and 2\.0"):
        of(np.array([1.0]), 1.0).merge(of(np.array([1.0]), 2.0))
    assert Moments(1.0).merge(of(np.array([5.0]), 2.0)).mean == 5.0


def test_products_are_numpys_covariance() -> None:
    rows = np.random.default_rng(2).normal([[1], [5], [-3]], [[1], [2], [0.1]], (3, 4000))
    products = Products(3)
    products.update(rows[:, :1500])
    products.update(rows[:, 1500:])
    assert products.count == 4000
    assert np.allclose(products.means, rows.mean(axis=1), rtol=1e-13)
    assert np.allclose(products.covariance(), np.cov(rows, ddof=0), rtol=1e-9, atol=1e-12)
    assert np.allclose(products.gram[1:, 1:], rows @ rows.T, rtol=1e-12)
    assert products.gram[0, 0] == 4000


def test_products_empty_and_of_other_sizes() -> None:
    assert np.isnan(Products(2).means).all()
    assert np.isnan(Products(2).covariance()).all()
    with pytest.raises(ValueError, match="2 and of 3"):
        Products(2).merge(Products(3))
