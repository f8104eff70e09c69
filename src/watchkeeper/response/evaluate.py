"""Monitors evaluated on one sealed window: every check with its part of the budget, its verdict, and words for a person."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from watchkeeper.detection.budget import EVIDENCE, shares
from watchkeeper.detection.persistence import Judged
from watchkeeper.detection.saying import measured
from watchkeeper.detection.series import Finding, Point, SeriesKey, State
from watchkeeper.detection.verdict import VerdictName
from watchkeeper.detection.watched import PERFORMANCE, Role, too_little
from watchkeeper.metrics.names import DRIFT
from watchkeeper.response.monitor import Monitor
from watchkeeper.response.monitors import Monitors
from watchkeeper.window import Window, microseconds

History = Callable[[SeriesKey], Sequence[Point]]
_LATE = 0.5
"""Labels are late where coverage is below this part of what is usual at a seal."""
_USUAL = 28
_FEWEST_USUAL = 3
_OTHERS = {"__other__": "all others", "__missing__": "no value"}


@dataclass(frozen=True, slots=True)
class _Check:
    """A monitor on one series, with the point of the window; one without a value where the series has none."""

    monitor: Monitor
    key: SeriesKey
    point: Point

    @property
    def realised(self) -> bool:
        """Whether it needs labels."""
        return self.key.metric in PERFORMANCE and self.key.source == "realised"


def evaluate(
    monitors: Monitors, window: Window, latest: Mapping[SeriesKey, Point], history: History, share: float = 1.0
) -> list[Finding]:
    """Return what every check of every monitor says of a sealed window.

    The checks that may open an incident spend together what the budget gives the window, times the model's ``share`` of it;
    those of role evidence spend 5 % among themselves. What a person stated as a bound spends nothing.

    Parameters
    ----------
    monitors
        The file.
    window
        The one that was sealed.
    latest
        Its measurements; empty where it has no rows.
    history
        Returns the sealed windows of a series before this one, oldest first; asked only where a detector looks back.
    share
        Of the project's budget, 0 to 1.

    Returns
    -------
    At least one finding for each monitor, in the order of the file.
    """
    start, stop = microseconds(window.start), microseconds(window.end)
    empty = Point(start, stop, rows=max((p.rows or p.n for p in latest.values()), default=0))
    checks = [check for monitor in monitors.monitors for check in _checks(monitor, latest, empty)]
    whole = {"incident": monitors.budget.per_window(monitors.every_microseconds) * share, "evidence": EVIDENCE}
    alphas = _alphas(checks, "incident", whole["incident"]) | _alphas(checks, "evidence", whole["evidence"])
    return [_find(check, alphas.get(number, 0.0), history) for number, check in enumerate(checks)]


def _alphas(checks: Sequence[_Check], role: Role, whole: float) -> dict[int, float]:
    """Return by its place what each check of a role may spend, of those that spend."""
    paying = [(n, c) for n, c in enumerate(checks) if c.monitor.role == role and c.monitor.detector.spends]
    parts = shares(whole, [(c.monitor.name, c.key.segment is not None) for _, c in paying])
    return {n: part for (n, _), part in zip(paying, parts, strict=True)}


def _checks(monitor: Monitor, latest: Mapping[SeriesKey, Point], empty: Point) -> list[_Check]:
    """Return the checks of a monitor: all rows or each column, then each segment that has rows."""
    name, source = monitor.metric.name, monitor.source
    if monitor.columns is None:
        keys = [SeriesKey(name, None, None, source)]
    elif monitor.columns == "all":
        found = sorted(k.column for k in latest if k.metric == name and k.column is not None and k.segment is None)
        keys = [SeriesKey(name, column, None, source) for column in found] or [SeriesKey(name, None, None, source)]
    else:
        keys = [SeriesKey(name, column, None, source) for column in monitor.columns]
    keys += sorted(
        (k for k in latest if (k.metric, k.source) == (name, source) and _column_of(k.segment) in monitor.segments),
        key=lambda k: str(k.segment),
    )
    return [_Check(monitor, key, _with_evidence(key, latest, latest.get(key, empty))) for key in keys]


def _column_of(segment: str | None) -> str | None:
    return None if segment is None else segment.split("=", 1)[0]


def _with_evidence(key: SeriesKey, latest: Mapping[SeriesKey, Point], point: Point) -> Point:
    """Return a distance with the p-value of its column, which is one test of the distribution whatever distance is shown."""
    if key.metric not in DRIFT or not point.known or not math.isnan(point.p_value):
        return point
    others = (latest.get(key._replace(metric=name)) for name in DRIFT)
    p_value = next((p.p_value for p in others if p is not None and not math.isnan(p.p_value)), math.nan)
    return replace(point, p_value=p_value, effect=point.value)


def _find(check: _Check, alpha: float, history: History) -> Finding:
    monitor, key = check.monitor, check.key
    looks = monitor.detector.looks_back > 0 or not monitor.detect.persistence.plain or check.realised
    past = [p for p in history(key) if p.start < check.point.start] if looks else []
    state = _state(check, past)
    verdict, words = _judged(check, alpha, past) if state == "data" else _without(check, state, past)
    text = f"{_subject(check)} {words}"
    return Finding(monitor.name, *key, verdict=verdict, state=state, point=check.point, alpha=alpha, words=text)


def _judged(check: _Check, alpha: float, past: Sequence[Point]) -> Judged:
    """Judge a point with the detector: not below the rows that are asked for, nor, unless a person stated the bound, where
    the interval rests on too little."""
    detector, least, metric = check.monitor.detector, check.monitor.least_rows, check.monitor.metric

    def judge(history: Sequence[Point]) -> Judged:
        point = history[-1]
        rows = point.n or point.rows
        if rows < least:
            return "not enough data", f"{measured(point, metric.unit)}: {rows} rows, {least} are needed"
        scant = too_little(metric.name, history[-detector.pools :]) if detector.spends else ""
        if scant:
            return "not enough data", f"about {measured(point, metric.unit)}: {scant}"
        return detector.check(history, alpha)

    return check.monitor.detect.persistence.settle([*past, check.point], judge)


def _state(check: _Check, past: Sequence[Point]) -> State:
    """Return whether there is something to judge: rows, and for what needs labels about as many labels as usual."""
    point = check.point
    if point.rows == 0 and point.n == 0:
        return "no data"
    if check.realised and (not point.known or point.coverage < _LATE * _usual_coverage(past)):
        return "late data"
    return "data" if point.known else "no data"


def _usual_coverage(past: Sequence[Point]) -> float:
    """Return the median coverage of sealed windows; 0 while too few are known to say what is usual."""
    known = [p.coverage for p in past[-_USUAL:] if math.isfinite(p.coverage)]
    return median(known) if len(known) >= _FEWEST_USUAL else 0.0


def _without(check: _Check, state: State, past: Sequence[Point]) -> Judged:
    """Return the verdict on a window that has nothing to judge."""
    point = check.point
    if state == "late data":
        coverage, usual = 100 * point.coverage, 100 * _usual_coverage(past)
        known = (
            f"{coverage:.0f} % of rows have a label, {usual:.0f} % is usual"
            if math.isfinite(coverage)
            else "none has come"
        )
        return "not enough data", f"waits for labels: {known}"
    if point.rows or point.n:
        return "not enough data", "was not measured in this window"
    answers: dict[str, VerdictName] = {"ok": "ok", "warning": "warning", "critical": "critical"}
    return answers.get(check.monitor.no_data, "not enough data"), "has no data: the window has no rows"


def _subject(check: _Check) -> str:
    """Return what is spoken of: the metric, its column or segment."""
    key, title = check.key, check.monitor.metric.title
    if key.column is not None:
        return f"{title} of {key.column}"
    if key.segment is not None:
        column, _, value = key.segment.partition("=")
        title = f"{title} for {column} {_OTHERS.get(value, value)}"
    return f"{title}, estimated without labels," if key.source == "estimated" else title
