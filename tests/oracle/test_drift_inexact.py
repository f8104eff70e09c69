"""Distances from states that are no longer exact lie within what the width of their cells allows.

Let p and q be the shares that a cell holds of either side, h half its width.

- Kolmogorov-Smirnov: cells end where values do, so the state never says too much; within a cell the difference of the
  distribution functions can rise by p or q. So raw lies in [found, found + largest p or q].
- Wasserstein: each value stands at the middle of its cell, so either side was moved by at most sum(p h), and the distance
  obeys the triangle: off by at most sum((p + q) h).
- Energy: a metric as well, and energy(F, F')^2 = 2 * integral of (F - F')^2 <= 2 max|F - F'| * Wasserstein(F, F').
- Cramer-von Mises: at a value inside a cell the gap d of the distribution functions differs from that at the cell's end
  by at most max(p, q), and |a^2 - b^2| <= |a - b| * 2 max(|a|, |b|), where no gap is above the raw statistic.
"""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import examples, numeric
from scipy import stats
from scipy.spatial.distance import jensenshannon

from watchkeeper.metrics import drift
from watchkeeper.metrics.binning import common_bins, common_cells
from watchkeeper.metrics.quality import scale_of
from watchkeeper.profiles.column import Column, NumericColumn
from watchkeeper.profiles.profile import Profile
from watchkeeper.sketches import kernel

Numbers = np.ndarray


def assert_within(sides: tuple[NumericColumn, NumericColumn], reference: Numbers, current: Numbers) -> None:
    cells = common_cells(*sides)
    assert cells is not None
    p, q = cells.reference / len(reference), cells.current / len(current)
    width = 0 if cells.exact else (1 << max(side.histogram.shift for side in sides)) - 1
    low, high = kernel.key_floats(cells.keys), kernel.key_floats(cells.keys + np.int64(width))
    half = (high - low) / 2
    tiny = 1e-12 * max(1.0, float(np.abs(high).max()))

    raw = float(stats.ks_2samp(reference, current, method="asymp").statistic)
    found = drift.kolmogorov_smirnov(cells)
    assert found - 1e-12 <= raw <= found + max(p.max(), q.max()) + 1e-12

    moved = (p * half).sum(), (q * half).sum()
    assert abs(drift.wasserstein(cells) - stats.wasserstein_distance(reference, current)) <= sum(moved) + tiny
    assert sum(moved) <= (p + q).sum() * half.max()

    apart = sum(math.sqrt(2 * share.max() * by) for share, by in zip((p, q), moved, strict=True))
    assert abs(drift.energy_distance(cells) - stats.energy_distance(reference, current)) <= apart + math.sqrt(tiny)

    n, m = len(reference), len(current)
    gaps = np.searchsorted(np.sort(reference), both := np.concatenate([reference, current]), "right") / n
    gaps -= np.searchsorted(np.sort(current), both, "right") / m
    expected = n * m / (n + m) ** 2 * float((gaps**2).sum())
    slack = n * m / (n + m) ** 2 * float(((cells.reference + cells.current) * np.maximum(p, q)).sum()) * 2 * raw
    assert abs(drift.cramer_von_mises(cells) - expected) <= slack + 1e-9


def assert_bins_are_counted_right(sides: tuple[Column, Column], reference: Numbers, current: Numbers) -> None:
    """Bins begin where cells do, so their counts are those of the raw values whatever the width of a cell."""
    bins, cells = common_bins(*sides), common_cells(*sides)
    assert bins is not None
    assert cells is not None
    starts = np.concatenate([[0], np.cumsum(cells.reference)])
    firsts = [int(np.searchsorted(starts, c)) for c in np.concatenate([[0], np.cumsum(bins.reference)[:-1]])]
    edges = [*kernel.key_floats(cells.keys[firsts[1:]]).tolist(), math.inf]
    for side, found in ((reference, bins.reference), (current, bins.current)):
        below = [int((side < edge).sum()) for edge in edges]
        assert found.tolist() == np.diff([0, *below]).tolist()
    shares = bins.reference / len(reference), bins.current / len(current)
    assert drift.jensen_shannon(bins) == pytest.approx(jensenshannon(*shares, 2), abs=1e-9)


@examples
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["normal", "lognormal", "cauchy", "uniform", "mixed"]),
    st.floats(-0.5, 0.5),
    st.integers(700, 4000),
    st.integers(700, 4000),
)
def test_any_shape(seed: int, shape: str, move: float, n: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    draw = {
        "normal": lambda k: rng.normal(size=k),
        "lognormal": lambda k: rng.lognormal(0, 2, k),
        "cauchy": rng.standard_cauchy,
        "uniform": lambda k: rng.uniform(-1, 1, k),
        "mixed": lambda k: np.where(rng.random(k) < 0.5, np.round(rng.normal(size=k)), rng.normal(size=k)),
    }[shape]
    reference, current = draw(n), draw(m) * (1 + abs(move)) + move
    sides = numeric(reference), numeric(current)
    assert shape == "mixed" or not (sides[0].histogram.exact or sides[1].histogram.exact)
    assert_within(sides, reference, current)


@pytest.mark.parametrize(
    "name", ["score", "temp", "dewp", "humid", "pressure", "wind_speed", "distance", "minute_of_day"]
)
def test_columns_of_flights(
    name: str, request: pytest.FixtureRequest, march_profile: Profile, july_profile: Profile
) -> None:
    demo = request.getfixturevalue("demo")
    reference, current = (
        t[name].cast(pa.float64()).drop_null().to_numpy().astype(float) for t in (demo.march, demo.july)
    )
    sides = march_profile.columns[name], july_profile.columns[name]
    found = drift.column_distances(*sides)
    cells = common_cells(*sides)
    assert cells is not None
    assert name not in {"score", "distance"} or cells.exact == (name == "distance")
    if cells.exact:
        assert found["kolmogorov_smirnov"] == pytest.approx(
            stats.ks_2samp(reference, current, method="asymp").statistic, abs=1e-12
        )
        assert found["wasserstein_raw"] == pytest.approx(stats.wasserstein_distance(reference, current), rel=1e-9)
        assert found["energy_distance"] == pytest.approx(stats.energy_distance(reference, current), rel=1e-6)
    else:
        assert_within(sides, reference, current)  # type: ignore[arg-type]
        assert_bins_are_counted_right(sides, reference, current)
    assert scale_of(sides[0]) == pytest.approx(reference.std(ddof=1), rel=1e-9)
    assert found["wasserstein"] == pytest.approx(found["wasserstein_raw"] / reference.std(ddof=1), rel=1e-9)


def test_a_state_far_from_exact_is_still_near(rng: np.random.Generator) -> None:
    """A million values in cells of 36,864 bits: the distances are off by a few thousandths of a standard deviation."""
    reference, current = rng.normal(size=300_000), rng.normal(0.1, 1, size=300_000)
    cells = common_cells(numeric(reference), numeric(current))
    assert cells is not None
    assert not cells.exact
    assert drift.wasserstein(cells) == pytest.approx(stats.wasserstein_distance(reference, current), abs=0.002)
    raw = stats.ks_2samp(reference, current, method="asymp").statistic
    assert drift.kolmogorov_smirnov(cells) == pytest.approx(raw, abs=0.002)
