"""When a model is looked at, and how much of its traffic: working hours and the rest, by the clock of a zone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from watchkeeper.detection.budget import length_of
from watchkeeper.errors import InvalidSchema
from watchkeeper.response.document import Place, unknown
from watchkeeper.window import zone_info

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4]):([0-5]\d)")
_MINUTE = 60_000_000
_WHOLE_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Pace:
    """A look every so many microseconds, over a share of the rows; ``text`` is how a person wrote the former."""

    every: int
    sample: float = 1.0
    text: str = ""

    @classmethod
    def read(cls, values: dict[str, Place], default: Pace) -> Self:
        """Read ``every`` and ``sample``."""
        sample = values["sample"].number(0.0, 1.0) if "sample" in values else default.sample
        if "every" not in values:
            return cls(default.every, sample, default.text)
        text = values["every"].text()
        return cls(length_of(text, values["every"].where), sample, text)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"every": self.text, "sample": self.sample}


HOURLY = Pace(60 * _MINUTE, 1.0, "1h")


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pace in working hours and another otherwise.

    What counts is the zone's clock for *which* pace holds, and time as it really passes for *how long* since the last look:
    an hour that the clocks skip or repeat never makes a look early, late or double.

    Parameters
    ----------
    working_hours
        None: no hours are special.
    otherwise
        For all other times.
    start, stop
        Minutes after midnight; where ``stop`` is not after ``start`` they go past midnight.
    days
        The weekdays on which working hours begin, 0 for Monday.
    zone
        IANA name; None is UTC.
    """

    working_hours: Pace | None = None
    otherwise: Pace = HOURLY
    start: int = 9 * 60
    stop: int = 17 * 60
    days: tuple[int, ...] = field(default=(0, 1, 2, 3, 4))
    zone: str | None = None

    def working(self, now: datetime) -> bool:
        """Whether a moment lies in working hours."""
        local = now.astimezone(zone_info(self.zone))
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.stop:
            return day in self.days and self.start <= minute < self.stop
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.stop)

    def pace(self, now: datetime) -> Pace:
        """Return the pace that holds at a moment."""
        return self.working_hours if self.working_hours is not None and self.working(now) else self.otherwise

    def due(self, last: datetime | None, now: datetime) -> bool:
        """Whether it is time for a look, given when the last one was. A last look in the future (a clock set back) is none.

        Parameters
        ----------
        last, now
            With a time zone, any.
        """
        if last is None:
            return True
        passed = now.astimezone(_UTC) - last.astimezone(_UTC)
        return not timedelta() <= passed < timedelta(microseconds=self.pace(now).every)

    def sample(self, now: datetime) -> float:
        """Return the share of rows that is looked at."""
        return self.pace(now).sample

    @property
    def thins(self) -> bool:
        """Whether it ever leaves rows out."""
        paces = (self.otherwise, self.working_hours or self.otherwise)
        return min(pace.sample for pace in paces) < 1.0

    @classmethod
    def read(cls, place: Place) -> Self:
        """Read ``{working_hours: {every, sample, hours, days}, otherwise: {every, sample}, zone}``."""
        values = place.keys(("working_hours", "otherwise", "zone"))
        given: dict[str, Any] = {}
        if "zone" in values:
            given["zone"] = zone_of(values["zone"])
        if "otherwise" in values:
            given["otherwise"] = Pace.read(values["otherwise"].keys(("every", "sample")), HOURLY)
        if "working_hours" in values:
            inner = values["working_hours"].keys(("every", "sample", "hours", "days"))
            given["working_hours"] = Pace.read(inner, HOURLY)
            if "hours" in inner:
                given["start"], given["stop"] = _hours(inner["hours"])
            if "days" in inner:
                given["days"] = tuple(sorted(_day(day, inner["days"]) for day in inner["days"].texts()))
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return what :meth:`read` takes back."""
        made: dict[str, Any] = {}
        if self.working_hours is not None:
            hours = f"{_clock(self.start)}-{_clock(self.stop)}"
            days = [DAYS[day] for day in self.days]
            made["working_hours"] = self.working_hours.to_dict() | {"hours": hours, "days": days}
        return made | {"otherwise": self.otherwise.to_dict()} | ({"zone": self.zone} if self.zone else {})


_UTC = zone_info(None)


def zone_of(place: Place) -> str:
    """Return the name of an IANA zone."""
    name = place.text()
    try:
        zone_info(name)
    except InvalidSchema as error:
        raise place.refusal(str(error)) from error
    return name


def _hours(place: Place) -> tuple[int, int]:
    found = _HOURS.fullmatch(place.text())
    start, stop = (int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])) if found else (0, 0)
    if found is None or start >= _WHOLE_DAY or stop > _WHOLE_DAY or start == stop:
        raise place.refusal(f"{place.value!r} is no time of day such as '09:00-17:00' or '22:00-06:00'.")
    return start, stop


def _day(name: str, place: Place) -> int:
    if name.lower()[:3] not in DAYS:
        raise place.refusal(unknown("the day", name, DAYS))
    return DAYS.index(name.lower()[:3])


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
