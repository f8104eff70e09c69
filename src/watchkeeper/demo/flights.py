"""The flights that left New York City in 2013, each with the weather of its hour and what was known before it left."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable

ZONE = "America/New_York"
LATE_MINUTES = 15
"""A flight that arrives more than so many minutes after its schedule is late."""
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
CATEGORIES = ("weekday", "carrier", "origin", "dest")
NUMBERS = ("minute_of_day", "scheduled_minutes", "distance", *WEATHER)
FEATURES = (*NUMBERS, *CATEGORIES)
"""What is known before departure. The month is not among them: the model sees two months only."""
_WEEKDAYS = pa.array(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])


def load() -> pa.Table:
    """Return all 336,776 flights, ordered by departure, carrier and flight number.

    Beside the columns of the two files (see ``data/README.md``) the table has

    - ``id``: date, carrier, number, origin and scheduled local time, such as ``2013-01-01/UA1545/EWR/0515``;
    - ``departure``: the scheduled departure, a timestamp in microseconds, UTC;
    - ``late``: 1 if the flight arrived more than 15 minutes after its schedule, else 0; null where it never arrived at
      its destination (9,430 cancelled or diverted flights);
    - ``minute_of_day``: minutes from local midnight to the scheduled departure, and ``weekday``, both in New York;
    - ``scheduled_minutes``: scheduled arrival minus scheduled departure, each by its local clock, 0 to 1,439.

    The weather is null for the 1,556 flights of an hour that the weather table lacks.
    """
    table = _read("flights").join(_read("weather"), ["origin", "time_hour"], join_type="left outer")
    departure = pc.add(
        table["time_hour"], pc.multiply(table["minute"].cast(pa.int64()), pa.scalar(60_000_000, pa.duration("us")))
    )
    local = pc.local_timestamp(departure.cast(pa.timestamp("us", ZONE)))
    minute_of_day = pc.add(pc.multiply(pc.hour(local), 60), pc.minute(local))
    arrival = table["sched_arr_time"].cast(pa.int64())
    arrival_minute = pc.subtract(arrival, pc.multiply(pc.divide(arrival, 100), 40))  # 1545 is 15 x 60 + 45
    number = table["flight"].cast(pa.string())
    new = {
        "id": pc.binary_join_element_wise(
            pc.strftime(local, "%Y-%m-%d"),
            pc.binary_join_element_wise(table["carrier"], number, ""),
            table["origin"],
            pc.strftime(local, "%H%M"),
            "/",
        ),
        "departure": departure,
        "minute_of_day": minute_of_day.cast(pa.int16()),
        "weekday": _WEEKDAYS.take(pc.day_of_week(local).combine_chunks()),
        "scheduled_minutes": _modulo_day(pc.subtract(arrival_minute, minute_of_day)).cast(pa.int16()),
        "late": pc.greater(table["arr_delay"], LATE_MINUTES).cast(pa.int8()),
    }
    for name, column in new.items():
        table = table.append_column(name, column)
    return table.sort_by([(name, "ascending") for name in ("departure", "carrier", "flight")]).combine_chunks()


def months(table: pa.Table, numbers: Iterable[int]) -> pa.Table:
    """Return the rows whose departure, by the clock of New York, falls in the months ``numbers`` (1 to 12)."""
    local = pc.local_timestamp(table["departure"].cast(pa.timestamp("us", ZONE)))
    return table.filter(pc.is_in(pc.month(local), pa.array(list(numbers), pa.int64())))


def _read(name: str) -> pa.Table:
    content = resources.files("watchkeeper.demo").joinpath("data", f"{name}.parquet").read_bytes()
    return pq.read_table(pa.BufferReader(content))


def _modulo_day(minutes: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.less(minutes, 0), pc.add(minutes, 1440), minutes)
