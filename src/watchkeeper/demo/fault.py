"""The one thing in the demo that did not really happen: on a date, the weather feed changes its units."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.demo.flights import ZONE

BEGAN = datetime(2013, 5, 14, tzinfo=ZoneInfo(ZONE))
"""From this moment on temperatures come in Celsius, speeds in km/h, pressure in inches of mercury, rain in mm, sight in km."""
_UNITS: dict[str, Callable[[pa.ChunkedArray], pa.ChunkedArray]] = {
    "temp": lambda fahrenheit: pc.divide(pc.multiply(pc.subtract(fahrenheit, 32.0), 5.0), 9.0),
    "dewp": lambda fahrenheit: pc.divide(pc.multiply(pc.subtract(fahrenheit, 32.0), 5.0), 9.0),
    "wind_speed": lambda mph: pc.multiply(mph, 1.609344),
    "wind_gust": lambda mph: pc.multiply(mph, 1.609344),
    "precip": lambda inches: pc.multiply(inches, 25.4),
    "pressure": lambda millibar: pc.multiply(millibar, 0.02953),
    "visib": lambda miles: pc.multiply(miles, 1.609344),
}
COLUMNS = tuple(_UNITS)


def change_units(flights: pa.Table) -> pa.Table:
    """Return flights with the weather in the units in which the feed sent it: others from :data:`BEGAN` on."""
    since = pa.scalar(BEGAN).cast(flights["departure"].type)
    late = pc.greater_equal(flights["departure"], since)
    for name, convert in _UNITS.items():
        column = flights[name].cast(pa.float64())
        changed = pc.if_else(late, convert(column), column)
        flights = flights.set_column(flights.column_names.index(name), name, changed)
    return flights
