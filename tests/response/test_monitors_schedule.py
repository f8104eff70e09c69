"""When a model is looked at: by the clock on the wall for which pace, by the time that passes for how long."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchkeeper.errors import InvalidMonitors
from watchkeeper.response.document import Place
from watchkeeper.response.schedule import Pace, Schedule

MINUTE = 60_000_000
FIVE, HOUR = Pace(5 * MINUTE, 1.0, "5m"), Pace(60 * MINUTE, 0.2, "1h")
NEW_YORK = Schedule(FIVE, HOUR, zone="America/New_York")
zones = st.sampled_from(
    [
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "America/St_Johns",
    ]
)
moments = st.datetimes(datetime(2009, 1, 1), datetime(2030, 1, 1)).map(lambda m: m.replace(tzinfo=UTC))
minutes = st.integers(0, 24 * 60 - 1)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    start, stop = draw(st.lists(minutes, min_size=2, max_size=2, unique=True))
    days = tuple(sorted(draw(st.sets(st.integers(0, 6)))))
    return Schedule(FIVE, HOUR, start, stop, days, draw(zones))


def at(hour: int, minute: int = 0, day: int = 15) -> datetime:
    return datetime(2013, 4, day, hour, minute, tzinfo=ZoneInfo("America/New_York"))


def test_working_hours() -> None:
    assert [NEW_YORK.sample(at(hour)) for hour in (8, 9, 16, 17)] == [0.2, 1.0, 1.0, 0.2]
    assert NEW_YORK.sample(at(12, day=13)) == 0.2, "a Saturday"
    assert Schedule().sample(at(12)) == 1.0


def test_due() -> None:
    assert NEW_YORK.due(None, at(12))
    assert not NEW_YORK.due(at(12), at(12, 4))
    assert NEW_YORK.due(at(12), at(12, 5))
    assert not NEW_YORK.due(at(20), at(20, 59))
    assert NEW_YORK.due(at(20), at(21))
    assert NEW_YORK.due(at(8, 30), at(9)), "the day begins"
    assert NEW_YORK.due(at(12), at(11)), "the clock was set back: no look is waited for that may be far away"


def test_hours_past_midnight_belong_to_the_day_on_which_they_begin() -> None:
    night = Schedule(FIVE, HOUR, 22 * 60, 6 * 60, (4,), "America/New_York")  # Fridays
    assert night.working(at(23, day=19))
    assert night.working(at(5, day=20))
    assert not night.working(at(6, day=20))
    assert not night.working(at(5, day=19))
    assert not night.working(at(23, day=20))


@given(schedules(), moments, st.timedeltas(timedelta(), timedelta(days=3)))
def test_time_is_what_passes_whatever_the_clocks_show(schedule: Schedule, last: datetime, passed: timedelta) -> None:
    now = last + passed
    zone = ZoneInfo(schedule.zone or "UTC")
    expected = passed >= timedelta(minutes=5 if schedule.working(now) else 60)
    assert schedule.due(last, now) is expected
    assert schedule.due(last.astimezone(zone), now.astimezone(zone)) is expected, "in any zone, any fold"


@given(schedules(), moments)
def test_the_wall_clock_says_which_pace_holds(schedule: Schedule, now: datetime) -> None:
    local = now.astimezone(ZoneInfo(schedule.zone or "UTC"))
    minute, past_midnight = local.hour * 60 + local.minute, schedule.start > schedule.stop
    began = local.date() - timedelta(days=1) if past_midnight and minute < schedule.stop else local.date()
    inside = (
        minute >= schedule.start or minute < schedule.stop
        if past_midnight
        else schedule.start <= minute < schedule.stop
    )
    assert schedule.working(now) is (inside and began.weekday() in schedule.days)
    assert schedule.sample(now) == (1.0 if schedule.working(now) else 0.2)


@given(schedules(), moments)
def test_a_day_of_looks_has_no_gap_and_no_double(schedule: Schedule, now: datetime) -> None:
    """Asked every minute over a day, also one of 23 or 25 hours."""
    last, looks = None, []
    for minute in range(0, 26 * 60, 5):
        moment = now + timedelta(minutes=minute)
        if schedule.due(last, moment):
            looks.append(moment)
            last = moment
    gaps = [after - before for before, after in itertools.pairwise(looks)]
    assert min(gaps) >= timedelta(minutes=5)
    assert max(gaps) <= timedelta(hours=1)


@pytest.mark.parametrize("hours", ["9-17", "25:00-26:00", "09:00-09:00", "24:00-08:00", "09:00-24:30", "9:60-10:00"])
def test_no_hours(hours: str) -> None:
    with pytest.raises(InvalidMonitors, match=r"schedule\.working_hours\.hours"):
        Schedule.read(Place({"working_hours": {"hours": hours}}, "schedule"))


def test_days_by_name() -> None:
    read = Schedule.read(Place({"working_hours": {"days": ["Sunday", "wed"], "hours": "0:00-24:00"}}, "schedule"))
    assert (read.days, read.start, read.stop) == ((2, 6), 0, 1440)
    with pytest.raises(InvalidMonitors, match="does not know the day 'someday'"):
        Schedule.read(Place({"working_hours": {"days": ["someday"]}}, "schedule"))
