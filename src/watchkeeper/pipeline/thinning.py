"""Which rows a schedule leaves out: told by the hash of their id, so that a row, sent again, and its label share its fate."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import numpy as np

from watchkeeper.pipeline.catalog import Model
from watchkeeper.response.schedule import Schedule
from watchkeeper.sketches.kernel import Int64s, UInt64s, mix
from watchkeeper.window import moment

ScheduleOf = Callable[[sqlite3.Connection, Model], Schedule | None]
"""Returns the schedule of a model where it leaves rows out, else None."""
_MINUTE = 60_000_000
_SALT = np.uint64(0x5CA1_AB1E_0DD5_EED5)
"""Keeps the choice apart from that of the row sample, which takes the smallest hashes."""


def left_out(schedule: Schedule, hashes: UInt64s, times: Int64s) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which rows are left out, given the hashes of their ids and their event times in microseconds, each of shape (n,).

    Of the rows of a minute the schedule's share is kept; which those are depends on their ids alone, and a larger share keeps
    all that a smaller one does.
    """
    minutes, place = np.unique(times // _MINUTE, return_inverse=True)
    shares = np.array([schedule.sample(moment(minute * _MINUTE)) for minute in minutes.tolist()])
    drawn = (mix(hashes ^ _SALT) >> np.uint64(11)).astype(np.float64) / (1 << 53)
    found: np.ndarray[Any, np.dtype[np.bool_]] = drawn >= shares[place] if len(times) else np.zeros(0, dtype=bool)
    return found
