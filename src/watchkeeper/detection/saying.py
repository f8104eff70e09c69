"""Numbers in findings, as a person would say them."""

from __future__ import annotations

import math

from watchkeeper.detection.series import Point

_MANY_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def said(value: float, unit: str | None = None) -> str:
    """Return a value with its unit.

    Examples
    --------
    >>> said(0.612), said(0.0312, "share"), said(0.32, "s"), said(2.5e9, "bytes"), said(12.0, "rows/s")
    ('0.612', '3.1 %', '320 ms', '2.5 GB', '12 rows/s')
    """
    if not math.isfinite(value):
        return "unknown"
    if unit == "share":
        return f"{_short(100 * value)} %"
    if unit == "s":
        return f"{_short(1000 * value)} ms" if abs(value) < 1 else f"{_short(value)} s"
    if unit == "bytes":
        scale, name = next(((s, n) for s, n in _MANY_BYTES if abs(value) >= s), (1.0, "bytes"))
        return f"{_short(value / scale)} {name}"
    return f"{_short(value)} {unit}" if unit else _short(value)


def gap(value: float, unit: str | None = None) -> str:
    """Return a difference: of shares in percentage points.

    Examples
    --------
    >>> gap(0.05, "share"), gap(0.0912)
    ('5 points', '0.091')
    """
    if unit != "share" or not math.isfinite(value):
        return said(value, unit)
    points = _short(100 * value)
    return f"{points} point" if points == "1" else f"{points} points"


def measured(point: Point, unit: str | None = None) -> str:
    """Return a value with its interval, where it has one: ``0.61 (0.57 to 0.65)``."""
    if not (math.isfinite(point.low) and math.isfinite(point.high)):
        return said(point.value, unit)
    value, low, high = (said(v, unit) for v in (point.value, point.low, point.high))
    return value if low == value == high else f"{value} ({low} to {high})"


def chance(p: float) -> str:
    """Return a small chance: ``below 1 in a million``, ``1 in 12,000``, ``0.2``."""
    if p < 1e-6:
        return "below 1 in a million"
    return f"1 in {round(1 / p):,}" if p < 0.05 else _short(p)


def _short(value: float) -> str:
    """Return three decimals below 1, fewer above; no zeros at the end."""
    if value == 0:
        return "0"
    if abs(value) < 0.001:
        return f"{value:.2g}"
    digits = 3 if abs(value) < 1 else 1
    text = f"{value:,.{digits}f}" if abs(value) < 100 else f"{value:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
