"""What an operator may choose about a pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from watchkeeper.errors import InputError
from watchkeeper.pipeline.values import Every


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Limits and times; the defaults are for one machine.

    Attributes
    ----------
    base
        By what profiles are kept: the hour, or the day, which is smaller and faster where nobody looks at hours.
    measured
        The windows that are measured as rows and labels come.
    accept_future
        How far after now a row may claim to have happened.
    retention
        How long raw rows are kept; a row from before that is refused.
    hours_kept
        How long profiles are kept by the hour; then by the day.
    evaluation_delay
        How long after its end a window is sealed. None: the 95 % quantile of the delays with which labels came, a day
        until a hundred labels are known.
    measure_pause
        Seconds between two measurements of a window that keeps changing; sealing does not wait.
    infer_rows, infer_wait
        The schema of a version that was not registered is guessed from so many rows, or after so many seconds.
    most_waiting_bytes
        So much may wait to be written; more is answered with 429.
    most_inbox_bytes
        So much may wait to be applied; more is answered with 429.
    group_rows
        The most rows that are applied together.
    flush_after
        A partition whose hour ended so long ago is moved to Parquet.
    """

    base: Literal["hour", "day"] = "hour"
    measured: tuple[Every, ...] = ("day", "month")
    accept_future: timedelta = timedelta(minutes=10)
    retention: timedelta = timedelta(days=400)
    hours_kept: timedelta = timedelta(days=14)
    evaluation_delay: timedelta | None = None
    measure_pause: float = 5.0
    infer_rows: int = 1000
    infer_wait: float = 5.0
    most_waiting_bytes: int = 64 << 20
    most_inbox_bytes: int = 1 << 30
    group_rows: int = 100_000
    flush_after: timedelta = timedelta(hours=6)

    def __post_init__(self) -> None:
        """Raise where hours are to be measured of profiles that know days alone."""
        if self.base == "day" and "hour" in self.measured:
            raise InputError(
                "Windows of an hour cannot be measured where profiles are kept by the day: leave one of them out."
            )
