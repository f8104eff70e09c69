"""Make the demo's data files from the original nycflights13 tables.

    python tools/make_demo_data.py flights.parquet weather.parquet src/watchkeeper/demo/data

The originals are the ``flights`` and ``weather`` tables of the R package nycflights13 as Parquet. Only columns that
follow from others are dropped; the rows are ordered so that neighbours are alike, which makes the files smaller.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FLIGHTS = {
    "time_hour": pa.timestamp("us", tz="UTC"),
    "minute": pa.int16(),
    "sched_arr_time": pa.int16(),
    "dep_delay": pa.int16(),
    "arr_delay": pa.int16(),
    "air_time": pa.int16(),
    "carrier": pa.string(),
    "flight": pa.int16(),
    "tailnum": pa.string(),
    "origin": pa.string(),
    "dest": pa.string(),
    "distance": pa.int16(),
}
_MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
WEATHER = {"origin": pa.string(), "time_hour": pa.timestamp("us", tz="UTC")} | dict.fromkeys(_MEASURED, pa.float64())
ORDERS = {
    "flights": (FLIGHTS, ["carrier", "origin", "dest", "minute", "flight", "time_hour"]),
    "weather": (WEATHER, ["origin", "time_hour"]),
}


def main(flights: str, weather: str, folder: str) -> None:
    for source, (name, (columns, order)) in zip((flights, weather), ORDERS.items(), strict=True):
        table = pq.read_table(source, columns=list(columns)).replace_schema_metadata(None)
        table = table.cast(pa.schema(columns.items())).sort_by([(column, "ascending") for column in order])
        pq.write_table(
            table,
            Path(folder) / f"{name}.parquet",
            compression="zstd",
            compression_level=22,
            row_group_size=table.num_rows,
            data_page_size=1 << 24,
        )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
