"""What a column's row says of what changed: units as far as they are known, and alarms of quality alone."""

from __future__ import annotations

import numpy as np
import pytest

import watchkeeper as wk
from watchkeeper.metrics.units import guess_units
from watchkeeper.profiles.column import NumericColumn


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def numeric(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> NumericColumn:
    made = NumericColumn()
    made.update_values(values)
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("score", ("shares", "percent")),
        ("x", ("shares", "percent")),
        ("length", ("m", "cm")),
        ("price", ("euros", "cents")),
    ],
)
def test_times_100_is_percent_unless_a_name_says_better(
    name: str, expected: tuple[str, str], rng: np.random.Generator
) -> None:
    before, after = rng.uniform(size=2_000), 100 * rng.uniform(size=2_000)
    for a, b, pair in ((before, after, expected), (after, before, expected[::-1])):
        found = guess_units(numeric(a), numeric(b), name)
        assert found is not None
        assert (found.old, found.new) == pair


def test_a_score_times_100_is_not_told_in_centimetres(rng: np.random.Generator) -> None:
    before, after = {"score": rng.uniform(size=2_000)}, {"score": 100 * rng.uniform(size=2_000)}
    for sides, turn in (((before, after), "times 100, such as a share told in percent"),
                        ((after, before), "divided by 100, such as a percentage told as a share")):  # fmt: skip
        report = wk.compare(*sides)
        assert any(f"score {turn}" in said for said in report.sentences)
        (column,) = report.to_dict()["columns"]
        assert f"Perhaps its unit changed: {turn} (a guess)" in column["words"]
        assert " cm" not in str(report.to_dict())
