"""A change of units is guessed where there was one, and nowhere else: the demo's planted fault in the weather of 2013.

From 14 May on temperatures come in Celsius, speeds in km/h, pressure in inches of mercury, rain in mm, sight in km. Counted
are the seven columns that are named with the right pair of units, against different pasts, and guesses about data in which no
unit changed: twelve numeric columns, each month against the one before and against March, and single days against the two
weeks before them. The limits of the rule were chosen with this year in view.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.demo import fault, flights
from watchkeeper.metrics.units import guess_units
from watchkeeper.profiles.column import NumericColumn

UNITS = {
    "temp": ("°F", "°C"), "dewp": ("°F", "°C"), "wind_speed": ("mph", "km/h"), "wind_gust": ("mph", "km/h"),
    "precip": ("in", "mm"), "pressure": ("hPa", "inHg"), "visib": ("miles", "km"),
}  # fmt: skip
BEGAN = date(2013, 5, 14)
FORTNIGHT = timedelta(14)


def between(table: pa.Table, first: date, last: date) -> pa.Table:
    """Return the flights that left from the morning of a day to that of another, by the clock of New York."""
    at, zone = table["departure"], ZoneInfo(flights.ZONE)
    ends = [pa.scalar(datetime(d.year, d.month, d.day, tzinfo=zone)).cast(at.type) for d in (first, last)]
    return table.filter(pc.and_(pc.greater_equal(at, ends[0]), pc.less(at, ends[1])))


def guesses(before: pa.Table, after: pa.Table) -> dict[str, tuple[str, str]]:
    """Return the columns whose unit seems to have changed, with both units."""
    found = {}
    for name in flights.NUMBERS:
        sides = []
        for table in (before, after):
            column, values = NumericColumn(), table[name].drop_null().cast(pa.float64()).to_numpy()
            column.rows = len(values)
            column.update_values(values)
            sides.append(column)
        unit = guess_units(sides[0], sides[1], name)
        if unit is not None:
            found[name] = unit.old, unit.new
    return found


def main() -> dict[str, int]:
    """Print, and return, how many units are named, and how many guesses are false."""
    clean = flights.load()
    broken = fault.change_units(clean)
    before = between(broken, BEGAN - FORTNIGHT, BEGAN)
    told: dict[str, int] = {}
    pasts = {
        "two weeks before against two weeks after": (before, between(broken, BEGAN, BEGAN + FORTNIGHT)),
        "two weeks before against the first day": (before, between(broken, BEGAN, BEGAN + timedelta(1))),
    }
    march = flights.months(broken, [3])
    pasts |= {f"March against {date(2013, m, 1):%B}": (march, flights.months(broken, [m])) for m in range(6, 13)}
    for name, pair in pasts.items():
        found = guesses(*pair)
        right = [column for column, units in UNITS.items() if found.get(column) == units]
        told[name] = len(right)
        missed = ", ".join(sorted(set(UNITS) - set(right))) or "none"
        print(f"{name:<45} {len(right)} of 7, wrong {len(found) - len(right)}; missed: {missed}")
    by_month = {m: flights.months(clean, [m]) for m in range(1, 13)}
    false = sum(len(guesses(by_month[m], by_month[m + 1])) for m in range(1, 12))
    false += sum(len(guesses(by_month[3], by_month[m])) for m in range(4, 13))
    days = [date(2013, 1, 15) + timedelta(k) for k in range(0, 350, 5)]
    false += sum(len(guesses(between(clean, d - FORTNIGHT, d), between(clean, d, d + timedelta(1)))) for d in days)
    looks = (11 + 9 + len(days)) * len(flights.NUMBERS)
    told["false"] = false
    print(f"where no unit changed: {false} guesses in {looks} looks")
    return told


if __name__ == "__main__":
    main()
