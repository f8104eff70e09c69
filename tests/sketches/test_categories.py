"""Counts of categories: exact, and above 4,096 values within what is promised."""

from __future__ import annotations

import hypothesis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import strategies as st

from watchkeeper.capture.batch import hash_texts as arrow_hashes
from watchkeeper.sketches import kernel
from watchkeeper.sketches.categories import EXACT, KEPT, Categories, hash_texts

SETTINGS = hypothesis.settings(deadline=None, derandomize=True, database=None)
texts = st.text(st.characters(exclude_categories=["Cs"]))


def of(names: list[str], counts: np.ndarray) -> Categories:
    categories = Categories()
    categories.update(names, counts)
    return categories


def numbered(n: int, prefix: str = "value ") -> list[str]:
    return [f"{prefix}{i}" for i in range(n)]


def zipf(n: int, total: int) -> np.ndarray:
    weights = 1 / np.arange(1, n + 1)
    return np.maximum((weights / weights.sum() * total).astype(np.int64), 1)


@SETTINGS
@hypothesis.given(st.lists(texts, unique=True, max_size=30))
def test_few_values_are_exact(names: list[str]) -> None:
    counts = np.arange(1, len(names) + 1)
    categories = of(names, counts)
    assert categories.exact
    assert categories.distinct == len(names)
    assert categories.counts() == dict(zip(names, counts.tolist(), strict=True))
    assert categories.count == counts.sum()
    assert categories.estimate("not there, surely \x07") == 0
    assert categories.hash_cells().sum() == categories.count


def test_zero_counts_leave_no_trace() -> None:
    categories = of(["a", "b"], np.array([0, 2]))
    assert categories.counts() == {"b": 2}


def test_top_breaks_ties_by_value() -> None:
    assert of(["b", "a", "c"], np.array([2, 2, 5])).top(2) == [("c", 5), ("a", 2)]


def test_the_limit_is_part_of_the_format() -> None:
    assert (EXACT, KEPT) == (4096, 1024)
    assert of(numbered(4096), np.ones(4096, dtype=np.int64)).exact
    assert not of(numbered(4097), np.ones(4097, dtype=np.int64)).exact


SIZES = [4097, 5000, 7000, 10_000, 15_000, 20_000, 30_000, 50_000, 80_000, 120_000]


def test_distinct_values_are_estimated_within_the_error() -> None:
    errors = []
    for prefix in ("a", "b", "c", "d"):
        errors += [of(numbered(n, prefix), np.ones(n, dtype=np.int64)).distinct / n - 1 for n in SIZES]
    assert max(map(abs, errors)) < 4.5 / np.sqrt(KEPT - 2)  # of 40 draws; 4.5 standard errors: 1 in 3,600
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(1 / np.sqrt(KEPT - 2), rel=0.6)


def test_the_hash_table_is_never_low_and_seldom_high() -> None:
    names, counts = numbered(20_000), zipf(20_000, 1_000_000)
    categories = of(names, counts)
    hashes = hash_texts(names)
    rows = [(hashes >> np.uint64(64 - 12 * (row + 1))) & np.uint64(4095) for row in range(2)]
    assert categories.table is not None
    found = np.minimum(categories.table[0][rows[0].astype(int)], categories.table[1][rows[1].astype(int)])
    some = range(0, 20_000, 97)
    assert [categories.estimate(names[i]) for i in some] <= [int(found[i]) for i in some]
    assert all(int(counts[i]) <= categories.estimate(names[i]) for i in some)
    assert (found >= counts).all()
    assert (found - counts > 2 * categories.count / 4096).mean() <= 0.25
    assert categories.table.sum(axis=1).tolist() == [categories.count] * 2
    assert np.array_equal(categories.hash_cells(), categories.table[0])


def test_hash_cells_are_the_same_exact_or_not() -> None:
    names = numbered(5000)
    cells = of(names[:4000], np.ones(4000, dtype=np.int64)).hash_cells()
    cells = cells + of(names[4000:], np.ones(1000, dtype=np.int64)).hash_cells()
    assert np.array_equal(of(names, np.ones(5000, dtype=np.int64)).hash_cells(), cells)


@pytest.mark.parametrize("pieces", [1, 7])
def test_frequent_values_are_low_by_no_more_than_the_state_says(pieces: int) -> None:
    names, counts = numbered(6000), zipf(6000, 500_000)
    parts = np.array_split(np.random.default_rng(5).permutation(6000), pieces)
    whole = Categories()
    for part in parts:
        whole = whole.merge(of([names[i] for i in part.tolist()], counts[part]))
    state = whole.state()
    kept = dict(zip(state["frequent"], state["frequent_counts"].tolist(), strict=True))
    error = state["frequent_error"]
    truth = dict(zip(names, counts.tolist(), strict=True))
    assert error <= whole.count / 512
    for name, count in truth.items():
        assert count - error <= kept.get(name, 0) <= count
    found = whole.top(5)
    assert [name for name, _ in found] == names[:5]
    assert all(truth[name] <= count <= truth[name] + error for name, count in found)


def test_kept_values_have_their_exact_counts() -> None:
    names, counts = numbered(9000), zipf(9000, 100_000)
    state = of(names, counts).state()
    truth = dict(zip(names, counts.tolist(), strict=True))
    assert len(state["kept"]) == KEPT
    assert [truth[name] for name in state["kept"]] == state["kept_counts"].tolist()
    assert np.array_equal(np.sort(hash_texts(names))[:KEPT], state["hashes"])


def test_the_hash_is_part_of_the_format() -> None:
    """Stored profiles hold hashes: should one of these change, old profiles no longer merge with new ones."""
    pinned = {
        "": 0,
        "a": 15533072291972144332,
        "ab": 4692366114226914574,
        "watchkeeper": 17099896966348982201,
        "\x00": 12035550249420947055,
        "🦉": 2552121472609129656,
    }
    assert {name: int(value) for name, value in zip(pinned, hash_texts(list(pinned)), strict=True)} == pinned
    assert (
        int(kernel.combine_hashes([np.array([1], dtype=np.uint64), np.array([2], dtype=np.uint64)])[0])
        == 4673958775490555713
    )
    assert int(kernel.mix(np.array([1], dtype=np.uint64))[0]) == 6238072747940578789


@SETTINGS
@hypothesis.given(st.lists(texts, max_size=20), st.integers(0, 5))
def test_hashes_of_arrow_and_of_python_agree(names: list[str], start: int) -> None:
    expected = hash_texts(names)
    assert np.array_equal(arrow_hashes(pa.array(names, pa.string())), expected)
    assert np.array_equal(arrow_hashes(pa.array(names, pa.large_string()).slice(start)), expected[start:])
    assert len(set(expected.tolist())) == len(set(names))


def test_hashes_fill_their_cells_evenly() -> None:
    cells = np.bincount((hash_texts(numbered(400_000)) >> np.uint64(52)).astype(np.int64), minlength=4096)
    chi2 = float(((cells - 400_000 / 4096) ** 2 / (400_000 / 4096)).sum())
    assert abs(chi2 - 4095) < 4.5 * np.sqrt(2 * 4095)
