"""Half-open intervals of event time, and the days of a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from watchkeeper.errors import InvalidSchema

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAY = 86_400_000_000
"""Microseconds in 24 hours."""
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
    import numpy as np

    if len(microseconds) == 0:
        return microseconds
    info = zone_info(zone)
    if info.key == "UTC":
        return microseconds // DAY
    starts, offsets = _transitions(int(microseconds.min()), int(microseconds.max()), info)
    index = np.searchsorted(np.array(starts[1:], dtype=np.int64), microseconds, side="right")
    return (microseconds + np.array(offsets, dtype=np.int64)[index]) // DAY


def day_window(day: int, days: int, zone: str | None) -> Window:
    """Return the window that starts at local midnight of ``day`` (from 1970-01-01) and lasts ``days`` calendar days."""
    info = zone_info(zone)

    def midnight(number: int) -> datetime:
        plain = datetime(1970, 1, 1) + timedelta(days=min(max(number, _FIRST // DAY), _LAST // DAY))
        return plain.replace(tzinfo=info)

    return Window(midnight(day), midnight(day + days))


def _offset(microseconds: int, info: ZoneInfo) -> int:
    offset = moment(microseconds).astimezone(info).utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)


def _transitions(first: int, last: int, info: ZoneInfo) -> tuple[list[int], list[int]]:
    """Return the moments at which the offset changes within [first, last], and the offset from each on."""
    starts, offsets = [first], [_offset(first, info)]
    step = max(7 * DAY, (last - first) // 4096)  # no zone changes its offset and back within a week
    left = first
    while left < last:
        right = min(left + step, last)
        while (target := _offset(right, info)) != offsets[-1]:
            low, high = left, right
            while high - low > 1_000_000:
                middle = (low + high) // 2
                if _offset(middle, info) == offsets[-1]:
                    low = middle
                else:
                    high = middle
            change = high - high % 1_000_000
            starts.append(change)
            offsets.append(_offset(change, info))
            left = change
            if offsets[-1] == target:
                break
        left = right
    return starts, offsets
