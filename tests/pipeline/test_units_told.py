"""An incident says which units changed, though it opens days after they did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from watchkeeper import Profile, Schema, profile
from watchkeeper.detection.baseline import Baseline
from watchkeeper.pipeline.catalog import Model, Version
from watchkeeper.pipeline.units_told import units_told
from watchkeeper.pipeline.values import Place
from watchkeeper.response.incidents import Explanation
from watchkeeper.window import DAY

SCHEMA = Schema(kinds={"temp": "numeric", "x": "numeric"}).freeze()
COLUMNS = [Explanation(name, "wasserstein", 5.0, 0.1, f"{name} moved.") for name in ("temp", "x")]


def day(rng: np.random.Generator, celsius: bool, rows: int = 400) -> dict[str, Any]:
    fahrenheit = np.round(rng.normal(60, 9, rows))
    return {
        "temp": (fahrenheit - 32) / 1.8 if celsius else fahrenheit,
        "x": rng.normal(3.0 if celsius else 0.0, 1, rows),
    }


@dataclass
class Made:
    """Days 0 to 39, in Celsius from ``since`` on; the window is day 39."""

    since: int
    version: Version
    window: Place = field(default_factory=lambda: Place(1, "serving", "day", 39 * DAY, 40 * DAY))

    def between(self, start: int, stop: int) -> Profile | None:
        rng = np.random.default_rng(start // DAY)
        days = [day(rng, n >= self.since) for n in range(max(start // DAY, 0), stop // DAY)]
        return (
            profile({name: np.concatenate([d[name] for d in days]) for name in SCHEMA.kinds}, SCHEMA) if days else None
        )


def version(reference: Profile | None = None) -> Version:
    made = Version(1, Model(1, "default", "production", "m", "event", "1", None), "1", SCHEMA, SCHEMA)
    made.baseline = None if reference is None else Baseline(reference)
    return made


@pytest.mark.parametrize("since", [39, 36, 30])
def test_the_unit_is_said_of_the_column_that_changed_it(since: int) -> None:
    told = units_told(COLUMNS, Made(since, version()))
    assert "from °F to °C" in told[0].words
    assert told[0].words.startswith("temp moved. Perhaps its unit changed")
    assert told[1] == COLUMNS[1]


def test_long_after_the_change_the_reference_knows() -> None:
    rng = np.random.default_rng(1)
    reference = profile(day(rng, celsius=False, rows=3_000), SCHEMA)
    assert units_told(COLUMNS, Made(0, version())) == COLUMNS
    assert "from °F to °C" in units_told(COLUMNS, Made(0, version(reference)))[0].words


def test_where_no_unit_changed_nothing_is_added() -> None:
    assert units_told(COLUMNS, Made(100, version())) == COLUMNS
    assert units_told([], Made(39, version())) == []
