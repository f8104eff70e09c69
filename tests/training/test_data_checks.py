"""The data before training: rows on both sides, features that tell the label, scales; and data that is well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import InputError
from watchkeeper.training.data_checks import check_data

ROWS = 600


def table(seed: int = 0, classes: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 6)).astype(np.float32)
    y = np.digitize(x[:, 0] + 0.7 * rng.normal(size=ROWS), np.quantile(x[:, 0], np.linspace(0, 1, classes + 1)[1:-1]))
    return x, y, rng.normal(size=(200, 6)).astype(np.float32)


def problems(*arguments: object) -> list[tuple[str, str | None]]:
    return [(f.problem, f.layer) for f in check_data(*arguments)]


@given(st.integers(0, 50), st.integers(2, 6))
def test_data_that_is_well_is_left_in_peace(seed: int, classes: int) -> None:
    assert problems(*table(seed, classes)) == []


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_label_in_a_feature_is_found_and_named(classes: int, noise: float) -> None:
    x, y, held = table(classes=classes)
    x[:, 4] = y + noise * np.random.default_rng(1).normal(size=ROWS)
    assert ("leakage", "feature 4") in problems(x, y, held)
    assert [f.layer for f in check_data(x, y, names=list("abcdef"))] == ["e"]


def test_a_number_that_a_feature_ranks_is_found() -> None:
    x, _, held = table()
    y = np.exp(x[:, 2]).astype(np.float64)
    assert problems(x, y, held) == [("leakage", "feature 2")]
    assert problems(x, y + np.random.default_rng(2).normal(size=ROWS), held) == []


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_rows_on_both_sides_are_counted(share: float) -> None:
    x, y, held = table()
    count = round(share * len(held))
    held[:count] = x[:count]
    (finding,) = [f for f in check_data(x, y, held) if f.problem == "leakage"]
    assert finding.numbers["share"] == pytest.approx(share)


def test_rows_that_repeat_by_nature_are_no_leak() -> None:
    rng = np.random.default_rng(3)
    x, held = (rng.integers(0, 2, (n, 4)).astype(np.float32) for n in (ROWS, 200))
    assert problems(x, rng.integers(0, 2, ROWS), held) == []


@pytest.mark.parametrize(("factor", "told"), [(1.0, []), (255.0, ["input_scale"]), (1e-3, ["input_scale"])])
def test_scales(factor: float, told: list[str]) -> None:
    x, y, held = table()
    assert [problem for problem, _ in problems(factor * x, y, factor * held)] == told


def test_what_is_not_finite_or_constant_is_told_and_codes_are_not() -> None:
    x, y, _ = table()
    x[5, 2] = np.nan
    assert problems(x, y) == [("input_scale", None)]
    assert problems(np.ones((ROWS, 3), np.float32), y) == [("input_scale", None)]
    assert problems(np.random.default_rng(4).integers(0, 5000, (ROWS, 3)), y) == []


def test_a_split_by_another_population_is_told() -> None:
    x, y, held = table()
    held[:, 3] += 2
    assert problems(x, y, held) == [("split_shift", "feature 3")]


def test_rows_and_targets_are_as_many() -> None:
    with pytest.raises(InputError, match="600 rows and 10 targets"):
        check_data(table()[0], np.zeros(10))
