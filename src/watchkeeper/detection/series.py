"""What a monitor judges and what it says: points of a series, and findings about them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple, Protocol, Self

from watchkeeper.detection.verdict import VerdictName

State = Literal["data", "no data", "late data"]
NAN = math.nan
_WHOLE = {"start", "stop", "n", "rows", "reference_windows", "basis", "reference_basis"}


class SeriesKey(NamedTuple):
    """What tells a series from the others of its model: ``segment`` as ``origin=JFK``, ``source`` realised or estimated."""

    metric: str
    column: str | None = None
    segment: str | None = None
    source: str = "realised"


@dataclass(frozen=True, slots=True)
class Point:
    """One metric in one window, with what is known of it; NaN for what is not.

    Attributes
    ----------
    start, stop
        The window, in microseconds since 1970.
    value, low, high
        With its 95 % interval.
    n, coverage, rows
        The rows that the value rests on, the share of predictions with a label, and all rows of the window.
    reference
        The same metric in the reference as a whole.
    effect, p_value, detectable
        The change for the worse, the p-value of no such change, and the smallest change that so much data shows.
    reference_mean, reference_sd, reference_windows, reference_correlation
        Of the reference's own windows (see :mod:`.between`): their mean, the standard deviation between them beyond
        sampling noise, how many they are, and the correlation of one with the next.
    floor
        The smallest change that matters, where the reference says more than the metric's own floor.
    basis
        What the interval hangs on (:mod:`watchkeeper.metrics.basis`); 0: ``n``, or nothing is known of it.
    reference_basis
        What that of the reference's value hangs on; 0: nothing is known of it.
    """

    start: int
    stop: int
    value: float = NAN
    low: float = NAN
    high: float = NAN
    n: int = 0
    coverage: float = NAN
    reference: float = NAN
    effect: float = NAN
    p_value: float = NAN
    detectable: float = NAN
    rows: int = 0
    reference_sd: float = NAN
    reference_windows: int = 0
    reference_mean: float = NAN
    reference_correlation: float = 0.0
    floor: float = NAN
    basis: int = 0
    reference_basis: int = 0

    @property
    def rests_on(self) -> int:
        """What the interval hangs on."""
        return self.basis or self.n

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    def to_dict(self) -> dict[str, float | int | None]:
        """Return plain values for JSON: None for what is not finite."""
        return {f.name: _finite(getattr(self, f.name)) for f in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_dict` gave; keys of a later release are left out."""
        return cls(**{f.name: _number(f.name, values[f.name]) for f in fields(cls) if f.name in values})


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check of a monitor says of one window; ``alpha`` is what it spent of the budget, ``words`` for a person."""

    monitor: str
    metric: str
    column: str | None
    segment: str | None
    source: str
    verdict: VerdictName
    state: State
    point: Point
    alpha: float
    words: str

    @property
    def alarming(self) -> bool:
        """Whether it is a warning or critical."""
        return self.verdict in {"warning", "critical"}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"point": self.point.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Take back what :meth:`to_dict` gave."""
        known = {f.name: values[f.name] for f in fields(cls)}
        return cls(**known | {"point": Point.from_dict(values["point"])})


class Detector(Protocol):
    """Turns a series into a verdict; holds no state, so the same history always gives the same verdict."""

    @property
    def looks_back(self) -> int:
        """How many earlier windows it may use."""

    @property
    def pools(self) -> int:
        """How many of the last windows it may judge together; what they rest on is added up."""

    @property
    def spends(self) -> bool:
        """Whether it spends of the budget; a bound that a person stated does not."""

    def check(self, history: Sequence[Point], alpha: float) -> tuple[VerdictName, str]:
        """Judge the last point of ``history`` (oldest first), whose chance of a false alarm may be ``alpha``.

        Returns
        -------
        The verdict, and what a person should read after the metric's name.
        """


def _finite(value: float) -> float | int | None:
    return value if math.isfinite(value) else None


def _number(name: str, value: float | None) -> Any:
    if value is None:
        return NAN
    return int(value) if name in _WHOLE else float(value)
