"""Series of days for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from watchkeeper.detection.series import Point
from watchkeeper.window import DAY


def day(number: int, value: float, error: float = 0.0, **given: Any) -> Point:
    """Return a day's point with an interval of 1.96 standard errors."""
    half = 1.959963984540054 * error
    limits = (value - half, value + half)
    base = Point(number * DAY, (number + 1) * DAY, value, *limits, n=500, rows=500, coverage=1.0)
    return replace(base, **given)


def days(values: Sequence[float], error: float = 0.0, **given: Any) -> list[Point]:
    """Return one point a day."""
    return [day(number, value, error, **given) for number, value in enumerate(values)]
