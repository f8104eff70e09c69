"""The histogram against brute force and numpy: the shift, the size, the quantiles."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from watchkeeper.profiles import codec
from watchkeeper.sketches import kernel
from watchkeeper.sketches.histogram import CAPACITY_BITS, Histogram

finite = st.floats(allow_nan=False, allow_infinity=False)
SETTINGS = hypothesis.settings(deadline=None, derandomize=True, database=None)
SHAPES = {
    "normal": lambda rng, n: rng.normal(0, 1, n),
    "lognormal": lambda rng, n: rng.lognormal(0, 2, n),
    "uniform": lambda rng, n: rng.random(n),
    "exponential": lambda rng, n: rng.exponential(3, n),
    "bimodal": lambda rng, n: np.where(rng.random(n) < 0.3, rng.normal(-50, 1, n), rng.normal(20, 3, n)),
    "cauchy": lambda rng, n: rng.standard_cauchy(n),
    "ties": lambda rng, n: rng.choice([1.5, 2.25, 7.0], n, p=[0.9, 0.09, 0.01]),
    "integers": lambda rng, n: rng.poisson(40, n).astype(np.float64),
    "cents": lambda rng, n: np.round(rng.lognormal(3, 0.5, n), 2),
    "mixed sign": lambda rng, n: rng.lognormal(0, 3, n) * rng.choice([-1, 1], n),
    "tiny": lambda rng, n: rng.normal(0, 1, n) * 1e-310,
    "huge": lambda rng, n: rng.uniform(-1, 1, n) * 1e308,
    "constant": lambda rng, n: np.full(n, 0.1),
    "seconds": lambda rng, n: 1.7e9 + rng.random(n) * 3600,
}
QUANTILES = (0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1)
STORED = 4_400  # bytes; measured 4,297, just above 576 distinct values
STORED_OF_MANY = 3_000  # bytes; measured 2,896, at a million rows


def drawn(shape: str, n: int) -> np.ndarray:
    return SHAPES[shape](np.random.default_rng([n, *shape.encode()]), n)


def of(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    histogram.update_floats(values)
    return histogram


def bits(keys: np.ndarray, shift: int) -> int:
    trailing = min(((int(k) & -int(k)).bit_length() - 1 for k in keys if k), default=64)
    return len({int(k) >> shift for k in keys}) * (64 - max(shift, trailing))


def test_the_capacity_is_part_of_the_format() -> None:
    assert CAPACITY_BITS == 36_864 == 576 * 64 == 2304 * 16


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 10, 576, 577, 2304, 6000])
def test_the_shift_is_the_smallest_that_fits(shape: str, n: int) -> None:
    values = drawn(shape, n)
    histogram, keys = of(values), np.unique(kernel.float_keys(values))
    assert bits(keys, histogram.shift) <= CAPACITY_BITS
    assert histogram.shift == 0 or bits(keys, histogram.shift - 1) > CAPACITY_BITS
    assert histogram.shift == next(s for s in range(65) if bits(keys, s) <= CAPACITY_BITS)
    cells = np.array(sorted({int(k) >> histogram.shift for k in keys}), dtype=np.int64)
    assert np.array_equal(histogram.cells, cells)
    assert histogram.count == n


def test_what_stays_exact() -> None:
    rng = np.random.default_rng(7)
    assert of(rng.normal(0, 1, 576)).exact
    assert not of(rng.normal(0, 1, 577)).exact
    assert of(np.arange(1675.0)).exact  # 22 bits each
    assert not of(np.arange(1676.0)).exact
    few_bits = Histogram()
    few_bits.update(np.arange(2304) << 48)
    assert few_bits.exact
    few_bits.update(np.array([2304 << 48]))
    assert not few_bits.exact
    exact = of(np.repeat(np.arange(100.0), 50))
    assert exact.values().tolist() == list(range(100))
    assert set(exact.counts.tolist()) == {50}
    assert exact.resolution() == 0


@pytest.mark.parametrize("n", [576, 600, 700, 1000, 10_000, 200_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_stored_size(shape: str, n: int) -> None:
    assert len(codec.encode(of(drawn(shape, n)).state())) <= (STORED if n < 10_000 else STORED_OF_MANY)


def test_stored_size_of_the_worst_keys() -> None:
    worst = Histogram()
    worst.update(np.random.default_rng(3).integers(-(2**62), 2**62, 576))
    assert len(codec.encode(worst.state())) <= 5_000


@pytest.mark.parametrize("shape", ["normal", "lognormal", "uniform", "exponential"])
def test_resolution_of_smooth_data(shape: str) -> None:
    assert 0 < of(drawn(shape, 200_000)).resolution() <= 0.006


@pytest.mark.parametrize("n", [1, 2, 10, 100, 5_000, 100_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_quantiles_are_those_of_numpy_within_bounds(shape: str, n: int) -> None:
    values = drawn(shape, n)
    histogram = of(values)
    with np.errstate(over="ignore", invalid="ignore"):
        truths = np.quantile(values / 4, QUANTILES) * 4  # quartered, for numpy subtracts and would overflow
        fine = np.quantile(values, QUANTILES) if shape == "tiny" else truths
    found = histogram.quantiles(np.array(QUANTILES))
    assert (np.diff(found) >= 0).all()
    for q, truth, ours in zip(QUANTILES, fine.tolist(), found.tolist(), strict=True):
        low, high = histogram.quantile_bounds(q)
        slack = 4 * np.spacing(abs(truth))
        assert low - slack <= truth <= high + slack
        assert low <= ours <= high
        assert ours == histogram.quantile(q)
        if histogram.exact:
            assert abs(ours - truth) <= slack


@pytest.mark.parametrize("shape", ["normal", "lognormal", "exponential", "seconds", "cents"])
def test_bounds_are_as_narrow_as_one_cell(shape: str) -> None:
    histogram = of(drawn(shape, 100_000))
    low, high = histogram.bounds()
    widths = kernel.key_floats(high) - kernel.key_floats(low)
    for q in QUANTILES:
        at = histogram.quantile_bounds(q)
        touched = (kernel.key_floats(high) >= at[0]) & (kernel.key_floats(low) <= at[1])
        assert touched.sum() <= 2
        assert at[1] - at[0] <= widths[touched].sum() + np.diff(kernel.key_floats(low[touched])).sum()


def test_a_cell_is_narrow_beside_its_numbers() -> None:
    histogram = of(drawn("lognormal", 100_000))
    low, high = histogram.bounds()
    left, right = kernel.key_floats(low), kernel.key_floats(high)
    assert ((right - left) <= left * 2.0 ** (histogram.shift - 52)).all()


def test_one_absurd_outlier_costs_one_cell() -> None:
    values = drawn("normal", 50_000)
    assert of(np.append(values, 1e300)).shift - of(values).shift <= 1
    assert len(of(np.append(values, 1e300)).cells) >= len(of(values).cells) / 2


def test_empty() -> None:
    empty = Histogram()
    assert (empty.count, empty.exact, empty.shift, empty.trailing, empty.resolution()) == (0, True, 0, 64, 0)
    assert np.isnan(empty.quantile(0.5))
    assert np.isnan(empty.quantile_bounds(0.5)).all()
    assert len(empty.values()) == 0


@SETTINGS
@hypothesis.given(st.floats(allow_nan=False, allow_infinity=False), st.integers(1, 60), st.floats(0, 1))
def test_a_constant_has_itself_as_every_quantile(value: float, n: int, q: float) -> None:
    assert of(np.full(n, value)).quantile(q) == value


@SETTINGS
@hypothesis.given(st.lists(finite, max_size=50))
def test_float_keys_keep_the_order_and_can_be_turned_back(picked: list[float]) -> None:
    values = np.array(picked, dtype=np.float64)
    keys = kernel.float_keys(values)
    back = kernel.key_floats(keys)
    assert np.array_equal(back, values)
    assert not np.signbit(back[back == 0]).any()
    assert np.array_equal(keys[:, None] < keys[None, :], values[:, None] < values[None, :])


def test_keys_beyond_the_numbers_give_the_largest() -> None:
    ends = kernel.key_floats(np.array([-(2**63) + 1, 2**63 - 1]))
    assert ends.tolist() == [-1.7976931348623157e308, 1.7976931348623157e308]


@SETTINGS
@hypothesis.given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), st.integers(0, 63))
def test_inner_loops_against_plain_integers(picked: list[int], by: int) -> None:
    cells = np.array(sorted(set(picked)), dtype=np.int64)
    counts = np.arange(1, len(cells) + 1)
    assert kernel.bit_length(cells).tolist() == [64 if c < 0 else c.bit_length() for c in cells.tolist()]
    wide, sums = kernel.coarsen(cells, counts, by)
    expected: dict[int, int] = {}
    for cell, count in zip(cells.tolist(), counts.tolist(), strict=True):
        expected[cell >> by] = expected.get(cell >> by, 0) + count
    assert dict(zip(wide.tolist(), sums.tolist(), strict=True)) == expected
    if len(cells):
        stay = kernel.cells_by_shift(cells).tolist()
        assert stay[:64] == [len({c >> s for c in cells.tolist()}) for s in range(64)]
    zeros = [(k & -k).bit_length() - 1 for k in picked if k]
    assert kernel.trailing_zeros(np.array(picked, dtype=np.int64)) == min(zeros, default=64)


@pytest.mark.parametrize("n", [10, 2049, 30_000])
def test_counting_does_not_depend_on_what_is_likely(n: int) -> None:
    rng = np.random.default_rng(n)
    cells = rng.integers(-500, 500, n)
    expected = np.unique(cells, return_counts=True)
    for likely in (cells[:0], np.arange(-500, 500), rng.integers(-(2**62), 2**62, 30_000), np.array([0])):
        found = kernel.count_cells(cells, likely)
        assert np.array_equal(found[0], expected[0])
        assert np.array_equal(found[1], expected[1])
