"""Bounds that a person states: of the value itself, of the reference, or of the time before."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from watchkeeper.detection.budget import length_of
from watchkeeper.detection.saying import measured, said
from watchkeeper.detection.series import NAN, Point
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.errors import InvalidMonitors
from watchkeeper.metrics.names import Metric

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_AMOUNTS: dict[str, tuple[float, str | None]] = {
    "": (1.0, None), "%": (0.01, None), "us": (1e-6, "s"), "ms": (1e-3, "s"), "s": (1.0, "s"), "min": (60.0, "s"),
    "kB": (1e3, "bytes"), "MB": (1e6, "bytes"), "GB": (1e9, "bytes"),
}  # fmt: skip
"""What a unit multiplies by, and which unit the metric must have."""
_UNSIGNED = r"(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?"
_NUMBER = r"[-+]?" + _UNSIGNED
_UNIT = "%|us|ms|s|min|kB|MB|GB"
_BOUND = re.compile(
    rf"\s*(?P<sign>>=|<=|>|<)\s*(?:(?:(?P<factor>{_UNSIGNED})\s*[x×*]\s*)?"
    r"(?P<base>reference|\d+\s*(?:h|d|w|mo|hours?|days?|weeks?|months?)\b)"
    rf"(?:\s*(?P<way>[-+])\s*(?P<apart>{_UNSIGNED})\s*(?P<its>{_UNIT})?)?|(?P<amount>{_NUMBER})\s*(?P<unit>{_UNIT})?)\s*"
)
_ALL = 1000
_ENOUGH = 3
_EXAMPLES = "'> 100ms', '< 0.8', '> 5%', '> reference + 0.02', '> 1.5x reference' or '> 1.2x 7d'"


@dataclass(frozen=True, slots=True)
class Bound:
    """``> amount``, or ``> factor x base + amount``, where base is the reference or the median of a time before the window.

    ``%`` is a hundredth, so that ``> reference + 2%`` of a failure rate is two points more than the reference's.
    """

    sign: str
    amount: float
    factor: float = 1.0
    base: str | None = None
    period: int = 0
    text: str = ""

    @classmethod
    def parse(cls, text: str, unit: str | None = None, where: str = "") -> Self:
        """Read a bound on a metric with this unit.

        Raises
        ------
        InvalidMonitors
            It is none, or has a unit that the metric does not have.

        Examples
        --------
        >>> Bound.parse("> 100ms", "s").amount, Bound.parse("> 1.5x reference").factor
        (0.1, 1.5)
        """
        found = _BOUND.fullmatch(text)
        if found is None:
            raise InvalidMonitors(where, f"{text!r} is no bound such as {_EXAMPLES}.")
        base = found["base"]
        told = (found["apart"] or "0", found["its"]) if base else (found["amount"], found["unit"])
        amount = _amount(*told, unit, where)
        period = 0 if base in {None, "reference"} else length_of(base, where)
        factor = float(found["factor"] or 1)
        amount = -amount if found["way"] == "-" else amount
        return cls(found["sign"], amount, factor, base, period, " ".join(text.split()))

    @property
    def upward(self) -> bool:
        """Whether it is crossed from below."""
        return self.sign.startswith(">")

    def limit(self, history: Sequence[Point]) -> float:
        """Return the number that the last point is held against; NaN where it is not known."""
        if self.base is None:
            return self.amount
        before = history[-1].reference if self.base == "reference" else self._past(history)
        return self.factor * before + self.amount

    def _past(self, history: Sequence[Point]) -> float:
        now = history[-1]
        past = [p.value for p in history[:-1] if p.known and now.start - self.period <= p.start < now.start]
        possible = self.period // max(now.stop - now.start, 1)
        return median(past) if past and len(past) >= min(_ENOUGH, possible) else NAN

    def crossed(self, history: Sequence[Point]) -> bool:
        """Whether the last point crosses it; not where one of both is unknown."""
        return _COMPARE[self.sign](history[-1].value, self.limit(history))

    def words(self, history: Sequence[Point], unit: str | None) -> str:
        """Return the bound as a person says it."""
        limit = said(self.limit(history), unit)
        return f"{limit} ({self.text[len(self.sign) :].strip()})" if self.base else limit


def _amount(number: str, unit: str | None, of: str | None, where: str) -> float:
    scale, needed = _AMOUNTS[unit or ""]
    if (needed is not None and needed != of) or (unit == "%" and of in {"s", "bytes", "rows/s", "J"}):
        has = f"is in {of}" if of not in {None, "share", "sd"} else "has no such unit"
        raise InvalidMonitors(where, f"{number}{unit} does not fit: the metric {has}.")
    return float(number) * scale


@dataclass(frozen=True, slots=True)
class Threshold:
    """Alarms where a bound is crossed, however few the rows and whatever chance does: it spends nothing and promises nothing.

    Choose it where a number is agreed with somebody, such as a latency; for "worse than it was" take ``risk`` or
    ``calibrated``.

    Parameters
    ----------
    metric
        What is judged.
    warning, critical
        At least one of them.
    clear
        Where given, an alarm stands until this bound is met (hysteresis).
    """

    metric: Metric
    warning: Bound | None = None
    critical: Bound | None = None
    clear: Bound | None = None

    spends = False
    pools = 1

    @property
    def looks_back(self) -> int:
        """All there is for ``clear`` and for bounds of a time before, else nothing."""
        bounds = (self.warning, self.critical, self.clear)
        return _ALL if self.clear is not None or any(b is not None and b.period for b in bounds) else 0

    def check(self, history: Sequence[Point], alpha: float) -> tuple[VerdictName, str]:
        """Hold the last point against the bounds; ``alpha`` is not used."""
        unit, value = self.metric.unit, measured(history[-1], self.metric.unit)
        if not history[-1].known:
            return "not enough data", "has no value"
        if not any(math.isfinite(b.limit(history)) for b in (self.warning, self.critical) if b is not None):
            return "not enough data", f"{value}: there is no reference, or no time before, to hold it against"
        verdict, bound = self._crossed(history)
        if bound is not None:
            side = "above" if bound.upward else "below"
            return verdict, f"{value}, {side} {bound.words(history, unit)}"
        if self.clear is not None and self._stands(history):
            return "warning", f"{value}: not yet {self.clear.text}, until when the alarm stands"
        bound = self.warning or self.critical
        assert bound is not None
        return "ok", f"{value}, within {bound.words(history, unit)}"

    def _crossed(self, history: Sequence[Point]) -> tuple[VerdictName, Bound | None]:
        if self.critical is not None and self.critical.crossed(history):
            return "critical", self.critical
        if self.warning is not None and self.warning.crossed(history):
            return "warning", self.warning
        return "ok", None

    def _stands(self, history: Sequence[Point]) -> bool:
        """Whether an earlier window alarmed and none since met ``clear``."""
        assert self.clear is not None
        for end in range(len(history), 0, -1):
            if self.clear.crossed(history[:end]):
                return False
            if self._crossed(history[:end])[1] is not None:
                return True
        return False
