"""What a column's row says of what changed: units as far as they are known, and alarms of quality alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

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


def test_a_column_that_only_its_quality_alarms_says_so(rng: np.random.Generator) -> None:
    n = 2_000
    values = rng.normal(size=n)
    before = {"x": values, "age": values, "code": [f"a{i}" for i in range(n)]}
    after = {
        "x": np.where(rng.random(n) < 0.2, np.inf, values),
        "age": np.where(rng.random(n) < 0.3, np.nan, values),
        "code": [f"b{i % 500}" for i in range(n)],
    }
    report = wk.compare(before, after, schema=wk.Schema(kinds={"code": "categorical"}))
    console = Console(width=140, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(report.to_terminal(140))
    rows = {line.split()[0]: line.rstrip() for line in capture.get().splitlines() if " critical " in line}
    assert rows["x"].endswith("critical   infinite values")
    assert rows["age"].endswith("critical   nulls")
    assert "repeats" in rows["code"].rpartition("critical")[2]
    words = {row["name"]: row["words"] for row in report.to_dict()["columns"]}
    assert words["x"].startswith("x is infinite in ")
    assert words["code"].startswith("code was unique and is not any more")


def test_times_that_cannot_be_read_are_judged() -> None:
    rng = np.random.default_rng(1)
    when = np.datetime64("2026-01-01T00:00:00") + rng.integers(0, 30 * 86_400, 3_000).astype("timedelta64[s]")
    texts = [str(moment) for moment in when]
    x = rng.normal(size=3_000)
    before = pa.table({"when": texts, "x": x})
    broken = pa.table({"when": ["31/02/2026" if i % 20 == 0 else text for i, text in enumerate(texts)], "x": x})
    schema = wk.Schema(timestamp="when", kinds={"when": "datetime"})
    assert wk.compare(before, before, schema=schema.replace()).verdict == "ok"
    report = wk.compare(before, broken, schema=schema.replace())
    assert report.verdict == "critical"
    assert "5 % of when is of another type than it should be" in report.headline
