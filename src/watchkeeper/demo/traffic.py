"""The flights as a service would meet them: one call of the model for each scheduled hour, labels when planes arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from watchkeeper.demo.flights import FEATURES
from watchkeeper.window import HOUR, microseconds, moment

if TYPE_CHECKING:
    from datetime import datetime

    from watchkeeper.client.logger import Logger

SINGLE = 100
"""One flight in so many is logged alone, by ``log.prediction``; the others as tables, by ``log.predictions``."""
TAXI_MINUTES = 20
"""Between landing and the label."""


@dataclass(frozen=True)
class Traffic:
    """Predictions of some months with the moment at which each label became known.

    Parameters
    ----------
    predicted
        As :meth:`LateModel.predict` returns: id, departure, the features, score, predicted, late; by departure.
    known
        Microseconds at which the label is known, shape (n,): departure + delay + time in the air + 20 minutes; -1 for
        flights that never arrived.
    """

    predicted: pa.Table
    known: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, predicted: pa.Table, flights: pa.Table) -> Traffic:
        """Return the traffic of predictions and the flights that they are of, row by row."""
        minutes = pc.add(
            pc.add(flights["dep_delay"].cast(pa.int64()), flights["air_time"].cast(pa.int64())), TAXI_MINUTES
        )
        known = pc.add(_micro(predicted["departure"]), pc.multiply(minutes, 60_000_000))
        known = pc.if_else(pc.is_valid(predicted["late"]), known, None)
        return cls(predicted, pc.fill_null(known, -1).to_numpy())

    def labels(self, places: np.ndarray[Any, np.dtype[np.int64]]) -> pa.Table:
        """Return the labels of flights, as ``log.labels`` takes them."""
        rows = self.predicted.take(pa.array(places))
        return pa.table(
            {
                "id": rows["id"],
                "label": rows["late"],
                "timestamp": pa.array(self.known[places], pa.timestamp("us", "UTC")),
                "prediction_time": rows["departure"],
            }
        )

    def known_by(self, moment: datetime) -> pa.Table:
        """Return all rows, ``late`` null where the label is not known at that moment."""
        late = pc.if_else(
            pa.array((self.known >= 0) & (self.known <= microseconds(moment))), self.predicted["late"], None
        )
        return self.predicted.set_column(self.predicted.column_names.index("late"), "late", late)

    def hours(self) -> Iterator[tuple[int, np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        """Yield the end of each hour, in microseconds, with the flights that left in it and those whose label came in it."""
        departed = _micro(self.predicted["departure"]).to_numpy() // HOUR
        came = np.where(self.known < 0, -1, self.known // HOUR)
        order = np.argsort(self.known, kind="stable")
        for hour in range(int(departed.min()), int(max(departed.max(), came.max())) + 1):
            left, right = np.searchsorted(departed, [hour, hour + 1])
            first, last = np.searchsorted(came[order], [hour, hour + 1])
            yield (hour + 1) * HOUR, np.arange(left, right), order[first:last]


def replay(log: Logger, traffic: Traffic, *, until: datetime | None = None) -> Iterator[datetime]:
    """Send the traffic through a client in event time, up to ``until``; yields the time reached after each hour."""
    for end, departed, came in traffic.hours():
        if until is not None and end > microseconds(until):
            return
        if len(came):
            log.labels(traffic.labels(came))
        if len(departed):
            alone = departed % SINGLE == 0
            together = traffic.predicted.take(pa.array(departed[~alone])).drop_columns(["late"])
            if together.num_rows:
                log.predictions(together, timestamp="departure")
            for row in traffic.predicted.take(pa.array(departed[alone])).to_pylist():
                _send_one(log, row)
        yield moment(end)


def _send_one(log: Logger, row: dict[str, Any]) -> None:
    features = {name: row[name] for name in FEATURES}
    log.prediction(features, row["predicted"], row["score"], timestamp=row["departure"], id=row["id"])


def _micro(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.timestamp("us", "UTC")).cast(pa.int64())
