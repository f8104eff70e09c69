"""The sample of rows is uniform, and its copies make every estimate right on average."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from watchkeeper.sketches import kernel
from watchkeeper.sketches.sample import SampleIndex

ALARM = 1e-4  # each test here fails by chance with this probability, were its seed drawn anew


def hashes(rng: np.random.Generator, ids: np.ndarray) -> np.ndarray:
    """Hash ids under a salt of this run, as if they were other ids."""
    salt = np.full(len(ids), rng.integers(0, 2**63), dtype=np.uint64)
    return kernel.combine_hashes([salt, ids.astype(np.uint64)])


def test_each_row_is_as_likely_as_any_other() -> None:
    rng = np.random.default_rng(11)
    n, size, runs = 200, 20, 4000
    drawn = np.zeros(n, dtype=np.int64)
    for _ in range(runs):
        index = SampleIndex(size)
        priority = hashes(rng, np.arange(n))
        index.update(priority[:90], priority[:90])
        index.update(priority[90:], priority[90:])
        drawn[np.isin(priority, index.priority)] += 1
    assert drawn.sum() == runs * size
    expected = runs * size / n
    chi2 = float(((drawn - expected) ** 2).sum() / (expected * (1 - size / n))) * (n - 1) / n
    assert stats.chi2.sf(chi2, n - 1) > ALARM
    assert stats.chi2.cdf(chi2, n - 1) > ALARM


def test_copies_weigh_what_came_often() -> None:
    rng = np.random.default_rng(12)
    ids = np.repeat(np.arange(100), rng.integers(1, 30, 100))
    values = (np.arange(100) % 7).astype(np.float64)
    truth = float(values[ids].sum())
    totals = []
    for _ in range(3000):
        index = SampleIndex(30)
        priority = hashes(rng, ids)
        index.update(priority, priority)
        picked = {int(p): v for p, v in zip(priority.tolist(), values[ids].tolist(), strict=True)}
        below = float(index.priority[-1]) / 2.0**64  # the chance of each but the last, which is left out
        totals.append(
            sum(picked[int(p)] * c for p, c in zip(index.priority[:-1].tolist(), index.copies[:-1], strict=True))
            / below
        )
    error = np.std(totals, ddof=1) / np.sqrt(len(totals))
    assert abs(np.mean(totals) - truth) < stats.norm.isf(ALARM / 2) * error


def test_every_copy_is_counted() -> None:
    rng = np.random.default_rng(13)
    ids = rng.integers(0, 500, 20_000)
    priority = hashes(rng, ids)
    index = SampleIndex(50)
    for part in np.array_split(np.arange(20_000), 9):
        index.update(priority[part], priority[part])
    distinct, counts = np.unique(priority, return_counts=True)
    assert np.array_equal(index.priority, distinct[:50])
    assert np.array_equal(index.copies, counts[:50])
    assert index.threshold == int(distinct[49])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_two_rows_with_an_id_the_smaller_content_stays(order: list[int]) -> None:
    index = SampleIndex(5)
    contents = np.array([7, 3, 9], dtype=np.uint64)[order]
    index.update(np.full(3, 42, dtype=np.uint64), contents)
    assert (index.priority.tolist(), index.content.tolist(), index.copies.tolist()) == ([42], [3], [3])


def test_update_says_where_each_entry_comes_from() -> None:
    index = SampleIndex(3)
    index.update(np.array([50, 30], dtype=np.uint64), np.array([0, 0], dtype=np.uint64))
    places = index.update(np.array([40, 60, 30], dtype=np.uint64), np.array([0, 0, 1], dtype=np.uint64))
    assert index.priority.tolist() == [30, 40, 50]
    assert places.tolist() == [0, 2, 1]
    assert SampleIndex(3).threshold == 2**64 - 1


def test_samples_of_other_sizes_do_not_merge() -> None:
    with pytest.raises(ValueError, match="3 and 4"):
        SampleIndex(3).merge(SampleIndex(4))


def test_a_row_of_zeros_is_no_more_likely_than_others() -> None:
    zero = np.array([0], dtype=np.uint64)
    assert [int(kernel.combine_hashes([zero] * k)[0]) >> 56 for k in range(1, 9)] != [0] * 8
    assert all(int(kernel.combine_hashes([zero] * k)[0]) for k in range(1, 9))
