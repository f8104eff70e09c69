"""Days of a zone, against Python's own calendar moment by moment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from watchkeeper.errors import InvalidSchema
from watchkeeper.window import DAY, Window, day_window, local_days, moment, zone_info

ZONES = [
    "Africa/Casablanca", "Australia/Lord_Howe", "America/New_York", "UTC", "Asia/Kolkata", "Europe/Berlin",
    "Pacific/Apia", "America/St_Johns", "Asia/Pyongyang", "Pacific/Chatham", "America/Caracas",
]  # fmt: skip
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START, END = datetime(2000, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)


def micros(when: datetime) -> int:
    return (when - EPOCH) // timedelta(microseconds=1)


def calendar_day(microseconds: int, zone: str) -> int:
    local = (EPOCH + timedelta(microseconds=microseconds)).astimezone(ZoneInfo(zone))
    return (local.date() - date(1970, 1, 1)).days


def near_changes(zone: str) -> list[int]:
    """Return moments around each change of a zone's clock, found by looking at each of eleven thousand days."""
    info, found = ZoneInfo(zone), []
    day = START
    while day < END:
        following = day + timedelta(days=1)
        if day.astimezone(info).utcoffset() != following.astimezone(info).utcoffset():
            minutes = range(0, 24 * 60, 30)
            found += [micros(day + timedelta(minutes=m, microseconds=e)) for m in minutes for e in (-1, 0)]
        day = following
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_days_around_every_change_of_the_clock(zone: str) -> None:
    moments = near_changes(zone)
    assert bool(moments) == (zone not in {"UTC", "Asia/Kolkata"})
    moments += [micros(START + timedelta(hours=5 * i)) for i in range(3000)]
    expected = [calendar_day(m, zone) for m in moments]
    assert local_days(np.array(moments), zone).tolist() == expected
    assert [int(local_days(np.array([m]), zone)[0]) for m in moments[:200]] == expected[:200]


@pytest.mark.parametrize("zone", ZONES)
def test_both_sides_of_every_midnight(zone: str) -> None:
    days = range(10_957, 10_957 + 365 * 30, 11)
    midnights = np.array([micros(day_window(day, 1, zone).start.astimezone(UTC)) for day in days])
    assert local_days(midnights, zone).tolist() == [
        (day_window(day, 1, zone).start.astimezone(UTC).astimezone(ZoneInfo(zone)).date() - date(1970, 1, 1)).days
        for day in days
    ]
    before = local_days(midnights - 1, zone)
    skipped = {"Pacific/Apia"}  # 30 December 2011 was left out there
    assert zone in skipped or (before == np.array(days) - 1).all()


def test_a_moment_far_away_does_not_change_the_others() -> None:
    hours = np.arange(micros(datetime(2024, 1, 1, tzinfo=UTC)), micros(datetime(2025, 1, 1, tzinfo=UTC)), DAY // 24)
    for zone in ("America/New_York", "Africa/Casablanca"):
        alone = local_days(hours, zone)
        for far in (250_000_000_000_000_000, -60_000_000_000_000_000, 2**63 - 1, -(2**63)):
            assert np.array_equal(local_days(np.append(hours, far), zone)[:-1], alone)


@hypothesis.settings(deadline=None, derandomize=True, database=None)
@hypothesis.given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5), st.sampled_from(ZONES))
def test_no_moment_fails(moments: list[int], zone: str) -> None:
    days = local_days(np.array(moments, dtype=np.int64), zone)
    assert days.dtype == np.int64
    for at, day in zip(moments, days.tolist(), strict=True):
        if abs(at) < 2**55:
            assert day == calendar_day(at, zone)


def test_none_is_utc() -> None:
    moments = np.array([-1, 0, DAY - 1, DAY])
    assert local_days(moments, None).tolist() == [-1, 0, 0, 1]
    assert local_days(moments[:0], "Europe/Berlin").tolist() == []


@pytest.mark.parametrize(("day", "hours"), [(date(2024, 3, 10), 23), (date(2024, 11, 3), 25), (date(2024, 7, 1), 24)])
def test_a_day_has_the_hours_that_its_zone_gives_it(day: date, hours: int) -> None:
    window = day_window((day - date(1970, 1, 1)).days, 1, "America/New_York")
    assert window.end.astimezone(UTC) - window.start.astimezone(UTC) == timedelta(hours=hours)
    assert window.start.date() == day


def test_a_window_is_half_open() -> None:
    window = Window(START, END)
    assert START in window
    assert END not in window
    assert END - timedelta(microseconds=1) in window


@pytest.mark.parametrize("far", [2**62, -(2**62), 2**63 - 1])
def test_moments_outside_the_calendar_are_clipped(far: int) -> None:
    assert moment(far).year in {1, 9999}
    assert day_window(far // DAY, 1, "Asia/Kolkata").start.year in {1, 9999}


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../UTC", "/etc/localtime", "europe\x00", "Europe", "x" * 300])
def test_names_that_are_no_zone(name: str) -> None:
    with pytest.raises(InvalidSchema, match="IANA"):
        zone_info(name)


def test_zones() -> None:
    assert zone_info(None).key == "UTC"
    assert zone_info("Asia/Kolkata").key == "Asia/Kolkata"
