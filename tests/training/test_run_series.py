"""A series keeps its two ends whole and never more than its cap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import InputError
from watchkeeper.training.series import CAP, FIRST, LAST, Series


@given(st.integers(1, 3 * CAP))
def test_both_ends_are_whole_and_the_rest_is_what_came(count: int) -> None:
    series = Series(["value"])
    for step in range(count):
        series.append(step, step * 0.5)
    assert series.count == count
    assert len(series) == count if count <= CAP else len(series) <= CAP
    assert (series.values == series.steps * 0.5).all()
    assert (np.diff(series.steps) > 0).all()
    assert series.steps[: min(count, FIRST)].tolist() == list(range(min(count, FIRST)))
    last = min(count, LAST)
    assert series.steps[-last:].tolist() == list(range(count - last, count))


def test_steps_may_not_go_back() -> None:
    series = Series(["value"])
    series.append(5, 1.0)
    series.append(5, 2.0)
    with pytest.raises(InputError, match="step 4 comes after step 5"):
        series.append(4, 1.0)


def test_a_row_fits_its_columns() -> None:
    series = Series(["a", "b"])
    series.append(0, (1.0, 2.0))
    with pytest.raises(InputError, match="3 numbers does not fit 2 columns"):
        series.append(1, (1.0, 2.0, 3.0))
