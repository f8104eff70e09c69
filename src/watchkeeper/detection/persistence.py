"""When verdicts of single windows become an alarm, and for how long it stands: M of N, and a refractory time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from watchkeeper.detection.series import Point
from watchkeeper.detection.verdict import VerdictName

Judged = tuple[VerdictName, str]
Judge = Callable[[Sequence[Point]], Judged]
_ALARMS = {"warning", "critical"}


@dataclass(frozen=True, slots=True)
class Persistence:
    """An alarm where at least ``m`` of the last ``n`` windows alarm, which then stands for ``refractory`` microseconds.

    Counting windows, instead of asking for m in a row, finds what is bad most of the time. For the refractory time after the
    last window with an alarm it stays one alarm (a warning), whatever comes: a metric that crosses its bound every other
    window makes one incident, not many. All follows from the history; nothing is kept.

    Parameters
    ----------
    m, n
        Windows; 1 of 1 is every window for itself.
    refractory
        Microseconds, 0 for none.
    """

    m: int = 1
    n: int = 1
    refractory: int = 0

    @property
    def plain(self) -> bool:
        """Whether every window speaks for itself."""
        return self.n == 1 and self.refractory == 0

    def settle(self, history: Sequence[Point], judge: Judge) -> Judged:
        """Return what holds at the last point, given how each window was judged (``judge`` of the history up to it)."""
        now = judge(history)
        if self.plain:
            return now
        raw = {len(history): now}

        def verdict(end: int) -> VerdictName:
            if end not in raw:
                raw[end] = judge(history[:end])
            return raw[end][0]

        standing = self._counted(verdict, len(history))
        if standing in _ALARMS:
            count = sum(verdict(end) in _ALARMS for end in self._ends(len(history)))
            return standing, f"{now[1]} ({count} of the last {self.n} windows)" if self.n > 1 else now[1]
        for end in range(len(history) - 1, 0, -1):
            if history[-1].stop - history[end - 1].stop > self.refractory:
                break
            if self._counted(verdict, end) in _ALARMS:
                return "warning", f"{now[1]}: too soon after the last alarm to call it over"
        return (
            (standing, now[1]) if now[0] not in _ALARMS else (standing, f"{now[1]} (once; {self.m} of {self.n} count)")
        )

    def _ends(self, end: int) -> range:
        return range(max(end - self.n, 0) + 1, end + 1)

    def _counted(self, verdict: Callable[[int], VerdictName], end: int) -> VerdictName:
        found = [verdict(e) for e in self._ends(end)]
        if found.count("critical") >= self.m:
            return "critical"
        if sum(v in _ALARMS for v in found) >= self.m:
            return "warning"
        return "not enough data" if found[-1] == "not enough data" else "ok"
