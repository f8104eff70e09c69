"""Limits for people who look at every row miss the truth in 5 % of runs at most; Wilson's, looked at so, are caught."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples
from scipy import integrate, stats

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.statistics import sequences as benchmark

from watchkeeper.metrics.estimate import share_estimate
from watchkeeper.metrics.sequences import ALPHA, effective_rows, sequence, share_sequence, share_wealth

RUNS = 200
"""At a true 5 % so many runs show more than 9.5 % once in a thousand times."""
counted = st.integers(1, 5_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize("share", benchmark.SHARES)
def test_looked_at_10_000_times(share: float) -> None:
    found = benchmark.missed(share, RUNS, seed=5)
    assert found["sequence"] <= 0.095
    assert found["Wilson at each look"] > 0.4  # the broken build: the gate sees it


@pytest.mark.parametrize("share", benchmark.SHARES)
def test_at_most_2_3_times_as_wide_as_wilsons(share: float) -> None:
    assert max(benchmark.widths(share).values()) <= 2.3


@pytest.mark.parametrize(("count", "n", "share"), [(3, 10, 0.2), (0, 7, 0.4), (40, 50, 0.7)])
def test_wealth_is_the_integral_of_the_likelihood(count: int, n: int, share: float) -> None:
    prior = stats.beta(0.5, 0.5)
    mixed, _ = integrate.quad(lambda p: p**count * (1 - p) ** (n - count) * prior.pdf(p), 0, 1)
    expected = math.log(mixed / (share**count * (1 - share) ** (n - count)))
    assert share_wealth(np.array(count), np.array(n), share) == pytest.approx(expected, rel=1e-6)


@examples
@given(counted)
def test_the_limits_are_where_wealth_reaches_twenty(pair: tuple[int, int]) -> None:
    count, n = pair
    low, high = share_sequence(count, n)
    assert low <= count / n <= high
    for limit in (low, high):
        if 0 < limit < 1:
            wealth = share_wealth(np.array(float(count)), np.array(float(n)), limit)
            assert wealth == pytest.approx(math.log(1 / ALPHA), abs=1e-6)


@examples
@given(counted)
def test_never_narrower_than_the_interval_of_one_look(pair: tuple[int, int]) -> None:
    found = share_estimate(*pair)
    low, high = sequence(found.value, found.low, found.high, found.n, share=True)
    assert low <= found.low <= found.high <= high


@examples
@given(counted, st.floats(1, 20))
def test_rows_that_repeat_each_other_count_as_fewer(pair: tuple[int, int], effect: float) -> None:
    count, n = pair
    found = share_estimate(count, n, effect)
    if found.low > 0 and found.high < 1:
        assert effective_rows(found.value, found.low, found.high, n) == pytest.approx(n / effect, rel=1e-3)
