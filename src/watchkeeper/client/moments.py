"""When something happened, as users write it: a date and time, text, or a number since 1970."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import cast

_SIZES = ((1e11, 1e3), (1e14, 1.0), (1e17, 1e-3), (math.inf, 1e-6))  # below which a number counts s, ms, us, ns


def now() -> tuple[int, int]:
    """Return this moment in milliseconds since 1970, and as it goes over the wire (microseconds)."""
    ns = time.time_ns()
    return ns // 1_000_000, ns // 1000


def moment(value: object) -> tuple[int, str | int | float]:
    """Return milliseconds since 1970 of ``value``, and ``value`` as it goes over the wire.

    Parameters
    ----------
    value
        A number since 1970 in seconds, milli-, micro- or nanoseconds by its size; a ``datetime`` (a naive one is read
        by the local clock, one of NumPy as UTC); text in ISO 8601; a ``date`` (its midnight by the local clock).

    Raises
    ------
    ValueError
        Nothing of these.

    Examples
    --------
    >>> moment("2026-01-02T03:04:05+00:00")
    (1767323045000, '2026-01-02T03:04:05+00:00')
    >>> moment(1767323045)
    (1767323045000, 1767323045)
    """
    if type(value).__name__ == "datetime64":
        value = _from_numpy(value)
    if isinstance(value, date):
        return _from_date(value)
    if isinstance(value, str):
        return _from_date(datetime.fromisoformat(value.strip()))
    if not isinstance(value, int | float) and callable(unboxed := getattr(value, "item", None)):
        value = unboxed()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{type(value).__name__} is no time")
    scale = next(scale for limit, scale in _SIZES if abs(value) < limit)
    return int(value * scale), value


def _from_date(value: date) -> tuple[int, str]:
    plain = getattr(value, "to_pydatetime", None)
    if callable(plain):  # pandas takes a naive time for UTC where Python takes it for local
        value = cast("Callable[..., datetime]", plain)(warn=False)
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    aware = value.astimezone()
    return math.floor(aware.timestamp() * 1000), aware.isoformat()


def _from_numpy(value: object) -> datetime:
    found = value.astype("datetime64[us]").item()  # type: ignore[attr-defined]
    if not isinstance(found, datetime):
        raise ValueError("NaT is no time")
    return found.replace(tzinfo=UTC)
