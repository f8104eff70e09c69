"""Roots and ranks are SciPy's, which take half a second to import."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples
from scipy import optimize, stats

from watchkeeper.metrics.roots import middle_ranks, root


@examples
@given(st.floats(0.01, 100), st.floats(-3, 3))
def test_a_root_of_a_curved_function(scale: float, shift: float) -> None:
    def function(x: float) -> float:
        return float(np.expm1(min(x / scale, 50.0)) - shift if shift > 0 else np.arctan(x * scale) - shift / 4)

    low, high = -10 * scale - 10, 10 * scale + 10
    if function(low) * function(high) < 0:
        expected = optimize.brentq(function, low, high, xtol=1e-13)
        assert root(function, low, high, 1e-13) == pytest.approx(expected, abs=1e-9), (scale, shift)


def test_ends_of_one_sign_have_none_between_them() -> None:
    with pytest.raises(ValueError, match="signs"):
        root(lambda x: 1 + x * x, -1, 1, 1e-9)


@examples
@given(st.lists(st.integers(-5, 5), min_size=1))
def test_ranks_with_ties(values: list[int]) -> None:
    assert middle_ranks(np.array(values, dtype=float)).tolist() == stats.rankdata(values).tolist()
