"""One incident for one cause: what the findings of a sealed window do to it, as a pure function."""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from watchkeeper.detection import watched
from watchkeeper.detection.series import Finding
from watchkeeper.detection.verdict import FEWEST
from watchkeeper.detection.watched import Cause, too_little

CAUSES: tuple[Cause, ...] = ("model", "service", "traffic")
CALM_WINDOWS = 2
"""An incident ends after so many sealed windows in a row in which none of its checks alarms, each with data."""
_SEVERITIES = ("warning", "critical")


@dataclass(frozen=True, slots=True)
class Standing:
    """An incident that is not resolved, as it stands.

    Attributes
    ----------
    seen
        The checks that alarmed in it so far: monitor, metric, column, segment and source of each.
    quiet
        Sealed windows in a row without an alarm.
    """

    severity: str
    seen: frozenset[tuple[str | None, ...]]
    quiet: int


@dataclass(frozen=True, slots=True)
class Step:
    """What a window does to the incident of a cause.

    Attributes
    ----------
    kind
        ``open``, ``escalate`` (it became critical), ``join`` (checks alarm that had not), ``keep`` (it goes on, or cannot be
        said), ``quiet`` (one calm window more), ``resolve``.
    alarms
        What alarms now, worst first.
    """

    cause: Cause
    kind: Literal["open", "escalate", "join", "keep", "quiet", "resolve"]
    severity: str
    alarms: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A column that moved when the incident began: ``effect`` now, ``before`` in the median of earlier windows."""

    column: str
    metric: str
    effect: float
    before: float
    words: str

    @property
    def jump(self) -> float:
        """How much further it lies from the reference than before."""
        return self.effect - self.before


def cause_of(finding: Finding) -> Cause:
    """Return the family of causes that a finding speaks of: the model and its data, the service, or missing traffic."""
    return "traffic" if finding.state == "no data" else watched.cause_of(finding.metric)


def identity(finding: Finding) -> tuple[str | None, ...]:
    """Return what tells a check from the others."""
    return finding.monitor, finding.metric, finding.column, finding.segment, finding.source


def react(standing: Mapping[Cause, Standing], findings: Sequence[Finding], opening: Collection[str]) -> list[Step]:
    """Return what a window does to each cause's incident; nothing for causes that have none and do not alarm.

    A window without data neither alarms for the model nor lets its incident end: silence is no recovery. The same holds where
    what alarmed waits for its labels, or has too few rows to be judged by, while other checks are fine.

    Parameters
    ----------
    findings
        All of one window.
    opening
        The monitors whose findings open incidents; those of the others are evidence.
    """
    steps = []
    for cause in CAUSES:
        mine = [f for f in findings if f.monitor in opening and cause_of(f) == cause]
        held = standing.get(cause)
        alarms = tuple(sorted((f for f in mine if f.alarming), key=_weight, reverse=True))
        if alarms:
            steps.append(_alarming(cause, held, alarms))
        elif held is not None:
            again = [f for f in findings if f.monitor in opening and identity(f) in held.seen]
            steps.append(_calm(cause, held, again or mine))
    return steps


def _alarming(cause: Cause, standing: Standing | None, alarms: tuple[Finding, ...]) -> Step:
    severity = alarms[0].verdict
    if standing is None:
        return Step(cause, "open", severity, alarms)
    if _SEVERITIES.index(severity) > _SEVERITIES.index(standing.severity):
        return Step(cause, "escalate", severity, alarms)
    new = {identity(f) for f in alarms} - standing.seen
    return Step(cause, "join" if new else "keep", standing.severity, alarms)


def _calm(cause: Cause, standing: Standing, findings: Sequence[Finding]) -> Step:
    """Return what a window does in which nothing alarms, given what alarmed before as it is judged now."""
    if not any(map(_has_traffic if cause == "traffic" else _says_something, findings)):
        return Step(cause, "keep", standing.severity, ())
    return Step(cause, "resolve" if standing.quiet + 1 >= CALM_WINDOWS else "quiet", standing.severity, ())


def _says_something(finding: Finding) -> bool:
    few = (finding.point.n or finding.point.rows) < FEWEST or bool(too_little(finding.metric, [finding.point]))
    return finding.state == "data" and (finding.verdict == "ok" or not few)


def _has_traffic(finding: Finding) -> bool:
    return bool(finding.point.rows or finding.point.n)


def _weight(finding: Finding) -> tuple[int, bool, float]:
    """Return what puts the worst first: severity, then what is of all rows, then the smallest p-value."""
    p_value = finding.point.p_value
    return _SEVERITIES.index(finding.verdict), finding.segment is None, -1.0 if math.isnan(p_value) else -p_value


def explain(
    evidence: Sequence[Finding], earlier: Mapping[tuple[str | None, ...], Sequence[float]], most: int = 8
) -> list[Explanation]:
    """Return the columns that moved when the incident began, those that moved most first.

    What lay far from the reference long before (a season, a trend) explains nothing that begins now: columns are ranked by how
    much their effect, in multiples of its floor, exceeds the median of ``earlier`` windows. One that lay beyond its floor
    already must have moved by as much again, which chance alone does not.

    Parameters
    ----------
    evidence
        Findings about columns that alarm in the window.
    earlier
        Effects of the same checks in sealed windows before, by :func:`identity`.
    """
    found: dict[str, Explanation] = {}
    for finding in evidence:
        effect = finding.point.effect
        if finding.column is None or finding.verdict not in _SEVERITIES or math.isnan(effect):
            continue
        known = [e for e in earlier.get(identity(finding), ()) if not math.isnan(e)]
        floor = _floor(finding.metric)
        made = Explanation(
            finding.column,
            finding.metric,
            effect / floor,
            statistics.median(known) / floor if known else 0.0,
            finding.words,
        )
        if finding.column not in found or made.jump > found[finding.column].jump:
            found[finding.column] = made
    ranked = sorted(found.values(), key=lambda e: (-e.jump, e.column))
    return [e for e in ranked if e.jump > (1.0 if e.before > 1.0 else 0.0)][:most]


def _floor(metric: str) -> float:
    known = watched.METRICS.get(metric)
    return (known.floor if known is not None else None) or 1.0
