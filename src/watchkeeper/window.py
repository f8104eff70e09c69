"""Half-open intervals of event time, and the days of a time zone."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchkeeper.errors import InvalidSchema, UnknownKey

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HOUR = 3_600_000_000
DAY = 24 * HOUR
"""Microseconds in 24 hours."""
_WEEK = 7 * DAY
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = 253_402_214_400_000_000  # 9999-12-31 in microseconds: later moments have no calendar in Python
_FIRST = -62_135_510_400_000_000  # 0001-01-02


@dataclass(frozen=True, order=True, slots=True)
class Window:
    """The moments from ``start`` up to, not including, ``end``; both carry a time zone."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


def zone_info(name: str | None) -> ZoneInfo:
    """Return the IANA zone called ``name`` (UTC for None).

    Raises
    ------
    InvalidSchema
        The name is no zone of the IANA database.
    """
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchema(f"{name!r} is not an IANA time zone such as 'Europe/Berlin' or 'UTC'.") from error


def moment(microseconds: int) -> datetime:
    """Return the UTC moment that lies so many microseconds after 1970; clipped to the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=min(max(microseconds, _FIRST), _LAST))


def microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970 of a moment with a time zone."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def local_days(microseconds: NDArray[np.int64], zone: str | None) -> NDArray[np.int64]:
    """Return for each UTC moment the local calendar day, counted from 1970-01-01.

    A local day may last 23 or 25 hours; the zone's own rules decide, not arithmetic on 24.

    Parameters
    ----------
    microseconds
        Shape (n,), microseconds since 1970 in UTC.
    zone
        IANA name; None is UTC.
    """
    if len(microseconds) == 0:
        return microseconds
    days: NDArray[np.int64] = (microseconds + _offsets(microseconds, zone)) // DAY
    return days


def local_hours(microseconds: NDArray[np.int64], zone: str | None) -> NDArray[np.int64]:
    """Return for each UTC moment the start of its hour by the zone's clock, as microseconds in UTC.

    Where the zone differs from UTC by whole hours these are the hours of UTC; elsewhere (India, Nepal) they begin on the
    local hour, so that local days are made of whole hours everywhere.
    """
    if len(microseconds) == 0:
        return microseconds
    phase = _offsets(microseconds, zone) % HOUR
    starts: NDArray[np.int64] = (microseconds + phase) // HOUR * HOUR - phase
    return starts


def _offsets(microseconds: NDArray[np.int64], zone: str | None) -> NDArray[np.int64]:
    """Return by how much the zone's clock is ahead of UTC at each moment, in microseconds."""
    import numpy as np

    info = zone_info(zone)
    if info.key == "UTC":
        return np.zeros(len(microseconds), dtype=np.int64)
    changes = [change for week in np.unique(microseconds // _WEEK).tolist() for change in _week(week, info)]
    starts, offsets = np.array(changes, dtype=np.int64).T
    found: NDArray[np.int64] = offsets[np.searchsorted(starts, microseconds, side="right") - 1]
    return found


def day_window(day: int, days: int, zone: str | None) -> Window:
    """Return the window that starts at local midnight of ``day`` (from 1970-01-01) and lasts ``days`` calendar days."""
    info = zone_info(zone)

    def midnight(number: int) -> datetime:
        plain = datetime(1970, 1, 1) + timedelta(days=min(max(number, _FIRST // DAY), _LAST // DAY))
        return plain.replace(tzinfo=info)

    return Window(midnight(day), midnight(day + days))


def calendar_window(at: int, every: str, zone: str | None) -> Window:
    """Return the hour (UTC), or the local day, week (from Monday) or month, in which a moment lies.

    Raises
    ------
    UnknownKey
        ``every`` is none of these.
    """
    if every == "hour":
        start = moment(at).replace(minute=0, second=0, microsecond=0)
        return Window(start, start + timedelta(hours=1))
    local = moment(at).astimezone(zone_info(zone)).date()
    day = (local - _EPOCH.date()).days
    if every == "day":
        return day_window(day, 1, zone)
    if every == "week":
        return day_window(day - local.weekday(), 7, zone)
    if every == "month":
        first = local.replace(day=1)
        return day_window(
            (first - _EPOCH.date()).days, ((first + timedelta(days=31)).replace(day=1) - first).days, zone
        )
    raise UnknownKey(every, ("hour", "day", "week", "month"), "every")


def _offset(microseconds: int, info: ZoneInfo) -> int:
    offset = moment(microseconds).astimezone(info).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


@functools.lru_cache(maxsize=8192)
def _week(week: int, info: ZoneInfo) -> list[tuple[int, int]]:
    """Return the moments within a week (from 1970) at which the zone's offset changes, its start first, with the offsets.

    Week by week, so that the day of a moment depends on that moment alone, however far others lie from it.
    """
    left, right = max(week * _WEEK, -(2**63)), (week + 1) * _WEEK
    changes, target = [(left, _offset(left, info))], _offset(right, info)
    while changes[-1][1] != target:  # no zone changes its offset and back within a week
        low, high = left, right
        while high - low > 1_000_000:
            middle = (low + high) // 2
            if _offset(middle, info) == changes[-1][1]:
                low = middle
            else:
                high = middle
        left = high - high % 1_000_000
        changes.append((left, _offset(left, info)))
    return changes
