"""The budget of false alarms: how many false incidents a project accepts in a time, and what one check may spend of it.

**The promise.** ``b per T``: when nothing is wrong, the expected number of false incidents in T is at most b. A window of
length t gets a = b t / T, whatever came before. Its checks share a so that their parts sum to a; a check alarms falsely
with a chance of at most its part; so the expected number of false alarms of a window is at most a, and, since
expectations add up whatever the dependence between checks and windows, that of all windows in T is at most
(T / t) a = b. An incident needs an alarm, so there are no more incidents than alarms. No more is needed: no independence,
no end of the watching fixed beforehand, no correction for having looked before. The price is that a window in which
nothing alarms leaves nothing to later ones.

It is a promise about numbers, not of silence: at the default of 1 per 600 days, a month has a false incident with a
chance of at most 5 %.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from watchkeeper.errors import InvalidMonitors
from watchkeeper.window import DAY, HOUR

EVIDENCE = 0.05
"""What the checks of role evidence may spend together in a window: the chance of any false hint. They open nothing."""
_MINUTE = HOUR // 60
UNITS: dict[str, int] = {
    "second": _MINUTE // 60, "minute": _MINUTE, "hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 1461 * DAY // 48,
    "year": 1461 * DAY // 4,
}  # fmt: skip
"""Microseconds of each unit; months and years as they are on average."""
_SHORT = {
    "s": "second",
    "m": "minute",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "w": "week",
    "mo": "month",
    "y": "year",
}
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)?\s*([a-z]+)\s*", re.IGNORECASE)
_RATE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:per|in|/)\s*(.+)", re.IGNORECASE)
LONGEST = 1000 * UNITS["year"]


def length_of(text: str, where: str = "") -> int:
    """Return the microseconds of a length of time such as ``5m``, ``7d``, ``600 days`` or ``week``.

    Raises
    ------
    InvalidMonitors
        It is none.

    Examples
    --------
    >>> length_of("5m"), length_of("2 weeks") == 14 * DAY
    (300000000, True)
    """
    found = _LENGTH.fullmatch(text)
    name = found[2].lower() if found else ""
    unit = _SHORT.get(name) or (name if name in UNITS else name.removesuffix("s"))
    length = round(float(found[1] or 1) * UNITS[unit]) if found and unit in UNITS else 0
    if not 0 < length <= LONGEST:
        raise InvalidMonitors(
            where, f"{text!r} is no length of time such as '5m', '1h', '7d', '600 days' or '2 weeks'."
        )
    return length


def rate_of(text: str, where: str = "") -> tuple[float, int]:
    """Return count and microseconds of a rate such as ``1 per day`` or ``2 per 4 weeks``.

    Raises
    ------
    InvalidMonitors
        It is none.
    """
    found = _RATE.fullmatch(text)
    if not found or float(found[1]) <= 0:
        raise InvalidMonitors(where, f"{text!r} is no rate such as '1 per 600 days', '2 per 4 weeks' or '1 per day'.")
    return float(found[1]), length_of(found[2], where)


@dataclass(frozen=True, slots=True)
class Budget:
    """``count`` false incidents in ``period`` microseconds; the default is that of a month with one in twenty."""

    count: float = 1.0
    period: int = 600 * DAY
    text: str = "1 per 600 days"

    @classmethod
    def parse(cls, text: str, where: str = "budget") -> Self:
        """Read a budget such as ``1 per 600 days``.

        Raises
        ------
        InvalidMonitors
            It is no rate, or more than one in an hour, which promises nothing.

        Examples
        --------
        >>> round(1 / Budget.parse("1 per 600 days").per_window(DAY))
        600
        """
        count, period = rate_of(text, where)
        if count * HOUR > period:
            raise InvalidMonitors(where, f"{text!r} is more than one false incident an hour, which promises nothing.")
        return cls(count, period, " ".join(text.split()))

    def per_window(self, every: int) -> float:
        """Return what all checks of a window of ``every`` microseconds may spend together, at most 1/2."""
        return min(self.count * every / self.period, 0.5)


def shares(whole: float, checks: Sequence[tuple[str, bool]]) -> list[float]:
    """Return the part of ``whole`` that each check may spend; the parts sum to it.

    Monitors have equal parts. Within a monitor that checks all rows and segments too, half is for all rows and half for the
    segments together, so that naming more segments never makes the whole harder to see.

    Parameters
    ----------
    checks
        Of each its monitor, and whether it is of a segment.

    Examples
    --------
    >>> shares(0.8, [("auc", False), ("auc", True), ("auc", True), ("f1", False)])
    [0.2, 0.1, 0.1, 0.4]
    """
    counts, sides = Counter(checks), Counter(monitor for monitor, _ in set(checks))
    return [whole / len(sides) / sides[monitor] / counts[monitor, part] for monitor, part in checks]
